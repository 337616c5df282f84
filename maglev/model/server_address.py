"""Addresses of several maglevd, as ``--server`` of ``maglevc`` and ``--peers`` of ``maglevd`` take them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.errors import ArgumentError
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PORT: Final = 2223
"""Port of a TLS address without one, as in the documentation of ``--pb-tls-addr``."""

MAX_SERVERS: Final = 16
"""Servers of one list: more balancers than one VIP ever has."""

_HOST: Final = r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/\s,]+))"
_BARE: Final = re.compile(rf"{_HOST}(?::(?P<port>[0-9]{{1,5}}))?")
_TLS: Final = re.compile(rf"tls:{_HOST}:(?P<port>[0-9]{{1,5}})")

EXPECTED: Final = f"expected unix:PATH or tls:HOST:PORT, or HOST for tls:HOST:{DEFAULT_PORT}"


@attrs.frozen
class ServerAddress:
    """Where one maglevd listens.

    Attributes:
        name: How it is called: the host, or the whole address if that is not unique.
        address: ``unix:PATH`` or ``tls:HOST:PORT``.
    """

    name: str
    address: str


def server_addresses(text: str) -> tuple[ServerAddress, ...]:
    """Return the servers of a list with commas, in its order; ``HOST`` and ``HOST:PORT`` stand for TLS.

    Raises:
        ArgumentError: One is invalid or there twice, or they are too many or none.
    """
    addresses = [_full(each.strip()) for each in text.split(",") if each.strip()]
    if not addresses:
        message = f"no address: {EXPECTED}"
        raise ArgumentError(message)
    if len(addresses) > MAX_SERVERS:
        message = f"{len(addresses)} servers: expected at most {MAX_SERVERS}"
        raise ArgumentError(message)
    for each in addresses:
        if addresses.count(each) > 1:
            message = f"{printable(each)} is there twice"
            raise ArgumentError(message)
    return tuple(_named(addresses))


def _full(text: str) -> str:
    if len(text) > len("unix:") and text.startswith("unix:"):
        return text
    match = _TLS.fullmatch(text) or _BARE.fullmatch(text)
    port = DEFAULT_PORT if match is None or match["port"] is None else int(match["port"])
    if match is None or not 0 < port < 65536:
        message = f'invalid address "{printable(text)}": {EXPECTED}'
        raise ArgumentError(message)
    host = match["host"] or f"[{match['v6']}]"
    return f"tls:{host}:{port}"


def _named(addresses: list[str]) -> Iterable[ServerAddress]:
    hosts = [_host_of(each) for each in addresses]
    for host, address in zip(hosts, addresses, strict=True):
        yield ServerAddress(host if hosts.count(host) == 1 else address.removeprefix("tls:"), address)


def _host_of(address: str) -> str:
    """Return what people call a server: the host without port and brackets, or its socket."""
    match = _TLS.fullmatch(address)
    return address if match is None else match["v6"] or match["host"]
