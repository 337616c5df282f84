"""Commands without a person at a prompt: ``ssh host show frontends``, ``maglevc < script``.

There is no prompt and no echo, output ends its lines with a plain newline and errors go to stderr. A script goes on
after an error; its status is that of the last command that failed, or 0.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred

from maglev.commands.environment import ExitStatus
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
"""What a line of a script begins with that is for the reader only; routers write ``!``, people ``#``."""


class ScriptLines:
    """Cuts what is piped in into lines. The stream bounds what it keeps, but for one line more."""

    def __init__(self) -> None:
        self._ready: deque[bytes] = deque()
        self._partial = b""
        self._ended = False
        self._skipping = False
        self._size = 0

    def __len__(self) -> int:
        """Return how many bytes are kept."""
        return self._size + len(self._partial)

    @property
    def finished(self) -> bool:
        """Whether there is no line left, and none will come."""
        return self._ended and not self._ready

    def feed(self, data: bytes) -> None:
        """Take what comes."""
        *lines, self._partial = (self._partial + data).split(b"\n")
        for line in lines:
            self._add(line)
        # A line that does not end: its beginning is a line that is too long, the rest is dropped.
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
        """Prepare to run.

        Args:
            context: What the session works with.
            stream: Where the bytes go.
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

    # What the stream calls

    def start(self) -> None:
        """Begin to run commands."""
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
        """Run what is there, then end. A command ends by itself: its stdin may well be empty."""
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
        """End, and say why."""
        self.write_error(f"% {words}\n")
        self._stream.finish(ExitStatus.FAILED)

    def closed(self) -> None:
        """Let go of everything."""
        self._over = True
        self._tasks.cancel()
        self._session.end()

    # What runs

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
                # Commands may be done at once; a script of thousands still leaves everybody a turn.
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

    # What commands ask of their surroundings

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
        """Colours are for terminals, unless somebody wants them elsewhere."""
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
        """There is no line being typed that events could appear above; commands know that and refuse."""

    def set_length(self, rows: int) -> None:
        """Nothing is ever held back here."""

    def history(self) -> Sequence[str]:
        """Nothing was typed."""
        return ()

    def close(self) -> None:
        """End after this command."""
        self._over = True


def _encoded(text: str) -> bytes:
    return safe(text).encode("utf-8", "replace")
