"""The traffic of the last ten minutes, as rates, for the sparklines."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PERIOD: Final = 10
"""Seconds between two samples: VPP's counters are read every five."""

LENGTH: Final = 60
"""Samples that are kept: ten minutes."""


class TrafficHistory:
    """Packets per second, of objects that have a counter that only grows."""

    def __init__(self) -> None:
        self._rates: dict[str, deque[int]] = {}
        self._before: Mapping[str, int] = {}
        self._at = 0.0

    def add(self, counts: Mapping[str, int], now: float) -> dict[str, int]:
        """Take in a reading of all counters; return the rates since the one before, of those that had any.

        Args:
            counts: Packets so far, by name.
            now: Seconds of a monotonic clock.
        """
        seconds, before = now - self._at, self._before
        latest = {
            name: round((count - before[name]) / seconds)
            for name, count in counts.items()
            # A counter that has fallen is a new one: VPP was restarted, or the VIP was made again.
            if count > before.get(name, count)
        }
        for name in self._rates.keys() - counts.keys():
            del self._rates[name]
        for name in counts:
            self._rates.setdefault(name, deque(maxlen=LENGTH)).append(latest.get(name, 0))
        self._before, self._at = counts, now
        return latest

    def series(self) -> Iterator[tuple[str, list[int]]]:
        """Yield the rates of each that had any traffic, oldest first."""
        return ((name, list(rates)) for name, rates in self._rates.items() if any(rates))
