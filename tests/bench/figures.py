"""What a measurement found: plain values, and the arithmetic on them. Nothing here measures anything."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs


@attrs.frozen
class Target:
    """What was promised of a measure.

    Attributes:
        least: What must be reached; infinite if nothing must.
        aim: What would be good.
        of: Which number of a `Figure` it is about: ``ratio`` or ``ours``.
        more_is_better: Whether larger numbers are better.
    """

    least: float
    aim: float
    of: str = "ours"
    more_is_better: bool = False

    def verdict(self, value: float) -> str:
        """Return ``aim``, ``at least``, ``missed``, or ``short of the aim`` where nothing had to be reached."""
        sign = -1 if self.more_is_better else 1
        if sign * value <= sign * self.aim:
            return "aim"
        if math.isinf(self.least):
            return "short of the aim"
        return "at least" if sign * value <= sign * self.least else "missed"


@attrs.frozen
class Figure:
    """One line of the table.

    Attributes:
        key: Its name in the JSON, and in `tests.bench.targets`.
        title: What it is, for people.
        unit: Of ``ours`` and ``peer``; ratios have none.
        ours: The median of our runs; None if there was none.
        peer: The median of the peer's runs.
        peer_name: Who that is.
        ratio: The median of the ratios of runs that lay next to each other.
        samples: All runs, by whose they are.
        note: What to know when reading it.
        missing: Why it was not measured; empty if it was.
    """

    key: str
    title: str
    unit: str = ""
    ours: float | None = None
    peer: float | None = None
    peer_name: str = ""
    ratio: float | None = None
    samples: Mapping[str, Sequence[float]] = attrs.field(factory=dict)
    note: str = ""
    missing: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Figure:
        """Return what `to_json` wrote."""
        return cls(**fields)

    def verdict(self, target: Target | None) -> str:
        """Return how it compares with what was promised; empty if nothing was."""
        if target is None or self.missing:
            return ""
        value = self.ratio if target.of == "ratio" else self.ours
        return "" if value is None else target.verdict(value)


def figure_of(key: str, title: str, unit: str, samples: Sequence[float], note: str = "") -> Figure:
    """Return the median of our own runs as a figure."""
    return Figure(key, title, unit, ours=statistics.median(samples), samples={"ours": list(samples)}, note=note)


def compared(
    key: str, title: str, unit: str, peer_name: str, ours: Sequence[float], theirs: Sequence[float], note: str = ""
) -> Figure:
    """Return a figure of interleaved runs: run N of ours lay next to run N of theirs."""
    return Figure(
        key,
        title,
        unit,
        statistics.median(ours),
        statistics.median(theirs),
        peer_name,
        statistics.median(ours_one / theirs_one for ours_one, theirs_one in zip(ours, theirs, strict=True)),
        {"ours": list(ours), "peer": list(theirs)},
        note,
    )


def quantile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that this share (0..1) of the values does not exceed; 0 if there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def bucket_quantile(bounds: Sequence[float], counts: Sequence[float], share: float) -> float:
    """Return the upper bound of the bucket that holds this share of the samples; counts are of each bucket alone."""
    wanted, seen = share * sum(counts), 0.0
    for bound, count in zip(bounds, counts, strict=True):
        seen += count
        if seen >= wanted:
            return bound
    return math.inf


def jain(values: Sequence[float]) -> float:
    """Return Jain's index of fairness: 1 if all values are equal, 1/n if one has everything."""
    squares = sum(value * value for value in values)
    return 1.0 if not squares else sum(values) ** 2 / (len(values) * squares)


def plain(value: float | None, unit: str = "") -> str:
    """Return a number with three digits that matter, as tables show it."""
    if value is None:
        return ""
    if value == 0 or math.isinf(value):
        text = f"{value:g}"
    else:
        digits = max(0, 2 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{digits}f}"
    return f"{text} {unit}".rstrip()
