"""Builds views: the contents of the board and of VPP as basic values in the shapes of `maglev.model.views`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from maglev.control.check_views import params_view
from maglev.model.bounds import MAX_PAGE
from maglev.model.check_set import check_names, named
from maglev.model.errors import RefusedError
from maglev.model.health import State
from maglev.model.moments import moment
from maglev.model.problem import problem_view
from maglev.state.checks import CombinedHealth
from maglev.vpp.lb.state import ANY_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from maglev.control.dry_run import DryRunChange
    from maglev.control.traffic import ServerTraffic, VipTraffic
    from maglev.model.config import Healthcheck, LbConf, PoolMember
    from maglev.model.health import Health, Transition
    from maglev.model.health_views import AgentView, CheckView, HealthView, ResultView
    from maglev.model.override import Override
    from maglev.model.override_views import DrainView, KeptView, OverrideView
    from maglev.model.problem import Problem
    from maglev.model.result import Result
    from maglev.model.views import (
        BackendView,
        ConfigCheckView,
        ConfView,
        DifferenceView,
        FrontendView,
        HealthcheckView,
        MemberView,
        PageView,
        PoolView,
        ServerCountersView,
        TransitionView,
        VipChangeView,
        VipCountersView,
        VipKeyView,
        VipView,
    )
    from maglev.state.agents import AgentStatus
    from maglev.state.backend_status import BackendStatus
    from maglev.state.board import Board
    from maglev.state.checks import CheckStatus
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.departures import Departing
    from maglev.vpp.sync.forecast import VipForecast

Row = TypeVar("Row")
Value = TypeVar("Value")

MAX_OPERATIONS: Final = 50
"""Number of operations shown for one VIP; those of a VIP with a thousand servers would fill several screens."""


def frontend_view(
    board: Board,
    status: FrontendStatus,
    departing: Mapping[str, Departing],
    override: OverrideView | None,
    vip: Vip | None,
) -> FrontendView:
    """Return one frontend.

    Args:
        board: Has the backends.
        status: The frontend.
        departing: The servers that left it and are still in VPP.
        override: What was ordered for it as a whole.
        vip: What VPP is known to hold of it; None if nothing.
    """
    frontend = status.frontend
    scale = status.scale_of_departing(each.weight for each in departing.values())
    return {
        "name": frontend.name,
        "address": frontend.address,
        "protocol": "any" if frontend.transport is None else str(frontend.transport),
        "port": frontend.l4_port,
        "description": frontend.description,
        "state": str(status.state),
        "src_ip_sticky": frontend.src_ip_sticky,
        "flush_on_down": frontend.flush_on_down,
        "weights": str(frontend.weights),
        "when_none_eligible": str(frontend.when_none_eligible),
        "failback_delay": frontend.failback_delay,
        "held": len(status.guarded),
        "pools": [_pool_view(board, status, index, vip) for index in range(len(status.pools))],
        "departing": [
            {
                "address": address,
                "weight": each.weight,
                "programmed_weight": scale[each.weight],
                "leaves_in": each.seconds,
            }
            for address, each in sorted(departing.items())
        ],
        "enabled": not status.out,
        "override": override,
    }


def _pool_view(board: Board, status: FrontendStatus, index: int, vip: Vip | None) -> PoolView:
    pool, weights, choice, now = status.frontend.pools[index], status.pools[index], status.choice, board.now()
    since = status.memory.since[index]
    due = choice.due if choice is not None and choice.heir == index else None
    return {
        "name": pool.name,
        "active": index == status.active,
        "min_up": str(pool.min_up),
        "in_service": status.in_service[index],
        "eligible_for": None if since is None else round(max(now - since, 0.0), 1),
        "fails_back_in": None if due is None else round(max(due - now, 0.0), 1),
        "backends": [_member_view(board, status, member, weights[member.backend], vip) for member in pool.members],
    }


def _member_view(
    board: Board, frontend: FrontendStatus, member: PoolMember, effective: int, vip: Vip | None
) -> MemberView:
    status = board.backends[member.backend]
    server = None if vip is None else vip.servers.get(status.serving_address)
    return {
        "name": status.name,
        "address": status.address,
        "state": str(status.state),
        "enabled": status.state is not State.DISABLED,
        "weight": member.weight,
        "file_weight": member.weight if member.written is None else member.written,
        "effective_weight": effective,
        "programmed_weight": frontend.scale[effective],
        "vpp_weight": None if server is None else server.weight,
        # What was written since the last read has none, as what has no new flows.
        "vpp_buckets": None if server is None or (server.weight and not server.buckets) else server.buckets,
        "reason": str(frontend.desired[status.name].reason),
    }


def backend_view(
    board: Board, status: BackendStatus, override: OverrideView | None, drain: DrainView | None
) -> BackendView:
    """Return one backend, what an operator ordered for it, and how its drain is going."""
    last = status.last_result
    return {
        "name": status.name,
        "address": status.address,
        "state": str(status.state),
        "enabled": status.state is not State.DISABLED,
        "healthcheck": next(iter(check_names(board.config.backends[status.name].healthcheck)), None),
        "health": _health_view(status.health),
        "last_result": None if last is None else result_view(last, board.now() - status.resulted, _shown(status)),
        "checks": [_check_view(each, board.now()) for each in status.checks],
        "agent": None if status.agent is None else _agent_view(status.agent, board.now()),
        "transitions": [transition_view(each, board.age(each.at)) for each in status.transitions],
        "frontends": list(board.frontends_of(status.name)),
        "override": override,
        "drain": drain,
    }


def _health_view(health: Health) -> HealthView:
    return {"value": health.value, "rise": health.rise, "fall": health.fall}


def _shown(status: BackendStatus) -> str:
    """Return the name of the check that the last result is of, if there are several; else nothing."""
    return status.health.shown().healthcheck.name if isinstance(status.health, CombinedHealth) else ""


def _check_view(check: CheckStatus, now: float) -> CheckView:
    last = check.last_result
    return {
        "healthcheck": check.healthcheck.name,
        "state": str(check.state),
        "health": _health_view(check.health),
        "last_result": None if last is None else result_view(last, now - check.resulted),
    }


def _agent_view(agent: AgentStatus, now: float) -> AgentView:
    last = agent.last_result
    return {
        "healthcheck": agent.healthcheck.name,
        "says": agent.said,
        "percent": 0 if agent.word.down or agent.word.order else agent.word.percent,
        "age": round(max(now - agent.heard, 0.0), 1),
        "hold": agent.params.hold,
        "last_result": None if last is None else result_view(last, now - agent.resulted),
    }


def override_view(override: Override, age: float, left: float | None) -> OverrideView:
    """Return one override, for how many seconds it has been in force, and in how many it ends."""
    target = override.target
    return {
        "backend": target.backend or None,
        "frontend": target.frontend or None,
        "pool": target.pool or None,
        "address": target.address or None,
        "value": str(override.value),
        "file": str(override.base),
        "who": override.who,
        "origin": override.origin,
        "reason": override.reason,
        "since": moment(override.at),
        "age": round(age, 1),
        "until": until_of(override),
        "ends_in": None if left is None else round(left, 1),
    }


def until_of(override: Override | None) -> str | None:
    """Return when an override ends by itself; None if it does not, or there is none."""
    return None if override is None or override.until is None else moment(override.until)


def kept_view(override: Override | None) -> KeptView:
    """Return how long a change holds; whether it is kept is not known yet."""
    return {"until": until_of(override), "not_kept": ""}


def result_view(result: Result, age: float, check: str = "") -> ResultView:
    """Return the outcome of a probe that ended some seconds ago; its detail names the check, if there are several."""
    return {
        "ok": result.ok,
        "layer": result.layer,
        "code": str(result.code),
        "detail": named(check, result.detail),
        "duration": result.duration,
        "age": round(max(age, 0.0), 1),
    }


def transition_view(transition: Transition, age: float) -> TransitionView:
    """Return one change of state, which happened some seconds ago."""
    return {
        "from": str(transition.old),
        "to": str(transition.new),
        "at": moment(transition.at),
        "age": round(age, 1),
        "code": str(transition.code),
        "detail": transition.detail,
        "healthcheck": transition.healthcheck,
    }


def healthcheck_view(healthcheck: Healthcheck, backends: int) -> HealthcheckView:
    """Return one healthcheck, and how many backends use it."""
    return {
        "name": healthcheck.name,
        "type": str(healthcheck.type),
        "port": healthcheck.l4_port,
        "interval": healthcheck.interval,
        "fast_interval": healthcheck.fast_interval,
        "down_interval": healthcheck.down_interval,
        "timeout": healthcheck.timeout,
        "rise": healthcheck.rise,
        "fall": healthcheck.fall,
        "probe_ipv4_src": healthcheck.probe_ipv4_src,
        "probe_ipv6_src": healthcheck.probe_ipv6_src,
        "via": str(healthcheck.via),
        "params": params_view(healthcheck),
        "backends": backends,
    }


def conf_view(conf: LbConf) -> ConfView:
    """Return the global settings of VPP's lb plugin."""
    return {
        "ipv4_src_address": conf.ipv4_src_address,
        "ipv6_src_address": conf.ipv6_src_address,
        "sticky_buckets_per_core": conf.sticky_buckets_per_core,
        "flow_timeout": conf.flow_timeout,
    }


