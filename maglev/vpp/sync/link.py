"""A usable connection to VPP: API and stats sockets, which are made together and torn down together.

Only if maglevd itself has no descriptor for the stats segment, it does without: nothing but counters depends on that.
It keeps a few descriptors in reserve, so that probes and peers do not take those of a VPP that has just been lost.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from maglev.model.errors import StatsError, VppShortageError
from maglev.model.text import printable
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.spare import SpareDescriptors
from maglev.vpp.api.connection import connect
from maglev.vpp.api.definitions import Layouts
from maglev.vpp.lb.cli import lb_for
from maglev.vpp.stats.late_stats import LateStats
from maglev.vpp.stats.segment_socket import open_stats, socket_identity
from maglev.vpp.sync.interfaces import VppInfo

if TYPE_CHECKING:
    from collections.abc import Hashable

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vpp.api.protocol import VppProtocol
    from maglev.vpp.lb.calls import LbApi
    from maglev.vpp.lb.cli import LbCli
    from maglev.vpp.stats.segment import StatsSegment
    from maglev.vpp.sync.interfaces import ILink


NEEDED: Final = 3
"""Descriptors that a new connection takes: a socket for the API, one for the stats, and the segment."""


class MessageCounter:
    """Counts API messages, for as long as the daemon runs.

    Attributes:
        counts: Messages by name, direction and result.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, message: str, direction: str, result: str, /) -> None:
        """Count one message."""
        self.counts[message, direction, result] += 1


class Link:
    """One connection to VPP.

    Attributes:
        lb: The calls of the lb plugin.
        stats: The stats segment.
        info: What VPP said of itself.
    """

    def __init__(
        self, protocol: VppProtocol, lb: LbApi | LbCli, stats: StatsSegment | LateStats, info: VppInfo
    ) -> None:
        self.lb = lb
        self.stats = stats
        self.info = info
        self._protocol = protocol
        # The memory of a dead VPP stays readable, and frozen: nothing may read it from here on.
        self.when_lost().addCallback(lambda _: stats.close())

    def ping(self) -> Deferred[Any]:
        """Ask for a sign of life."""
        return self.lb.ping()

    def when_lost(self) -> Deferred[Any]:
        """Return a fresh Deferred that fires when the connection is gone."""
        return self._protocol.when_lost()

    def close(self) -> None:
        """Let go of everything, at once."""
        self._protocol.abort("closed")


class VppConnector:
    """Makes connections to the VPP behind one pair of sockets."""

    _log = EventLogger()

    def __init__(
        self,
        reactor: Any,
        work: WorkQueue,
        api_path: str,
        stats_path: str,
        counter: MessageCounter,
        *,
        trace: bool = False,
    ) -> None:
        """Prepare to connect.

        Args:
            reactor: Connects, and measures the deadlines.
            work: Where what takes long is done.
            api_path: Of the API socket.
            stats_path: Of the stats socket.
            counter: Counts every API message.
            trace: Whether each message is logged at debug.
        """
        self._reactor = reactor
        self._work = work
        self._api_path = api_path
        self._stats_path = stats_path
        self._counter = counter
        self._trace = trace
        self._layouts = Layouts()
        self._spare = SpareDescriptors(NEEDED)

    def connect(self) -> Deferred[ILink]:
        """Connect, and ask VPP what it is; fails with `VppError`."""
        return Deferred.fromCoroutine(self._connect())

    def fingerprint(self) -> Hashable:
        """Return a value that changes whenever VPP recreates its sockets."""
        return socket_identity(self._api_path), socket_identity(self._stats_path)

    async def _connect(self) -> ILink:
        self._spare.refill()
        try:
            link = await self._new_link()
        except BaseException:
            self._spare.refill()
            raise
        link.when_lost().addCallback(lambda _: self._spare.refill())
        return link

    async def _new_link(self) -> Link:
        self._spare.give_up_one()
        protocol = await connect(
            self._reactor,
            self._work,
            self._api_path,
            layouts=self._layouts,
            count=self._counter.count,
            trace=self._trace,
        )
        try:
            lb = lb_for(protocol)
            stats = await self._stats()
            try:
                info = await _ask(lb, stats)
            except BaseException:
                stats.close()
                raise
        except BaseException:
            protocol.abort("VPP can not be used")
            raise
        return Link(protocol, lb, stats, info)

    async def _stats(self) -> StatsSegment | LateStats:
        try:
            return await self._open_stats()
        except VppShortageError as error:
            return LateStats(self._open_stats, str(error))

    def _open_stats(self) -> Deferred[StatsSegment]:
        return open_stats(self._reactor, self._stats_path, make_room=self._spare.give_up_one)


async def _ask(lb: LbApi | LbCli, stats: StatsSegment | LateStats) -> VppInfo:
    version = await lb.version()
    pid = await lb.ping()
    try:
        boot_time = 0.0 if isinstance(stats, LateStats) else float(stats.scalar("/sys/boottime"))
    except StatsError:
        boot_time = 0.0  # not there in the first moments of a VPP
    return VppInfo(
        version=printable(version.version),
        build_date=printable(version.build_date),
        build_directory=printable(version.directory),
        pid=pid,
        boot_time=boot_time,
        weights=lb.features.weights,
    )
