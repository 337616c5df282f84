"""ICMP echo messages as bytes: building requests, and reading what comes back. No I/O.

Layouts: RFC 792 (ICMP), RFC 4443 (ICMPv6). An error message quotes the packet that it is about: RFC 792 promises the IP
header and eight bytes after it, which is exactly identifier and sequence number of an echo request; most systems quote
more (RFC 1812 section 4.3.2.3), and then the payload is compared too.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

PAYLOAD_LENGTH: Final = 56
"""What ping(8) sends; all of it random, so that no other reply is taken for ours."""

_HEADER: Final = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
_HEADER_LENGTH: Final = 8
_IPV6_HEADER_LENGTH: Final = 40


class Kinds(NamedTuple):
    """The message types of one family."""

    request: int
    reply: int
    unreachable: int


KINDS: Final[Mapping[int, Kinds]] = {
    socket.AF_INET: Kinds(request=8, reply=0, unreachable=3),
    socket.AF_INET6: Kinds(request=128, reply=129, unreachable=1),
}

_REASONS: Final[Mapping[int, Mapping[int, str]]] = {
    socket.AF_INET: {
        0: "network unreachable",
        1: "host unreachable",
        2: "protocol unreachable",
        3: "port unreachable",
        9: "network prohibited",
        10: "host prohibited",
        13: "administratively prohibited",
    },
    socket.AF_INET6: {
        0: "no route to destination",
        1: "administratively prohibited",
        3: "address unreachable",
        4: "port unreachable",
        5: "source address failed policy",
        6: "reject route",
    },
}

_FRAGMENTATION_NEEDED: Final = 4
"""A type 3 message that is about a packet's size, not about whether the host can be reached."""


class Reply(NamedTuple):
    """An echo reply."""

    identifier: int
    sequence: int
    payload: bytes


class Unreachable(NamedTuple):
    """A report that an echo request could not be delivered.

    Attributes:
        target: Destination of the request, canonical; empty if it is known by other means.
        payload: As much of the request's payload as was quoted.
        reason: For a person.
    """

    identifier: int
    sequence: int
    target: str
    payload: bytes
    reason: str


def request(family: int, identifier: int, sequence: int, payload: bytes) -> bytes:
    """Return an echo request; the checksum is made for IPv4, and left to the kernel for IPv6 (RFC 3542 section 3.1)."""
    kind = KINDS[family].request
    message = _HEADER.pack(kind, 0, 0, identifier, sequence) + payload
    if family == socket.AF_INET6:
        return message
    return _HEADER.pack(kind, 0, checksum(message), identifier, sequence) + payload


def checksum(message: bytes) -> int:
    """Return the Internet checksum of a message (RFC 1071), 0 for one that bears the right one."""
    # The sum of 16-bit words with the carries added is the number itself modulo 65,535, because 65,536 leaves 1.
    number = int.from_bytes(message + b"\0" if len(message) % 2 else message)
    rest = number % 0xFFFF
    return 0xFFFF - rest if rest or not number else 0


def strip_ipv4_header(packet: bytes) -> bytes:
    """Return what follows the IPv4 header; nothing if there is no whole header."""
    length = (packet[0] & 0x0F) * 4 if packet else 0
    return packet[length:] if length >= 20 else b""


def read(family: int, message: bytes) -> Reply | Unreachable | None:
    """Return what an ICMP message says about an echo request; None if it says nothing or is truncated."""
    if len(message) < _HEADER_LENGTH:
        return None
    kind, code, _checksum, identifier, sequence = _HEADER.unpack_from(message)
    kinds = KINDS[family]
    if kind == kinds.reply and code == 0:
        return Reply(identifier, sequence, message[_HEADER_LENGTH:])
    if kind == kinds.unreachable and not (family == socket.AF_INET and code == _FRAGMENTATION_NEEDED):
        quoted = message[_HEADER_LENGTH:]
        target, quoted_message = _unquote_ipv4(quoted) if family == socket.AF_INET else _unquote_ipv6(quoted)
        return read_quoted(family, code, target, quoted_message)
    return None


def read_quoted(family: int, code: int, target: str, quoted: bytes) -> Unreachable | None:
    """Return which echo request an error quotes; None if it is not an echo request, or not enough of one."""
    if len(quoted) < _HEADER_LENGTH:
        return None
    kind, _code, _checksum, identifier, sequence = _HEADER.unpack_from(quoted)
    if kind != KINDS[family].request:
        return None
    reason = _REASONS[family].get(code, f"unreachable (code {code})")
    return Unreachable(identifier, sequence, target, quoted[_HEADER_LENGTH:], reason)


def _unquote_ipv4(packet: bytes) -> tuple[str, bytes]:
    message = strip_ipv4_header(packet)
    if not message or packet[9] != socket.IPPROTO_ICMP:
        return "", b""
    return socket.inet_ntop(socket.AF_INET, packet[16:20]), message


def _unquote_ipv6(packet: bytes) -> tuple[str, bytes]:
    if len(packet) < _IPV6_HEADER_LENGTH or packet[6] != socket.IPPROTO_ICMPV6:
        return "", b""
    return socket.inet_ntop(socket.AF_INET6, packet[24:40]), packet[_IPV6_HEADER_LENGTH:]
