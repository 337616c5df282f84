"""The seam between a session and its transport: a channel of SSH, or the standard streams of a program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from maglev.model.caller import Caller

MAX_SIDE: Final = 1000
"""Maximum of columns and rows: a wall of screens. A client may send any 32-bit number, even 0."""

DEFAULT_COLUMNS: Final = 80
DEFAULT_ROWS: Final = 24

_DUMB: Final = frozenset({b"", b"dumb", b"unknown"})


@attrs.frozen
class Window:
    """The size of a terminal, guarded: both sides are at least 1.

    Attributes:
        columns: Its width.
        rows: Its height.
    """

    columns: int = DEFAULT_COLUMNS
    rows: int = DEFAULT_ROWS

    @classmethod
    def guarded(cls, columns: int, rows: int) -> Window:
        """Return a usable size; 0 means that the other end does not know."""
        return cls(min(columns, MAX_SIDE) or DEFAULT_COLUMNS, min(rows, MAX_SIDE) or DEFAULT_ROWS)


@attrs.frozen
class Opening:
    """The parameters with which a session was opened.

    Attributes:
        caller: The user who opened it.
        command: Commands to run, one a line; None reads them from the stream.
        window: The terminal; None without one.
        term: Type of the terminal, such as ``xterm-256color``; not to be trusted.
        use_colour: Whether to use colours; None uses them on a terminal that has them.
    """

    caller: Caller
    command: bytes | None = None
    window: Window | None = None
    term: bytes = b""
    use_colour: bool | None = None

    @property
    def dumb(self) -> bool:
        """Whether the terminal knows no escape sequences."""
        return self.term in _DUMB

    @property
    def colour(self) -> bool:
        """Whether output may contain colours."""
        return self.window is not None and not self.dumb if self.use_colour is None else self.use_colour


class IStream(Protocol):
    r"""The transport of one session's bytes.

    Lines end with ``\n``; where a terminal needs ``\r\n``, the stream adds the rest, as a tty does.
    """

    def write(self, data: bytes, *, error: bool = False) -> None:
        """Send output in order, to stderr if that exists and `error` is set; harmless once the session has ended."""

    def drain(self) -> Awaitable[None]:
        """Wait until there is room for more, and at least for another turn of the reactor."""

    def consumed(self, kept: int = 0) -> None:
        """Let the other end send more.

        Args:
            kept: Bytes that were received and still take up room.
        """

    def finish(self, status: int) -> None:
        """End with an exit status, once everything written has been sent."""


class IRunner(Protocol):
    """The program that runs in a session; called by its stream."""

    def start(self) -> None:
        """Begin; called once, before anything else."""

    def data_received(self, data: bytes) -> None:
        """Take what was typed or piped in."""

    def eof_received(self) -> None:
        """Finish: no more data comes."""

    def resized(self, window: Window) -> None:
        """Go on with a terminal of another size."""

    def interrupt(self) -> None:
        """End what is being done, as ^C does."""

    def dismiss(self, words: str) -> None:
        """End, and say why."""

    def closed(self) -> None:
        """Let go of everything: the stream is gone. Called once, also after the runner has ended it itself."""
