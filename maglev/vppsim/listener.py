"""A listening UNIX socket of any kind. Twisted has none for SEQPACKET, and its own removes the file when it ends.

A crashed VPP leaves its sockets behind, and so must the simulator: hence a listener that can leave the file alone, and
that closes at once instead of in the next turn of the reactor.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorFDSet
    from twisted.python.failure import Failure

BACKLOG: Final = 5
"""Clients that wait to be accepted: VPP's own number."""

MODE: Final = 0o770
"""VPP's sockets are for its user and its group."""


@implementer(IReadDescriptor)
class UnixListener:
    """Listens on a UNIX socket as soon as it is made.

    Args:
        reactor: Reports incoming connections.
        path: Of the socket; a stale file there is removed.
        kind: ``SOCK_STREAM`` or ``SOCK_SEQPACKET``.
        accepted: Called with each new connection, non-blocking.
    """

    _log = Logger()

    def __init__(
        self, reactor: IReactorFDSet, path: str, kind: socket.SocketKind, accepted: Callable[[socket.socket], None]
    ) -> None:
        self._reactor = reactor
        self.path = path
        self._file = Path(path)
        self._accepted = accepted
        self._socket = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK)
        try:
            self._file.unlink(missing_ok=True)
            self._socket.bind(path)
            self._file.chmod(MODE)
            self._socket.listen(BACKLOG)
        except OSError:
            self._socket.close()
            raise
        reactor.addReader(self)

    def fileno(self) -> int:
        """Return the descriptor, or -1 when closed."""
        return self._socket.fileno()

    def doRead(self) -> None:
        """Accept everybody who waits."""
        for _ in range(BACKLOG):
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setblocking(False)
            self._accepted(connection)

    def logPrefix(self) -> str:
        """Return the name of this in logs."""
        return "vppsim"

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002
        """Close: the reactor says that the descriptor has failed."""
        self.close(remove=False)

    def close(self, *, remove: bool) -> None:
        """Stop listening at once.

        Args:
            remove: Whether the file goes too; without it, clients are refused.
        """
        if self.fileno() < 0:
            return
        self._reactor.removeReader(self)
        self._socket.close()
        if remove:
            with contextlib.suppress(OSError):
                self._file.unlink()
