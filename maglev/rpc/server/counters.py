"""How many calls there were and how long they took: plain numbers, turned into metrics only when someone looks."""

from __future__ import annotations

import bisect
from collections import Counter
from typing import Final

from maglev.rpc.wire import METHODS

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the duration histogram, seconds; one more bucket for everything above."""

UNKNOWN: Final = "unknown"
"""The name under which calls of methods are counted that there are not: names from outside are no labels."""


class Durations:
    """The durations of the calls of one method.

    Attributes:
        counts: Calls per bucket of `BUCKETS`, not cumulative, and one more for those above.
        total: Sum, seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class CallCounters:
    """The calls over Perspective Broker.

    Attributes:
        calls: Calls by method and result: ``ok``, ``refused`` (by a mistake of the caller), ``failed`` (VPP did),
            ``error`` (a bug of ours) or ``lost`` (nobody waited for the answer any more).
        durations: By method.
    """

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter({(name, "ok"): 0 for name in METHODS})
        self.durations = {name: Durations() for name in (*METHODS, UNKNOWN)}

    def count(self, method: str, result: str, seconds: float) -> None:
        """Count one call."""
        self.calls[method, result] += 1
        durations = self.durations[method]
        durations.counts[bisect.bisect_left(BUCKETS, seconds)] += 1
        durations.total += seconds
