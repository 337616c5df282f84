"""Addresses as HAProxy writes them (its configuration manual, chapter 11), and times (chapter 2.5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.namekinds import NAME
from maglev.importers.draft.values import address_of
from maglev.importers.haproxy.words import expanded
from maglev.model.addresses import is_address

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = re.compile(r"([a-z0-9+]+)@(.*)", re.DOTALL)
_INET: Final = frozenset({"ipv4", "ipv6", "tcp", "tcp4", "tcp6", "mptcp", "mptcp4", "mptcp6", "ipv", "inet"})
_UDP: Final = frozenset({"udp", "udp4", "udp6", "quic4", "quic6"})
_PORTS: Final = re.compile(r"\+?(\d{1,5})(?:-(\d{1,5}))?")
_NUMBERS: Final = re.compile(r"[0-9.]+")
_TIME: Final = re.compile(r"(\d{1,12})(us|ms|s|m|h|d)?")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

LAST_PORT: Final = 65535


@attrs.frozen
class BindAddress:
    """An address and its ports.

    Attributes:
        address: Canonical; None for all addresses, a name, or a variable that is not known.
        ports: Ports; None if there are none, or if they are not known.
        udp: Whether it is UDP (QUIC).
        local: Whether it is not an IP address at all but a UNIX socket or a descriptor.
        dns_name: A DNS name in the place of the address; empty if there is none, or it needs a search domain.
    """

    address: str | None
    ports: range | None
    udp: bool = False
    local: bool = False
    dns_name: str = ""


def place_of(text: str, variables: Mapping[str, str]) -> BindAddress:
    """Parse an address."""
    text = expanded(text, variables)
    match = _PREFIX.fullmatch(text)
    scheme, rest = (match[1], match[2]) if match else ("", text)
    if rest.startswith("/") or (scheme and scheme not in _INET | _UDP):
        return BindAddress(None, None, local=True)
    host, ports = _parted(rest)
    is_name = "." in host.strip(".") and not is_address(host) and NAME.fullmatch(host) is not None
    dns_name = host.lower().removesuffix(".") if is_name and not _NUMBERS.fullmatch(host) else ""
    return BindAddress(address_of(host), _ports(ports), udp=scheme in _UDP, dns_name=dns_name)


def _parted(text: str) -> tuple[str, str]:
    """Split host and ports at the last colon, unless that is part of an address in brackets."""
    if text.startswith("[") and "]" in text:
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, ports = text.rpartition(":") if ":" in text else (text, "", "")
    return host, ports


def _ports(text: str) -> range | None:
    match = _PORTS.fullmatch(text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return range(first, last + 1) if 0 < first <= last <= LAST_PORT else None


def seconds(text: str) -> float | None:
    """Return a time in seconds; a bare number is in milliseconds; None if it is not a time."""
    match = _TIME.fullmatch(text)
    return None if match is None else int(match[1]) * _UNITS[match[2] or "ms"]


def is_port(text: str) -> bool:
    """Return whether a text is the number of a port."""
    ports = _ports(text)
    return ports is not None and len(ports) == 1 and text[0] != "+"
