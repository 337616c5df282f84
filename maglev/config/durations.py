"""Durations in Go's syntax (``time.ParseDuration``): ``500ms``, ``1.5s``, ``1m30s``."""

from __future__ import annotations

import re
from typing import Final

from maglev.model.text import VALUE_LIMIT, excerpt

_UNITS: Final = {
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
}
"""Nanoseconds in each unit, from the longest to the shortest; the last two are other spellings of ``us``."""

_TERM: Final = re.compile(r"(\d*)\.?(\d*)({})".format("|".join(sorted(_UNITS, key=len, reverse=True))), re.ASCII)
_DURATION: Final = re.compile(rf"([-+]?)((?:(?=\.?\d){_TERM.pattern})+)", re.ASCII)
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)", re.ASCII)

PATTERN: Final = rf"\+?((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:{'|'.join(_UNITS)}))+|[-+]?(?:0+\.?0*|\.0+)"
"""A pattern for non-negative durations, valid in any dialect of regular expressions; for the JSON schema."""

TEXT_LIMIT: Final = 64
"""Maximum length of a text: twice what the longest sensible duration needs, and short enough for any arithmetic."""


def parse(text: str) -> float:
    """Parse a duration; return seconds.

    Zero needs no unit, as in Go. Digits beyond the nanosecond are dropped, as in Go.

    Raises:
        ValueError: The text is not a duration; the message says why, for a person.
    """
    if len(text) > TEXT_LIMIT:
        message = f'invalid duration "{excerpt(text)}": expected at most {TEXT_LIMIT} characters, not {len(text)}'
        raise ValueError(message)
    if not (match := _DURATION.fullmatch(text)):
        return _zero(text)
    nanoseconds = sum(_nanoseconds(*term) for term in _TERM.findall(match[2]))
    return (-nanoseconds if match[1] == "-" else nanoseconds) / 1e9


def _nanoseconds(whole: str, fraction: str, unit: str) -> int:
    length = _UNITS[unit]
    scale: int = 10 ** len(fraction)
    return int(whole or "0") * length + int(fraction or "0") * length // scale


def _zero(text: str) -> float:
    """Return 0.0 for a plain zero; raise an explanatory ValueError for any other text."""
    if not _NUMBER.fullmatch(text):
        expected = "expected a number with a unit, such as 500ms, 2s or 1m30s (units: ns, us, ms, s, m, h)"
        message = f'invalid duration "{excerpt(text)}": {expected}'
        raise ValueError(message)
    if float(text) != 0.0:
        units = f"write {text}s or {text}ms" if len(text) <= VALUE_LIMIT else "expected one, such as s or ms"
        message = f"{excerpt(text)} has no unit: {units}"
        raise ValueError(message)
    return 0.0


def spell(seconds: float) -> str:
    """Return the shortest text in whole numbers that `parse` turns into the same seconds: ``1m30s`` for ``90.0``."""
    rest = round(abs(seconds) * 1e9)
    parts = []
    for unit in ("h", "m", "s", "ms", "us", "ns"):
        count, rest = divmod(rest, _UNITS[unit])
        parts += [f"{count}{unit}"] if count else []
    return ("-" if seconds < 0 and parts else "") + ("".join(parts) or "0s")
