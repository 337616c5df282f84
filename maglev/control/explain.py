"""Puts decisions in words: from results to the weight in VPP and the announcement, and why they were others before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.announce.decision import Footing
from maglev.model.announce import Announcing, Needed
from maglev.model.check_set import named
from maglev.model.health import State
from maglev.model.moments import moment
from maglev.state.changes import Step
from maglev.state.checks import CombinedHealth
from maglev.state.decision import decide
from maglev.state.pools import PoolReason
from maglev.state.standing import Cause, Standing
from maglev.state.weights import WeightReason
from maglev.vpp.lb.state import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from maglev.announce.announcer import SinkStatus
    from maglev.announce.decision import AnnouncementTrace
    from maglev.model.explain_views import (
        BackendExplanationView,
        ExplainedAnnouncementView,
        ExplainedWeightView,
        FrontendExplanationView,
        LastChangeView,
        StepView,
    )
    from maglev.model.override import Override
    from maglev.state.agents import AgentStatus
    from maglev.state.backend_status import BackendStatus
    from maglev.state.board import Board
    from maglev.state.changes import WeightChange
    from maglev.state.checks import CheckStatus
    from maglev.state.decision import BackendTrace, FrontendTrace
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.departures import Departing

ELIGIBLE: Final[Mapping[Standing, str]] = {
    Standing.UP: "yes: it is up",
    Standing.DOUBTED: "yes: it is down, but so many went down with it that the checks are in doubt",
    Standing.HELD: "yes: it is unknown, and keeps the weight that it had until its first result",
    Standing.DOWN: "no: it is down",
    Standing.UNPROVED: "no: it has had no result yet, and no weight before",
    Standing.DRAINED: "no: it drains",
    Standing.NOLB: "no: its health page answers 404, it wants no new flows (disable-on-404)",
    Standing.AGENT_DOWN: "no: its agent says that it is down",
    Standing.AGENT_DRAIN: "no: its agent says that it wants no new flows",
    Standing.AGENT_MAINT: "no: its agent says that it is being worked on",
    Standing.PAUSED: "no: it is paused",
    Standing.DISABLED: "no: it is disabled",
    Standing.REMOVED: "no: it has left the file",
}

REASONS: Final[Mapping[WeightReason, str]] = {
    WeightReason.ACTIVE: "it is up, in the active pool",
    WeightReason.STANDBY: "it is in service, but its pool is not the active one",
    WeightReason.DOUBTED: "it is down, but doubted, in the active pool",
    WeightReason.HELD: "it is unknown, and keeps what it had",
    WeightReason.GUARDED: "it is down, and the guard keeps it in service",
    WeightReason.DOWN: "it is down",
    WeightReason.UNPROVED: "it has had no result yet",
    WeightReason.DRAINED: "it drains",
    WeightReason.NOLB: "it wants no new flows (disable-on-404)",
    WeightReason.AGENT_WEIGHT: "it is up, in the active pool, with the part that its agent says",
    WeightReason.AGENT_DOWN: "its agent says that it is down",
    WeightReason.AGENT_DRAIN: "its agent says that it wants no new flows",
    WeightReason.AGENT_MAINT: "its agent says that it is being worked on",
    WeightReason.PAUSED: "it is paused",
    WeightReason.DISABLED: "it is disabled",
    WeightReason.REMOVED: "it has left the file",
    WeightReason.FRONTEND_DISABLED: "the frontend is disabled",
}

CHANGES: Final[Mapping[Step, str]] = {
    Step.HEALTH: "its own health changed",
    Step.ORDER: "it was taken out of service, or put back",
    Step.BLINDNESS: "doubt about the checks began or ended",
    Step.POOL: "another pool became the active one",
    Step.GUARD: "the guard began or ceased to keep it",
    Step.FRONTEND: "the frontend was taken out of service, or put back",
    Step.AGENT: "its agent says something else",
    Step.WEIGHT: "another weight was set, or found in VPP",
}


ANNOUNCED: Final[Mapping[Announcing, str]] = {
    Announcing.ANNOUNCED: "announced",
    Announcing.WITHDRAWN: "withdrawn",
    Announcing.UNDECIDED: "undecided, and left as it was before maglevd started",
}

FOOTINGS: Final[Mapping[Footing, str]] = {
    Footing.SERVING: "serves",
    Footing.STAYING: "serves for the moment",
    Footing.UNCONFIRMED: "not known to serve",
    Footing.NOTHING: "does not serve",
}


def explain_backend(
    board: Board,
    status: BackendStatus,
    override: Override | None,
    vips: Mapping[VipKey, Vip],
    announced: Callable[[str], AnnouncementTrace | None],
) -> BackendExplanationView:
    """Return why a backend has its weights.

    Args:
        board: The board.
        status: The backend.
        override: What an operator has ordered for it.
        vips: What VPP is known to hold.
        announced: Returns why an address is announced, or is not; None if it is not to be announced at all.
    """
    weights = []
    for name in board.frontends_of(status.name):
        frontend = board.frontends[name]
        weight = _weight(board, frontend, decide(board.situation(name))[1], status.name, vips)
        trace = announced(frontend.frontend.address)
        weight["steps"] += _unannounced(board, frontend) if trace is None else [_conclusion(trace)]
        weights.append(weight)
    return {
        "name": status.name,
        "state": str(status.state),
        "steps": list(_common(status, override, board.now())),
        "frontends": weights,
    }


def explain_frontend(
    board: Board,
    status: FrontendStatus,
    vips: Mapping[VipKey, Vip],
    departing: Mapping[str, Departing],
    announced: AnnouncementTrace | None,
    sinks: Sequence[SinkStatus],
) -> FrontendExplanationView:
    """Return why a frontend serves as it does.

    Args:
        board: The board.
        status: The frontend.
        vips: What VPP is known to hold.
        departing: The servers that left it and are still in VPP.
        announced: Why its address is announced, or is not; None if it is not to be announced at all.
        sinks: The receivers of announcements.
    """
    _, trace = decide(board.situation(status.frontend.name))
    return {
        "name": status.frontend.name,
        "state": str(status.state),
        "steps": [
            *_pools(board, trace),
            _choice(board, trace),
            _guard(status, trace),
            *_departures(departing),
            *(_unannounced(board, status) if announced is None else ()),
        ],
        "backends": [_weight(board, status, trace, name, vips) for name in trace.backends],
        "announcement": None if announced is None else explain_announcement(announced, sinks),
    }


def explain_announcement(trace: AnnouncementTrace, sinks: Sequence[SinkStatus]) -> ExplainedAnnouncementView:
    """Return why an address is announced, or is not; the arguments are those of `explain_frontend`."""
    look_at = trace.state.look_at
    return {
        "address": trace.policy.address,
        "state": str(trace.state.now),
        "since": moment(trace.at),
        "changes_in": None if look_at is None else max(look_at - trace.now, 0.0),
        "steps": [*_evidence(trace), *_times(trace), _conclusion(trace), *_receivers(sinks)],
    }


def _step(step: str, text: str) -> StepView:
    return {"step": step, "text": text}


def _common(status: BackendStatus, override: Override | None, now: float) -> Iterator[StepView]:
    """Yield what is the same in every frontend."""
    result, health = status.last_result, status.health
    if result is None:
        yield _step("results", "none yet")
    else:
        detail = f": {result.detail}" if result.detail else ""
        shown = f" of {health.shown().healthcheck.name}" if isinstance(health, CombinedHealth) else ""
        yield _step("results", f"the last one{shown} {'passed' if result.ok else 'failed'}, {result.code}{detail}")
    if isinstance(health, CombinedHealth):
        yield from map(_check, health.checks)
        yield _step("checks", f"{health.value} of {len(health.checks)} up, and {health.rise} required")
    counter = f"the counter is {health.value} of 0..{health.top}, and up from {health.rise} on"
    since = f" since {moment(status.transitions[0].at)}" if status.transitions else ""
    yield _step("health", f"{status.state}{since}; {counter}")
    if status.agent is not None:
        yield _agent(status.agent, now)
    if override is not None:
        yield _step("orders", f"{override.value}, {override}; the file says {override.base}")
    elif status.state is State.DISABLED:
        yield _step("orders", "disabled by the file")
    else:
        yield _step("orders", "none: neither an operator nor the file takes it out")


def _check(check: CheckStatus) -> StepView:
    """Return what one of several checks says."""
    last, health = check.last_result, check.health
    result = "no result yet" if last is None else f"the last result {named(str(last.code), last.detail)}"
    counter = f"the counter is {health.value} of 0..{health.top}, and up from {health.rise} on"
    return _step("check", f"{check.healthcheck.name}: {check.state}; {counter}; {result}")


def _agent(agent: AgentStatus, now: float) -> StepView:
    """Return what an agent says, and for how long that has held or will hold."""
    last, silence = agent.last_result, f"for {max(now - agent.heard, 0.0):.1f}s"
    result = "no answer yet" if last is None else f"the last answer {named(str(last.code), last.detail)}"
    if not agent.known:
        text = f"not heard {silence}: until then, or for {agent.params.hold:g}s, nothing is raised"
    elif agent.silent:
        text = f"not heard {silence}, longer than {agent.params.hold:g}s (hold): it takes nothing away"
    else:
        text = f"says {agent.said}, heard {silence.removeprefix('for ')} ago"
    return _step("agent", f"{agent.healthcheck.name}: {text}; {result}")


def _pools(board: Board, trace: FrontendTrace) -> Iterator[StepView]:
    """Yield what there is to know of each pool."""
    for pool in trace.pools:
        in_service = (
            f"{pool.count.backends} of {pool.backends} in service, with {pool.count.weight} of {pool.total} weight"
        )
        enough = f"not enough (min-up {pool.min_up})"
        if pool.since is not None:
            enough = f"enough (min-up {pool.min_up}) for {max(board.now() - pool.since, 0.0):.1f}s"
        yield _step("pool", f"{pool.name}: {in_service}: {enough}")


def _choice(board: Board, trace: FrontendTrace) -> StepView:
    """Return which pool is active, and why."""
    if trace.active is None:
        if trace.reason is PoolReason.FRONTEND_DISABLED:
            return _step("active", "none: the frontend is disabled")
        weightless = trace.reason is not PoolReason.NONE_IN_SERVICE
        return _step("active", f"none: {'what is in service has weight 0' if weightless else 'nothing is in service'}")
    name = trace.pools[trace.active].name
    texts = {
        PoolReason.ENOUGH: "the first that has enough",
        PoolReason.TOO_FEW: "no pool has enough; it is the first that has anything",
        PoolReason.GUARD: "no pool has enough; the guard keeps it in service",
    }
    if trace.heir is not None and trace.due is not None:
        left = f"{max(trace.due - board.now(), 0.0):.1f}s"
        return _step("active", f"{name}: {trace.pools[trace.heir].name} has enough, and takes over in {left}")
    return _step("active", f"{name}: {texts[trace.reason]}")


def _guard(status: FrontendStatus, trace: FrontendTrace) -> StepView:
    """Return whom the guard keeps in service."""
    held = [name for pool in trace.pools for name in pool.guarded]
    if held:
        return _step("guard", f"keeps {', '.join(held)}: the first of them is released first")
    disabled = ", but the frontend is disabled" if trace.reason is PoolReason.FRONTEND_DISABLED else ""
    return _step("guard", f"keeps nothing (when-none-eligible: {status.frontend.when_none_eligible}{disabled})")


def _departures(departing: Mapping[str, Departing]) -> Iterator[StepView]:
    """Yield what VPP goes on serving by that the file no longer has."""
    for address, each in sorted(departing.items()):
        until = f"serves with weight {each.weight} until a backend is up, for" if each.weight else "drains, for"
        yield _step("departing", f"{address} has left the frontend, and {until} {max(each.seconds, 0.0):.1f}s at most")


def _weight(
    board: Board, status: FrontendStatus, trace: FrontendTrace, name: str, vips: Mapping[VipKey, Vip]
) -> ExplainedWeightView:
    """Return why a backend has its weight in a frontend."""
    backend = trace.backends[name]
    vip = vips.get(key_of(status.frontend))
    server = None if vip is None else vip.servers.get(board.backends[name].serving_address)
    in_vpp = None if server is None else server.weight
    change = status.last_changes.get(name)
    return {
        "frontend": status.frontend.name,
        "backend": name,
        "reason": str(backend.reason),
        "effective_weight": backend.effective,
        "programmed_weight": backend.programmed,
        "vpp_weight": in_vpp,
        "steps": list(_steps(board, trace, backend, in_vpp, _higher_at_address(board, trace, name))),
        "changed": None if change is None else _change(change),
    }


def _higher_at_address(board: Board, trace: FrontendTrace, name: str) -> BackendTrace | None:
    """Return the backend that gives the server of this one its weight: one at the same address with a higher one."""
    address = board.backends[name].serving_address
    same = [each for other, each in trace.backends.items() if board.backends[other].serving_address == address]
    highest = max(same, key=lambda each: each.programmed)
    return highest if highest.programmed > trace.backends[name].programmed else None


def _steps(
    board: Board, trace: FrontendTrace, backend: BackendTrace, in_vpp: int | None, higher: BackendTrace | None
) -> Iterator[StepView]:
    yield _step("eligible", ELIGIBLE[backend.standing])
    for place in backend.places:
        active = "active" if place.active else "not active"
        written = "" if place.configured == place.written else f" (the file says {place.written})"
        yield _step("pool", f"{place.pool}, {active}; configured weight {place.configured}{written}")
    yield _choice(board, trace)
    if Cause.GUARD in backend.causes:
        yield _step("guard", "keeps it in service")
    weights = f"effective {backend.effective}, programmed {backend.programmed}"
    yield _step("weight", f"{weights}: {REASONS[backend.reason]}{_kept(backend)}")
    if in_vpp is None:
        yield _step("vpp", "not known to have it")
    else:
        shared = "" if higher is None else f" for {higher.backend}, which has the same address"
        written = "" if in_vpp == (higher or backend).programmed else ": not written yet"
        if backend.reason is WeightReason.GUARDED and written and not in_vpp:
            written += ", or servers that left the file serve: the guard raises nobody beside them"
        yield _step("vpp", f"holds {in_vpp}{shared}{written}")


def _kept(backend: BackendTrace) -> str:
    """Return where a weight comes from that is kept from before and that is not configured anywhere."""
    if backend.reason is not WeightReason.HELD or backend.held in {place.configured for place in backend.places}:
        return ""
    return f": {backend.held} is not configured; VPP held it, or the configuration before"


def _evidence(trace: AnnouncementTrace) -> Iterator[StepView]:
    """Yield what is asked of the frontends of an address, and what each of them stands on."""
    policy = trace.policy
    needed = "any frontend" if policy.frontends is Needed.ANY else "every frontend"
    yield _step("needed", f"{needed} of the address with at least {policy.min_up} in service (min-up)")
    for name, finding in trace.findings.items():
        yield _step("frontend", f"{name} {FOOTINGS[finding.footing]}: {finding.why}")
        if name in trace.held:
            keeps = "keeps it announced, but announces nothing" if policy.when_held else "does not count"
            yield _step("held", f"what only the guard keeps in service {keeps} (when-held)")
    out = [f"an operator has disabled frontend {name}" for name in trace.disabled]
    yield _step("orders", "; ".join([*([trace.off] if trace.off else []), *out]) or "none: no operator takes it out")


def _times(trace: AnnouncementTrace) -> Iterator[StepView]:
    """Yield how long the evidence has been what it is, and how long it has to be."""
    state, after, delay = trace.state, trace.policy.after, trace.vpp_lost_delay
    if state.serving_since is not None:
        yield _step("after", f"it has served for {trace.now - state.serving_since:.1f}s, and has to for {after:g}s")
    elif state.unconfirmed_since is not None:
        text = f"for {trace.now - state.unconfirmed_since:.1f}s VPP has not been known to serve it"
        yield _step("vpp", f"{text}; after {delay:g}s it is withdrawn (vpp-lost-delay)")


def _conclusion(trace: AnnouncementTrace) -> StepView:
    """Return whether an address is announced, and why, in one line."""
    state, left = trace.state, ""
    if state.look_at is not None:
        then = Announcing.ANNOUNCED if state.serving_since is not None else Announcing.WITHDRAWN
        left = f"; {then} in {max(state.look_at - trace.now, 0.0):.1f}s unless that changes"
    text = f"{trace.policy.address} is {ANNOUNCED[state.now]} since {moment(trace.at)}: {state.why}{left}"
    return _step("announce", text)


def _unannounced(board: Board, status: FrontendStatus) -> list[StepView]:
    """Return that an address is not among those that are announced, if there are any."""
    if not board.config.announce.addresses:
        return []
    text = f"{status.frontend.address} is not under announce in the file: maglevd does not announce it"
    return [_step("announce", text)]


def _receivers(sinks: Sequence[SinkStatus]) -> Iterator[StepView]:
    """Yield the receivers of announcements."""
    for sink in sinks:
        yield _step("receivers", f"{sink.sink} at {sink.target}: {sink.problem or 'reached'}")
    if not sinks:
        yield _step("receivers", "nobody: neither BIRD nor a hook is configured")


def _change(change: WeightChange) -> LastChangeView:
    old, new = change.old, change.new
    text = f"{CHANGES[change.step]}: before, {REASONS[old.reason]}; now, {REASONS[new.reason]}"
    return {"at": moment(change.at), "from": old.weight, "to": new.weight, "step": str(change.step), "text": text}
