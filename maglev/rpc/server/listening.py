"""A listener of the service: TCP with TLS. The other, a UNIX socket, is `maglev.runtime.listening.UnixSocket`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.error import CannotListenError

from maglev.model.errors import StartError
from maglev.rpc.tls import ServerTls, TlsLayers

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort
    from twisted.internet.protocol import ServerFactory

    from maglev.rpc.tls import TlsFiles

BACKLOG: Final = 128


class TlsPort:
    """TCP with TLS: clients need a certificate by an authority of ours."""

    def __init__(self, reactor: Any, interface: str, port: int, files: TlsFiles) -> None:
        """Prepare to listen.

        Args:
            reactor: The reactor.
            interface: Address to listen on; empty for all.
            port: Number of the TCP port; 0 for any.
            files: Our certificate, its key, and the authority of the clients' certificates.

        Raises:
            StartError: A file can't be used.
        """
        self._reactor = reactor
        self._interface = interface
        self._port = port
        try:
            self._tls = ServerTls(files)
        except (OSError, ValueError) as error:
            message = f"TLS of the control interface: {error}"
            raise StartError(message) from error

    def listen(self, factory: ServerFactory) -> IListeningPort:
        """Start listening.

        Raises:
            StartError: The address can't be used.
        """
        layers = TlsLayers(self._tls, factory, self._reactor)
        try:
            port: IListeningPort = self._reactor.listenTCP(self._port, layers, BACKLOG, self._interface)
        except CannotListenError as error:
            raise StartError(str(error)) from error
        return port

    def stopped(self) -> None:
        """Do nothing: there is nothing to clean up."""
