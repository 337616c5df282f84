"""Measures how late the reactor runs, so that the checker knows its own limits.

While probes are under way a tick is due every `PERIOD`, or more often where timeouts are short. Its lateness is a
sample of how long everything else had to wait. Samples above `NOISE` are remembered as stalls, so that `worst_since`
can tell how much a probe under way at the time may have suffered. A tick that is overdue right now counts too: after a
stall the reactor runs the deadline of a probe before it reads the answer that has been waiting in the socket all along.

A reactor can be on time and still behind: work that does not fit into one turn waits for the next. Callers report such
a backlog (`LagMonitor.behind`), and the time until it is cleared counts as a stall.
"""

from __future__ import annotations

import bisect
from collections import deque
from typing import TYPE_CHECKING, Final

from maglev.model.config import CheckType
from maglev.model.result import PASSES, TIMEOUTS, Code

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.model.result import Result

PERIOD: Final = 0.1
"""Seconds between ticks: short compared to any usual probe timeout, and next to nothing in CPU."""

IDLE_PERIOD: Final = 0.5
"""Seconds between ticks while no probe is under way: ticks are most of the wake-ups of a small installation."""

SHORTEST_PERIOD: Final = 0.01
"""Seconds between ticks for the shortest timeouts; costs a few tenths of a percent of a core."""

SHARE: Final = 0.1
"""A timeout is evidence only if the reactor was never late by more than this share of it during the probe."""

SHARE_OF_ONE_STEP: Final = 0.5
"""The same where the backend needs nothing of us after the first packet, as for a connection or an echo reply: the
kernel takes what it sends, however late we look, and a last look has found nothing. Half of the time stays for a
machine that stood still as a whole."""

NOISE: Final = 0.005
"""Seconds of lateness that do not count as a stall: the kernel's timers and one busy turn of the reactor."""

STALLS: Final = 4096
"""Stalls remembered: at one per tick seven minutes, longer than probes last, and at least a minute with the shortest
period."""

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the histogram, seconds; one more for everything above."""


_SURE: Final = PASSES | {Code.L4CON}
_UNCONNECTED: Final = frozenset({Code.L4TOUT, Code.L4VIP, Code.L4GRE})


class LagMonitor:
    """Measures the lateness of the reactor.

    Attributes:
        counts: Samples per bucket of `BUCKETS`, not cumulative, and one more for those above.
        total: Sum of all samples, seconds.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._period = PERIOD
        self._due = 0.0
        self._stalls: deque[tuple[float, float]] = deque(maxlen=STALLS)
        self._backlogs: deque[tuple[float, float]] = deque(maxlen=STALLS)
        self._behind: dict[object, float] = {}
        self._attended: set[object] = set()
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def start(self) -> None:
        """Start measuring."""
        self._schedule()

    def stop(self) -> None:
        """Stop measuring."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def heed(self, timeout: float) -> None:
        """Tick often enough, from now on, for probes with a timeout of so many seconds.

        A stall that begins right after a tick is underestimated by up to a whole period.
        """
        self._period = max(SHORTEST_PERIOD, min(self._period, SHARE * timeout))

    def attend(self, whom: object, *, really: bool) -> None:
        """Record whether a caller has probes under way; stalls are measured precisely only while one does."""
        if not really:
            self._attended.discard(whom)
            return
        self._attended.add(whom)
        if self._call is not None and self._due - self._clock.seconds() > self._period:
            self._call.cancel()
            self._schedule()

    def worst_since(self, start: float) -> float:
        """Return the longest stall of the reactor, in seconds, from ``start`` (clock time) to now."""
        return max(self._latest_since(start), self._longest_backlog_since(start))

    def excuses(self, result: Result, started: float, timeout: float, kind: str | None = None) -> bool:
        """Return whether the lateness of the reactor may explain why a probe failed.

        It may if the timeout was over: a missing answer, and anything read after the timeout, such as a connection that
        the backend closed out of impatience, may be our own fault. But lateness never makes a backend refuse a
        connection.

        Args:
            result: The result of the probe.
            started: Clock time at which it began.
            timeout: Its timeout in seconds.
            kind: The `CheckType` of the probe; None if that is unknown.
        """
        if result.code not in TIMEOUTS and (result.code in _SURE or result.duration <= timeout):
            return False
        one_step = result.code in _UNCONNECTED or kind in {CheckType.ICMP, CheckType.UDP}
        share = SHARE_OF_ONE_STEP if one_step else SHARE
        if self._latest_since(started) > share * timeout:
            return True
        return self._longest_backlog_since(started) > SHARE * timeout  # beyond the last look

    def behind(self, who: object, *, really: bool) -> None:
        """Record whether a caller has work left that should have been done by now."""
        since = self._behind.get(who)
        if really and since is None:
            self._behind[who] = self._clock.seconds()
        elif since is not None and not really:
            del self._behind[who]
            self._remember(self._backlogs, self._clock.seconds() - since)

    def quantile(self, share: float) -> float:
        """Return the upper bound, in seconds, of the bucket that holds this share (0..1) of the samples."""
        wanted = share * sum(self.counts)
        seen = 0
        for bound, count in zip((*BUCKETS, float("inf")), self.counts, strict=True):
            seen += count
            if seen >= wanted:
                return bound
        return float("inf")

    def _overdue(self) -> float:
        return max(0.0, self._clock.seconds() - self._due) if self._call is not None else 0.0

    def _schedule(self) -> None:
        period = self._period if self._attended else IDLE_PERIOD
        self._due = self._clock.seconds() + period
        self._call = self._clock.callLater(period, self._tick)

    def _tick(self) -> None:
        late = self._overdue()
        self.counts[bisect.bisect_left(BUCKETS, late)] += 1
        self.total += late
        self._remember(self._stalls, late)
        self._schedule()

    def _remember(self, where: deque[tuple[float, float]], late: float) -> None:
        if late > NOISE:
            where.append((self._clock.seconds(), late))

    def _latest_since(self, start: float) -> float:
        return self._worst(self._stalls, start, self._overdue())

    def _longest_backlog_since(self, start: float) -> float:
        now = self._clock.seconds()
        return self._worst(self._backlogs, start, max((now - since for since in self._behind.values()), default=0.0))

    def _worst(self, stalls: deque[tuple[float, float]], start: float, present: float) -> float:
        worst = min(present, self._clock.seconds() - start)
        for ended, late in reversed(stalls):
            if ended <= start:
                break
            worst = max(worst, min(late, ended - start))
        return worst
