"""The width of text in columns of a terminal (as counted by ``wcwidth``)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_ZERO: Final = frozenset({"Mn", "Me", "Cf"})


def char_width(char: str) -> int:
    """Return the columns of a printable character: 0 if it combines with the one before, 2 if it is wide."""
    if char < "\x7f":
        return 1
    if unicodedata.category(char) in _ZERO:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def text_width(text: str) -> int:
    """Return the columns of a text in one line, which may have colours."""
    plain = _COLOURS.sub("", text) if "\x1b" in text else text
    return len(plain) if plain.isascii() else sum(map(char_width, plain))
