"""All figures of one VIP."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Final

from maglev.maglevt.measure.histogram import LatencyHistogram
from maglev.maglevt.measure.outages import Outage, OutageBounds, OutageLog
from maglev.maglevt.measure.sample import SampleKind
from maglev.maglevt.measure.shares import NAMES_LIMIT, OTHERS, ShareCounts
from maglev.maglevt.measure.strip import TimeStrip

if TYPE_CHECKING:
    from maglev.maglevt.measure.sample import Sample

BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds of the histogram for Prometheus, seconds."""


class VipStatistics:
    """What is known about one VIP; samples come in the order of their schedule.

    Attributes:
        name: Its name.
        rate: Requests a second that were asked for.
        good: Number of good answers.
        failures: Failed requests, by the code of the probe.
        unjudged: Requests that say nothing about the VIP, by reason.
        latencies: Of the good answers.
        buckets: The same for Prometheus, by `BOUNDS`, and one more for those above.
        outages: The outages.
        bounds: The longest outage, at least and at most.
        shares: Who answered under the weights of now.
        answers: Who answered since the start; the empty name is for those that did not say.
        slow_at_least: Requests without an answer in time, certainly.
        slow_at_most: The same with those that might be.
        lateness: By how many seconds this program began a request late, at most.
        strip: The axis of time.
        first: When the first request was scheduled; None before.
        latest: When the latest one was.
        latest_failure: Code and detail of the latest failure; empty before the first.
    """

    def __init__(self, name: str, start: float, rate: float, slow: float | None = None) -> None:
        """Begin without samples.

        Args:
            name: The VIP's name.
            start: When the test begins.
            rate: Requests a second.
            slow: Seconds after which an answer is late (`slow_at_least`); None if nobody asks.
        """
        self.name = name
        self.rate = rate
        self._slow = slow
        self.good = 0
        self.failures: Counter[str] = Counter()
        self.unjudged: Counter[str] = Counter()
        self.latencies = LatencyHistogram()
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.outages = OutageLog()
        self.bounds = OutageBounds()
        self.shares = ShareCounts()
        self.answers: Counter[str] = Counter()
        self.slow_at_least = 0
        self.slow_at_most = 0
        self.lateness = 0.0
        self.strip = TimeStrip(start)
        self.first: float | None = None
        self.latest = start
        self.latest_failure = ""

    @property
    def failed(self) -> int:
        """Number of failed requests."""
        return self.failures.total()

    @property
    def total(self) -> int:
        """Number of requests, with those that say nothing."""
        return self.good + self.failed + self.unjudged.total()

    @property
    def achieved_rate(self) -> float:
        """Requests a second that were sent."""
        if self.first is None or self.latest <= self.first:
            return 0.0
        # There is one interval less than there are requests.
        return (self.total - 1) / (self.latest - self.first) * self._sent_part()

    def add(self, sample: Sample) -> Outage | None:
        """Take a sample; return the outage that begins or ends with it."""
        self.first = sample.scheduled if self.first is None else self.first
        self.latest = sample.scheduled
        self.lateness = max(self.lateness, sample.lateness)
        self.strip.add(sample.scheduled, sample.kind)
        self.bounds.add(sample, 1 / self.rate)
        if sample.kind is SampleKind.GOOD:
            self._add_answer(sample)
        elif sample.kind is SampleKind.FAILED:
            self.failures[sample.code] += 1
            self.latest_failure = f"{sample.code} {sample.detail}".strip()
        else:
            self.unjudged[sample.code] += 1
        self._count_slow(sample)
        return self.outages.add(sample)

    def _add_answer(self, sample: Sample) -> None:
        self.good += 1
        self.latencies.add(sample.latency)
        self.buckets[bisect_left(BOUNDS, sample.latency)] += 1
        self.shares.add(sample.who, sample.scheduled)
        name = sample.who or ""
        self.answers[name if name in self.answers or len(self.answers) < NAMES_LIMIT else OTHERS] += 1

    def _count_slow(self, sample: Sample) -> None:
        if self._slow is None:
            return
        if sample.kind is SampleKind.GOOD:
            # Had we begun in time, it might have been answered as much earlier.
            self.slow_at_least += sample.latency - sample.lateness > self._slow
            self.slow_at_most += sample.latency > self._slow
        else:
            self.slow_at_least += sample.kind is SampleKind.FAILED
            self.slow_at_most += 1

    def _sent_part(self) -> float:
        return 1 - self.unjudged["unsent"] / self.total
