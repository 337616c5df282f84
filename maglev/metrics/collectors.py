"""The metric families of maglevd, read from where the facts are at the moment of a scrape.

Names of frontends, pools and backends, and addresses, need no escaping: the configuration allows nothing that does.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

from twisted import __version__ as twisted

from maglev.healthcheck.counters import BUCKETS as PROBE_BUCKETS
from maglev.healthcheck.lag import BUCKETS as LAG_BUCKETS
from maglev.metrics.exposition import LABELS, Histograms, escape, histogram
from maglev.metrics.families import header
from maglev.model.check_set import split_probe_name
from maglev.model.events import FrontendState
from maglev.model.health import State
from maglev.model.override import BackendOrder
from maglev.model.result import PASSES, Code
from maglev.runtime.cooperator import BUCKETS as TURN_BUCKETS
from maglev.state.agents import SUMMARIES
from maglev.state.blindness import Scope
from maglev.vpp.lb.state import key_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterable, Iterator

    from twisted.internet.interfaces import IReactorTime

    from maglev.control.drain_watch import DrainWatch
    from maglev.control.overrides import Overrides
    from maglev.control.reload import Reloader
    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.service import CheckerService
    from maglev.model.build import Build
    from maglev.model.override import Override
    from maglev.runtime.cooperator import Cooperator
    from maglev.state.agents import AgentStatus
    from maglev.state.backend_status import BackendStatus
    from maglev.state.board import Board
    from maglev.vpp.sync.departures import Departures
    from maglev.vpp.sync.service import VppService

BACKEND_STATES: Final = tuple(state for state in State if state is not State.REMOVED)
"""A removed backend has no metrics."""

OVERRIDES: Final = (*BackendOrder, "frontend", "weight", "announce")
"""The kinds of overrides."""

RESULTS: Final = {code: "pass" if code in PASSES else "fail" for code in Code}

USUAL_MOVES: Final = (("unknown", "up"), ("unknown", "down"), ("up", "down"), ("down", "up"))
"""Transitions whose counters exist from the start; those that operators cause appear when they first happen."""

# Templates of the lines that each of many thousand backends has: the common parts are formatted once.

_STATE_LINES: Final = {
    now: "".join(f'maglev_backend_state{{{LABELS},state="{state}"}} {int(state is now)}\n' for state in BACKEND_STATES)
    for now in State
}

_PROBE_LABELS: Final = {code: f'result="{result}",code="{code}"' for code, result in RESULTS.items()}

_MOVE_LINES: Final = "".join(
    f'maglev_backend_transitions_total{{backend="{LABELS}",from="{old}",to="{new}"}} %d\n' for old, new in USUAL_MOVES
)

_DURATIONS: Final = Histograms("maglev_probe_duration_seconds", PROBE_BUCKETS)


class BuildCollector:
    """Which maglevd runs, and on what."""

    def __init__(self, build: Build) -> None:
        versions = {"python": platform.python_version(), "twisted": twisted}
        labels = {"version": build.version, "commit": build.commit, **versions}
        self._labels = ",".join(f'{name}="{escape(value)}"' for name, value in labels.items())

    def scrape(self) -> Iterator[str]:
        """Yield the family."""
        yield f"{header('maglev_build_info')}maglev_build_info{{{self._labels}}} 1\n"


class BoardCollector:
    """States and weights of backends and frontends."""

    def __init__(self, board: Board, departures: Departures, moves: Counter[tuple[str, str, str]]) -> None:
        """Read from the board.

        Args:
            board: The board.
            departures: Knows the servers that left it and are still in VPP.
            moves: Transitions so far by backend, old state and new state.
        """
        self._board = board
        self._departures = departures
        self._moves = moves

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        yield from self._backends()
        yield from self._frontends()
        yield from self._departing()
        yield from self._weights()
        yield from self._transitions()

    def _backends(self) -> Iterator[str]:
        backends = list(self._board.backends.values())
        yield header("maglev_backend_state")
        for status in backends:
            labels = f'backend="{status.name}",address="{status.address}"'
            yield _STATE_LINES[status.state].replace(LABELS, labels)
        yield header("maglev_backend_health")
        for status in backends:
            yield f'maglev_backend_health{{backend="{status.name}"}} {status.health.value}\n'
        yield from self._checks(backends)
        yield from self._agents([each.agent for each in backends if each.agent is not None])
        yield header("maglev_backend_enabled")
        for status in backends:
            yield f'maglev_backend_enabled{{backend="{status.name}"}} {int(status.state is not State.DISABLED)}\n'

    def _checks(self, backends: Iterable[BackendStatus]) -> Iterator[str]:
        several = [(status.name, each) for status in backends for each in status.checks]
        family = "maglev_backend_check_state"
        yield header(family)
        for name, check in several:
            labels = f'backend="{name}",healthcheck="{check.healthcheck.name}"'
            yield "".join(
                f'{family}{{{labels},state="{state}"}} {int(state is check.state)}\n'
                for state in (State.UNKNOWN, State.UP, State.DOWN)
            )
        family = "maglev_backend_check_health"
        yield header(family)
        for name, check in several:
            yield f'{family}{{backend="{name}",healthcheck="{check.healthcheck.name}"}} {check.health.value}\n'

    def _agents(self, agents: Iterable[AgentStatus]) -> Iterator[str]:
        family = "maglev_backend_agent"
        yield header(family)
        for agent in agents:
            name, says = split_probe_name(agent.name)[0], agent.summary
            yield "".join(f'{family}{{backend="{name}",says="{each}"}} {int(each == says)}\n' for each in SUMMARIES)
        family = "maglev_backend_agent_percent"
        yield header(family)
        for agent in agents:
            yield f'{family}{{backend="{split_probe_name(agent.name)[0]}"}} {agent.word.percent}\n'

    def _frontends(self) -> Iterator[str]:
        yield header("maglev_frontend_state")
        for name, status in list(self._board.frontends.items()):
            now = status.state
            yield "".join(
                f'maglev_frontend_state{{frontend="{name}",state="{state}"}} {int(state is now)}\n'
                for state in FrontendState
            )
        yield header("maglev_frontend_enabled")
        for name, status in list(self._board.frontends.items()):
            yield f'maglev_frontend_enabled{{frontend="{name}"}} {int(not status.out)}\n'
        family = "maglev_frontend_active_pool"
        yield header(family)
        for name, status in list(self._board.frontends.items()):
            yield f'{family}{{frontend="{name}"}} {-1 if status.active is None else status.active}\n'

        family = "maglev_frontend_held_backends"
        yield header(family)
        for name, status in list(self._board.frontends.items()):
            yield f'{family}{{frontend="{name}"}} {len(status.guarded)}\n'

        doubts = self._board.doubts
        blind = list(doubts.blind())
        yield header("maglev_checks_doubted")
        for scope in Scope:
            yield f'maglev_checks_doubted{{scope="{scope}"}} {sum(view.scope is scope for view, _ in blind)}\n'
        yield header("maglev_backends_doubted")
        yield f"maglev_backends_doubted {len({name for _, sight in blind for name in sight.down})}\n"

    def _departing(self) -> Iterator[str]:
        family = "maglev_frontend_departing_servers"
        yield header(family)
        for name, status in list(self._board.frontends.items()):
            serving = [each for each in self._departures.departing(key_of(status.frontend)).values() if each.weight]
            yield f'{family}{{frontend="{name}"}} {len(serving)}\n'

    def _weights(self) -> Iterator[str]:
        frontends = list(self._board.frontends.items())
        family = "maglev_frontend_pool_backend_weight"
        yield header(family)
        for name, status in frontends:
            yield "".join(
                f'{family}{{frontend="{name}",pool="{pool.name}",backend="{member.backend}"}} {member.weight}\n'
                for pool in status.frontend.pools
                for member in pool.members
            )
        family = "maglev_frontend_pool_backend_effective_weight"
        yield header(family)
        for name, status in frontends:
            yield "".join(
                f'{family}{{frontend="{name}",pool="{pool.name}",backend="{backend}"}} {weight}\n'
                for pool, weights in zip(status.frontend.pools, status.pools, strict=True)
                for backend, weight in weights.items()
            )
        family = "maglev_frontend_pool_backend_programmed_weight"
        yield header(family)
        for name, status in frontends:
            scale = status.scale
            yield "".join(
                f'{family}{{frontend="{name}",pool="{pool.name}",backend="{backend}"}} {scale[weight]}\n'
                for pool, weights in zip(status.frontend.pools, status.pools, strict=True)
                for backend, weight in weights.items()
            )

    def _transitions(self) -> Iterator[str]:
        family = "maglev_backend_transitions_total"
        yield header(family)
        moves = self._moves.copy()
        for name in list(self._board.backends):
            counts = [moves.pop((name, old, new), 0) for old, new in USUAL_MOVES]
            yield _MOVE_LINES.replace(LABELS, name) % (*counts,)
        for (name, old, new), count in moves.items():
            yield f'{family}{{backend="{name}",from="{old}",to="{new}"}} {count}\n'


class CheckerCollector:
    """What the checker did, and how late the reactor ran."""

    def __init__(self, checker: CheckerService, lag: LagMonitor) -> None:
        self._checker = checker
        self._lag = lag

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        yield from self._probes()
        yield from self._certificates()
        yield header("maglev_probe_discarded_total")
        for reason, count in list(self._checker.discarded.items()):
            yield f'maglev_probe_discarded_total{{reason="{reason}"}} {count}\n'
        yield header("maglev_probe_overdue_seconds")
        yield f"maglev_probe_overdue_seconds {self._checker.oldest_wait()}\n"
        yield header("maglev_backends_without_evidence")
        yield f"maglev_backends_without_evidence {len(self._checker.evidence.lost)}\n"
        yield header("maglev_oldest_evidence_seconds")
        yield f"maglev_oldest_evidence_seconds {self._checker.evidence.oldest}\n"
        yield header("maglev_reactor_lag_seconds")
        yield histogram("maglev_reactor_lag_seconds", "", LAG_BUCKETS, self._lag.counts, self._lag.total)

    def _certificates(self) -> Iterator[str]:
        family = "maglev_certificate_expiry_timestamp_seconds"
        yield header(family)
        for name, expiry in self._checker.certificate_expiries():
            yield "" if expiry is None else f"{family}{{{_probed(name)}}} {expiry}\n"

    def _probes(self) -> Iterator[str]:
        counters = list(self._checker.counters.items())
        yield header("maglev_probe_total")
        for name, counted in counters:
            start = f'maglev_probe_total{{{_probed(name)},type="{counted.type}",'
            yield "".join([f"{start}{_PROBE_LABELS[code]}}} {count}\n" for code, count in counted.codes()])
        yield header("maglev_probe_duration_seconds")
        for name, counted in counters:
            labels = f'{_probed(name)},type="{counted.type}"'
            yield _DURATIONS.lines(labels, counted.counts, counted.total)


def _probed(name: str) -> str:
    """Return the labels of what is probed: the backend, and the healthcheck if it has several."""
    backend, check = split_probe_name(name)
    return f'backend="{backend}",healthcheck="{check}"' if check else f'backend="{backend}"'


class OverrideCollector:
    """What operators have ordered, and whether it is kept."""

    def __init__(self, overrides: Overrides, drains: DrainWatch) -> None:
        self._overrides = overrides
        self._drains = drains

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        found = self._overrides.all()
        kinds = dict.fromkeys(OVERRIDES, 0)
        for override in found:
            kinds[_kind_of(override)] += 1
        text = header("maglev_overrides_active")
        for kind, count in kinds.items():
            text += f'maglev_overrides_active{{kind="{kind}"}} {count}\n'
        oldest = max(map(self._overrides.age, found), default=0.0)
        text += header("maglev_override_oldest_seconds") + f"maglev_override_oldest_seconds {oldest:.1f}\n"
        keeper = self._overrides.keeper
        text += header("maglev_overrides_kept")
        if keeper.path:
            text += f"maglev_overrides_kept {int(not keeper.problem)}\n"
        text += header("maglev_overrides_damaged")
        text += f"maglev_overrides_damaged {int(bool(self._overrides.damage))}\n"
        text += header("maglev_backend_drain_flows")
        for backend, flows in self._drains.active():
            text += f'maglev_backend_drain_flows{{backend="{backend}"}} {flows}\n'
        text += header("maglev_drains_total")
        for phase, count in self._drains.outcomes.items():
            text += f'maglev_drains_total{{result="{phase}"}} {count}\n'
        yield text


def _kind_of(override: Override) -> str:
    target = override.target
    if target.is_weight:
        return "weight"
    return "frontend" if target.is_frontend else "announce" if target.address else str(override.value)


class ReloadCollector:
    """The reloads of the configuration."""

    def __init__(self, reloader: Reloader) -> None:
        self._reloader = reloader

    def scrape(self) -> Iterator[str]:
        """Yield the families, in one piece."""
        text = header("maglev_config_reloads_total")
        for result, count in self._reloader.counts.items():
            text += f'maglev_config_reloads_total{{result="{result}"}} {count}\n'
        text += header("maglev_config_reload_refused")
        yield text + f"maglev_config_reload_refused {int(self._reloader.refused)}\n"


class CooperatorCollector:
    """How long sliced work took in the turns of the reactor, and what of it waits."""

    def __init__(self, cooperator: Cooperator) -> None:
        self._cooperator = cooperator

    def scrape(self) -> Iterator[str]:
        """Yield the families, in one piece."""
        text = header("maglev_cooperator_waiting")
        for kind, count in self._cooperator.waiting().items():
            text += f'maglev_cooperator_waiting{{kind="{kind}"}} {count}\n'
        family = "maglev_cooperator_turn_seconds"
        yield (
            text + header(family) + histogram(family, "", TURN_BUCKETS, self._cooperator.counts, self._cooperator.total)
        )


class VppCollector:
    """The connection to VPP and what was written over it. Gauges are absent without a connection."""

    def __init__(
        self, clock: IReactorTime, wall: Callable[[], float], vpp: VppService, api: Counter[tuple[str, str, str]]
    ) -> None:
        """Read from the service.

        Args:
            clock: The monotonic clock of the service.
            wall: Returns the wall-clock time, in which VPP reports its start.
            vpp: The service.
            api: API messages so far by name, direction and result.
        """
        self._clock = clock
        self._wall = wall
        self._vpp = vpp
        self._api = api

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        yield header("maglev_vpp_connected")
        yield f"maglev_vpp_connected {int(self._vpp.info is not None)}\n"
        yield self._connection()
        yield header("maglev_vpp_api_total")
        for (message, direction, result), count in sorted(self._api.items()):
            labels = f'msg="{escape(message)}",direction="{direction}",result="{result}"'
            yield f"maglev_vpp_api_total{{{labels}}} {count}\n"
        yield header("maglev_vpp_lbsync_total")
        for (scope, kind), count in list(self._vpp.tally.writes.items()):
            yield f'maglev_vpp_lbsync_total{{scope="{scope}",kind="{kind}"}} {count}\n'
        yield header("maglev_vpp_lbsync_drift_total")
        yield f"maglev_vpp_lbsync_drift_total {self._vpp.tally.drifts}\n"
        yield header("maglev_vpp_lbsync_failures_total")
        yield f"maglev_vpp_lbsync_failures_total {self._vpp.tally.failures}\n"

    def _connection(self) -> str:
        info = self._vpp.info
        if info is None:
            return ""
        labels = f'version="{escape(info.version)}",build_date="{escape(info.build_date)}",pid="{info.pid}"'
        text = header("maglev_vpp_info")
        text += f"maglev_vpp_info{{{labels}}} 1\n"
        if info.boot_time:
            text += header("maglev_vpp_uptime_seconds")
            text += f"maglev_vpp_uptime_seconds {max(0.0, self._wall() - info.boot_time)}\n"
        text += header("maglev_vpp_connected_seconds")
        return text + f"maglev_vpp_connected_seconds {self._clock.seconds() - self._vpp.connected_since}\n"
