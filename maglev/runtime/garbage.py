"""Tunes the garbage collector for a process that holds many objects and makes little garbage."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (5_000, 100, 100)
"""Thresholds for `gc.set_threshold`. Nearly nothing of ours needs the collector, while it has much to examine: reading
VPP's state alone creates 40,000 lasting objects. Examining 5,000 new ones takes 5 ms at most; the older generations
take longer and are collected seldom."""


def settle() -> None:
    """Exclude all present objects from garbage collection, and enable the collector.

    It would otherwise examine all of them in each full collection, which stops everything for 0.3 s with 20,000
    backends. For the same reason the little garbage of a start is not collected first.
    """
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
