"""The metric families of maglevd, read from where the facts are at the moment of a scrape."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from maglev.events import FrontendState
from maglev.health import State
from maglev.lag import BUCKETS as LAG_BUCKETS
from maglev.result import PASSES
from maglev.tally import BUCKETS as PROBE_BUCKETS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from prometheus_client.core import Metric
    from twisted.internet.interfaces import IReactorTime

    from maglev.board import Board
    from maglev.checker import CheckerService
    from maglev.lag import LagMonitor
    from maglev.vpp.service import VppService

BACKEND_STATES: Final = tuple(state for state in State if state is not State.REMOVED)
"""A removed backend has no metrics any more."""

USUAL_MOVES: Final = (("unknown", "up"), ("unknown", "down"), ("up", "down"), ("down", "up"))
"""Transitions whose counters exist from the start; those that operators cause appear when they first happen."""


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Return the buckets of a histogram as Prometheus wants them: upper bound as text, and all up to there.

    Args:
        bounds: Upper bounds, rising.
        counts: One count per bound, and one for everything above.
    """
    names = [*(repr(bound) for bound in bounds), "+Inf"]
    return list(zip(names, map(float, accumulate(counts)), strict=True))


class BoardCollector(Collector):
    """States and weights of backends and frontends."""

    def __init__(self, board: Board, moves: Counter[tuple[str, str, str]]) -> None:
        """Read from the board.

        Args:
            board: The board.
            moves: Transitions so far by backend, old state and new state.
        """
        self._board = board
        self._moves = moves

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._backends()
        yield from self._frontends()
        yield self._transitions()

    def _backends(self) -> Iterable[Metric]:
        state = GaugeMetricFamily(
            "maglev_backend_state", "1 for the state that the backend is in", labels=("backend", "address", "state")
        )
        health = GaugeMetricFamily(
            "maglev_backend_health", "The rise/fall counter, 0 to rise + fall - 1", labels=("backend",)
        )
        enabled = GaugeMetricFamily("maglev_backend_enabled", "0 while disabled", labels=("backend",))
        for name, status in self._board.backends.items():
            for each in BACKEND_STATES:
                state.add_metric((name, status.address, each.value), float(status.state is each))
            health.add_metric((name,), status.health.value)
            enabled.add_metric((name,), float(status.state is not State.DISABLED))
        return state, health, enabled

    def _frontends(self) -> Iterable[Metric]:
        state = GaugeMetricFamily(
            "maglev_frontend_state", "1 for the state that the frontend is in", labels=("frontend", "state")
        )
        labels = ("frontend", "pool", "backend")
        weight = GaugeMetricFamily("maglev_frontend_pool_backend_weight", "Configured weight, 0-100", labels=labels)
        effective = GaugeMetricFamily(
            "maglev_frontend_pool_backend_effective_weight", "The weight that VPP should have now", labels=labels
        )
        for name, status in self._board.frontends.items():
            for each in FrontendState:
                state.add_metric((name, each.value), float(status.state is each))
            for pool, weights in zip(status.frontend.pools, status.pools, strict=True):
                for member in pool.members:
                    weight.add_metric((name, pool.name, member.backend), member.weight)
                    effective.add_metric((name, pool.name, member.backend), weights[member.backend])
        return state, weight, effective

    def _transitions(self) -> Metric:
        family = CounterMetricFamily(
            "maglev_backend_transitions", "Changes of state of a backend", labels=("backend", "from", "to")
        )
        counts = dict.fromkeys(((name, old, new) for name in self._board.backends for old, new in USUAL_MOVES), 0)
        for labels, count in (counts | self._moves).items():
            family.add_metric(labels, count)
        return family


class CheckerCollector(Collector):
    """What the checker did, and how late the reactor ran."""

    def __init__(self, checker: CheckerService, lag: LagMonitor) -> None:
        self._checker = checker
        self._lag = lag

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        yield from self._probes()
        discarded = CounterMetricFamily(
            "maglev_probe_discarded", "Probes that were no evidence, for a reason of this machine", labels=("reason",)
        )
        for reason, count in self._checker.discarded.items():
            discarded.add_metric((reason,), count)
        yield discarded
        overdue = self._checker.oldest_wait()
        yield GaugeMetricFamily("maglev_probe_overdue_seconds", "How late the most overdue probe is", value=overdue)
        lag = HistogramMetricFamily("maglev_reactor_lag_seconds", "How late the reactor ran what was due")
        lag.add_metric((), cumulative(LAG_BUCKETS, self._lag.counts), self._lag.total)
        yield lag

    def _probes(self) -> Iterable[Metric]:
        total = CounterMetricFamily("maglev_probe", "Probes finished", labels=("backend", "type", "result", "code"))
        duration = HistogramMetricFamily(
            "maglev_probe_duration_seconds", "Time from the start of a probe to its result", labels=("backend", "type")
        )
        for name, tally in self._checker.tallies.items():
            for code, count in tally.codes.items():
                result = "pass" if code in PASSES else "fail"
                total.add_metric((name, tally.type, result, code.value), count)
            duration.add_metric((name, tally.type), cumulative(PROBE_BUCKETS, tally.counts), tally.total)
        return total, duration


class VppCollector(Collector):
    """The connection to VPP and what was written over it. Gauges are absent without a connection."""

    def __init__(
        self, clock: IReactorTime, wall: Callable[[], float], vpp: VppService, api: Counter[tuple[str, str, str]]
    ) -> None:
        """Read from the service.

        Args:
            clock: The monotonic clock of the service.
            wall: Tells the wall-clock time, in which VPP tells when it was started.
            vpp: The service.
            api: API messages so far by name, direction and result.
        """
        self._clock = clock
        self._wall = wall
        self._vpp = vpp
        self._api = api

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        info = self._vpp.info
        yield GaugeMetricFamily("maglev_vpp_connected", "1 while connected to VPP", value=float(info is not None))
        if info is not None:
            yield from self._connection()
        api = CounterMetricFamily(
            "maglev_vpp_api", "Messages of VPP's binary API", labels=("msg", "direction", "result")
        )
        for labels, count in sorted(self._api.items()):
            api.add_metric(labels, count)
        yield api
        writes = CounterMetricFamily("maglev_vpp_lbsync", "Writes to VPP's lb plugin", labels=("scope", "kind"))
        for key, count in self._vpp.counts.items():
            writes.add_metric(key, count)
        yield writes

    def _connection(self) -> Iterator[Metric]:
        info = self._vpp.info
        assert info is not None  # noqa: S101
        family = GaugeMetricFamily(
            "maglev_vpp_info", "What the connected VPP says of itself", labels=("version", "build_date", "pid")
        )
        family.add_metric((info.version, info.build_date, str(info.pid)), 1)
        yield family
        if info.boot_time:
            uptime = max(0.0, self._wall() - info.boot_time)
            yield GaugeMetricFamily("maglev_vpp_uptime_seconds", "Time since VPP was started", value=uptime)
        connected = self._clock.seconds() - self._vpp.connected_since
        yield GaugeMetricFamily("maglev_vpp_connected_seconds", "Time since we connected to VPP", value=connected)
