"""The terminal that maglevc was started on: its size, and the modes in which every key comes at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
from typing import TYPE_CHECKING, Any, Self

from maglev.terminal.screen import PASTE_OFF
from maglev.terminal.stream import Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from maglev.terminal.shell import Shell


def window_of(descriptor: int) -> Window:
    """Return the size of the terminal that a descriptor leads to; the usual one if it does not say."""
    try:
        return Window.guarded(*os.get_terminal_size(descriptor))
    except OSError:
        return Window()


class LocalTty:
    """The tty in raw mode except for output; a context manager that restores the modes.

    ^C and ^Z are keys. The kernel still turns a newline into CR LF, so that anything else that is written (a traceback)
    can be read.
    """

    def __init__(self, reactor: Any, source: int, target: int, shell: Shell, *, bracketed_paste: bool) -> None:
        """Prepare to serve a shell.

        Args:
            reactor: The reactor.
            source: The descriptor that keys come from.
            target: The one that output goes to.
            shell: Notified on signals: another size, ^C by ``kill``, and continuing after a stop.
            bracketed_paste: Whether the shell has asked the terminal to mark what is pasted.
        """
        self._reactor = reactor
        self._source = source
        self._target = target
        self._shell = shell
        self._bracketed_paste = bracketed_paste
        self._saved: list[Any] = []
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Set the modes."""
        self._saved = termios.tcgetattr(self._source)
        for number, call in (
            (signal.SIGWINCH, self._resized),
            (signal.SIGCONT, self._resumed),
            (signal.SIGINT, self._shell.interrupt),
        ):
            self._handlers[number] = signal.signal(number, self._handler(call))
        self._set_modes()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the modes; after an error or a signal, the shell has not left its line."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if kind is not None:
            self._leave_line()
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._source, termios.TCSANOW, self._saved)

    def _handler(self, call: Callable[[], None]) -> Callable[[int, object], None]:
        return lambda *_: self._reactor.callFromThread(call)

    def _set_modes(self) -> None:
        source, target, control, local, *speeds, characters = self._saved
        source &= ~(
            termios.BRKINT | termios.ICRNL | termios.IGNCR | termios.INLCR | termios.INPCK | termios.ISTRIP
            | termios.IXON
        )  # fmt: skip
        target |= termios.OPOST | termios.ONLCR
        local &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN | termios.ISIG)
        characters = [*characters]
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        modes = [source, target, control, local, *speeds, characters]
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(self._source, termios.TCSANOW, modes)

    def _resized(self) -> None:
        self._shell.resized(window_of(self._target))

    def _resumed(self) -> None:
        self._set_modes()
        self._shell.resumed(window_of(self._target))

    def _leave_line(self) -> None:
        poll = select.poll()
        poll.register(self._target, select.POLLOUT)
        # A terminal that takes nothing must not keep the program from ending.
        if poll.poll(0):
            with contextlib.suppress(OSError):
                os.write(self._target, f"{PASTE_OFF}\n".encode() if self._bracketed_paste else b"\n")
