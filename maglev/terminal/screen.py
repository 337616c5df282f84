"""Encodes text into bytes for a terminal or a pipe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maglev.terminal.stream import IStream

_UNSAFE: Final = re.compile(r"\x1b(?!\[[0-9;]{0,32}m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
"""Control characters other than TAB and newline, and any escape sequence that does not set a colour."""

BELL: Final = "\a"
CLEAR_SCREEN: Final = "\x1b[H\x1b[2J"
PASTE_ON: Final = "\x1b[?2004h"
PASTE_OFF: Final = "\x1b[?2004l"


def safe(text: str) -> str:
    """Return output of a command without anything that could do more than show text.

    The command tree escapes text from outside; this is the second line of defence, on the terminal's side.
    """
    return _UNSAFE.sub("?", text)


class Screen:
    """Collects output and sends it at once: one packet per key, not ten."""

    def __init__(self, stream: IStream) -> None:
        self._stream = stream
        self._parts: list[str] = []
        self._bell = False

    def ring(self) -> None:
        """Ring the bell, once for all that is sent together."""
        self._bell = True

    def put(self, text: str) -> None:
        r"""Show text of ours, escape sequences included; ``\n`` goes to the beginning of the next row."""
        self._parts.append(text)

    def show(self, lines: Iterable[str]) -> None:
        """Show lines of output."""
        self._parts.extend(f"{safe(line)}\n" for line in lines)

    def flush(self) -> None:
        """Send it."""
        if self._bell:
            # Nothing follows a prompt: programs look for it at the end of what they received.
            self._parts.insert(0, BELL)
            self._bell = False
        if self._parts:
            text, self._parts = "".join(self._parts), []
            self._stream.write(text.encode("utf-8", "replace"))


def word_columns(words: list[str], columns: int) -> list[str]:
    """Return words as lines of columns that are read downwards.

    Args:
        words: Of one column each.
        columns: Of the terminal, at least 1.
    """
    if not words:
        return []
    width = max(map(len, words)) + 2
    across = max(1, columns // width)
    down = -(-len(words) // across)
    return ["".join(word.ljust(width) for word in words[row::down]).rstrip() for row in range(down)]
