"""One life of a simulated VPP: everything that a restart replaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.vppsim.balancer import Balancer
from maglev.vppsim.fib import Fib
from maglev.vppsim.messages import MessageTable
from maglev.vppsim.segment import EntryType, Segment
from maglev.vppsim.show import COUNTERS, address_text, prefix_text
from maglev.vppsim.vip import SimVipKey, normalized
from maglev.vppsim.writes import VipName, Write

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.vppsim.faults import Faults
    from maglev.vppsim.release import Release
    from maglev.vppsim.writes import WriteLog

COLLECTION_PERIOD: Final = 60.0
"""Seconds between the rounds of VPP's ``lb-gc-process``."""

HEARTBEAT_PERIOD: Final = 10.0
"""Seconds between two updates of the stats segment: ``update-interval``, VPP's default."""

ROUTES_TO: Final = "/net/route/to"
ROUTES_VIA: Final = "/net/route/via"

BOOT_TIME: Final = "/sys/boottime"
HEARTBEAT: Final = "/sys/heartbeat"

FILLERS: Final = 3000
"""Entries that nobody looks for, so that the directory is as long as that of a VPP with two plugins."""


class Boot:
    """A running VPP, from its start to its end.

    Args:
        clock: For the two periodic jobs, and the seconds since the start.
        random: Where the message numbers come from.
        release: The VPP to play.
        pid: The process that it claims to be.
        boot_time: UNIX time of its start, whole seconds.
        workers: Worker threads; each has a row in every counter.
        writes: Where changes are recorded.
        faults: What goes wrong.
        fillers: Entries of the stats directory that mean nothing.
    """

    def __init__(
        self,
        clock: IReactorTime,
        random: random.Random,
        release: Release,
        *,
        pid: int,
        boot_time: int,
        workers: int,
        writes: WriteLog,
        faults: Faults,
        fillers: int = FILLERS,
    ) -> None:
        self._clock = clock
        self._started = clock.seconds()
        self.release = release
        self.pid = pid
        self.boot_time = boot_time
        self.writes = writes
        self.faults = faults
        self.messages = MessageTable(random, release)
        self.segment = Segment(1 + workers)
        self._fill_segment(fillers)
        self.fib = Fib(self._clear_route)
        self.balancer = Balancer(self.uptime, self.fib, self._clear_vip, weighted=release.has_weights)
        self._calls: dict[str, IDelayedCall] = {}
        self._beat()
        if release.has_lb and release.has_weights:
            self._schedule("collect", COLLECTION_PERIOD)

    def uptime(self) -> float:
        """Return the seconds since the start."""
        return self._clock.seconds() - self._started

    def end(self) -> None:
        """Stop all jobs and let go of the stats segment; who has it mapped sees it frozen."""
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        self.segment.close()

    def record(self, name: str, text: str, key: SimVipKey | None, servers: Sequence[bytes], retval: int) -> None:
        """Put a change that was asked for, and what came of it, into the record of writes."""
        vip = self.balancer.find(key) if key else None
        weights = self.balancer.weights_of(vip) if vip else {}
        self.writes.add(
            Write(
                time=self._clock.seconds(),
                name=name,
                text=text,
                vip=vip_name(key) if key else None,
                servers=tuple(address_text(server) for server in servers),
                retval=retval,
                weights={address_text(address): weight for address, weight in weights.items()},
            )
        )

    def counts_of(self, vip_index: int) -> list[int]:
        """Return the four counters of a VIP, in the order of `COUNTERS`."""
        return [self.segment.read(name, vip_index)[0] for name in COUNTERS]

    # The two periodic jobs. While the main loop is frozen they do not run.

    def _beat(self) -> None:
        if not self.faults.frozen:
            self.segment.set(BOOT_TIME, self.boot_time)
            self.segment.set(HEARTBEAT, self.segment.get(HEARTBEAT) + 1)
        self._schedule("beat", HEARTBEAT_PERIOD)

    def _collect(self) -> None:
        if not self.faults.frozen:
            self.balancer.collect()
        self._schedule("collect", COLLECTION_PERIOD)

    def _schedule(self, job: str, delay: float) -> None:
        self._calls[job] = self._clock.callLater(delay, {"beat": self._beat, "collect": self._collect}[job])

    # The stats segment.

    def _fill_segment(self, fillers: int) -> None:
        self.segment.add_scalars(HEARTBEAT, "/sys/last_stats_clear", BOOT_TIME)
        self.segment.add_scalars("/sys/vector_rate", "/sys/num_worker_threads", type=EntryType.GAUGE)
        self.segment.add_counters("/sys/vector_rate_per_worker", "/node/errors", "/if/drops")
        self.segment.add_names("/if/names", ["local0"])
        self.segment.clear("/if/drops", 0)
        self.segment.clear("/node/errors", fillers)
        links = [("/interfaces/local0/drops", "/if/drops", 0)]
        links += [(f"/err/filler-node-{column}/no error", "/node/errors", column) for column in range(fillers)]
        self.segment.add_symlinks(links)
        self.segment.add_counters(ROUTES_TO, ROUTES_VIA, combined=True)

    def _clear_route(self, index: int) -> None:
        self.segment.clear(ROUTES_TO, index)
        self.segment.clear(ROUTES_VIA, index)

    def _clear_vip(self, index: int) -> None:
        if COUNTERS[0] not in self.segment:
            self.segment.add_counters(*COUNTERS)
        for name in COUNTERS:
            self.segment.clear(name, index)


def vip_name(key: SimVipKey) -> VipName:
    """Return a VIP as one writes it."""
    return VipName(prefix_text(normalized(key.prefix, key.length), key.length), key.protocol, key.port)
