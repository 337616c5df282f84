"""Messages and frames of VPP's socket API. No I/O.

Theory of operation. A message is packed without padding and, but for ``f64``, big-endian; its first field is its id. So
every message of fixed size is one `struct.Struct`, and packing or unpacking it is one call into C: a hundred times
cheaper than `vpp_papi`, which walks the fields (0.1 against 12 microseconds), and without its decoder's habit of
raising on, and then being poisoned by, data that VPP may legally send. Nested types are flattened: the field ``pfx`` of
an lb message becomes ``pfx.address.af``, ``pfx.address.un`` and ``pfx.len``. Unions are raw bytes, as long as their
widest member. A message may end in something of variable length; see `Tail`.

A stream socket carries each message in a frame: a header of 16 bytes, of which only the length means anything
(``src/vlibmemory/socket_api.c``, ``msgbuf_t``).
"""

from __future__ import annotations

import enum
import struct
from typing import Any, Final

import attrs

from maglev.model.errors import VppProtocolError
from maglev.model.text import printable

FRAME_HEADER: Final = struct.Struct(">QII")
"""A queue pointer of VPP's (nothing to us), the length of the message, and a mark of its garbage collector."""

REPLY_HEAD: Final = struct.Struct(">HI")
"""Id and context: how every reply and every row of a dump begins."""

RETVAL: Final = struct.Struct(">i")
"""Field after the head of every reply that can report a failure."""

MIN_MESSAGE: Final = 2
"""A message holds at least its id."""

MAX_MESSAGE: Final = 64 << 20
"""VPP allocates messages from its API segment, 16 MiB unless ``api-size`` makes it larger; the largest one that we ask
for, the definitions of all plugins, has 4 MiB. The same bound keeps us from sending the lengths near 2^32 on which VPP
aborts."""

_LENGTH: Final = struct.Struct(">I")


class Tail(enum.Enum):
    """What follows the fixed part of a message."""

    NONE = "nothing"
    TEXT = "a string: its length in 32 bits, then its bytes"
    REST = "elements that we do not look at"


@attrs.frozen(eq=False)
class Layout:
    """How one message is packed.

    Attributes:
        name: Name of the message, such as ``lb_add_del_vip_v2``.
        crc: VPP's checksum of the definition, as eight hexadecimal digits: a changed message has another.
        fields: Flattened names of the values, in order. Raw bytes carry their length (``pfx.address.un:16``), because
            a value of another length would be cut or padded without a word.
        packing: The fixed part; with `Tail.TEXT`, the length of the text included.
        tail: What follows it.
        is_fixed: Whether nothing does.
    """

    name: str
    crc: str
    fields: tuple[str, ...]
    packing: struct.Struct
    tail: Tail = Tail.NONE
    is_fixed: bool = attrs.field(init=False)

    @is_fixed.default
    def _has_no_tail(self) -> bool:
        return self.tail is Tail.NONE

    @property
    def has_retval(self) -> bool:
        """Whether this message reports success or failure."""
        return self.fields[2:3] == ("retval",)

    def pack(self, *values: Any) -> bytes:
        """Return the message for these values, one for each field.

        Raises:
            ValueError: A value does not fit its field, or there are too few or too many.
        """
        try:
            return self.packing.pack(*values) if self.is_fixed else self._pack_text(*values)
        except struct.error as error:
            message = f"{self.name}: {error}"
            raise ValueError(message) from error

    def unpack(self, message: bytes) -> tuple[Any, ...]:
        """Return the values of all fields.

        Raises:
            VppProtocolError: The message is too short or, where its length is fixed, too long.
        """
        size = self.packing.size
        if len(message) != size and (self.is_fixed or len(message) < size):
            raise VppProtocolError(f"{self.name} of {len(message)} bytes instead of {size}")
        values: tuple[Any, ...] = self.packing.unpack_from(message)
        if self.tail is not Tail.TEXT:
            return values
        return (*values[:-1], self._text(message, values[-1]))

    def _pack_text(self, *values: Any) -> bytes:
        *fixed, text = values
        return self.packing.pack(*fixed, len(text)) + bytes(text)

    def _text(self, message: bytes, length: int) -> bytes:
        start = self.packing.size
        # VPP appends a terminator that it does not count (vl_api_c_string_to_api_string), hence no test for equality.
        if length > len(message) - start:
            raise VppProtocolError(f"{self.name}: text of {length} bytes in a message of {len(message)}")
        return message[start : start + length]

    def describe(self, message: bytes) -> str:
        """Return the fields and values of a message for a log: printable, bounded."""
        try:
            values = self.unpack(message)
        except VppProtocolError as error:
            return str(error)
        pairs = zip(self.fields[1:], values[1:], strict=False)
        return printable(" ".join(f"{name}={_show(name, value)}" for name, value in pairs))


def _show(name: str, value: Any) -> str:
    if not isinstance(value, bytes):
        return str(int(value))
    return value.hex() if ":" in name else repr(value.rstrip(b"\0"))[1:]


def retval_of(request: str, message: bytes) -> int:
    """Return the retval of a reply that has one, without looking at the rest.

    Raises:
        VppProtocolError: The message ends before it.
    """
    try:
        value: int = RETVAL.unpack_from(message, REPLY_HEAD.size)[0]
    except struct.error as error:
        raise VppProtocolError(f"answer to {request} of {len(message)} bytes") from error
    return value


def frame(message: bytes) -> bytes:
    """Return a message in its frame.

    Raises:
        ValueError: It is longer than any message that we may send.
    """
    if not MIN_MESSAGE <= len(message) <= MAX_MESSAGE:
        text = f"message of {len(message)} bytes"
        raise ValueError(text)
    return FRAME_HEADER.pack(0, len(message), 0) + message


class FrameReader:
    """Cuts a stream of bytes, in chunks of any size, into messages."""

    __slots__ = ("_buffer", "_needed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = FRAME_HEADER.size

    def feed(self, data: bytes) -> list[bytes]:
        """Take in a chunk; return the messages that are complete now.

        Raises:
            VppProtocolError: The stream can't be one of frames; nothing more can be read from it.
        """
        if self._buffer:
            self._buffer += data
            # A large message comes in many chunks: look at them again only when it can be whole.
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        messages: list[bytes] = []
        rest = self._cut(data, messages)
        self._buffer += data[rest:]
        return messages

    def _cut(self, data: bytes, messages: list[bytes]) -> int:
        start, header = 0, FRAME_HEADER.size
        while len(data) - start >= header:
            length = _LENGTH.unpack_from(data, start + 8)[0]
            if not MIN_MESSAGE <= length <= MAX_MESSAGE:
                raise VppProtocolError(f"frame of {length} bytes")
            stop = start + header + length
            if stop > len(data):
                self._needed = stop - start
                return start
            messages.append(data[start + header : stop])
            start = stop
        self._needed = header
        return start
