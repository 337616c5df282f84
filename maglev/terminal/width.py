"""The width of text in columns of a terminal (as counted by ``wcwidth``)."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_ZERO: Final = frozenset({"Mn", "Me", "Cf"})


@functools.lru_cache(maxsize=1024)
def _wide_width(char: str) -> int:
    if unicodedata.category(char) in _ZERO:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def char_width(char: str) -> int:
    """Return the columns of a printable character: 0 if it combines with the one before, 2 if it is wide."""
    return 1 if char < "\x7f" else _wide_width(char)


def text_width(text: str) -> int:
    """Return the columns of a text in one line, which may have colours."""
    plain = _COLOURS.sub("", text) if "\x1b" in text else text
    return len(plain) if plain.isascii() else sum(map(char_width, plain))
