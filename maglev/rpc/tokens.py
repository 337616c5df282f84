"""Parses bytes into expressions: a reader of banana tokens with bounds on everything, and without I/O.

Twisted's own reader copies the rest of its buffer for each token, and bounds single items only: the nesting and the
size of a whole message are unlimited. This one reads in place, and limits both.

Format: ``twisted/spread/banana.py``: a number in base 128, least significant digit first, then a type byte (0x80
or more).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from maglev.rpc.basic import MAX_DEPTH, MAX_DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIST: Final = 0x80
INT: Final = 0x81
STRING: Final = 0x82
NEG: Final = 0x83
FLOAT: Final = 0x84
LONGINT: Final = 0x85
LONGNEG: Final = 0x86
VOCAB: Final = 0x87

_WIDTHS: Final = {FLOAT: 8}
_POSITIVE: Final = frozenset({INT, LONGINT})
_NEGATIVE: Final = frozenset({NEG, LONGNEG})
_MAX_SHIFT: Final = 7 * MAX_DIGITS


class TokenError(Exception):
    """The peer sent an invalid expression, or exceeded a limit."""


class TokenReader:
    """Reads expressions from a stream."""

    def __init__(self, vocabulary: Mapping[int, bytes], limit: int) -> None:
        """Create a reader with an empty buffer.

        Args:
            vocabulary: The byte strings of VOCAB tokens, by number.
            limit: Maximum size of an expression, in bytes.
        """
        self._vocabulary = vocabulary
        self._limit = limit
        self._rest = b""
        self._open: list[tuple[int, list[Any]]] = []  # (how many items it will have, those it has)
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Any]:
        """Add bytes, and yield every expression that they complete.

        Raises:
            TokenError: The stream is invalid; nothing after this place can be read.
        """
        buffer, position = self._rest + data, 0
        end = len(buffer)
        self._rest = b""
        while position < end:
            start, number, shift = position, 0, 0
            while position < end and (byte := buffer[position]) < LIST:
                number |= byte << shift
                shift += 7
                position += 1
            if shift > _MAX_SHIFT:
                raise TokenError("a number is too long")
            after = position + 1 + (number if byte == STRING else _WIDTHS.get(byte, 0))
            if position == end or after > end:
                self._check(number if byte == STRING else 0)
                self._rest = buffer[start:]
                return
            item = self._item(buffer, byte, number, position + 1, after)
            position = after
            self._check(position - start)
            self._size += position - start
            if byte == LIST and number:
                self._begin(number)
            elif self._open:
                yield from self._put(item)
            else:
                self._size = 0
                yield item

    def _item(self, buffer: bytes, kind: int, number: int, start: int, after: int) -> Any:
        if kind == STRING:
            return buffer[start:after]
        if kind in _POSITIVE:
            return number
        if kind in _NEGATIVE:
            return -number
        if kind == LIST:
            return []
        if kind == FLOAT:
            return struct.unpack("!d", buffer[start:after])[0]
        if kind == VOCAB and number in self._vocabulary:
            return self._vocabulary[number]
        message = f"a token of the unknown type {kind:#x}"
        raise TokenError(message)

    def _check(self, size: int) -> None:
        if self._size + size > self._limit:
            raise TokenError("an expression is too long")

    def _begin(self, length: int) -> None:
        # Each item takes at least one byte, so the limit of bytes bounds the lists too.
        if len(self._open) >= 2 * MAX_DEPTH or length > self._limit:
            raise TokenError("a list is nested too deeply, or too long")
        self._open.append((length, []))

    def _put(self, item: Any) -> Iterator[Any]:
        """Add a complete item to the list it belongs to; yield the expression that this completes, if any."""
        while self._open:
            length, items = self._open[-1]
            items.append(item)
            if len(items) < length:
                return
            self._open.pop()
            item = items
        self._size = 0
        yield item
