"""The service that keeps VPP programmed: connects, syncs, notices at once when VPP goes, and comes back when it does.

VPP is never required. Without it the checker goes on, and the service tries again: with a jittered back-off, and at
once when the socket files change, because a VPP that has just started must not wait for ours.
"""

from __future__ import annotations

from itertools import filterfalse
from typing import TYPE_CHECKING, Final

import attrs
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed

from maglev.config.diff import touched
from maglev.model.errors import StatsError, VppError, VppLostError, VppNotConnectedError, VppOffError, VppTimeoutError
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks
from maglev.vpp.lb.state import key_of
from maglev.vpp.stats.counters import Counters, Heartbeat
from maglev.vpp.sync.departures import Departures
from maglev.vpp.sync.lb_sync import LbSync
from maglev.vpp.sync.memory import SyncMemory
from maglev.vpp.sync.retry import Backoff, Retry
from maglev.vpp.sync.warmup import WarmUp
from maglev.vpp.sync.writer import SyncCounters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from maglev.model.config import Config, Frontend
    from maglev.model.events import BackendEvent
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.calls import Features
    from maglev.vpp.lb.state import Operation, Vip, VipKey
    from maglev.vpp.stats.counts import Counts
    from maglev.vpp.sync.interfaces import IConnector, ILink, VppInfo

PING_PERIOD: Final = 10.0
"""Seconds between pings: what finds a VPP that hangs; one that dies closes its socket."""

COUNT_PERIOD: Final = 5.0
"""Seconds between readings of VPP's counters."""

STOP_DEADLINE: Final = 1.0
"""Seconds that writes under way may take when the daemon stops: it has two for everything."""


