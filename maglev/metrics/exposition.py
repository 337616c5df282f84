"""The text format of Prometheus, version 0.0.4, written line by line.

`prometheus_client` builds objects for every sample first: 14 µs each, which is a second of a stopped reactor for 2,000
backends. The collectors here yield finished text, a piece at a time, so that a scrape of any size is written in slices
between which the reactor does its work. The process's own figures still come from the library.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LABELS: Final = "\0"
"""Placeholder for the labels of an object in a template; no text of ours has this character."""

_ALL_LABELS: Final = "\1"
"""The same where there are no others, and so perhaps no braces either."""

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class ICollector(Protocol):
    """A source of metrics."""

    def scrape(self) -> Iterator[str]:
        """Yield whole lines, in pieces that each take well under a millisecond.

        What it reads may change between two pieces; it must tolerate that.
        """


def header(name: str, kind: str, text: str) -> str:
    """Return the lines that begin a family: ``gauge``, ``counter`` or ``histogram``, and what it is."""
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def escape(value: str) -> str:
    """Return text from outside as the value of a label."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def histogram(name: str, labels: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> str:
    """Return the lines of one histogram, as `Histograms.lines` does."""
    return Histograms(name, bounds).lines(labels, counts, total)


class Histograms:
    """The histograms of one family: what is the same in all of them is put together once.

    A histogram is a kilobyte in 16 lines, and there is one for each backend.
    """

    def __init__(self, name: str, bounds: Sequence[float]) -> None:
        """Prepare.

        Args:
            name: Of the family.
            bounds: Upper bounds of the buckets, rising; a last one, for all above them, is added.
        """
        buckets = [f'{name}_bucket{{{LABELS}le="{bound}"}} %d\n' for bound in (*bounds, "+Inf")]
        self._lines = "".join(buckets) + f"{name}_count{_ALL_LABELS} %d\n{name}_sum{_ALL_LABELS} %s\n"

    def lines(self, labels: str, counts: Sequence[int], total: float) -> str:
        """Return the lines of one histogram.

        Args:
            labels: ``a="b",c="d"``, or empty.
            counts: Samples per bucket, not cumulative, and one more for those above the last bound.
            total: Sum of all samples.
        """
        labels = labels.replace("%", "%%")
        lines = self._lines.replace(LABELS, f"{labels}," if labels else "")
        lines = lines.replace(_ALL_LABELS, f"{{{labels}}}" if labels else "")
        reached = tuple(accumulate(counts))
        return lines % (*reached, reached[-1], total)


class ProcessFigures:
    """CPU, memory and descriptors of the process, by the library."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)

    def scrape(self) -> Iterator[str]:
        """Yield them in one piece."""
        yield generate_latest(self._registry).decode()
