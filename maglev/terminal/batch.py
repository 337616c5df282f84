"""Runs commands without a person at a prompt: ``ssh host show frontends``, ``maglevc < script``.

There is no prompt and no echo, output ends its lines with a plain newline and errors go to stderr. A script goes on
after an error; its status is that of the last command that failed, or 0.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred

from maglev.commands.language.environment import ExitStatus
from maglev.runtime.tasks import Tasks
from maglev.terminal.keys import KeyDecoder
from maglev.terminal.limits import LINE_LENGTH
from maglev.terminal.screen import safe
from maglev.terminal.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from maglev.terminal.session import SessionContext
    from maglev.terminal.stream import IStream, Opening, Window

COMMENTS: Final = ("!", "#")
"""Characters that begin a comment in a script; routers write ``!``, people ``#``."""


class ScriptLines:
    """Splits piped input into lines. The stream bounds what this keeps, except for one more line."""

    def __init__(self) -> None:
        self._ready: deque[bytes] = deque()
        self._partial = b""
        self._ended = False
        self._skipping = False
        self._size = 0

    def __len__(self) -> int:
        """Return the number of bytes kept."""
        return self._size + len(self._partial)

    @property
    def finished(self) -> bool:
        """Whether no line is left, and none will come."""
        return self._ended and not self._ready

    def feed(self, data: bytes) -> None:
        """Add input."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._add(line)
        # A line without an end: its beginning counts as a line that is too long, and the rest is dropped.
        if len(self._partial) > 4 * LINE_LENGTH:
            self._add(self._partial)
            self._partial = b""
            self._skipping = True

    def end(self) -> None:
        """Finish the last line, which needs no newline."""
        self._ended = True
        if self._partial:
            self._add(self._partial)
            self._partial = b""

    def next(self) -> str | None:
        """Return the next line, or None if there is none yet."""
        if not self._ready:
            return None
        line = self._ready.popleft()
        self._size -= len(line)
        return line.rstrip(b"\r").decode("utf-8", "backslashreplace")

    def _add(self, line: bytes) -> None:
        if self._skipping:
            self._skipping = False
        else:
            self._ready.append(line)
            self._size += len(line)


class BatchRunner:
    """Runs commands one after the other, as `maglev.terminal.stream.IRunner`, and is their `Environment`."""

    def __init__(self, context: SessionContext, stream: IStream, opening: Opening) -> None:
        """Create a runner; `start` begins to run commands.

        Args:
            context: The context of the session.
            stream: The stream of the session.
            opening: The command; without one, a script is read from the stream.
        """
        self._stream = stream
        self._opening = opening
        self._window = opening.window
        self._decoder = KeyDecoder()
        self._lines = ScriptLines()
        self._more: Deferred[None] | None = None
        self._task: Deferred[ExitStatus] | None = None
        self._tasks = Tasks()
        self._status = ExitStatus.OK
        self._stopped = ExitStatus.OK
        self._stop_on_key = False
        self._over = False
        self._session = Session(context, self)

    # Called by the stream

    def start(self) -> None:
        """Start running commands."""
        if self._opening.command is not None:
            self._lines.feed(self._opening.command)
            self._lines.end()
        self._tasks.start(self._work())

    def data_received(self, data: bytes) -> None:
        """Take a piece of the script, or a key that ends a command on a terminal; a command has no input."""
        self._session.touch()
        if self._opening.command is None:
            self._lines.feed(data)
            self._wake()
            return
        self._stream.consumed()
        if self._window is not None:
            for key in self._decoder.feed(data):
                if self._stop_on_key or key.name == "ctrl-c":
                    self._stop()

    def eof_received(self) -> None:
        """Run the remaining lines, then end. A single command is not affected: its stdin may well be empty."""
        if self._opening.command is None:
            self._lines.end()
            self._wake()

    def resized(self, window: Window) -> None:
        """Use the new width."""
        self._window = window

    def interrupt(self) -> None:
        """End the command, and the script with it."""
        self._stop()

    def dismiss(self, words: str) -> None:
        """End, with a message that says why."""
        self.write_error(f"% {words}\n")
        self._stream.finish(ExitStatus.FAILED)

    def closed(self) -> None:
        """Release everything."""
        self._over = True
        self._tasks.cancel()
        self._session.end()

    # Running

    async def _work(self) -> None:
        while not self._over:
            line = self._lines.next()
            self._stream.consumed(len(self._lines))
            if line is None:
                if self._lines.finished:
                    break
                await self._wait()
            elif line.strip() and not line.lstrip().startswith(COMMENTS):
                status = await self._run(line)
                self._status = status or self._status
                # Commands may finish at once; a script with thousands of them still gives others a turn.
                await self._stream.drain()
        self._stream.finish(self._status)

    async def _run(self, line: str) -> ExitStatus:
        self._task = Deferred.fromCoroutine(self._session.run(line))
        try:
            return await self._task
        except CancelledError:
            self._over = True
            return self._stopped
        finally:
            self._task = None
            self._stop_on_key = False

    def _stop(self) -> None:
        # A key is the usual end of a command that waits for one.
        self._stopped = ExitStatus.OK if self._stop_on_key else ExitStatus.FAILED
        if self._task is not None:
            self._task.cancel()

    async def _wait(self) -> None:
        self._more = Deferred()
        await self._more

    def _wake(self) -> None:
        if self._more is not None:
            more, self._more = self._more, None
            more.callback(None)

    # The environment of commands

    @property
    def prompt_width(self) -> int | None:
        """There is no prompt."""
        return None

    @property
    def terminal(self) -> bool:
        """Whether output goes to a terminal (``ssh -t``)."""
        return self._window is not None

    @property
    def colour(self) -> bool:
        """Whether output may contain colours: on terminals, unless requested or refused explicitly."""
        return self._opening.colour

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._window.columns if self._window is not None else 80

    def write(self, text: str) -> None:
        """Write to stdout."""
        self._stream.write(_encoded(text))

    def write_error(self, text: str) -> None:
        """Write to stderr."""
        self._stream.write(_encoded(text), error=True)

    def drain(self) -> Awaitable[None]:
        """Wait for the other end to read."""
        return self._stream.drain()

    def set_stop_on_key(self, on: bool) -> None:  # noqa: FBT001
        """From now on any key ends the command, on a terminal."""
        self._stop_on_key = on

    def set_monitor(self, on: bool) -> None:  # noqa: FBT001
        """Do nothing: events need an input line to appear above, so commands refuse to switch them on."""

    def set_length(self, rows: int) -> None:
        """Do nothing: output is never held back here."""

    def set_width(self, columns: int) -> None:
        """Do nothing: scripts read whole lines."""

    def history(self) -> Sequence[str]:
        """Return nothing: no lines are typed here."""
        return ()

    def close(self) -> None:
        """End after this command."""
        self._over = True


def _encoded(text: str) -> bytes:
    return safe(text).encode("utf-8", "replace")
