"""The metrics of a permanent test, and the site that serves them.

A family is declared here and in docs/maglevt.rst; a test holds the two together. Labels are bounded: VIPs are those of
the configuration, codes those of the probes, and names of those who answered are counted up to a limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.web.resource import Resource

from maglev.maglevt.measure.vip_statistics import BOUNDS
from maglev.maglevt.render.summary import rate_kept
from maglev.metrics.exposition import Histograms, ProcessFigures, escape, header
from maglev.metrics.family import Family
from maglev.metrics.resource import MetricsResource
from maglev.runtime.http import BoundedSite, Root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from twisted.web.server import Request

    from maglev.maglevt.measure.vip_statistics import VipStatistics
    from maglev.metrics.exposition import ICollector
    from maglev.runtime.cooperator import WorkQueue

CONNECTIONS: Final = 64
"""To the listener: a few scrapers and people with curl."""

_VIP: Final = ("vip",)

FAMILIES: Final[Mapping[str, Family]] = {
    each.name: each
    for each in (
        Family("maglevt_requests_total", "counter", "Requests to a VIP that were judged", ("vip", "result")),
        Family("maglevt_failures_total", "counter", "Failed requests, by the code of the probe", ("vip", "code")),
        Family("maglevt_unjudged_total", "counter", "Requests that say nothing, by reason", ("vip", "reason")),
        Family("maglevt_latency_seconds", "histogram", "From the scheduled moment to a good answer", _VIP),
        Family("maglevt_outage_seconds", "gauge", "How long nobody has been answering; 0 while somebody does", _VIP),
        Family("maglevt_longest_outage_seconds", "gauge", "The longest outage since the start", _VIP),
        Family("maglevt_outages_total", "counter", "Outages", _VIP),
        Family("maglevt_answers_total", "counter", "Good answers, by who gave them", ("vip", "who")),
        Family("maglevt_shares_p_value", "gauge", "Probability of the shares of answers by chance", _VIP),
        Family("maglevt_rate_kept", "gauge", "0 if requests could not be sent as fast as asked for", _VIP),
        Family("maglevt_daemon_connected", "gauge", "Whether there is a connection to maglevd"),
    )
}


class CanaryCollector:
    """The figures of a test."""

    def __init__(self, figures: Callable[[], Sequence[VipStatistics]], connected: Callable[[], bool | None]) -> None:
        """Read from a test.

        Args:
            figures: Returns the figures of each VIP.
            connected: Returns whether there is a connection to the daemon; None if there is to be none.
        """
        self._figures = figures
        self._connected = connected
        self._latency = Histograms("maglevt_latency_seconds", BOUNDS)

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        for name, sample in _SAMPLES.items():
            yield _header(name)
            for figures in self._figures():
                yield "".join(f"{name}{{{labels}}} {value}\n" for labels, value in sample(figures))
        yield _header("maglevt_latency_seconds")
        for figures in self._figures():
            yield self._latency.lines(_vip(figures), figures.buckets, figures.latencies.total)
        connected = self._connected()
        if connected is not None:
            yield f"{_header('maglevt_daemon_connected')}maglevt_daemon_connected {int(connected)}\n"


def canary_site(work: WorkQueue, collector: ICollector) -> BoundedSite:
    """Return the site of a permanent test."""
    root = Root()
    root.putChild(b"", _CanaryPage())
    root.putChild(b"metrics", MetricsResource(work, [collector, ProcessFigures()]))
    return BoundedSite(work, lambda: CONNECTIONS, root)


class _CanaryPage(Resource):
    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return b'<!doctype html><title>maglevt</title><p>maglevt: <a href="/metrics">metrics</a></p>\n'


def _header(name: str) -> str:
    return header(name, FAMILIES[name].type, FAMILIES[name].help)


def _vip(figures: VipStatistics, **more: str) -> str:
    labels = {"vip": figures.name, **more}
    return ",".join(f'{name}="{escape(value)}"' for name, value in labels.items())


def _requests(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    yield _vip(figures, result="good"), figures.good
    yield _vip(figures, result="failed"), figures.failed


def _failures(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    for code, count in sorted(figures.failures.items()):
        yield _vip(figures, code=code), count


def _unjudged(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    for reason, count in sorted(figures.unjudged.items()):
        yield _vip(figures, reason=reason), count


def _outage(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    current = figures.outages.current
    yield _vip(figures), 0 if current is None else round(current.seconds, 6)


def _longest(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    longest = figures.outages.longest
    yield _vip(figures), 0 if longest is None else round(longest.seconds, 6)


def _outages(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    yield _vip(figures), figures.outages.count


def _answers(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    for who, count in sorted(figures.answers.items()):
        yield _vip(figures, who=who), count


def _p_value(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    p_value = figures.shares.test().p_value
    if p_value is not None:
        yield _vip(figures), p_value


def _rate_kept(figures: VipStatistics) -> Iterator[tuple[str, float]]:
    yield _vip(figures), int(rate_kept(figures))


_SAMPLES: Final = {
    "maglevt_requests_total": _requests,
    "maglevt_failures_total": _failures,
    "maglevt_unjudged_total": _unjudged,
    "maglevt_outage_seconds": _outage,
    "maglevt_longest_outage_seconds": _longest,
    "maglevt_outages_total": _outages,
    "maglevt_answers_total": _answers,
    "maglevt_shares_p_value": _p_value,
    "maglevt_rate_kept": _rate_kept,
}
