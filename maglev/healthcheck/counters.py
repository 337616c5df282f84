"""The checker's counters: plain integers on the hot path, turned into metrics only when scraped."""

from __future__ import annotations

import bisect
import functools
from typing import TYPE_CHECKING, Final

from maglev.model.config import CheckType, Healthcheck
from maglev.model.result import Code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maglev.model.result import Result

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the duration histogram, seconds; one more bucket for everything above."""

DISCARD_REASONS: Final = (
    "lag",
    "descriptors",
    "internal",
    "memory",
    "netns",
    "network",
    "permission",
    "ports",
    "processes",
    "program",
    "tunnel",
    "unsupported",
    "worker",
)
"""Why a probe was no evidence: ``lag``, or the reason of a `LocalFault`."""

_CONNECT: Final = (Code.L4TOUT, Code.L4CON)
_VIA: Final = (Code.L4VIP, Code.L4GRE)
_TLS: Final = (Code.L6TOUT, Code.L6RSP)
_ANSWER: Final = (Code.L7OK, Code.L7TOUT, Code.L7RSP, Code.L7STS)


_SIMPLE: Final[Mapping[CheckType, tuple[Code, ...]]] = {
    CheckType.ICMP: (Code.L7OK, Code.L7TOUT, Code.L4CON),
    CheckType.EXEC: (Code.PROCOK, Code.PROCERR, Code.PROCTOUT, Code.L7RSP),
}


def kind_of(healthcheck: Healthcheck | None) -> str:
    """Return the kind of the probes, for people and labels: a `CheckType`, or ``static``."""
    return "static" if healthcheck is None else str(healthcheck.type)


def possible_codes(healthcheck: Healthcheck | None) -> tuple[Code, ...]:
    """Return every code that probes of this kind can end with, so that each counter exists before it first counts."""
    if healthcheck is None:
        return (Code.STATIC,)
    return (*_codes_of_type(healthcheck), *(_VIA if healthcheck.path is not None else ()))


def _codes_of_type(healthcheck: Healthcheck) -> tuple[Code, ...]:
    if healthcheck.type in _SIMPLE:
        return _SIMPLE[healthcheck.type]
    tls = _TLS if healthcheck.tls is not None else ()
    if healthcheck.udp is not None:
        return (Code.L4OK, Code.L7OK, Code.L7TOUT, Code.L7RSP, Code.L4CON)
    if healthcheck.dns is not None:
        return (*(_CONNECT if healthcheck.dns.tcp else (Code.L4CON,)), *_ANSWER)
    kinds = healthcheck.http, healthcheck.talk, healthcheck.grpc, healthcheck.agent
    if any(each is not None for each in kinds):
        drains = healthcheck.http is not None and healthcheck.http.disable_on_404
        return (*_CONNECT, *tls, *_ANSWER, *((Code.L7OKC,) if drains else ()))
    return (*_CONNECT, *tls, Code.L6OK if tls else Code.L4OK)


@functools.cache
def _positions(codes: tuple[Code, ...]) -> Mapping[Code, int]:
    """Return the position of each code, in one mapping shared by all backends that are probed alike."""
    return {code: position for position, code in enumerate(codes)}


class ProbeCounters:
    """Counts the results of the probes of one backend.

    Attributes:
        type: The kind of the probes, as returned by `kind_of`.
        counts: Results per bucket of `BUCKETS`, not cumulative, and one more for those above.
        total: Sum of all durations, seconds.
    """

    __slots__ = ("_positions", "_results", "counts", "total", "type")

    def __init__(self, healthcheck: Healthcheck | None) -> None:
        self.type = kind_of(healthcheck)
        self._positions = _positions(possible_codes(healthcheck))
        self._results = [0] * len(self._positions)
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0

    def count(self, result: Result) -> None:
        """Count one result."""
        position = self._positions.get(result.code)
        if position is None:
            position = len(self._results)
            self._positions = _positions((*self._positions, result.code))
            self._results.append(0)
        self._results[position] += 1
        self.counts[bisect.bisect_left(BUCKETS, result.duration)] += 1
        self.total += result.duration

    def codes(self) -> Iterator[tuple[Code, int]]:
        """Yield each code with its number of results."""
        return zip(self._positions, self._results, strict=True)
