"""The garbage collector, in a process that holds much and makes little garbage."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (5_000, 100, 100)
"""See `gc.set_threshold`. Nearly nothing of ours needs the collector, while what it looks at is large: a reading of VPP
alone makes 40,000 objects that stay. To look at 5,000 new ones takes 5 ms at most; at all of those that came since,
more, so it does that seldom."""


def settle() -> None:
    """Tell the collector that what is here now stays, and let it work.

    It would look at all of it each time it stops everything: 0.3 s for 20,000 backends. For the same reason the little
    garbage of a start is not collected first.
    """
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