def key_view(key: VipKey) -> VipKeyView:
    """Return what identifies a VIP."""
    return {
        "prefix": f"{key.address}/{key.length}",
        "protocol": {6: "tcp", 17: "udp", ANY_PROTOCOL: "any"}.get(key.protocol, str(key.protocol)),
        "port": key.port,
    }


def vip_view(vip: Vip, frontend: str | None, departing: Mapping[str, Departing]) -> VipView:
    """Return one VIP as VPP holds it, its frontend, if any, and which servers are about to leave it."""
    return {
        "frontend": frontend,
        **key_view(vip.key),
        "encap": vip.encap.name.lower(),
        "src_ip_sticky": vip.src_ip_sticky,
        "new_flows_table_length": vip.table_length,
        "application_servers": [
            {
                "address": server.address,
                "weight": server.weight,
                "buckets": server.buckets,
                "leaves_in": departing[server.address].seconds if server.address in departing else None,
            }
            for server in vip.servers.values()
        ],
    }


def vip_traffic_view(traffic: VipTraffic) -> VipCountersView:
    """Return VPP's counters of one VIP."""
    counts = traffic.counts
    return {
        "frontend": traffic.frontend,
        **key_view(traffic.key),
        "first": counts.first,
        "next": counts.next,
        "untracked": counts.untracked,
        "no_server": counts.no_server,
        "fib_packets": None if counts.route is None else counts.route.packets,
        "fib_bytes": None if counts.route is None else counts.route.octets,
    }


