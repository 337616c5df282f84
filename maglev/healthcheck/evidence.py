"""Tracks the backends that have had no result for too long, and logs when that begins and ends.

A checker that can't probe (no capability, no descriptors, no namespace, no workers) changes no weight, because what is
not known lowers nothing. Nobody would notice, until a backend dies and stays in service. So the time of the last result
that counted is known for each backend, and the log says when that is too long ago, and when it is over.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

LOOK: Final = 5.0
"""Seconds between two looks at all backends, which take a few milliseconds for twenty thousand."""

INTERVALS: Final = 3
"""Intervals without a result, and one timeout, after which something is wrong."""

LEAST: Final = 15.0
"""Seconds without a result that are nothing to talk about, however short the interval."""

QUIET: Final = 30.0
"""Seconds between two events of one kind, at least; changes in between are reported together."""

SAMPLE: Final = 5
"""Backends that an event names."""


def overdue_after(interval: float, timeout: float) -> float:
    """Return the seconds without a result after which a backend is without evidence."""
    return max(INTERVALS * interval + timeout, LEAST)


class EvidenceWatch:
    """Looks at all backends every few seconds.

    Attributes:
        lost: Backends without evidence at the last look.
        oldest: Seconds since the last result of the backend that has been without one longest, at the last look; of
            all that are probed, so it is a few seconds while all is well.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, backends: Callable[[], Iterator[tuple[str, float, float]]]) -> None:
        """Prepare.

        Args:
            clock: A monotonic clock.
            backends: Yields each backend that is probed, when its last result came, by the clock, and the seconds
                after which that is too long ago.
        """
        self._clock = clock
        self._backends = backends
        self._call: IDelayedCall | None = None
        self._reasons: Counter[str] = Counter()
        self._told: set[str] = set()
        self._quiet_until = {"lost": 0.0, "regained": 0.0}
        self.lost: set[str] = set()
        self.oldest = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._call = self._clock.callLater(LOOK, self._look_and_go_on)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def discarded(self, reason: str) -> None:
        """A probe was no evidence, for this reason."""
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
        """Log what has changed since that was told last."""
        now = self._clock.seconds()
        newly, again = self.lost - self._told, self._told - self.lost
        if newly and now >= self._quiet_until["lost"]:
            self._quiet_until["lost"] = now + QUIET
            self._told |= newly
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
            self._told -= again
            self._log.info("evidence-regained", backends=len(again), total=len(self.lost), some=_some(again))
        if not self.lost:
            self._reasons.clear()


def _counts(reasons: Counter[str]) -> str:
    """Return reasons of discarded probes, the most frequent first."""
    return ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()) or "none discarded"


def _some(names: set[str]) -> str:
    """Return a few of the names."""
    return ", ".join(sorted(names)[:SAMPLE]) + (", ..." if len(names) > SAMPLE else "")
