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

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"


class ICollector(Protocol):
    """Something that has metrics."""

    def scrape(self) -> Iterator[str]:
        """Yield whole lines, in pieces that each take well under a millisecond.

        What it reads may change between two pieces; it must not break on that.
        """


def header(name: str, kind: str, text: str) -> str:
    """Return the lines that begin a family: ``gauge``, ``counter`` or ``histogram``, and what it is."""
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def escape(value: str) -> str:
    """Return text from outside as the value of a label."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def histogram(name: str, labels: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> str:
    """Return the lines of one histogram.

    Args:
        name: Of the family.
        labels: ``a="b",c="d"``, or empty.
        bounds: Upper bounds, rising.
        counts: Samples per bucket, not cumulative, and one more for those above the last bound.
        total: Sum of all samples.
    """
    separator = "," if labels else ""
    reached = list(accumulate(counts))
    lines = [
        f'{name}_bucket{{{labels}{separator}le="{bound}"}} {count}\n'
        for bound, count in zip((*bounds, "+Inf"), reached, strict=True)
    ]
    suffix = f"{{{labels}}}" if labels else ""
    return "".join(lines) + f"{name}_count{suffix} {reached[-1]}\n{name}_sum{suffix} {total}\n"


class ProcessFigures:
    """CPU, memory and descriptors of the process, by the library."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)

    def scrape(self) -> Iterator[str]:
        """Yield them in one piece."""
        yield generate_latest(self._registry).decode()
