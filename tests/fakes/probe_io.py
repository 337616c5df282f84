"""What is under a prober, without a kernel: sockets, their opener, the poller, whole connections."""

from __future__ import annotations

import errno
import os

from maglev.healthcheck.probers.connection import ABORTED
from maglev.healthcheck.probers.faults import ProbeError


class FakeSocket:
    """A socket that does what the test says.

    Attributes:
        connects: Error numbers that `connect_ex` returns, in order; the last one again and again.
        incoming: What `recv` returns; an OSError is raised, nothing left means "would block".
        sent: What was sent.
        room: Bytes that `send` accepts; 0 means "would block".
    """

    def __init__(self, *connects: int, descriptor: int = 1000) -> None:
        self.connects = list(connects) or [0]
        self.incoming: list[bytes | OSError] = []
        self.sent = b""
        self.room = 1 << 30
        self.send_error: OSError | None = None
        self.options: list[tuple] = []
        self.shut: list[int] = []
        self.shut_error: OSError | None = None
        self.closed = False
        self.own: tuple = ("127.0.0.1", 40000)
        self.other: tuple | OSError = ("127.0.0.1", 80)
        self._descriptor = descriptor

    def fileno(self):
        return -1 if self.closed else self._descriptor

    def connect_ex(self, address):
        self.peer = address
        return self.connects.pop(0) if len(self.connects) > 1 else self.connects[0]

    def recv(self, size):
        if not self.incoming:
            raise BlockingIOError(errno.EAGAIN, "would block")
        data = self.incoming.pop(0)
        if isinstance(data, OSError):
            raise data
        if len(data) > size:
            self.incoming.insert(0, data[size:])
        return data[:size]

    def send(self, data):
        if self.send_error is not None:
            raise self.send_error
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "would block")
        taken = data[: self.room]
        self.room -= len(taken)
        self.sent += taken
        return len(taken)

    def shutdown(self, how):
        if self.shut_error is not None:
            raise self.shut_error
        self.shut.append(how)

    def setsockopt(self, *option):
        self.options.append(option)

    def getsockname(self):
        return self.own

    def getpeername(self):
        if isinstance(self.other, OSError):
            raise self.other
        return self.other

    def close(self):
        assert not self.closed
        self.closed = True


class FakeOpener:
    """Opens the sockets that it was given; an Outcome in their place is a failure."""

    def __init__(self, *sockets) -> None:
        self.sockets = list(sockets)

    def open_stream(self, destination):
        return self._next()

    def open_datagram(self, destination):
        return self._next()

    def open(self, family, kind, protocol=0):
        return self._next()

    def namespace_identity(self):
        return None

    def _next(self):
        following = self.sockets.pop(0)
        if isinstance(following, tuple):
            raise ProbeError(following)
        return following


class FakePoller:
    """Remembers who waits for what."""

    def __init__(self) -> None:
        self.waiting: dict[int, int] = {}
        self.watched: dict[int, object] = {}
        self.error: int | None = None

    def watch(self, descriptor, events, watched):
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        assert descriptor not in self.waiting
        self.waiting[descriptor] = events
        self.watched[descriptor] = watched

    def change(self, descriptor, events):
        assert descriptor in self.waiting
        self.waiting[descriptor] = events

    def forget(self, descriptor):
        self.waiting.pop(descriptor, None)
        self.watched.pop(descriptor, None)


class FakeConnection:
    """A whole connection as the prober and its protocol see it; the test plays the backend."""

    def __init__(self, owner) -> None:
        self.owner = owner
        self.keeper = None
        self.protocol = None
        self.opened = False
        self.closed = False
        self.half_closed = False
        self.acknowledged = False
        self.written = b""
        self.on_open = None
        self.on_ready = None

    def open(self):
        self.opened = True
        if self.on_open is not None:
            self.on_open(self)

    def acknowledge(self):
        self.acknowledged = True

    def ready(self):
        if self.on_ready is None:
            return False
        self.on_ready(self)
        return True

    def accept(self):
        """The backend accepts."""
        self.protocol = self.owner.build_protocol()
        self.protocol.makeConnection(self)

    def refuse(self, outcome):
        """There will be no connection."""
        self.owner.conclude_with(outcome)

    def deliver(self, data):
        """The backend sends."""
        if not self.closed:
            self.protocol.dataReceived(data)

    def lose(self, reason):
        """The connection ends by the backend or the network."""
        protocol, self.protocol = self.protocol, None
        if not self.closed:
            self._close()
            protocol.connectionLost(reason)

    def linger(self, keeper):
        self.keeper = keeper

    def _close(self):
        self.closed = True
        keeper, self.keeper = self.keeper, None
        if keeper is not None:
            keeper.closed()

    def write(self, data):
        assert not self.closed
        self.written += data

    def loseWriteConnection(self):
        assert not self.closed
        self.half_closed = True

    def abortConnection(self):
        protocol, self.protocol = self.protocol, None
        if not self.closed:
            self._close()
            if protocol is not None:
                protocol.connectionLost(ABORTED)

    loseConnection = abortConnection
