"""The axis of time: for each slot of it, how many requests were good, failed, or not judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.maglevt.measure.sample import SampleKind

if TYPE_CHECKING:
    from collections.abc import Iterable

SLOT: Final = 0.1
"""Seconds of a slot at first."""

SLOTS: Final = 2048
"""Slots at most: three minutes of the first width."""

MARKS: Final = {
    (False, False, False): " ",
    (True, False, False): ".",
    (True, True, False): "+",
    (False, True, False): "x",
    (False, False, True): "?",
    (True, False, True): ".",
    (True, True, True): "+",
    (False, True, True): "x",
}
"""What stands for a slot: whether there were good ones, failed ones, and ones that are not judged."""

Counts = tuple[int, int, int]

_PLACES: Final = {SampleKind.GOOD: 0, SampleKind.FAILED: 1, SampleKind.UNJUDGED: 2}


class TimeStrip:
    """All of a test, in slots of equal width. When they become too many, each two are joined.

    Attributes:
        start: When the first slot begins.
        width: Seconds of a slot.
    """

    def __init__(self, start: float) -> None:
        self.start = start
        self.width = SLOT
        self._slots: list[list[int]] = []

    def add(self, at: float, kind: SampleKind) -> None:
        """Count a request in the slot of its scheduled moment."""
        index = max(0, int((at - self.start) / self.width))
        while index >= SLOTS:
            self._join()
            index //= 2
        while len(self._slots) <= index:
            self._slots.append([0, 0, 0])
        self._slots[index][_PLACES[kind]] += 1

    def counts(self, begin: float, end: float, columns: int) -> list[Counts]:
        """Return the counts of a part of the axis, divided into columns of equal width."""
        step = (end - begin) / columns
        return [self._between(begin + i * step, begin + (i + 1) * step) for i in range(columns)]

    def _between(self, begin: float, end: float) -> Counts:
        """Return the counts of the slots that begin between two moments; where a slot is wider, those of that slot."""
        if end <= self.start:
            return 0, 0, 0
        first, last = (max(0, int((at - self.start) / self.width + 1e-6)) for at in (begin, end))
        return _sums(self._slots[first : max(last, first + 1)])

    def _join(self) -> None:
        pairs = [self._slots[i : i + 2] for i in range(0, len(self._slots), 2)]
        self._slots = [[*_sums(pair)] for pair in pairs]
        self.width *= 2


def _sums(slots: Iterable[list[int]]) -> Counts:
    good = failed = unjudged = 0
    for slot in slots:
        good, failed, unjudged = good + slot[0], failed + slot[1], unjudged + slot[2]
    return good, failed, unjudged


def marks(counts: Iterable[Counts]) -> str:
    """Return a character for each slot."""
    return "".join(MARKS[good > 0, failed > 0, unjudged > 0] for good, failed, unjudged in counts)
