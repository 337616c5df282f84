"""The counters of one connected VPP, read from its stats segment again and again.

Theory of operation. A reading finds out which columns belong to what (`counter_columns`), reads those columns and no
others, a slice in each step of a computation, and asks VPP one more question at the end. VPP answers in order, while
its memory
changes at once: when that answer is here, every change of ours that VPP had made before we looked is known here, and
what was read for a VIP that has changed meanwhile is thrown away. Changes made by others show in the next full read;
a number that falls, because VPP clears a column for its next owner, shows them sooner. Such a number is left out until
it is known again whose it is.

The numbers are VPP's own, so they say the same as its command line. They start again at 0 when VPP recreates a VIP,
which those who evaluate counters expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from maglev.model.errors import StatsError, VppError, VppLostError, VppTimeoutError
from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.stats.counter_columns import CounterColumns
from maglev.vpp.stats.counts import Counts, Marks, RouteCounts, VipCounts

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Sequence

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vpp.lb.ledger import Ledger
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.stats.counter_columns import ILookups

FIRST: Final = "first session packet"
NEXT: Final = "packet from existing sessions"
UNTRACKED: Final = "untracked packet"
NO_SERVER: Final = "no server configured"
VIP_COUNTERS: Final = (FIRST, NEXT, UNTRACKED, NO_SERVER)
"""What the lb plugin counts for each VIP, in the order of `VipCounts` (``lb_vip_counter_names`` in ``lb.c``)."""

ROUTES_TO: Final = "/net/route/to"
"""Packets that a route was looked up for: those to the address of a VIP."""

ROUTES_VIA: Final = "/net/route/via"
"""Packets that took a route without a lookup of their own: those that the lb plugin sends to application servers."""

AT_ONCE: Final = 1000
"""VIPs and application servers read in one step: one or two milliseconds."""

MAX_AGE: Final = 20.0
"""Seconds for which a reading is of use: the stats segment may be out of reach for a few readings in a row."""

HEART_PATIENCE: Final = 25.0
"""Seconds without a heartbeat in the stats segment that are tolerated at first: VPP beats every 10 s unless
configured otherwise."""

MAX_PATIENCE: Final = 3600.0


class IStats(Protocol):
    """The stats segment; all reading raises `StatsError` if it can't be done now."""

    def simple_at(self, name: str, columns: Collection[int]) -> dict[int, int]:
        """Return some columns of a counter; those that it does not have are left out."""

    def combined_at(self, name: str, columns: Collection[int]) -> dict[int, tuple[int, int]]:
        """Return packets and bytes of some columns."""

    def stale(self, now: float, patience: float) -> bool:
        """Return whether VPP's heart has stopped."""


class Heartbeat:
    """Watches the heartbeat of VPP: the only sign of life in memory that stays readable when VPP is dead.

    The API socket closes with VPP, and pings find one that hangs; this finds a stats segment that is not of the VPP at
    the other socket. VPP does not tell how often its heart beats, so a very slow setting causes a false alarm or two:
    each makes us twice as patient, for as long as the daemon runs.

    Attributes:
        patience: Seconds without a heartbeat.
    """

    def __init__(self) -> None:
        self.patience = HEART_PATIENCE

    def check(self, stats: IStats, now: float) -> None:
        """Look at it.

        Raises:
            StatsError: That is not possible now.
            VppTimeoutError: It has stopped.
        """
        patience = self.patience
        if stats.stale(now, patience):
            self.patience = min(2 * patience, MAX_PATIENCE)
            raise VppTimeoutError(f"VPP's counters have not been updated for {patience:g} s")


