"""Whether the flow tables that the file asks for fit VPP's memory.

VPP takes any number of buckets, makes the tables at the first packet that needs them, and aborts if its memory is too
small (26.10): after each restart again, as the settings are written at once. So what is much larger than usual is
compared with what VPP says it has free, and is not sent if it can't fit; everything else goes on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import attrs

from maglev.model.errors import VppRetvalError
from maglev.model.vpp_memory import sticky_bytes
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from maglev.model.config import LbConf
    from maglev.vpp.sync.writer import SyncCounters

USUAL: Final = 65536
"""Buckets that are sent without a question: 4 MiB a thread, where VPP has 1 GiB."""

VPP_BUCKETS: Final = 1024
"""What VPP itself begins with, for one that does not say what it has."""

RESERVE: Final = 16
"""The share of its memory, as a divisor, that VPP keeps for all else."""

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_HEAP: Final = re.compile(
    r"total: (\d{1,9}(?:\.\d{1,9})?)([KMGT]?),.{0,80}? free: (\d{1,9}(?:\.\d{1,9})?)([KMGT]?),", re.ASCII
)
_THREAD: Final = re.compile(r"\bvpp_(?:main|wk_\d)")


class ICli(Protocol):
    """VPP's command line."""

    def cli(self, command: str) -> Deferred[str]:
        """Run a command; the Deferred fires with its output."""


class Heap(NamedTuple):
    """The main heap of VPP, in bytes."""

    total: float
    free: float


def parse_heap(text: str) -> Heap | None:
    """Return what ``show memory main-heap`` says; None if that is not its output."""
    found = _HEAP.search(text)
    if found is None:
        return None
    total, total_unit, free, free_unit = found.groups()
    return Heap(float(total) * _UNITS[total_unit], float(free) * _UNITS[free_unit])


def count_workers(text: str) -> int:
    """Return how many workers ``show threads`` shows."""
    return max(0, len(_THREAD.findall(text)) - 1)


class HeapGuard:
    """Looks at the settings for one connected VPP."""

    _log = EventLogger()

    def __init__(self, lb: ICli, counters: SyncCounters) -> None:
        """Prepare; nothing is asked yet.

        Args:
            lb: The way to VPP.
            counters: Counts as a failure each time that settings do not fit: what the alert looks at.
        """
        self._lb = lb
        self._counters = counters
        self._told = 0

    async def fitting(self, conf: LbConf, held: LbConf | None) -> LbConf:
        """Return the settings as they can be sent: with the buckets that VPP has where those wanted do not fit.

        Args:
            conf: What is wanted.
            held: What VPP has.

        Raises:
            VppError: VPP did not answer.
        """
        before = (held.sticky_buckets_per_core if held else 0) or VPP_BUCKETS
        if conf.sticky_buckets_per_core <= max(USUAL, before):
            self._told = 0
            return conf
        try:
            heap = parse_heap(await self._lb.cli("show memory main-heap"))
            workers = count_workers(await self._lb.cli("show threads"))
        except VppRetvalError:
            heap, workers = None, 0
        needed = sticky_bytes(conf.sticky_buckets_per_core, workers)
        if heap is None or needed <= heap.free - heap.total / RESERVE:
            self._told = 0
            return conf
        self._counters.failures += 1
        if self._told != conf.sticky_buckets_per_core:
            self._told = conf.sticky_buckets_per_core
            self._log.error(
                "vpp-lb-conf-too-large",
                sticky_buckets_per_core=conf.sticky_buckets_per_core,
                threads=workers + 1,
                needed_mib=needed >> 20,
                free_mib=int(heap.free) >> 20,
                kept=before,
            )
        return attrs.evolve(conf, sticky_buckets_per_core=before)
