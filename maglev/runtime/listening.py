"""Listeners by their descriptions, and the UNIX sockets among them, which survive that the process is killed."""

from __future__ import annotations

import fcntl
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import Service
from twisted.application.strports import service as strports_service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError

from maglev.model.errors import StartError

if TYPE_CHECKING:
    from twisted.application.service import IService
    from twisted.internet.interfaces import IListeningPort
    from twisted.internet.protocol import Factory

FOLDER_MODE: Final = 0o750
SOCKET_MODE: Final = 0o660
"""Permissions of the socket; Twisted's own default lets everybody in."""

BACKLOG: Final = 1024
"""Clients that may wait to be accepted; the kernel allows 4096 (``somaxconn``)."""

_UNIX: Final = "unix:"


def listening(reactor: Any, description: str, factory: Factory[Any]) -> IService:
    """Return a service that listens while it runs.

    Args:
        reactor: The reactor.
        description: Of the endpoint, by `maglev.model.listen_address.strport`.
        factory: Makes the protocols of connections.
    """
    if description.startswith(_UNIX):
        path = re.sub(r"\\(.)", r"\1", description.removeprefix(_UNIX))
        return cast("IService", UnixService(UnixSocket(reactor, path), factory))
    return cast("IService", strports_service(description, factory, reactor))


class UnixSocket:
    """A UNIX socket at a path.

    A file beside it is locked while a process listens. The kernel releases the lock when the process ends, however it
    ends; so a socket whose lock is free is left over, and is replaced. (Twisted's lock contains the process id, and in
    a container the next process has the same one: it would take the lock for its own, and never get it.)
    """

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = Path(path)
        self._lock: int | None = None

    def listen(self, factory: Factory[Any]) -> IListeningPort:
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


class UnixService(Service):
    """Listens on a UNIX socket while it runs."""

    def __init__(self, listener: UnixSocket, factory: Factory[Any]) -> None:
        self._listener = listener
        self._factory = factory
        self._port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """Start listening, while the process still has the privileges for it.

        Raises:
            StartError: That is not possible.
        """
        if self._port is None:
            self._port = self._listener.listen(self._factory)

    def startService(self) -> None:
        """Start listening, unless already started; raises the same as `privilegedStartService`."""
        self.privilegedStartService()
        Service.startService(self)

    def stopService(self) -> Deferred[None]:
        """Stop listening."""
        Service.stopService(self)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
            self._listener.stopped()


def _locked(path: Path) -> int:
    """Open and lock a file; return its descriptor."""
    if path.is_symlink():  # a lock of Twisted, which earlier versions used for some of their sockets
        path.unlink()
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
