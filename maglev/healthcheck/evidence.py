"""Tracks the backends that have had no result for too long, and logs when that begins and ends.

A checker that can't probe (no capability, no descriptors, no namespace, no workers) changes no weight, because missing
evidence lowers nothing. Nobody would notice until a backend died and stayed in service. So the checker remembers when
each backend last had a result that counted, and logs when that is too long ago, and when results come again.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

LOOK: Final = 5.0
"""Seconds between two checks of all backends, which take a few milliseconds for twenty thousand."""

INTERVALS: Final = 3
"""Intervals without a result, plus one timeout, after which something is wrong."""

LEAST: Final = 15.0
"""Minimum seconds without a result before it is reported, however short the interval."""

QUIET: Final = 30.0
"""Seconds between two events of one kind, at least; changes in between are reported together."""

SAMPLE: Final = 5
"""Maximum number of backends named in one event."""


def overdue_after(interval: float, timeout: float) -> float:
    """Return the seconds without a result after which a backend is without evidence."""
    return max(INTERVALS * interval + timeout, LEAST)


class EvidenceWatch:
    """Checks all backends every few seconds.

    Attributes:
        lost: Backends without evidence at the last check.
        oldest: Seconds since the last result of the probed backend that has waited longest for one, at the last check;
            a few seconds while all is well.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, backends: Callable[[], Iterator[tuple[str, float, float]]]) -> None:
        """Prepare.

        Args:
            clock: A monotonic clock.
            backends: Yields each probed backend, the clock time of its last result, and the seconds after which that is
                too long ago.
        """
        self._clock = clock
        self._backends = backends
        self._call: IDelayedCall | None = None
        self._reasons: Counter[str] = Counter()
        self._reported: set[str] = set()
        self._quiet_until = {"lost": 0.0, "regained": 0.0}
        self.lost: set[str] = set()
        self.oldest = 0.0

    def start(self) -> None:
        """Start checking."""
        self._call = self._clock.callLater(LOOK, self._look_and_go_on)

    def stop(self) -> None:
        """Stop checking."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def discarded(self, reason: str) -> None:
        """Record that a probe was no evidence, for this reason."""
        self._reasons[reason] += 1

    def look(self) -> None:
        """Find the backends that have had no result for too long."""
        now = self._clock.seconds()
        lost = set()
        oldest = 0.0
        for name, last, limit in self._backends():
            age = now - last
            oldest = max(oldest, age)
            if age > limit:
                lost.add(name)
        self.lost, self.oldest = lost, oldest

    def _look_and_go_on(self) -> None:
        self._call = self._clock.callLater(LOOK, self._look_and_go_on)
        self.look()
        self._tell()

    def _tell(self) -> None:
        """Log what has changed since the last report."""
        now = self._clock.seconds()
        newly, again = self.lost - self._reported, self._reported - self.lost
        if newly and now >= self._quiet_until["lost"]:
            self._quiet_until["lost"] = now + QUIET
            self._reported |= newly
            self._log.error(
                "evidence-lost",
                backends=len(newly),
                total=len(self.lost),
                oldest=round(self.oldest, 1),
                reasons=_counts(self._reasons),
                some=_some(newly),
            )
        if again and now >= self._quiet_until["regained"]:
            self._quiet_until["regained"] = now + QUIET
            self._reported -= again
            self._log.info("evidence-regained", backends=len(again), total=len(self.lost), some=_some(again))
        if not self.lost:
            self._reasons.clear()


def _counts(reasons: Counter[str]) -> str:
    """Return reasons of discarded probes, the most frequent first."""
    return ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "none discarded"


def _some(names: set[str]) -> str:
    """Return a few of the names."""
    return ", ".join(sorted(names)[:SAMPLE]) + (", ..." if len(names) > SAMPLE else "")
