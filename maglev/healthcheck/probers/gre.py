"""GRE packets as VPP's load balancer makes them: what comes before a client's packet, byte by byte. No I/O.

VPP writes a plain outer header without options, TTL 128, and a GRE header without checksum, key or sequence (RFC 2784;
``lb_node_fn`` in VPP's ``lb/node.c``). Which protocol is outside depends on the family of the backend, which is inside
on that of the VIP.

The packets that are wrapped come from our own kernel: IPv4 without options, or IPv6 without extension headers. The
source port says whose they are, with the addresses and the protocol; other packets have no key.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

OVERHEAD: Final = {4: 24, 6: 44}
"""Bytes before the client's packet, by the family of the backend."""

_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_IPV6: Final = struct.Struct("!IHBB16s16s")
_WITHOUT_OPTIONS: Final = 0x45
_IPV6_VERSION: Final = 6 << 28
_TTL: Final = 128
_GRE: Final = 47
_GRE_HEADER: Final = {0x40: bytes.fromhex("00000800"), 0x60: bytes.fromhex("000086dd")}
"""By the first half of the first byte of what follows: its protocol, as an EtherType."""

_ADDRESSES_4: Final = slice(12, 22)
_ADDRESSES_6: Final = slice(8, 42)
"""Both addresses and the source port."""


class Encapsulation:
    """Wraps packets for one backend."""

    __slots__ = ("_destination", "_source", "_sum")

    def __init__(self, source: str, backend: str) -> None:
        """Prepare.

        Args:
            source: Where the packets say that they come from: an address of VPP.
            backend: Where they go; of the same family.
        """
        family = socket.AF_INET6 if ":" in backend else socket.AF_INET
        self._source = socket.inet_pton(family, source)
        self._destination = socket.inet_pton(family, backend)
        # What the checksum of an IPv4 header is made of, but for the length, which changes.
        self._sum = -1 if family == socket.AF_INET6 else sum(struct.unpack("!10H", self._ipv4(0, 0)))

    def wrap(self, packet: bytes) -> bytes:
        """Return a packet as VPP would send it.

        Args:
            packet: A whole packet of IPv4 or IPv6.
        """
        gre = _GRE_HEADER[packet[0] & 0xF0]
        length = len(gre) + len(packet)
        if self._sum < 0:
            outer = _IPV6.pack(_IPV6_VERSION, length, _GRE, _TTL, self._source, self._destination)
            return outer + gre + packet
        length += _IPV4.size
        total = self._sum + length
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)  # RFC 1071, section 4.1
        return self._ipv4(length, ~total & 0xFFFF) + gre + packet

    def _ipv4(self, length: int, checksum: int) -> bytes:
        rest = _TTL, _GRE, checksum, self._source, self._destination
        return _IPV4.pack(_WITHOUT_OPTIONS, 0, length, 0, 0, *rest)


def key_of(packet: bytes) -> bytes:
    """Return what tells whose packet it is; empty for one that no probe sends."""
    first = packet[:1]
    if first == b"\x45":
        return packet[9:10] + packet[_ADDRESSES_4]
    return packet[6:7] + packet[_ADDRESSES_6] if first and first[0] >> 4 == 6 else b""


def key_for(protocol: int, source: str, vip: str, port: int) -> bytes:
    """Return the key of the packets that a probe will send.

    Args:
        protocol: ``IPPROTO_TCP`` or ``IPPROTO_UDP``.
        source: Our own address.
        vip: The VIP.
        port: Our own port.
    """
    family = socket.AF_INET6 if ":" in vip else socket.AF_INET
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, vip)
    return bytes((protocol,)) + addresses + port.to_bytes(2, "big")
