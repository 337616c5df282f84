"""When each probe is due: a timer of its own for none of them.

The reactor keeps delayed calls in a heap of Python objects, and wakes up for each. Probes come by the ten thousand and
none has to begin at an exact moment: those of the same milliseconds share a *slot*, for which the reactor wakes up
once. Ten probes that begin one after the other cost about half of ten that begin a millisecond apart, because what a
probe needs is in the processor's caches after the first.

Due probes wait for their turn in two cases: when the turn of the reactor has lasted long enough, and when answers to
earlier probes wait to be read. The second is what keeps overload harmless. If probes were begun faster than their
answers are read, answers would wait until their probes timed out; so the intervals stretch instead.
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
"""Seconds of a slot. Rounding to one moves a probe by half of that: half the jitter of the shortest delay rounded."""

SLOTTED: Final = 10 * SLOT
"""Seconds from which on a delay is rounded to a slot; a shorter one is kept to exactly."""

RETRY: Final = 0.001
"""Seconds until it is asked again whether answers wait."""

AFTER_BUG: Final = 0.1
"""Seconds until the others are started after a start that raised: a bug may raise each time."""


class ScheduleEntry:
    """Something that is due at some time, or not at all."""

    __slots__ = ("slot",)

    def __init__(self) -> None:
        self.slot: dict[ScheduleEntry, None] | None = None
        """The entries that are due with it; kept by `Schedule`."""


E = TypeVar("E", bound=ScheduleEntry)


class Schedule(Generic[E]):
    """Starts entries when they are due."""

    def __init__(self, clock: IReactorTime, start: Callable[[E], object], busy: Callable[[], bool]) -> None:
        """Begin empty.

        Args:
            clock: A monotonic clock.
            start: Called with each entry that is due; it may add the entry again. If it raises, which it should not,
                the entry is out, and the others are started a little later.
            busy: Tells whether due entries have to wait.
        """
        self._clock = clock
        self._start = start
        self._busy = busy
        self._slots: dict[float, dict[ScheduleEntry, None]] = {}
        self._times: list[float] = []
        self._due: deque[tuple[float, dict[ScheduleEntry, None]]] = deque()
        self._call: IDelayedCall | None = None

    def add(self, entry: E, delay: float) -> None:
        """Let an entry that is not in the schedule be due in ``delay`` seconds, give or take half a slot."""
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
        """Take an entry out, if it is in."""
        slot, entry.slot = entry.slot, None
        if slot is not None:
            del slot[entry]

    def overdue(self) -> float:
        """Return for how many seconds the entry that waits longest has been due; 0 when none is."""
        for time, slot in self._due:
            if slot:
                return self._clock.seconds() - time
        while self._times and not self._slots[self._times[0]]:
            del self._slots[heapq.heappop(self._times)]
        return max(0.0, self._clock.seconds() - self._times[0]) if self._times else 0.0

    def close(self) -> None:
        """Start nothing any more."""
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
        """Start what is due; return the seconds to pause before the rest."""
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
