"""Values as lines of YAML, in ASCII: on one line where that fits, else below each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDTH: Final = 79
"""Columns of a line; only names longer than 60 characters, of headers, take more."""

Value: TypeAlias = "str | list[Value] | dict[str, Value]"
"""YAML: a scalar as it is written, a list, or a map."""


def quoted(text: str) -> str:
    """Return text as a YAML scalar in double quotes, in ASCII."""
    made = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            made.append("\\" + char)
        elif 0x20 <= code < 0x7F:
            made.append(char)
        else:
            made.append(f"\\x{code:02x}" if code < 0x100 else f"\\U{code:08x}")
    return '"' + "".join(made) + '"'


def key_text(name: str) -> str:
    """Return a name as a key or a value: in quotes, so that none is taken for a number or a truth value."""
    return name if name[0].isalpha() and name.lower() not in _WORDS else f'"{name}"'


_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def address_text(address: str) -> str:
    """Return an address as a value; one of IPv6 in quotes, as it may end with a colon."""
    return f'"{address}"' if ":" in address else address


def _flow(value: Value) -> str:
    """Return a value on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(each)}' for key, each in value.items())}}}"
    return value if isinstance(value, str) else f"[{', '.join(map(_flow, value))}]"


def _written(prefix: str, value: Value, indent: int) -> Iterator[str]:
    """Yield the lines of a value after its key, or after the dash of a list: one if it fits.

    Args:
        prefix: What stands before it on its first line.
        value: The value.
        indent: Blanks before what does not fit there.
    """
    blanks, line = " " * indent, f"{prefix} {_flow(value)}"
    if len(line) <= WIDTH:
        yield line
    elif isinstance(value, dict):
        yield prefix
        for key, each in value.items():
            yield from _written(f"{blanks}{key}:", each, indent + 2)
    elif isinstance(value, list):
        yield prefix
        for each in value:
            yield from _written(f"{blanks}-", each, indent + 2)
    else:
        yield from _folded(f"{prefix} ", value, blanks)


def _folded(prefix: str, text: str, blanks: str) -> Iterator[str]:
    """Yield quoted text, as all that is long is, on several lines; a backslash joins one with the next."""
    line = prefix
    for piece in _PIECES.findall(text):
        if len(line) + len(piece) >= WIDTH and len(line) > len(blanks) + 1:
            yield f"{line}\\"
            # A blank at the beginning of a line would not count.
            line = blanks + ("\\" if piece == " " else "")
        line += piece
    yield line


_PIECES: Final = re.compile(r"\\x..|\\U.{8}|\\?.")


def block(values: Mapping[str, Value | None], indent: int) -> Iterator[str]:
    """Yield the lines of a map, without the keys whose value is None."""
    for key, value in values.items():
        if value is not None:
            yield from _written(f"{' ' * indent}{key}:", value, indent + 2)
