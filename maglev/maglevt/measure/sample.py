"""What became of one request."""

from __future__ import annotations

import enum

import attrs


class SampleKind(enum.Enum):
    """What a request says about the VIP."""

    GOOD = "good"
    FAILED = "failed"
    UNJUDGED = "unjudged"


@attrs.frozen
class Sample:
    """One request.

    Attributes:
        kind: What it says about the VIP.
        scheduled: When it should have begun.
        started: When it did; for one that was never sent, when that was decided.
        ended: When its outcome was known.
        code: The code of the probe, such as ``L7STS``; for one that is not judged, a word for the reason.
        detail: More of it, for a person; printable.
        who: Who answered; None if that is not known.
    """

    kind: SampleKind
    scheduled: float
    started: float
    ended: float
    code: str
    detail: str = ""
    who: str | None = None

    @property
    def latency(self) -> float:
        """Seconds from the scheduled moment to the outcome."""
        return self.ended - self.scheduled

    @property
    def lateness(self) -> float:
        """Seconds by which this program was late to begin it."""
        return self.started - self.scheduled


class SampleOrder:
    """Puts samples back into the order of their schedule.

    Holds those that ended before an earlier one did: no more than the requests that can be under way at once.
    """

    def __init__(self) -> None:
        self._next = 0
        self._waiting: dict[int, Sample] = {}

    def add(self, number: int, sample: Sample) -> list[Sample]:
        """Take the sample of a request, by its number from 0; return those whose turn has come."""
        self._waiting[number] = sample
        ready = []
        while self._next in self._waiting:
            ready.append(self._waiting.pop(self._next))
            self._next += 1
        return ready
