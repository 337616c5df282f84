"""Outages: how long nobody answered.

An *outage* begins when the first of several failed requests in a row was sent, and ends when the first good answer came
after them; "in a row" and "after" are by the schedule of the requests. One failed request between two good ones is an
outage as well, until the answer to the second of them.

Requests that could not be judged, as this program or this machine was at fault, are neither. So there are two lengths
that are certain: an outage was at least as long as it is if each of those was good, and at most as long as it is if
each of those had failed (`OutageBounds`). The list that people see skips them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from maglev.maglevt.measure.sample import SampleKind

if TYPE_CHECKING:
    from maglev.maglevt.measure.sample import Sample

OUTAGES_KEPT: Final = 100
"""The latest outages that are remembered one by one."""


@attrs.define
class Outage:
    """Nobody answered for a while.

    Attributes:
        start: When the first failed request was sent.
        end: When the first good answer after them came; None while it goes on.
        failed: Number of failed requests.
        code: The code of the first.
        detail: Its detail.
        latest: When the outcome of the latest failed request was known.
    """

    start: float
    code: str
    detail: str
    latest: float
    end: float | None = None
    failed: int = 1

    @property
    def seconds(self) -> float:
        """Its length; so far, while it goes on."""
        return (self.latest if self.end is None else self.end) - self.start


class OutageLog:
    """The outages of one VIP.

    Attributes:
        latest: The latest of those that have ended, the last one last.
        current: The one that goes on.
        count: How many there have been, with the one that goes on.
    """

    def __init__(self) -> None:
        self.latest: deque[Outage] = deque(maxlen=OUTAGES_KEPT)
        self.current: Outage | None = None
        self.count = 0
        self._longest: Outage | None = None

    def add(self, sample: Sample) -> Outage | None:
        """Take a sample, by the schedule; return the outage that begins or ends with it."""
        if sample.kind is SampleKind.UNJUDGED:
            return None
        if sample.kind is SampleKind.GOOD:
            return self._end(sample.ended)
        if self.current is None:
            self.current = Outage(sample.started, sample.code, sample.detail, sample.ended)
            self.count += 1
            return self.current
        self.current.failed += 1
        self.current.latest = max(self.current.latest, sample.ended)
        return None

    @property
    def longest(self) -> Outage | None:
        """The longest so far; None if there was none."""
        known = [each for each in (self._longest, self.current) if each is not None]
        return max(known, key=lambda each: each.seconds, default=None)

    def _end(self, at: float) -> Outage | None:
        ended, self.current = self.current, None
        if ended is not None:
            ended.end = at
            self.latest.append(ended)
            if self._longest is None or ended.seconds > self._longest.seconds:
                self._longest = ended
        return ended


class OutageBounds:
    """How long the longest outage was: at least, and at most."""

    def __init__(self) -> None:
        self._at_least = _LongestRun()
        self._at_most = _LongestRun()

    def add(self, sample: Sample, tolerance: float) -> None:
        """Take a sample, by the schedule.

        Args:
            sample: The sample.
            tolerance: Seconds by which a request may begin late, and still shows whether somebody answers then.
        """
        late = sample.lateness > tolerance
        if sample.kind is SampleKind.FAILED:
            self._at_least.fail(sample.started, sample.ended)
        else:
            # One that is not judged may have been good, and then the outage was over when it was sent.
            self._at_least.end(sample.ended if sample.kind is SampleKind.GOOD else sample.scheduled)
        if sample.kind is not SampleKind.GOOD or late:
            self._at_most.fail(sample.scheduled, sample.ended)
        if sample.kind is SampleKind.GOOD:
            self._at_most.end(sample.ended)

    @property
    def at_least(self) -> float:
        """Seconds that the longest outage has certainly lasted."""
        return self._at_least.longest

    @property
    def at_most(self) -> float:
        """Seconds that no outage can have exceeded."""
        return self._at_most.longest


class _LongestRun:
    """The longest run of failures."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._latest = 0.0
        self._longest = 0.0

    @property
    def longest(self) -> float:
        """Seconds; one that goes on is as long as is known."""
        return self._longest if self._start is None else max(self._longest, self._latest - self._start)

    def fail(self, start: float, end: float) -> None:
        if self._start is None:
            self._start, self._latest = start, end
        self._latest = max(self._latest, end)

    def end(self, at: float) -> None:
        if self._start is not None:
            self._longest = max(self._longest, at - self._start)
            self._start = None