def server_traffic_view(traffic: ServerTraffic) -> ServerCountersView:
    """Return VPP's counters of one application server."""
    return {
        "backend": traffic.backend,
        "address": traffic.address,
        "fib_packets": traffic.counts.packets,
        "fib_bytes": traffic.counts.octets,
    }


def change_view(change: VipForecast) -> VipChangeView:
    """Return what a plan does to one VIP, with the first of its operations."""
    return {
        "frontend": change.frontend,
        **key_view(change.key),
        "action": change.action,
        "reasons": list(change.reasons),
        "moved": change.moved,
        "operation_count": len(change.operations),
        "operations": [str(operation) for operation in change.operations[:MAX_OPERATIONS]],
    }


def dry_run_view(change: DryRunChange) -> DifferenceView:
    """Return a change that a reload would make."""
    difference = change.difference
    return {
        "kind": difference.kind,
        "name": difference.name,
        "change": difference.change,
        "details": list(difference.details),
        "vips": [change_view(change) for change in change.changes],
    }


def check_view(problems: Iterable[Problem], *, ok: bool) -> ConfigCheckView:
    """Return the result of checking the configuration file."""
    return {"ok": ok, "problems": [problem_view(problem) for problem in problems]}


def page_view(rows: Collection[Value], after: str, limit: int, view: Callable[[Value], Row]) -> PageView[Row]:
    """Return a page: the rows after a position, which is the ``next`` of the previous page.

    Raises:
        RefusedError: ``after`` is not a valid page token.
    """
    if after and not after.isdecimal():
        message = f"invalid page token {after!r}"
        raise RefusedError(message)
    start = int(after[:9]) if after else 0
    end = start + min(max(limit, 1), MAX_PAGE)
    return {"rows": [view(row) for row in islice(rows, start, end)], "next": str(end) if end < len(rows) else None}
