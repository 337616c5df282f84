"""Counts calls and their durations: plain numbers, turned into metrics only when scraped."""

from __future__ import annotations

import bisect
from collections import Counter
from typing import Final

from maglev.rpc.wire import METHODS

BUCKETS: Final = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Upper bounds of the duration histogram, seconds; one more bucket for everything above.

Few, since each method has them all: what matters is whether people wait, not for how many milliseconds.
"""

UNKNOWN: Final = "unknown"
"""The label for calls of unknown methods: names from outside must not become labels."""


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
    """Counters of the calls over Perspective Broker.

    Attributes:
        calls: Calls by method and result: ``ok``, ``refused`` (a mistake of the caller), ``failed`` (VPP failed),
            ``error`` (a bug) or ``lost`` (the client no longer waited for the answer).
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
