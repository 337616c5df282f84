"""IP addresses as text, in the one form that compares equal.

Inside the program an address is a `str`: it hashes and compares much faster than an `ipaddress` object, and it is what
logs, metrics and consoles show. `canonical` is the only way in; it uses the system's own conversion, as `unpack` does
for the addresses that VPP sends, so that both sides always agree on the spelling.
"""

from __future__ import annotations

import socket
from typing import Final, Literal

Family = Literal[4, 6]

_AF: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


def canonical(text: str) -> str:
    """Return the canonical spelling of an address.

    Raises:
        ValueError: The text is no IPv4 or IPv6 address (names, zones, prefix lengths and octal are not accepted).
    """
    try:
        return unpack(pack(text))
    except (OSError, ValueError) as error:
        message = f"{text!r} is not an IP address"
        raise ValueError(message) from error


def is_address(text: str) -> bool:
    """Return whether this is an IP address, in any spelling that `canonical` accepts, and no name."""
    try:
        pack(text)
    except (OSError, ValueError):
        return False
    return True


def family(address: str) -> Family:
    """Return 4 or 6, the IP version of a canonical address."""
    return 6 if ":" in address else 4


def pack(address: str) -> bytes:
    """Return the 4 or 16 bytes of an address, in network order.

    Raises:
        OSError: The text is no address.
    """
    return socket.inet_pton(_AF[family(address)], address)


def unpack(packed: bytes) -> str:
    """Return the canonical text of 4 or 16 bytes in network order."""
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def bits(address: str) -> int:
    """Return the prefix length that stands for this address alone: 32 or 128."""
    return 128 if ":" in address else 32
