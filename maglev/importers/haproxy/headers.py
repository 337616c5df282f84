"""From ``http-check expect hdr`` and ``fhdr`` of HAProxy to a header and a pattern for its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import re2

from maglev.importers.draft.values import fits, header_name_fits
from maglev.importers.haproxy.words import is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HEADER_KINDS: Final = frozenset({"hdr", "fhdr"})

_ANY: Final = ".*"
_BLANKS: Final = r"[ \t]*"

# HAProxy takes a value without blanks around it; for hdr, each element of a list with commas is a value.
_WHOLE: Final[Mapping[str, tuple[str, str]]] = {"fhdr": ("^", "$"), "hdr": (f"(?:^|,){_BLANKS}", f"{_BLANKS}(?:,|$)")}

_METHODS: Final[Mapping[str, Callable[[str, str, str], str]]] = {
    "str": lambda text, begin, end: f"{begin}{re2.escape(text)}{end}",
    "beg": lambda text, begin, _: f"{begin}{re2.escape(text)}",
    "end": lambda text, _, end: f"{re2.escape(text)}{end}",
    "sub": lambda text, _begin, _end: re2.escape(text),
}


def header_of(kind: str, words: Sequence[str]) -> tuple[str, str] | None:
    """Return the name and the pattern of an expectation; None without an equivalent.

    Args:
        kind: One of `HEADER_KINDS`.
        words: All arguments of ``http-check expect``.
    """
    waiting = list(words[words.index(kind) + 1 :])
    if len(waiting) < 2 or waiting[0] != "name":
        return None
    how, name, waiting = _matcher(waiting[1:])
    if how != "str" or not header_name_fits(name):
        return None
    if not waiting:
        return name, _ANY
    how, text, rest = _matcher(waiting[1:])
    if waiting[0] != "value" or rest or not is_known(text) or "%[" in text:
        return None
    pattern = _pattern(kind, how, text)
    return None if pattern is None or not fits("expect-regexp", pattern) else (name, pattern)


def _matcher(words: list[str]) -> tuple[str, str, list[str]]:
    """Return how to match, what, and what follows."""
    how = "str"
    if words[:1] == ["-m"] and len(words) > 1:
        how, words = words[1], words[2:]
    return how, (words[0] if words else ""), words[1:]


def _pattern(kind: str, how: str, text: str) -> str | None:
    if how == "reg":
        # Of a list, each element would be matched alone: the same only for a pattern without anchors.
        return text if kind == "fhdr" or not set("^$") & set(text) else None
    return _METHODS[how](text, *_WHOLE[kind]) if how in _METHODS and text else None
