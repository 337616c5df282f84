"""Which outages become entries of the timeline: all of them, unless they come by the dozen."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from maglev.maglevt.measure.promises import duration
from maglev.maglevt.measure.timeline import CLIENT, TimelineEntry

if TYPE_CHECKING:
    from maglev.maglevt.measure.outages import Outage

WINDOW: Final = 10.0
"""Seconds."""

OUTAGES_IN_WINDOW: Final = 5

LONG: Final = 1.0
"""Seconds of an outage whose end is always told."""


class OutageNotices:
    """The entries about one VIP."""

    def __init__(self, vip: str) -> None:
        self._vip = vip
        self._begun: deque[float] = deque(maxlen=OUTAGES_IN_WINDOW)
        self._silent = False

    def entry(self, outage: Outage) -> TimelineEntry | None:
        """Return the entry for an outage that begins or has ended; None for one too many."""
        if outage.end is None:
            return self._beginning(outage)
        if self._silent and outage.seconds < LONG:
            return None
        failed = f"{outage.failed:,} request{'s' * (outage.failed > 1)} failed"
        return TimelineEntry(outage.end, CLIENT, f"answers again after {duration(outage.seconds)}; {failed}", self._vip)

    def _beginning(self, outage: Outage) -> TimelineEntry | None:
        many = len(self._begun) == OUTAGES_IN_WINDOW and outage.start - self._begun[0] < WINDOW
        if many and self._silent:
            return None
        self._silent = many
        if many:
            text = "fails and answers by turns; single outages are not listed until it is quieter"
            return TimelineEntry(outage.start, CLIENT, text, self._vip, bad=True)
        self._begun.append(outage.start)
        what = f"{outage.code} {outage.detail}".strip()
        return TimelineEntry(outage.start, CLIENT, f"requests fail: {what}", self._vip, bad=True)
