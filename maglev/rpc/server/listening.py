"""Listeners of the service: a UNIX socket, whose permissions decide who may connect, and TCP with TLS."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.error import CannotListenError

from maglev.model.errors import StartError
from maglev.rpc.tls import ServerTls

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort
    from twisted.internet.protocol import ServerFactory

    from maglev.rpc.tls import TlsFiles

FOLDER_MODE: Final = 0o750
SOCKET_MODE: Final = 0o660
"""Permissions of the socket; Twisted's own default lets everybody in."""

BACKLOG: Final = 128


class UnixSocket:
    """A UNIX socket at a path.

    A file beside it is locked while a process listens. The kernel releases the lock when the process ends, however it
    ends; so a socket whose lock is free is left over, and is replaced. (Twisted's lock contains the process id, and in
    a container the next process has the same one.)
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = Path(path)
        self._lock: int | None = None

    def listen(self, factory: ServerFactory) -> IListeningPort:
        """Start listening.

        Raises:
            StartError: The folder can't be used, another process listens there, or the file there is not a socket.
        """
        try:
            self._path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            self._lock = _locked(self._path.with_name(self._path.name + ".lock"))
            _remove_socket(self._path)
            port: IListeningPort = self._reactor.listenUNIX(str(self._path), factory, BACKLOG, SOCKET_MODE)
        except BlockingIOError:
            message = f"{self._path}: another process listens there"
            raise StartError(message) from None
        except (OSError, CannotListenError) as error:
            self.stopped()
            message = f"{self._path}: can't listen there: {getattr(error, 'socketError', error)}"
            raise StartError(message) from error
        return port

    def stopped(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: Path) -> int:
    """Open and lock a file; return its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_socket(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} exists and is not a socket")
    path.unlink()


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
        try:
            port: IListeningPort = self._reactor.listenSSL(self._port, factory, self._tls, BACKLOG, self._interface)
        except CannotListenError as error:
            raise StartError(str(error)) from error
        return port

    def stopped(self) -> None:
        """Do nothing: there is nothing to clean up."""
