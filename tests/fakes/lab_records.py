"""What became of the traffic in the packet lab, and the questions that tests ask about it."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from statistics import median

import attrs


@attrs.frozen
class Record:
    """One request or session, or one moment at which the measuring process was late.

    Attributes:
        kind: ``request``, ``session`` or ``lag``.
        start: When it began, seconds of the monotonic clock.
        end: When it ended.
        backend: Who answered; None when nobody ever did.
        outcome: ``ok``, or what failed.
        port: The source port.
    """

    kind: str
    start: float
    end: float
    backend: str | None = None
    outcome: str = "ok"
    port: int = 0

    @property
    def failed(self):
        """Whether it failed."""
        return self.outcome != "ok"


class Records:
    """All records of some traffic."""

    def __init__(self, records):
        self._all = list(records)

    @property
    def requests(self):
        """The requests, by their start."""
        return sorted((each for each in self._all if each.kind == "request"), key=lambda each: each.start)

    @property
    def sessions(self):
        """The sessions, by their start."""
        return sorted((each for each in self._all if each.kind == "session"), key=lambda each: each.start)

    @property
    def failed(self):
        """The requests and sessions that failed, by the start."""
        return [each for each in (*self.requests, *self.sessions) if each.failed]

    def lag(self, start, end):
        """Return how late the measuring process was at most between two moments, seconds."""
        return max(
            (each.end - each.start for each in self._all if each.kind == "lag" and start < each.end < end), default=0
        )

    def shares(self, start=0.0):
        """Return how many requests that began after some moment each backend answered."""
        return Counter(each.backend for each in self.requests if each.start >= start and each.backend is not None)

    def summary(self):
        """Return the figures in one line."""
        requests, sessions = self.requests, self.sessions
        times = [each.end - each.start for each in requests if not each.failed]
        return (
            f"{len(requests)} requests, {sum(each.failed for each in requests)} failed, "
            f"median {1000 * median(times):.0f} ms, at most {1000 * max(times):.0f} ms; "
            f"{len(sessions)} sessions, {sum(each.failed for each in sessions)} failed; "
            f"lag {1000 * self.lag(0.0, math.inf):.0f} ms"
        )


def read_records(path):
    """Read what the traffic wrote."""
    return Records(Record(**json.loads(line)) for line in Path(path).read_text().splitlines())
