"""Packets as ICMP sockets deliver them."""

from __future__ import annotations

import socket
import struct

from maglev.healthcheck.probers import echo

V4, V6 = socket.AF_INET, socket.AF_INET6


def ipv4(payload, protocol=socket.IPPROTO_ICMP, target="192.0.2.1", options=b""):
    length = 20 + len(options)
    header = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 0, 0, 64, protocol, 0)
    return header + socket.inet_aton("192.0.2.99") + socket.inet_aton(target) + options + payload


def ipv6(payload, following=socket.IPPROTO_ICMPV6, target="2001:db8::1"):
    addresses = socket.inet_pton(V6, "2001:db8::99") + socket.inet_pton(V6, target)
    return struct.pack("!IHBB", 6 << 28, len(payload), following, 64) + addresses + payload


def error(family, code, quoted):
    return struct.pack("!BBHI", echo.KINDS[family].unreachable, code, 0, 0) + quoted


def as_reply(family, message):
    return bytes([echo.KINDS[family].reply]) + message[1:]
