"""Latencies in buckets whose width grows with the value, as in HdrHistogram (https://hdrhistogram.org).

Each power of two of microseconds is divided into `PARTS` buckets of equal width, so that a quantile is off by less than
a sixty-fourth of itself, and a histogram has at most two thousand buckets, of which those in use take memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import Final

PARTS: Final = 64
"""Buckets for each power of two."""

_BITS: Final = PARTS.bit_length() - 1

LARGEST: Final = 1 << 32
"""Microseconds, more than an hour; nothing takes longer, as every request has a timeout."""


class LatencyHistogram:
    """A histogram of seconds.

    Attributes:
        count: Number of values.
        total: Their sum.
        largest: The largest of them, exactly; 0 before the first.
    """

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.largest = 0.0

    def add(self, seconds: float) -> None:
        """Add a value; a negative one counts as 0."""
        seconds = max(0.0, seconds)
        self._buckets[_index(min(LARGEST, round(seconds * 1e6)))] += 1
        self.count += 1
        self.total += seconds
        self.largest = max(self.largest, seconds)

    def quantile(self, share: float) -> float | None:
        """Return the value that this share (0..1) of the values does not exceed; None before the first value."""
        if not self.count:
            return None
        indices = sorted(self._buckets)
        reached = list(accumulate(self._buckets[index] for index in indices))
        index = indices[min(len(indices) - 1, bisect_left(reached, share * self.count))]
        return min(_upper_bound(index) / 1e6, self.largest)


def _index(value: int) -> int:
    """Return the bucket of a number of microseconds: those below `PARTS` have one each."""
    shift = max(0, value.bit_length() - 1 - _BITS)
    return shift * PARTS + (value >> shift)


def _upper_bound(index: int) -> int:
    """Return the largest number of microseconds in a bucket."""
    if index < 2 * PARTS:
        return index
    shift = index // PARTS - 1
    return ((index - shift * PARTS + 1) << shift) - 1