class Counters:
    """Reads the counters over one connection."""

    _log = EventLogger()

    def __init__(self, work: WorkQueue, lb: ILookups, stats: IStats, ledger: Ledger, heart: Heartbeat) -> None:
        """Prepare; nothing is read before `read`.

        Args:
            work: Where counters are read, a slice in each step; has a monotonic clock.
            lb: The calls to VPP.
            stats: Its stats segment.
            ledger: What it is known to hold, by a full read at least.
            heart: Watches the heartbeat; outlives this object.
        """
        self._clock = work.clock
        self._work = work
        self._stats = stats
        self._ledger = ledger
        self._heart = heart
        self._places = CounterColumns(work, lb, ledger)
        self._vip_marks, self._to_marks, self._via_marks = Marks(), Marks(), Marks()
        self._counts: Counts | None = None
        self._read_at = 0.0
        self._error = ""

    def current(self) -> Counts:
        """Return the last reading.

        Raises:
            StatsError: There is none, or it was long ago.
        """
        if self._counts is None or self._clock.seconds() - self._read_at > MAX_AGE:
            raise StatsError(self._error or "VPP's counters have not been read yet")
        return self._counts

    async def read(self) -> None:
        """Make a reading. If that is not possible now, the log is told: once for each reason, not each time.

        Raises:
            VppTimeoutError: VPP did not answer, or its heart has stopped.
            VppLostError: The connection is gone.
        """
        try:
            self._heart.check(self._stats, self._clock.seconds())
            if await self._places.complete():
                self._to_marks.forget()
            counts = await self._confirmed(*await self._work.run(self._read_steps()))
        except (VppTimeoutError, VppLostError):
            raise
        except VppError as error:
            self._failed(str(error))
        else:
            self._counts, self._read_at, self._error = counts, self._clock.seconds(), ""
            for marks in (self._vip_marks, self._to_marks, self._via_marks):
                marks.end()

    def _failed(self, error: str) -> None:
        if error != self._error:
            self._log.warn("vpp-counters-failed", error=error)
        self._error = error

    # Reading

    def _read_steps(self) -> Generator[None, None, tuple[dict[VipKey, VipCounts], dict[str, RouteCounts]]]:
        vips: dict[VipKey, VipCounts] = {}
        servers: dict[str, RouteCounts] = {}
        for keys in self._slices():
            held = [self._ledger.vips[key] for key in keys if key in self._ledger.vips]
            vips.update(self._read_vips(held))
            servers.update(self._read_servers(held, servers))
            yield
        return vips, servers

    def _slices(self) -> Iterator[Sequence[VipKey]]:
        """Yield the VIPs, as many at once as are read in one step."""
        keys: list[VipKey] = []
        size = 0
        for key, vip in tuple(self._ledger.vips.items()):
            keys.append(key)
            size += 1 + len(vip.servers)
            if size >= AT_ONCE:
                yield keys
                keys, size = [], 0
        if keys:
            yield keys

    def _read_vips(self, vips: Sequence[Vip]) -> Iterator[tuple[VipKey, VipCounts]]:
        numbers = self._vip_numbers([vip.pool_index for vip in vips if vip.pool_index is not None])
        if fallen := self._vip_marks.fallen(numbers):
            self._places.doubt()
        routes = self._route_numbers(vips)
        for vip in vips:
            if vip.pool_index in numbers and vip.pool_index not in fallen:
                yield vip.key, VipCounts(*numbers[vip.pool_index], routes.get(self._places.route(vip.key)))

    def _vip_numbers(self, columns: Sequence[int]) -> dict[int, tuple[int, int, int, int]]:
        first, following, untracked, no_server = (self._stats.simple_at(name, columns) for name in VIP_COUNTERS)
        # Each of the four grows at its own time.
        common = first.keys() & following.keys() & untracked.keys() & no_server.keys()
        return {each: (first[each], following[each], untracked[each], no_server[each]) for each in common}

    def _route_numbers(self, vips: Sequence[Vip]) -> dict[int | None, RouteCounts]:
        """Return what the routes have counted, by column; a column whose number has fallen is left out."""
        routes = {vip.key: self._places.route(vip.key) for vip in vips}
        numbers = self._stats.combined_at(ROUTES_TO, {column for column in routes.values() if column is not None})
        fallen = self._to_marks.fallen(numbers)
        for key, column in routes.items():
            if column in fallen:
                self._places.doubt_route(key)
        return {column: RouteCounts(*each) for column, each in numbers.items()}

    def _read_servers(self, vips: Sequence[Vip], known: Collection[str]) -> dict[str, RouteCounts]:
        """Read what is known of servers; one that several VIPs have is read once."""
        dpos = {
            address: server.dpo
            for vip in vips
            for address, server in vip.servers.items()
            if server.dpo is not None and address not in known
        }
        numbers = self._stats.combined_at(ROUTES_VIA, set(dpos.values()))
        if fallen := self._via_marks.fallen(numbers):
            self._places.doubt()
        sound = ((address, dpo) for address, dpo in dpos.items() if dpo in numbers and dpo not in fallen)
        return {address: RouteCounts(*numbers[dpo]) for address, dpo in sound}

    async def _confirmed(self, vips: dict[VipKey, VipCounts], servers: dict[str, RouteCounts]) -> Counts:
        """Drop numbers that may have been read from another owner's column."""
        moved = await self._places.confirm()
        changed = {key[:2] for key in self._ledger.changed}
        if changed:
            vips = {key: counts for key, counts in vips.items() if key[:2] not in changed}
        if moved:
            vips = {key: each._replace(route=None) if key[:2] in moved else each for key, each in vips.items()}
        return Counts(vips, servers)
