"""The interactive ``maglevc``: a prompt with line editing, completion from live names, and help at ``?``.

prompt_toolkit runs on the event loop of asyncio, which is also the reactor here. The screen is its business while a
line is typed. While a command runs, the terminal is as usual: ^C is a signal, and what is typed ahead is kept by the
terminal. Only where any key ends a command (``watch``) or turns a page, keys are read directly.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from twisted.internet.defer import CancelledError, Deferred

from maglev.commands.environment import ExitStatus
from maglev.commands.session import CommandSession
from maglev.maglevc.batch import columns, complain
from maglev.maglevc.pages import MORE, Pages
from maglev.maglevc.streams import Outlet
from maglev.model.caller import Role
from maglev.model.errors import MaglevError
from maglev.runtime.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_toolkit.buffer import Buffer
    from prompt_toolkit.key_binding.key_processor import KeyPressEvent

    from maglev.rpc.client.control import Client

PROMPTS: Final = {Role.OPERATOR: "maglev# ", Role.VIEWER: "maglev> "}
"""As in the SSH console."""

ROWS: Final = 24
"""Rows of a terminal that does not say how many it has."""


class AnotherLineError(Exception):
    """The person gave up the line that they were typing (^C)."""


class Shell:
    """A person at a prompt; and the `maglev.commands.environment.Environment` of their commands.

    Attributes:
        terminal: There is always one.
        colour: Whether output may contain colours.
    """

    terminal: Final = True

    def __init__(self, reactor: Any, client: Client, *, colour: bool | None) -> None:
        """Prepare a session.

        Args:
            reactor: The reactor, on asyncio.
            client: The daemon.
            colour: Whether to use colours; None uses them.
        """
        self.colour = colour is not False
        self._reactor = reactor
        self._client = client
        self._session = CommandSession(client, self)
        self._outlet = Outlet(reactor, sys.stdout.fileno())
        self._text = PROMPTS[client.caller.role]
        self._lines = InMemoryHistory()
        self._pages = Pages()
        self._length: int | None = None
        self._closed = False
        self._task: Deferred[ExitStatus] | None = None
        self._keys: NextKey | None = None
        self._monitor: Deferred[None] | None = None
        self._tasks = Tasks()
        self._prompt: PromptSession[str] = PromptSession(
            self._text, history=self._lines, key_bindings=self._bindings(), complete_while_typing=False
        )

    async def run(self) -> int:
        """Read and run lines until the person or the daemon has enough; return the exit status."""
        self._client.when_lost().addCallback(self._connection_lost)
        try:
            while not self._closed and (line := await self._read()) is not None:
                # What is pasted can have several.
                for each in line.splitlines():
                    if not self._closed:
                        await self._run(each)
        finally:
            self.set_monitor(False)
            self._tasks.cancel()
        if self._client.connected:
            return ExitStatus.OK
        complain("% the connection to maglevd is lost\n")
        return ExitStatus.FAILED

    # Lines

    async def _read(self) -> str | None:
        """Return the next line, or None at the end (^D)."""
        while True:
            try:
                line: str = await _of_asyncio(self._prompt.prompt_async())
            except AnotherLineError:
                continue
            except EOFError:
                return None
            return line

    async def _run(self, line: str) -> None:
        self._pages.begin(_rows() if self._length is None else self._length)
        before = signal.signal(signal.SIGINT, lambda *_: self._reactor.callFromThread(self._stop))
        self._task = Deferred.fromCoroutine(self._session.run(line))
        try:
            await self._task
        except CancelledError:
            self._outlet.discard()
        finally:
            self._task = None
            signal.signal(signal.SIGINT, before)

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _connection_lost(self, _: object) -> None:
        self._closed = True
        if self._prompt.app.is_running:
            self._prompt.app.exit(exception=EOFError)

    # Keys while a line is typed

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        bindings.add("?")(lambda event: self._tasks.start(self._help(event.current_buffer)))
        bindings.add("tab")(lambda event: self._tasks.start(self._complete(event.current_buffer)))
        bindings.add("c-c")(_give_up)
        bindings.add("<sigint>")(_give_up)
        bindings.add("c-v")(_take_literally)
        return bindings

    async def _help(self, buffer: Buffer) -> None:
        document = buffer.document
        await self._show_below(document.text, await self._session.help(document.text, document.cursor_position))

    async def _complete(self, buffer: Buffer) -> None:
        document = buffer.document
        found = await self._session.complete(document.text, document.cursor_position)
        if buffer.document != document:
            return  # the person has typed on
        if found.insert:
            buffer.insert_text(found.insert)
        elif found.choices:
            await self._show_below(document.text, self._session.listing(found.choices, more=found.more))

    async def _show_below(self, line: str, text: str) -> None:
        """Show something below the line, which appears again below that."""
        await _of_asyncio(run_in_terminal(lambda: _write(f"{self._text}{line}\n{text}")))

    # What commands ask of their surroundings

    @property
    def prompt_width(self) -> int | None:
        """Columns before the line."""
        return len(self._text)

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return columns()

    def write(self, text: str) -> None:
        """Take output."""
        self._pages.take(text)

    def write_error(self, text: str) -> None:
        """Write errors: a line or two, on the same terminal."""
        complain(text)

    async def drain(self) -> None:
        """Show what may be shown, and wait for the person in front of ``--More--``."""
        while True:
            self._outlet.write("".join(self._pages.lines(self.width)))
            await self._outlet.drain()
            if not self._pages.waiting:
                return
            await self._ask_for_more()

    async def _ask_for_more(self) -> None:
        self._outlet.write(MORE)
        await self._outlet.drain()
        pressed: Deferred[str] = Deferred()
        key = NextKey(pressed.callback)
        try:
            name = await pressed
        finally:
            key.close()
            _write(f"\r{' ' * len(MORE)}\r")
        if not self._pages.press(name):
            raise CancelledError

    def set_stop_on_key(self, on: bool) -> None:  # noqa: FBT001
        """From now on any key ends the command."""
        if self._keys is not None:
            self._keys.close()
        self._keys = NextKey(lambda _: self._stop()) if on else None

    def set_monitor(self, on: bool) -> None:  # noqa: FBT001
        """Begin or end to show events above the line being typed."""
        if on and self._monitor is None:
            self._monitor = Deferred.fromCoroutine(self._show_events())
            self._monitor.addErrback(lambda failure: failure.trap(CancelledError, MaglevError))
        elif not on and self._monitor is not None:
            self._monitor.cancel()
            self._monitor = None

    async def _show_events(self) -> None:
        watch = await self._client.watch()
        try:
            while events := await watch.next():
                text = "".join(self._session.event_text(each) for each in events if each["type"] != "snapshot")
                await _of_asyncio(run_in_terminal(functools.partial(_write, text)))
        finally:
            watch.close()

    def set_length(self, rows: int) -> None:
        """Stop after so many lines."""
        self._length = rows

    def history(self) -> Sequence[str]:
        """Return the lines typed before, oldest first."""
        return self._lines.get_strings()

    def close(self) -> None:
        """End the session after this command."""
        self._closed = True


class NextKey:
    """Waits for one key, with the terminal in a mode in which keys come at once."""

    def __init__(self, pressed: Callable[[str], object]) -> None:
        """Wait.

        Args:
            pressed: Called once with the name of the key, as prompt_toolkit has it.
        """
        self._pressed = pressed
        self._source = create_input()
        self._modes = ExitStack()
        self._modes.enter_context(self._source.raw_mode())
        self._modes.enter_context(self._source.attach(self._ready))

    def close(self) -> None:
        """Wait no more; harmless to repeat."""
        self._modes.close()

    def _ready(self) -> None:
        keys = self._source.read_keys() or self._source.flush_keys()
        if keys:
            self.close()
            key = keys[0].key
            self._pressed(key.value if isinstance(key, Keys) else key)


def _give_up(event: KeyPressEvent) -> None:
    event.app.exit(exception=AnotherLineError, style="class:aborting")


def _take_literally(event: KeyPressEvent) -> None:
    event.app.quoted_insert = True


def _of_asyncio(work: Any) -> Deferred[Any]:
    """Return a Deferred for what asyncio will do."""
    return Deferred.fromFuture(asyncio.ensure_future(work))


def _rows() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).lines or ROWS
    except OSError:
        return ROWS


def _write(text: str) -> None:
    os.write(sys.stdout.fileno(), text.encode("utf-8", "backslashreplace"))
