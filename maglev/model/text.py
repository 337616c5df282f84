"""Text from outside, made safe to show: printable ASCII of bounded length."""

from __future__ import annotations

from typing import Final

DETAIL_LIMIT: Final = 200
"""Enough for an OpenSSL reason and a certificate name; a detail goes to every log line and event."""


VALUE_LIMIT: Final = 40
"""Characters of a value that a message quotes: more than any sensible number, address or duration has."""


def printable(outside: bytes | str) -> str:
    """Return text from outside as printable ASCII of bounded length, safe for a terminal or a log."""
    if isinstance(outside, bytes):
        outside = outside[: 2 * DETAIL_LIMIT].decode("ascii", "backslashreplace")
    shown = outside[: 2 * DETAIL_LIMIT].encode("ascii", "backslashreplace").decode("ascii")
    safe = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in shown)
    return safe if len(safe) <= DETAIL_LIMIT else safe[: DETAIL_LIMIT - 3] + "..."


def excerpt(outside: str) -> str:
    """Return the beginning of a value from outside, for a message that quotes it."""
    safe = printable(outside)
    return safe if len(safe) <= VALUE_LIMIT else safe[: VALUE_LIMIT - 3] + "..."
