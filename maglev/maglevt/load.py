"""The requests to one VIP, at the moments of a fixed schedule (an open loop).

Request number n is due at the start plus n / rate, whatever became of those before it. A closed loop, which waits for
one answer before it asks again, would ask least when the VIP is slowest, and so find nothing wrong with it; so would
latencies that are measured from when a request was sent ("coordinated omission",
https://www.scylladb.com/2021/04/22/on-coordinated-omission). When this process stood still, what is overdue is sent at
once, and its latency counts from when it was due; what is overdue by more than the time limit of a request is not sent
any more, and is counted as such.

At most a number of requests (``slots``) are under way at once; others are not sent, and counted as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from maglev.maglevt.measure.sample import Sample, SampleKind, SampleOrder
from maglev.model.result import LocalFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.healthcheck.lag import LagMonitor
    from maglev.maglevt.requests import Requester
    from maglev.maglevt.targets import VipTarget
    from maglev.model.result import Outcome

UNSENT: Final = "unsent"
LATE: Final = "late"
CANCELLED: Final = "cancelled"

BURST: Final = 100
"""Overdue requests begun in one turn of the reactor: some milliseconds."""


class VipLoad:
    """The requests to one VIP."""

    def __init__(
        self,
        clock: IReactorTime,
        lag: LagMonitor,
        target: VipTarget,
        make_requester: Callable[[], Requester],
        rate: float,
        slots: int,
        sampled: Callable[[Sample], None],
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            clock: A monotonic clock.
            lag: Knows when this process was late.
            target: The VIP.
            make_requester: Makes what makes requests.
            rate: Requests a second.
            slots: Requests under way at most.
            sampled: Gets each sample, in the order of the schedule.
        """
        self._clock = clock
        self._lag = lag
        self._timeout = target.healthcheck.timeout
        self._type = target.healthcheck.type
        self._make_requester = make_requester
        self._rate = rate
        self._slots = slots
        self._sampled = sampled
        self._order = SampleOrder()
        self._idle: list[Requester] = []
        self._busy: dict[int, tuple[Requester, float]] = {}
        self._start = 0.0
        self._number = 0
        self._call: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []

    @property
    def under_way(self) -> int:
        """Number of requests that have no outcome yet."""
        return len(self._busy)

    def start(self, at: float) -> None:
        """Begin with the first request at a moment of the clock."""
        self._start = at
        self._wait()

    def stop(self) -> Deferred[None]:
        """Begin no more requests; return a Deferred that fires when those under way have ended."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        ended: Deferred[None] = Deferred()
        self._waiting.append(ended)
        self._tell_if_idle()
        return ended

    def cancel(self) -> None:
        """Abort what is under way, after `stop`: it says nothing about the VIP."""
        for number, (requester, started) in tuple(self._busy.items()):
            requester.cancel()
            self._end(number, started, SampleKind.UNJUDGED, CANCELLED)
        for requester in self._idle:
            requester.cancel()  # connections that linger
        self._tell_if_idle()

    def _due(self, number: int) -> float:
        return self._start + number / self._rate

    def _wait(self) -> None:
        self._call = self._clock.callLater(max(0.0, self._due(self._number) - self._clock.seconds()), self._tick)

    def _tick(self) -> None:
        self._call = None
        try:
            now = self._clock.seconds()
            for _ in range(BURST):
                if self._due(self._number) > now:
                    break
                self._begin(now)
        finally:  # a bug in one request must not end them all
            self._wait()

    def _begin(self, now: float) -> None:
        number = self._number
        self._number += 1
        overdue = now - self._due(number) > self._timeout
        if overdue or len(self._busy) >= self._slots:
            self._take(number, Sample(SampleKind.UNJUDGED, self._due(number), now, now, UNSENT))
            return
        requester = self._idle.pop() if self._idle else self._make_requester()
        started = self._clock.seconds()
        self._busy[number] = requester, started
        requester.start(lambda outcome, who: self._ended(number, requester, started, outcome, who))

    def _ended(self, number: int, requester: Requester, started: float, outcome: Outcome, who: str | None) -> None:
        self._idle.append(requester)
        if isinstance(outcome, LocalFault):
            self._end(number, started, SampleKind.UNJUDGED, outcome.reason, outcome.detail)
        elif outcome.ok:
            self._end(number, started, SampleKind.GOOD, outcome.code, outcome.detail, who)
        elif self._lag.excuses(outcome, started, self._timeout, self._type):
            self._end(number, started, SampleKind.UNJUDGED, LATE, outcome.detail)
        else:
            self._end(number, started, SampleKind.FAILED, outcome.code, outcome.detail)
        self._tell_if_idle()

    def _end(
        self, number: int, started: float, kind: SampleKind, code: str, detail: str = "", who: str | None = None
    ) -> None:
        del self._busy[number]
        ended = self._clock.seconds()
        self._take(number, Sample(kind, self._due(number), started, ended, str(code), detail, who))

    def _take(self, number: int, sample: Sample) -> None:
        for each in self._order.add(number, sample):
            self._sampled(each)

    def _tell_if_idle(self) -> None:
        if not self._busy and self._waiting:
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)
