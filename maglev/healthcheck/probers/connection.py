"""The lean one-shot connection under every probe that uses TCP.

Theory of operation. Twisted's own client connection is made for connections that live; for one that carries a single
request it costs more than the request. This one does the same job with as few system calls as it takes::

    socket  setsockopt  connect  epoll_ctl(out)    | connect  send  epoll_ctl(in)    | recv  setsockopt  close

where ``|`` is a turn of the reactor, and a probe that only connects ends with ``setsockopt close`` in the second part.
The second ``connect`` asks how the first one went: 0 connected, ``EALREADY`` not yet, anything else the error. Unlike
``SO_ERROR`` it can't take "not yet" for success, so a stale event does no harm (see `poller`).

The first ``setsockopt`` (``TCP_QUICKACK`` 0) delays the acknowledgement that ends the handshake, as HAProxy does for
its checks. It then travels with the request, or, when nothing is sent, the reset takes its place: one packet less, and
an application that is only asked whether it listens is not bothered with a connection that is gone before it looks.

It ends with a reset (``SO_LINGER`` 0): the side that closes first would otherwise keep the port in TIME_WAIT for a
minute, and a checker that probes thousands of backends each second would run out of ports.

The protocol above is called as Twisted promises: ``makeConnection`` once, then ``dataReceived`` any number of times,
then ``connectionLost`` once; never from within a call of its own to the transport, except that `abortConnection` (and
the end of the probe, which aborts) delivers `ABORTED` at once, so that the protocol can let go of what it holds.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from select import EPOLLIN, EPOLLOUT
from typing import TYPE_CHECKING, Final, Protocol

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITransport
from twisted.python.failure import Failure
from zope.interface import implementer

from maglev.healthcheck.probers.faults import ProbeError, connect_outcome, local_fault, setup_fault
from maglev.model.result import Code, Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IProtocol

    from maglev.healthcheck.probers.poller import PolledSocket
    from maglev.healthcheck.probers.sockets import Destination
    from maglev.model.result import Outcome

READ_SIZE: Final = 16384
"""One TLS record; and four of them make the largest body that is looked at."""

DONE: Final = Failure(ConnectionDone())
"""The reason of a `connectionLost` when the backend closed in order."""

ABORTED: Final = Failure(ConnectionAborted())
"""The reason of a `connectionLost` when the probe is over: nothing is to be concluded from it."""

TO_ITSELF: Final = Result(Code.L4CON, "connected to itself: nobody listens on the port")

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_PENDING: Final = frozenset({errno.EINPROGRESS, errno.EALREADY})
_CONNECTED: Final = frozenset({0, errno.EISCONN})


class ConnectionOwner(Protocol):
    """Whose connection it is: the prober."""

    def build_protocol(self) -> IProtocol:
        """Return the protocol of the connection that was just made."""

    def conclude_with(self, outcome: Outcome) -> None:
        """There will be no connection, or it can't go on for a reason of this machine."""

    def crash(self) -> None:
        """Something raised (a bug of ours, already logged)."""


class ConnectionKeeper(Protocol):
    """Keeps a connection whose probe is over, and whose protocol reads on."""

    def closed(self) -> None:
        """It was closed, by whomever."""


class StreamOpener(Protocol):
    """Opens the socket (`maglev.healthcheck.probers.sockets.SocketOpener`)."""

    def open_stream(self, destination: Destination) -> socket.SocketType:
        """Return a new non-blocking socket, or raise `ProbeError`."""


class Readiness(Protocol):
    """Waits for the socket (`maglev.healthcheck.probers.poller.Poller`)."""

    def watch(self, descriptor: int, events: int, watched: PolledSocket) -> None:
        """Begin to wait for events of a socket."""

    def change(self, descriptor: int, events: int) -> None:
        """Wait for these events from now on."""

    def forget(self, descriptor: int) -> None:
        """Stop waiting for a socket, just before it is closed."""


class SocketConnector:
    """Makes the connections to one backend."""

    __slots__ = ("_destination", "_opener", "_poller")

    def __init__(self, poller: Readiness, opener: StreamOpener, destination: Destination) -> None:
        self._poller = poller
        self._opener = opener
        self._destination = destination

    def __call__(self, owner: ConnectionOwner) -> Connection:
        """Return a new connection, not yet opened."""
        return Connection(self._poller, self._opener, self._destination, owner)


