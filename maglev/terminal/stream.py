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

_DUMB: Final = frozenset({b"", b"dumb", b"unknown", b"network", b"dialup", b"emacs"})
"""Terminals that say that they know nothing, as those of expect scripts, RANCID (``network``) and Emacs. Any other name
stands for one that knows ECMA-48: all made in this century do, and no database has all of their names."""

_PLAIN: Final = b"vt"
"""How the names of DEC's terminals begin, which have neither colours nor bracketed paste. Paramiko, and so Netmiko, and
Oxidized call themselves ``vt100``, and read what they get as text."""


@attrs.frozen
class Window:
    """The size of a terminal, guarded.

    Attributes:
        columns: Its width, at least 1.
        rows: Its height; 0 if that is not known, so that there are no pages.
    """

    columns: int = DEFAULT_COLUMNS
    rows: int = DEFAULT_ROWS

    @classmethod
    def guarded(cls, columns: int, rows: int) -> Window:
        """Return a usable size; 0 means that the other end does not know (RFC 4254, 6.2).

        Programs that run ``ssh`` without a terminal of their own give 0: nobody would answer ``--More--``.
        """
        return cls(min(columns, MAX_SIDE) or DEFAULT_COLUMNS, min(rows, MAX_SIDE))


@attrs.frozen
class Opening:
    """The parameters with which a session was opened.

    Attributes:
        caller: The user who opened it.
        command: Commands to run, one per line; None reads them from the stream.
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
        return self.window is not None and not self._textual if self.use_colour is None else self.use_colour

    @property
    def bracketed_paste(self) -> bool:
        """Whether the terminal may be asked to mark what is pasted."""
        return not self._textual

    @property
    def _textual(self) -> bool:
        return self.dumb or self.term.startswith(_PLAIN)


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
        """Release everything: the stream is gone. Called once, also after the runner has ended it itself."""
