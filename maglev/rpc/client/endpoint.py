"""Makes endpoints from the addresses of daemons: ``unix:PATH`` or ``tls:HOST:PORT``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS

from maglev.model.errors import RefusedError
from maglev.model.text import printable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IStreamClientEndpoint

    from maglev.rpc.tls import ClientTls, TlsFiles

CONNECT_DEADLINE: Final = 10.0
"""Timeout for the connection in seconds: as long as people wait without wondering."""

_TLS: Final = re.compile(r"tls:(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")


def endpoint_of(reactor: Any, address: str, tls: TlsFiles | None) -> IStreamClientEndpoint:
    """Return the endpoint of a daemon.

    Raises:
        RefusedError: The address is invalid, or the certificates are missing or can't be used.
    """
    path = address.removeprefix("unix:")
    if path and path != address:
        return UNIXClientEndpoint(reactor, path, CONNECT_DEADLINE)
    match = _TLS.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        message = f'invalid address "{printable(address)}": expected unix:PATH or tls:HOST:PORT'
        raise RefusedError(message)
    if tls is None:
        message = f"{address} needs three files: a certificate, its key, and the authority of the daemon's certificate"
        raise RefusedError(message)
    host = match["v6"] or match["host"]
    plain = HostnameEndpoint(reactor, host, int(match["port"]), CONNECT_DEADLINE)
    return wrapClientTLS(_tls_to(host, tls), plain)


def _tls_to(host: str, files: TlsFiles) -> ClientTls:
    # Imported here, because loading TLS takes longer than a whole call over the UNIX socket.
    from maglev.rpc.tls import ClientTls

    try:
        return ClientTls(files, host)
    except (OSError, ValueError) as error:
        message = f"TLS: {error}"
        raise RefusedError(message) from error


def reason_of(error: BaseException | None) -> str:
    """Return why there is no connection, in as few words as possible."""
    number = getattr(error, "osError", None)
    if isinstance(number, int):
        return os.strerror(number)
    return str(error) or type(error).__name__