@implementer(ITransport)
class Connection:
    """One connection, for one probe."""

    __slots__ = (
        "_descriptor",
        "_destination",
        "_error",
        "_events",
        "_keeper",
        "_opener",
        "_owner",
        "_poller",
        "_protocol",
        "_socket",
        "_unsent",
        "disconnecting",
    )

    def __init__(
        self, poller: Readiness, opener: StreamOpener, destination: Destination, owner: ConnectionOwner
    ) -> None:
        self._poller = poller
        self._opener = opener
        self._destination = destination
        self._owner = owner
        self._keeper: ConnectionKeeper | None = None
        self._protocol: IProtocol | None = None
        self._socket: socket.SocketType | None = None
        self._descriptor = -1
        self._events = 0
        self._unsent = b""
        self._error = 0
        self.disconnecting = False

    def open(self) -> None:
        """Begin to connect; on loopback that can succeed or fail before this returns."""
        try:
            self._socket = stream = self._opener.open_stream(self._destination)
        except ProbeError as error:
            self._owner.conclude_with(error.outcome)
            return
        self._descriptor = stream.fileno()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        self._judge_connect(stream.connect_ex(self._destination.address), at_once=True)

    def ready(self, events: int = EPOLLIN | EPOLLOUT) -> bool:
        """Go on as far as the kernel lets us; return whether there was anything to take."""
        stream = self._socket
        if stream is None:
            return False
        if self._protocol is None:
            number = stream.connect_ex(self._destination.address)
            self._judge_connect(number, at_once=False)
            return number not in _PENDING
        if self._unsent and events & EPOLLOUT:
            self._flush(stream)
        found = bool(events & ~EPOLLOUT) and self._receive(stream)
        self._settle()
        return found

    def crash(self) -> None:
        """Leave it to the owner, who closes the connection, unless it was the end of this very probe that raised."""
        if self._keeper is not None:
            self.abortConnection()
        elif self._socket is not None:
            self._owner.crash()

    def acknowledge(self) -> None:
        """End the handshake now: nothing is going to be sent, and the backend is to speak first.

        Its kernel lets it accept the connection only then, which would be some 0.2 s later.
        """
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def linger(self, keeper: ConnectionKeeper) -> None:
        """Carry on without the owner, to whom nothing is told any more, until the protocol or the keeper closes."""
        self._keeper = keeper

    # ITransport

    def write(self, data: bytes) -> None:
        """Send bytes, now if possible."""
        if self._unsent:
            self._unsent += data
        elif self._socket is not None:
            self._unsent = data
            self._flush(self._socket)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close; there is nothing that a probe would wait for."""
        self.abortConnection()

    def loseWriteConnection(self) -> None:
        """Close our side, in order: the backend reads an end, and then closes its own."""
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                self._error = error.errno or errno.EIO

    def abortConnection(self) -> None:
        """Close with a reset, now."""
        if self._socket is not None:
            self._close(ABORTED)

    def getPeer(self) -> IPv4Address | IPv6Address:
        """Return the address of the backend."""
        return _twisted_address(self._destination.address)

    def getHost(self) -> IPv4Address | IPv6Address:
        """Return our own address."""
        if self._socket is None:
            return _twisted_address(("", 0))
        return _twisted_address(self._socket.getsockname())

    # Steps

    def _judge_connect(self, number: int, *, at_once: bool) -> None:
        if number in _CONNECTED and self._is_to_itself():
            self._owner.conclude_with(TO_ITSELF)
        elif number in _CONNECTED:
            self._protocol = protocol = self._owner.build_protocol()
            protocol.makeConnection(self)
            self._settle()
        elif number in _PENDING:
            self._wait_for(EPOLLOUT)
        else:
            self._owner.conclude_with(connect_outcome(number, at_once=at_once))

    def _is_to_itself(self) -> bool:
        """Return whether the kernel chose the very port that was called, where nobody listens, as the local port.

        Two SYNs that cross make a connection (RFC 9293 section 3.5), and here it is the same SYN. It takes a backend on
        this host whose port is in ``net.ipv4.ip_local_port_range``.
        """
        stream = self._socket
        if stream is None:
            return False
        own = stream.getsockname()
        if own[1] != self._destination.address[1]:
            return False
        try:
            return bool(own[:2] == stream.getpeername()[:2])
        except OSError:  # reset since; the protocol will see
            return False

    def _receive(self, stream: socket.SocketType) -> bool:
        protocol = self._protocol
        if protocol is None:
            return False
        try:
            data = stream.recv(READ_SIZE)
        except BlockingIOError:
            return False
        except OSError as error:
            self._error = error.errno or errno.EIO
            return True
        if data:
            protocol.dataReceived(data)
        else:
            self._close(DONE)
        return True

    def _flush(self, stream: socket.SocketType) -> None:
        try:
            sent = stream.send(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._error = error.errno or errno.EIO
            return
        self._unsent = self._unsent[sent:]

    def _settle(self) -> None:
        """After the protocol had its turn: end a broken connection, or wait for what comes next."""
        if self._socket is None:
            return
        if not self._error:
            self._wait_for(EPOLLIN | EPOLLOUT if self._unsent else EPOLLIN)
            return
        fault = local_fault(self._error)
        if fault is None or self._keeper is not None:
            self._close(Failure(ConnectionLost(os.strerror(self._error))))
        else:
            self._owner.conclude_with(fault)

    def _wait_for(self, events: int) -> None:
        if events == self._events:
            return
        first, self._events = self._events == 0, events
        if not first:
            self._poller.change(self._descriptor, events)
            return
        try:
            self._poller.watch(self._descriptor, events, self)
        except OSError as error:
            self._owner.conclude_with(setup_fault(error.errno or 0))

    def _close(self, reason: Failure) -> None:
        stream, self._socket = self._socket, None
        if stream is None:
            return
        # The protocol is let go of, as it refers to us: a cycle would keep both until the garbage collector comes.
        protocol, self._protocol = self._protocol, None
        self._poller.forget(self._descriptor)
        # Also before we know of a connection: the kernel may have made it already, and would leave it in TIME_WAIT.
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        stream.close()
        self.disconnecting = True
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.closed()
        if protocol is not None:
            protocol.connectionLost(reason)


def _twisted_address(address: tuple[str, int] | tuple[str, int, int, int]) -> IPv4Address | IPv6Address:
    return (IPv6Address if ":" in address[0] else IPv4Address)("TCP", address[0], address[1])
