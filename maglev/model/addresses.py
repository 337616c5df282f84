"""IP addresses as canonical text.

Inside the program an address is a `str`: it hashes and compares much faster than an `ipaddress` object, and it is what
logs, metrics and consoles show. All text from outside goes through `canonical`, which uses the system's own conversion,
as `unpack` does for the addresses that VPP sends, so that both always agree on the spelling.
"""

from __future__ import annotations

import socket
from typing import Final, Literal

Family = Literal[4, 6]

_AF: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


def canonical(text: str) -> str:
    """Return the canonical spelling of an address.

    Raises:
        ValueError: The text is not an IPv4 or IPv6 address (names, zones, prefix lengths and octal are not accepted).
    """
    try:
        return unpack(pack(text))
    except (OSError, ValueError) as error:
        message = f"{text!r} is not an IP address"
        raise ValueError(message) from error


def is_address(text: str) -> bool:
    """Return whether this is an IP address, in any spelling that `canonical` accepts."""
    try:
        pack(text)
    except (OSError, ValueError):
        return False
    return True


def without_port(host: str) -> str:
    """Return the name or address in the value of a Host header."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.partition(":")[0]


def family(address: str) -> Family:
    """Return 4 or 6, the IP version of a canonical address."""
    return 6 if ":" in address else 4


def pack(address: str) -> bytes:
    """Return the 4 or 16 bytes of an address, in network order.

    Raises:
        OSError: The text is not an address.
    """
    return socket.inet_pton(_AF[family(address)], address)


def unpack(packed: bytes) -> str:
    """Return the canonical text of 4 or 16 bytes in network order."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def bits(address: str) -> int:
    """Return the prefix length that stands for this address alone: 32 or 128."""
    return 128 if ":" in address else 32


LOOPBACK: Final = "a loopback address"
"""What `misfit` says of those."""

_NETWORKS: Final = {
    32: (
        (0, 32, "the unspecified address"),
        (0, 8, "an address of no host (0.0.0.0/8)"),
        (127 << 24, 8, LOOPBACK),
        (0xA9FE0000, 16, "a link-local address (169.254.0.0/16)"),
        (0xE0000000, 4, "a multicast address"),
        (0xFFFFFFFF, 32, "the broadcast address"),
        (0xF0000000, 4, "a reserved address (240.0.0.0/4)"),
    ),
    128: (
        (0, 128, "the unspecified address"),
        (1, 128, LOOPBACK),
        (0, 96, "in ::/96, which VPP takes for IPv4"),
        (0xFFFF << 32, 96, "an IPv4 address in IPv6 form"),
        (0xFE80 << 112, 10, "a link-local address (fe80::/10)"),
        (0xFF << 120, 8, "a multicast address"),
    ),
}


_SUSPECTS: Final = {*map(str, (0, 127, 169, *range(224, 256))), "::", "fe", "ff"}
"""How the addresses of `_NETWORKS` begin: the first number of IPv4, the first two characters of IPv6."""


def misfit(address: str) -> str:
    """Return why VPP's load balancer can't have a canonical address as VIP, server or source; empty if it can.

    It has to stand for one machine on any link. Addresses of ``::/96`` are what VPP stores IPv4 as: a VIP there reads
    back as an IPv4 one, and a server there is refused. Those of ``::ffff:0:0/96`` (RFC 4291, 2.5.5.2) the kernel turns
    into IPv4, and VPP does not.
    """
    # A file may have 20,000 of them: nearly all end here.
    first = address[:2] if ":" in address else address.partition(".")[0]
    if first not in _SUSPECTS:
        return ""
    if first == "127":
        return LOOPBACK
    number, width = int.from_bytes(pack(address)), bits(address)
    for network, length, name in _NETWORKS[width]:
        if number >> width - length == network >> width - length:
            mapped = network == 0xFFFF << 32
            return f"{name}: write {unpack(pack(address)[12:])}" if mapped else name
    return ""
