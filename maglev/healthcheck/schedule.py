"""Schedules probes in shared time slots, without a timer for each.

The reactor keeps delayed calls in a heap of Python objects, and wakes up for each. Tens of thousands of probes may be
scheduled, and none has to begin at an exact moment: those due within the same milliseconds share a *slot*, for which
the reactor wakes up once. Ten probes that begin one after the other cost about half of ten that begin a millisecond
apart, because the code and data of a probe are in the processor's caches after the first.

Due probes are held back in two cases: when the turn of the reactor has lasted long enough, and when answers to earlier
probes wait to be read. The second keeps overload harmless. If probes were started faster than their answers are read,
answers would wait until their probes timed out; so the intervals stretch instead.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from maglev.runtime.budget import STARTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

SLOT: Final = 0.02
"""Length of a slot in seconds. Rounding moves a probe by at most half of it: half the jitter of the shortest delay that
is rounded."""

SLOTTED: Final = 10 * SLOT
"""Shortest delay, in seconds, that is rounded to a slot; shorter ones are kept exactly."""

RETRY: Final = 0.001
"""Seconds until the next check whether answers are waiting."""

AFTER_BUG: Final = 0.1
"""Seconds until the remaining entries are started after a start that raised: a bug may raise each time."""


class ScheduleEntry:
    """An entry of a `Schedule`; due at some time, or not scheduled."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot: dict[ScheduleEntry, None] | None = None
        """The entries of its slot; maintained by `Schedule`."""


PACE: Final = 0.0001
"""Seconds between the starts of probes that a reload begins "at once": ten thousand changed backends take a second."""

LEAST_SPREAD: Final = 1.0
"""Seconds over which first probes are spread at least, unless the interval is shorter."""

SPREAD_MARGIN: Final = 1.0
"""Seconds that the first results have to come in before the warm-up ends, besides the timeout."""

UNHURRIED: Final = 30.0
"""Seconds over which first probes are spread at most while nothing waits for them: the warm-up is off."""


def first_spread(interval: float, timeout: float, warmup: float, total: int) -> float:
    """Return the seconds over which first probes are spread, so that all are known when the warm-up ends.

    Args:
        interval: Seconds between the probes of a backend.
        timeout: Seconds that a probe may take.
        warmup: Seconds that the warm-up lasts at most; 0 if it is off.
        total: How many backends there are.
    """
    room = warmup - timeout - SPREAD_MARGIN if warmup > 0 else UNHURRIED
    return min(interval, max(room, LEAST_SPREAD, total * PACE))


E = TypeVar("E", bound=ScheduleEntry)


class Schedule(Generic[E]):
    """Starts entries when they are due."""

    def __init__(self, clock: IReactorTime, start: Callable[[E], object], busy: Callable[[], bool]) -> None:
        """Create an empty schedule.

        Args:
            clock: A monotonic clock.
            start: Called with each due entry; may add the entry again. If it raises, which it should not, the entry
                stays out, and the others are started a little later.
            busy: Returns whether due entries have to wait.
        """
        self._clock = clock
        self._start = start
        self._busy = busy
        self._slots: dict[float, dict[ScheduleEntry, None]] = {}
        self._times: list[float] = []
        self._due: deque[tuple[float, dict[ScheduleEntry, None]]] = deque()
        self._call: IDelayedCall | None = None

    def add(self, entry: E, delay: float) -> None:
        """Schedule an entry that is not in the schedule for ``delay`` seconds from now, give or take half a slot."""
        time = self._clock.seconds() + delay
        if delay >= SLOTTED:
            time = round(time / SLOT) * SLOT
        slot = self._slots.get(time)
        if slot is None:
            slot = self._slots[time] = {}
            heapq.heappush(self._times, time)
            if self._times[0] == time and not self._due:
                self._wake_at(time)
        slot[entry] = None
        entry.slot = slot

    def remove(self, entry: E) -> None:
        """Remove an entry, if it is scheduled."""
        slot, entry.slot = entry.slot, None
        if slot is not None:
            del slot[entry]

    def overdue(self) -> float:
        """Return for how many seconds the most overdue entry has been due; 0 when none is."""
        for time, slot in self._due:
            if slot:
                return self._clock.seconds() - time
        while self._times and not self._slots[self._times[0]]:
            del self._slots[heapq.heappop(self._times)]
        return max(0.0, self._clock.seconds() - self._times[0]) if self._times else 0.0

    def close(self) -> None:
        """Stop; nothing is started afterwards."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._slots.clear()
        self._times.clear()
        self._due.clear()

    def _wake_at(self, time: float) -> None:
        if self._call is not None:
            self._call.cancel()
        self._call = self._clock.callLater(max(0.0, time - self._clock.seconds()), self._run)

    def _run(self) -> None:
        self._call = None
        now = self._clock.seconds()
        while self._times and self._times[0] <= now:
            time = heapq.heappop(self._times)
            self._due.append((time, self._slots.pop(time)))
        pause = AFTER_BUG
        try:
            pause = self._start_due(now + STARTS)
        finally:
            if self._due:
                self._call = self._clock.callLater(pause, self._run)
            elif self._times:
                self._wake_at(self._times[0])

    def _start_due(self, until: float) -> float:
        """Start the due entries; return the seconds to pause before the rest."""
        if self._due and self._busy():
            return RETRY
        while self._due:
            slot = self._due[0][1]
            if not slot:
                self._due.popleft()
                continue
            if self._clock.seconds() >= until:
                return 0.0
            entry: E = slot.popitem()[0]  # type: ignore[assignment]
            entry.slot = None
            self._start(entry)
        return 0.0
