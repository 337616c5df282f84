"""The whole way from the VPP service to a simulator, without sockets: time is the test's, and so is every turn."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from maglev.model.errors import VppNotConnectedError
from maglev.runtime.cooperator import Cooperator
from maglev.vpp.api.connection import prepare
from maglev.vpp.api.definitions import Layouts
from maglev.vpp.api.protocol import VppProtocol
from maglev.vpp.lb.cli import lb_for
from maglev.vpp.stats.segment import StatsSegment
from maglev.vpp.sync.interfaces import VppInfo
from maglev.vpp.sync.link import Link
from tests.fakes.fake_vpp import Tally

if TYPE_CHECKING:
    from twisted.internet.task import Clock

    from maglev.vppsim.simulator import Simulator


@implementer(ITCPTransport)
class MemoryPipe:
    """One end of a connection; what is written arrives at the other end in a later turn."""

    def __init__(self, clock: Clock, protocol: Any) -> None:
        self._clock = clock
        self._protocol = protocol
        self._open = True
        self.peer: MemoryPipe | None = None

    def write(self, data: bytes) -> None:
        if self._open:
            self._clock.callLater(0, self.peer.deliver, data)

    def loseConnection(self) -> None:
        self._close(ConnectionDone())

    def abortConnection(self) -> None:
        self._close(ConnectionAborted())

    def deliver(self, data: bytes) -> None:
        if self._open:
            self._protocol.dataReceived(data)

    def _close(self, reason: Exception) -> None:
        if self._open:
            self._open = False
            self._protocol.connectionLost(Failure(reason))
            self._clock.callLater(0, self.peer._close, ConnectionDone())


class MemoryConnector:
    """Makes connections to a simulator that has no sockets; an `IConnector`.

    Attributes:
        tally: Counts the messages of all connections.
    """

    def __init__(self, clock: Clock, simulator: Simulator) -> None:
        self._clock = clock
        self._simulator = simulator
        self._layouts = Layouts()
        self.tally = Tally()

    def fingerprint(self) -> object:
        return self._simulator.boot if self._simulator.running else None

    def connect(self) -> Deferred[Link]:
        return Deferred.fromCoroutine(self._connect())

    async def _connect(self) -> Link:
        if not self._simulator.running:
            raise VppNotConnectedError("nobody there")
        protocol = VppProtocol(self._clock, Cooperator(self._clock).queue("vpp"), self.tally)
        theirs = self._simulator.factory.buildProtocol(None)
        ends = MemoryPipe(self._clock, protocol), MemoryPipe(self._clock, theirs)
        ends[0].peer, ends[1].peer = ends[1], ends[0]
        theirs.makeConnection(ends[1])
        protocol.makeConnection(ends[0])
        await prepare(protocol, "maglevd", self._layouts, _no_files)
        lb = lb_for(protocol)
        segment = self._simulator.boot.segment
        stats = StatsSegment(os.dup(segment.fd))
        info = VppInfo("26.10", "", "", self._simulator.boot.pid, 0.0, weights=lb.features.weights)
        return Link(protocol, lb, stats, info)


async def _no_files() -> list[str]:
    return []