class VppService(Service):
    """Keeps one VPP programmed with what the board says.

    Attributes:
        clock: A monotonic clock.
        tally: What was written and went wrong so far.
        info: What the connected VPP said of itself; None without a connection.
        connected_since: Monotonic time of the connection, seconds of the clock.
        sync: The sync of the present connection; None without one.
        hindered: Whether maglevd could not connect for a reason of its own, which says nothing of VPP.
        counters: What the connected VPP has counted; None without a connection, and until VPP was read.
    """

    _log = EventLogger()

    def __init__(
        self, work: WorkQueue, board: Board, connector: IConnector | None, jitter: Callable[[], float]
    ) -> None:
        """Prepare; nothing happens before the service starts.

        Args:
            work: Where long work is done; has a monotonic clock.
            board: What is wanted; the service subscribes to its changes.
            connector: The way to VPP; None when VPP is switched off.
            jitter: Returns a factor for each back-off, around 1.
        """
        self.clock = work.clock
        self._work = work
        self._board = board
        self._connector = connector
        self._tasks = Tasks()
        self._link: ILink | None = None
        self._given_up: ILink | None = None
        self._retry = Retry(work.clock)
        self._backoff = Backoff(work.clock, jitter)
        self._last_error = ""
        self._heart = Heartbeat()
        self._over: set[VipKey] = set()
        self.tally = SyncCounters()
        self.info: VppInfo | None = None
        self.connected_since = 0.0
        self._unusable_since: float | None = work.clock.seconds()
        self.hindered = False
        self._made = work.clock.seconds()
        self.sync: LbSync | None = None
        self.counters: Counters | None = None
        self.warm_up = WarmUp(work.clock, board, self._released)
        self.departures = Departures(work.clock, lambda: board.config.vpp, self._departure_over)
        self.memory = SyncMemory(self.tally, self.departures)
        board.holds.know_programmed(self._programmed)
        board.subscribe(
            backend_changed=self._backend_changed,
            weights_changed=self._weights_changed,
            config_changed=self._config_changed,
        )

    @property
    def off(self) -> bool:
        """Whether VPP is switched off."""
        return self._connector is None

    @property
    def features(self) -> Features | None:
        """What the connected VPP can do; None without one."""
        return None if self._link is None else self._link.lb.features

    @property
    def known(self) -> Mapping[VipKey, Vip] | None:
        """The VIPs that VPP is known to hold; None without a connection, and until it was read."""
        return None if self.sync is None or self.sync.ledger.conf is None else self.sync.ledger.vips

    @property
    def acknowledged(self) -> bool:
        """Whether VPP has acknowledged a full sync over the present connection."""
        return self._unusable_since is None

    @property
    def starting(self) -> bool:
        """Whether backends may be without a result only because maglevd has just started."""
        ran_for = self.clock.seconds() - self._made
        return not self.warm_up.over or ran_for < self._board.config.announce.vpp_lost_delay

    def startService(self) -> None:
        """Begin the warm-up and the attempts to connect."""
        Service.startService(self)
        self.warm_up.start()
        if (connector := self._connector) is not None:
            self._repeat(self._tasks, "vpp-connection", lambda: self._attempt(connector))

    def stopService(self) -> Deferred[None]:
        """Let go of VPP, which keeps forwarding as it is, as soon as writes under way are done."""
        Service.stopService(self)
        self.warm_up.stop()
        if self.sync is None:
            self._end()
            return succeed(None)
        # A VIP being made again must not stay half made. Nothing else is begun: what is raised first may not be there.
        self.sync.close()
        return self.sync.when_written().addTimeout(STOP_DEADLINE, self.clock).addBoth(self._end)

    def _end(self, _: object = None) -> None:
        """Let go of VPP."""
        self._tasks.cancel()
        self.departures.trim(())
        self._drop()

    async def sync_now(self, frontend: str | None = None) -> Sequence[Operation]:
        """Read VPP back and repair what differs, in everything or in one frontend; return what was written.

        Raises:
            NotFoundError: The frontend does not exist.
            VppOffError: VPP is switched off.
            VppNotConnectedError: VPP is not there now.
            VppError: VPP failed meanwhile.
        """
        if frontend is not None:
            self._board.frontend(frontend)
        sync = self.require_sync()
        if frontend is not None:
            return await sync.frontend(frontend)
        self.memory.contest.reset()
        return await sync.full()

    def connected_for(self) -> float:
        """Return for how many seconds the present connection lasts."""
        return self.clock.seconds() - self.connected_since

    def unusable_for(self) -> float:
        """Return for how many seconds VPP has not been read over a connection; 0 if the present one has worked.

        Connections that end before VPP could be read do not interrupt this time.
        """
        return 0.0 if self._unusable_since is None else self.clock.seconds() - self._unusable_since

    def require_link(self) -> ILink:
        """Return the present connection.

        Raises:
            VppOffError: VPP is switched off.
            VppNotConnectedError: VPP is not there now.
        """
        if self._connector is None:
            raise VppOffError("VPP is switched off")
        if self._link is None:
            raise VppNotConnectedError("not connected to VPP" + (f": {self._last_error}" if self._last_error else ""))
        return self._link

    def require_sync(self) -> LbSync:
        """Return the sync of the present connection; raises what `require_link` raises."""
        self.require_link()
        if self.sync is None:
            raise VppNotConnectedError("not connected to VPP")
        return self.sync

    def read_counts(self) -> Counts:
        """Return what VPP has counted, as of the last reading.

        Raises:
            VppOffError: VPP is switched off.
            VppNotConnectedError: VPP is not there now.
            StatsError: The counters have not been read yet, or can't be read.
        """
        self.require_link()
        if self.counters is None:
            raise StatsError("VPP's counters have not been read yet")
        return self.counters.current()

    # What the board tells

    def _weights_changed(self, frontends: frozenset[str]) -> None:
        """Write what changed, for these frontends only."""
        self.warm_up.consider(frontends)
        if self.sync is not None:
            for name in frontends:
                if self.warm_up.is_free(name) or self._has_orders(self._board.frontends.get(name)):
                    self._tasks.start(self._reading(self.sync.touched(name)))

    def _has_orders(self, status: FrontendStatus | None) -> bool:
        """Return whether a frontend is written as far as orders go, even if the warm-up protects it."""
        return status is not None and (status.out or key_of(status.frontend) in self.warm_up.raises_in)

    def _backend_changed(self, event: BackendEvent) -> None:
        """Write what an operator orders, also where the warm-up lets nothing else be written."""
        status = self._board.backends.get(event.backend)
        if self.sync is not None and status is not None and status.ordered_out:
            for name in filterfalse(self.warm_up.is_free, self._board.frontends_of(event.backend)):
                self._tasks.start(self.sync.touched(name))

    def _config_changed(self, old: Config, new: Config) -> None:
        """Write what a reload changed, and delete what it took out."""
        held = {} if self.sync is None else self.sync.ledger.vips
        self.departures.expect_reload(old, new, self._board.holds.served_before, held)
        leaving = {key_of(old.frontends[name]) for name in touched(new.frontends, old.frontends)}
        self.memory.left_configuration |= leaving and leaving - {
            key_of(frontend) for frontend in new.frontends.values()
        }
        if self.sync is not None:
            self._tasks.start(self._full(self.sync.replan()))

    def _departure_over(self, key: VipKey) -> None:
        """Let servers of a VIP go, when VPP was read: others may have come to need them since it was written."""
        if self.sync is not None:
            self._over.add(key)
            if len(self._over) == 1:
                self._tasks.start(self._full(self.sync.compare(self._over)))

    def _programmed(self, frontend: Frontend) -> Mapping[str, int]:
        """Return the weights above 0 that VPP holds, or is about to hold, for a frontend's VIP, by address."""
        return {} if self.sync is None else self.sync.ledger.weights(key_of(frontend))

    # Connection

    async def _attempt(self, connector: IConnector) -> float:
        """Connect, use the connection for as long as it lasts, and wait until it is time for the next one."""
        seen = connector.fingerprint()
        try:
            link = await connector.connect()
        except VppError as error:
            self.hindered = error.is_ours
            self._not_connected(str(error))
        else:
            self.hindered = False
            if await self._serve(link):
                self._backoff.worked()
        await self._backoff.wait(connector, seen)
        return 0.0

    async def _serve(self, link: ILink) -> bool:
        """Use a connection for as long as it lasts; return whether it ever worked."""
        lost = link.when_lost()
        self._link = link
        self.info = link.info
        self.connected_since = self.clock.seconds()
        self._last_error = ""
        self._log.info("vpp-connect", **attrs.asdict(link.info))
        sync = self.sync = LbSync(self._work, self._board, link.lb, self.warm_up, self.memory, self._write_failed)
        timers = Tasks()
        try:
            await sync.full()
            self._unusable_since = None
            counters = self.counters = Counters(self._work, link.lb, link.stats, sync.ledger, self._heart)
            self._repeat(timers, "vpp-ping", lambda: self._ping(link), PING_PERIOD)
            self._repeat(timers, "vpp-sync", lambda: self._sync_in_time(sync), self._board.config.vpp.sync_interval)
            self._repeat(timers, "vpp-counters", lambda: self._count(counters))
            await lost
        except VppError as error:
            self._log.warn("vpp-disconnect", reason=str(error))
            return False
        except CancelledError:
            raise
        except Exception as error:
            self._log.warn("vpp-disconnect", reason=f"unexpected {type(error).__name__}")
            raise
        else:
            self._log.warn("vpp-disconnect", reason="VPP closed the connection")
            return True
        finally:
            timers.cancel()
            self._drop()

    def _drop(self) -> None:
        self._retry.cancel()
        self._over = set()
        self.sync = None
        self.counters = None
        self.info = None
        self._given_up = None
        if self._unusable_since is None:
            self._unusable_since = self.clock.seconds()
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _not_connected(self, error: str) -> None:
        """Tell why there is no VPP: once for each reason, not at each attempt."""
        if error != self._last_error:
            self._last_error = error
            self._log.warn("vpp-connect-failed", error=error)

    # The steps of the loops may themselves end the connection, and with it their loop; so they look each time.

    def _repeat(
        self, timers: Tasks, name: str, step: Callable[[], Awaitable[float | None]], delay: float = 0.0
    ) -> None:
        timers.repeat(self.clock, name, step, self._step_failed, delay)

    def _step_failed(self) -> None:
        self.tally.failures += 1

    async def _ping(self, link: ILink) -> float | None:
        try:
            await link.ping()
        except VppError as error:
            self._hung(error)
        return PING_PERIOD if self._link is link else None

    async def _sync_in_time(self, sync: LbSync) -> float | None:
        await self._full(sync.full())
        return self._board.config.vpp.sync_interval if self.sync is sync else None

    async def _count(self, counters: Counters) -> float | None:
        try:
            await counters.read()
        except VppTimeoutError as error:
            self._hung(error)
            return None
        except VppLostError:
            return None
        return COUNT_PERIOD if self.counters is counters else None

    async def _full(self, read: Awaitable[object]) -> None:
        """Wait for what reads VPP and then writes."""
        if await self._reading(read):
            self._retry.succeeded()

    async def _reading(self, read: Awaitable[object]) -> bool:
        """Wait for what may read VPP; return whether that went well."""
        try:
            await read
        except VppError as error:
            self._write_failed(error)
            return False
        return True

    def _write_failed(self, error: VppError) -> None:
        """Decide what a failed write or read means: a hung VPP is left, any other is read again soon."""
        if isinstance(error, VppLostError):
            return
        self.tally.failures += 1
        if isinstance(error, VppTimeoutError):
            self._hung(error)
        elif self.sync is not None:
            self._retry.schedule(self._sync_again, self._board.config.vpp.sync_interval)

    def _sync_again(self) -> None:
        if self.sync is not None:
            self._tasks.start(self._full(self.sync.full()))

    def _hung(self, error: VppError) -> None:
        if self._link is not None and self._link is not self._given_up:
            self._given_up = self._link  # what else waits for it will run out of time now, too
            self._log.error("vpp-hung", error=str(error))
            self._link.close()

    def _released(self, frontends: frozenset[str]) -> None:
        """Begin to write what the warm-up has released."""
        self._log.info("warm-up-released", frontends=len(frontends), over=self.warm_up.over)
        if self.sync is not None:
            self._tasks.start(self._full(self.sync.full() if self.warm_up.over else self.sync.replan()))
