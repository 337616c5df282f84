"""The Perspective Broker service and its clients in memory: no sockets, and time that the test moves."""

from __future__ import annotations

import struct
from collections import deque

from twisted.cred.credentials import Anonymous
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.spread.pb import PBClientFactory

from maglev.control.sessions import Sessions
from maglev.rpc.client.control import connect_by
from maglev.rpc.server.identity import Identities, Operators
from maglev.rpc.server.service import PbService
from maglev.runtime.admission import Descriptors
from maglev.runtime.cooperator import Cooperator
from tests.fakes.pb_control import ScriptedControl

BUFFER = 64 * 1024
"""What a transport of Twisted holds before it asks its producer to pause."""


class PeerSocket:
    """A socket that tells who is at the other end."""

    def __init__(self, uid, gid, groups):
        self.answers = {17: struct.pack("3i", 4711, uid, gid), 59: struct.pack(f"{len(groups)}I", *groups)}

    def getsockopt(self, _level, option, _length):
        return self.answers[option]


class Side:
    """One side of a connection: the transport of its protocol."""

    def __init__(self, handle):
        self._handle = handle
        self.host = None
        self.certificate = None
        self.protocol = None
        self.other = None
        self.unread = deque()
        self.reading = True
        self.closing = None
        self.closed = False
        self.producer = None
        self.paused = False

    # What protocols call

    def write(self, data):
        if self.closing is None:
            self.other.unread.append(data)
            if self.producer is not None and self.backlog > BUFFER and not self.paused:
                self.paused = True
                self.producer.pauseProducing()

    def writeSequence(self, parts):
        self.write(b"".join(parts))

    def loseConnection(self):
        self.closing = self.closing or ConnectionDone()

    def abortConnection(self):
        self.closing = ConnectionAborted()
        self.unread.clear()

    def pauseProducing(self):
        self.reading = False

    def resumeProducing(self):
        self.reading = True

    def registerProducer(self, producer, streaming):
        assert streaming
        self.producer = producer

    def unregisterProducer(self):
        self.producer = None

    def getPeer(self):
        return UNIXAddress(None) if self.host is None else IPv4Address("TCP", self.host, 50000)

    def setTcpKeepAlive(self, _enabled):
        assert self.host is not None

    setTcpNoDelay = setTcpKeepAlive

    def getPeerCertificate(self):
        return self.certificate

    def getHandle(self):
        return self._handle

    # What moves the bytes

    @property
    def backlog(self):
        """Bytes written here that the other side has not read."""
        return sum(map(len, self.other.unread))

    def deliver(self, most=BUFFER):
        """Let the protocol have bytes; return whether anything happened."""
        if self.closed or not self.reading or not self.unread:
            return False
        data = b"".join(self.unread)
        self.unread.clear()
        if data[most:]:
            self.unread.append(data[most:])
        self.protocol.dataReceived(data[:most])
        if self.other.paused and self.other.backlog == 0 and not self.other.closed:
            self.other.paused = False
            self.other.producer.resumeProducing()
        return True

    def close(self, reason):
        if not self.closed:
            self.closed = True
            self.unread.clear()
            self.protocol.connectionLost(Failure(reason))


class Link:
    """A connection: a protocol at the client's side, and the broker of the service at the other."""

    def __init__(self, rig, protocol, handle, host=None, certificate=None):
        self.client, self.server = Side(None), Side(handle)
        self.server.host, self.server.certificate = host, certificate
        self.client.other, self.server.other = self.server, self.client
        self.client.protocol = protocol
        self.broker = self.server.protocol = rig.service.factory.buildProtocol(None)
        protocol.transport, self.broker.transport = self.client, self.server
        self.server.protocol.makeConnection(self.server)
        protocol.makeConnection(self.client)

    def step(self):
        moved = self.client.deliver() | self.server.deliver()
        for side in (self.client, self.server):
            # What was written before a graceful end still arrives.
            graceful = isinstance(side.closing, ConnectionDone) and side.other.unread
            if side.closing is not None and not side.closed and not graceful:
                side.close(side.closing)
                side.other.close(ConnectionDone())
                moved = True
        return moved

    @property
    def lost(self):
        return self.server.closed


class MemoryEndpoint:
    """A way to the service of a rig."""

    def __init__(self, rig, **who):
        self._rig = rig
        self._who = who

    def connect(self, factory):
        protocol = factory.buildProtocol(None)
        self._rig.link(protocol, **self._who)
        return succeed(protocol)


class Raw:
    """A client that sends what the test says, and keeps what comes."""

    def __init__(self):
        self.received = b""
        self.lost = False

    def makeConnection(self, transport):
        self.transport = transport

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, _reason):
        self.lost = True


async def _awaited(awaitable):
    return await awaitable


class PbRig:
    """The service, with a `ScriptedControl` for each client that logs in."""

    def __init__(self, operators=(0,), gids=(), descriptors=None):
        self.clock = Clock()
        self.controls = []
        self.links = []
        self.sessions = Sessions(self.clock, lambda: 1.7e9)
        identities = Identities(Operators(frozenset(operators), frozenset(gids)), lambda uid: succeed(f"user{uid}"))
        self.service = PbService(
            self.clock,
            Cooperator(self.clock).queue("pb"),
            self._control_for,
            self.sessions,
            identities,
            [],
            descriptors or Descriptors(lambda: 0, lambda: 65_536),
        )
        self.service.startService()

    def _control_for(self, caller):
        self.controls.append(ScriptedControl(caller))
        return self.controls[-1]

    @property
    def control(self):
        """The control of the client that logged in last."""
        return self.controls[-1]

    def link(self, protocol, uid=0, gid=0, groups=(), **remote):
        """Connect a protocol to the service; over TLS if there is a host to come from."""
        self.links.append(Link(self, protocol, PeerSocket(uid, gid, groups), **remote))
        return self.links[-1]

    def raw(self, data=b"", **who):
        """Connect a client that sends these bytes; return it and the link."""
        raw = Raw()
        link = self.link(raw, **who)
        link.client.write(data)
        self.settle()
        return raw, link

    def settle(self, seconds=0.0):
        """Let everything happen that happens without time passing; then some time, and again."""
        for _ in range(100_000):
            self.clock.advance(0)
            moved = [link.step() for link in tuple(self.links)]
            if not any(moved) and not self._due():
                break
        else:
            raise AssertionError("it never settles")
        if seconds:
            self.clock.advance(seconds)
            self.settle()

    def _due(self):
        return any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls())

    def result(self, awaitable, seconds=0.0):
        """Return what an awaitable comes to, or raise it."""
        # In a coroutine, the errors of Twisted's own client become exceptions.
        results = []
        Deferred.fromCoroutine(_awaited(awaitable)).addBoth(results.append)
        self.settle(seconds)
        assert results, "there is no result"
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    def pending(self, awaitable):
        """Start something; return (list of results so far)."""
        results = []
        Deferred.fromCoroutine(awaitable).addBoth(results.append)
        self.settle()
        return results

    def connect(self, *, one_command=False, **who):
        """Return a client of ours that is logged in."""
        return self.result(connect_by(self.clock, MemoryEndpoint(self, **who), "memory", one_command=one_command))

    def plain(self, **who):
        """Return the perspective as an unmodified client of Twisted sees it, and its link."""
        factory = PBClientFactory()
        link = self.link(factory.buildProtocol(None), **who)
        return self.result(factory.login(Anonymous())), link

    def close(self):
        """End everything; nothing may be left."""
        self.result(self.service.stopService())
        self.settle()
        assert not self.clock.getDelayedCalls()
        assert not self.service.limiter
        assert not self.sessions.views()
