"""What the syncs did and ran into so far, over all connections: the counters behind the metrics."""

from __future__ import annotations

from collections import Counter
from itertools import product

from maglev.vpp.sync.writer import KINDS, SCOPES


class SyncCounters:
    """Counts for as long as the daemon runs.

    Attributes:
        writes: Writes done, by scope and kind.
        drifts: VIPs (and, as one, the settings) that were found otherwise than they were left.
        failures: Reads and writes that VPP refused or did not answer; a connection that ends is none.
    """

    def __init__(self) -> None:
        self.writes: Counter[tuple[str, str]] = Counter(dict.fromkeys(product(SCOPES, KINDS.values()), 0))
        self.drifts = 0
        self.failures = 0
