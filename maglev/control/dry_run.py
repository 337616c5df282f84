"""The dry run: computes what another configuration would change, both in its objects and in VPP's VIPs.

It starts from the desired state of VPP, not from the actual one; `IControl.vpp_lb_plan` shows drift. It assumes that
the reload goes well: each backend that is new or has to be proved again is taken to be up, and every other one keeps
its state. The time in between, until the results are known, is described in words (`interim_steps`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.diff import Difference, concerned_backends, differences
from maglev.control.after_reload import decided_after, is_proven, state_after, state_between, states_after_steps
from maglev.control.route_forecast import route_steps
from maglev.model.config import WhenNoneEligible
from maglev.model.health import State
from maglev.state.weights import WeightReason
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.forecast import VipForecast, as_held, forecast_steps
from maglev.vpp.sync.plan import WantedServer, fitted, length_after, plan_steps, want

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Config, Frontend
    from maglev.model.scale import Scale
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.state.weights import DesiredWeight
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.plan import WantedVip


@attrs.frozen
class DryRunChange:
    """A change that a reload would make.

    Attributes:
        difference: The difference; its change is ``affected`` for a frontend of which only the VIP changes.
        changes: The changes to the VIPs of a frontend: two if its address or port changes.
    """

    difference: Difference
    changes: tuple[VipForecast, ...] = ()


def dry_run_steps(
    board: Board,
    config: Config,
    *,
    weights: bool,
    src_ip_sticky: bool,
    held: Mapping[VipKey, Vip] | None = None,
) -> Generator[None, None, tuple[DryRunChange, ...]]:
    """Return the changes that a configuration would make; yield often, so that others can have a turn.

    Args:
        board: The present state.
        config: The other configuration.
        weights: Whether VPP supports weights.
        src_ip_sticky: Whether VPP supports stickiness by source address.
        held: What VPP holds, as far as it is known: a VIP may have kept a table of another length.
    """
    before = {}
    for status in board.frontends.values():
        vip = wanted_now(board, status)
        if held is not None and vip.key in held:
            vip = attrs.evolve(vip, table_length=length_after(vip, held[vip.key]))
        before[vip.key] = as_held(fitted(vip, weights=weights, src_ip_sticky=src_ip_sticky))
        yield
    after = {}
    states = yield from states_after_steps(board, config)
    was = {key_of(status.frontend): status.frontend for status in board.frontends.values()}
    frontends = {key_of(each): each for each in config.frontends.values()}
    for vip in _wanted_after(board, config, states):
        after[vip.key] = fitted(vip, weights=weights, src_ip_sticky=src_ip_sticky)
        if vip.key in was and _brought(was[vip.key], frontends[vip.key]):
            after[vip.key] = _with_held(after[vip.key], before[vip.key])
        yield
    plan = yield from plan_steps(after, before, before.keys() - after.keys())
    changes = yield from forecast_steps(plan, after, before, weights=weights)
    interim = yield from interim_steps(board, config)
    for name, texts in (yield from route_steps(board, config)).items():
        interim[name] = (*interim.get(name, ()), *texts)
    recreated = {key for address in plan.values() for key in address.recreated}
    for name, text in _kept_tables(board.config, config, before, after, (held or {}).keys() - recreated):
        interim[name] = (*interim.get(name, ()), text)
    return tuple(_matched(board.config, differences(board.config, config), changes, interim))


def _brought(was: Frontend, frontend: Frontend) -> Sequence[str]:
    """Return the unresolved names that a reload brings to a frontend: what leaves with it stays for them."""
    return [name for name in frontend.unresolved if name not in was.unresolved]


def _with_held(wanted: WantedVip, held: Vip) -> WantedVip:
    """Return a VIP with all servers that it has; not with those of another family, which it can't have."""
    servers = {address: WantedServer(server.weight) for address, server in held.servers.items()}
    if wanted.encap is not held.encap:
        return wanted
    return attrs.evolve(wanted, servers={**servers, **wanted.servers})


def _kept_tables(
    old: Config, new: Config, before: Mapping[VipKey, Vip], after: Mapping[VipKey, WantedVip], live: AbstractSet[VipKey]
) -> Iterator[tuple[str, str]]:
    """Yield the frontends whose other length of table does not reach the VIP that they have, and what to say of that.

    Args:
        old: The configuration in force.
        new: The other one.
        before: What VPP holds, as far as it matters.
        after: What it should hold.
        live: The VIPs that VPP is known to hold, and that are not recreated.
    """
    lengths = {key_of(each): (each.table_length, each.table_fits) for each in old.frontends.values()}
    for name, frontend in new.frontends.items():
        key = key_of(frontend)
        if key in live and key in before and lengths[key] != (frontend.table_length, frontend.table_fits):
            kept = before[key].table_length
            if kept not in {0, after[key].table_length}:
                yield name, f"the VIP keeps its table of {kept} buckets"


def interim_steps(board: Board, config: Config) -> Generator[None, None, dict[str, tuple[str, ...]]]:
    """Return what serves after a reload of this configuration until probe results are known; yield often.

    Returns:
        Texts for people, by name of frontend; frontends without anything to mention are left out.
    """
    now = {status.frontend.identity: status for status in board.frontends.values()}
    found = {}
    for name, frontend in config.frontends.items():
        status = now.get(frontend.identity)
        texts = () if status is None else tuple(_interim(board, config, frontend, status))
        if texts:
            found[name] = texts
        yield
    return found


def _interim(board: Board, config: Config, frontend: Frontend, status: FrontendStatus) -> Iterator[str]:
    before = board.holds.weights_by_address(status)
    weighted = {member.backend for pool in frontend.pools for member in pool.members if member.weight}
    listed, held = set(), dict[str, int]()
    for name in frontend.backends:
        backend = config.backends[name]
        old = board.backends.get(name)
        listed.add(backend.address)
        if name not in weighted or not backend.enabled:
            continue
        if old is not None and is_proven(board, config, backend):
            continue
        known_here = old is not None and name in status.desired
        weight = status.desired[name].weight if known_here else before.get(backend.address, 0)
        if not weight:
            continue
        held[name] = weight
        if old is not None and known_here and old.serving_address != backend.address:
            listed.add(old.serving_address)
            yield f"until its first result, {name} serves at {old.serving_address} with weight {weight}"
        else:
            yield f"until its first result, {name} keeps weight {weight} of {backend.address}"
    between = {name: state_between(board, config, config.backends[name]) for name in frontend.backends}
    leaving = {address: weight for address, weight in before.items() if weight and address not in listed}
    if not leaving and State.UNKNOWN not in between.values():
        return
    desired = decided_after(board, config, frontend, status, between, held).desired
    yield from _leaving(config, frontend, status, leaving, desired)
    if State.UNKNOWN in between.values():
        yield from _waiting(board, config, frontend, status, between, desired)


def _leaving(
    config: Config,
    frontend: Frontend,
    status: FrontendStatus,
    leaving: Mapping[str, int],
    desired: Mapping[str, DesiredWeight],
) -> Iterator[str]:
    """Yield how long servers that leave a frontend stay, by their addresses and weights."""
    succeeded = any(each.weight and each.reason is WeightReason.ACTIVE for each in desired.values())
    names = _brought(status.frontend, frontend)
    for address, weight in leaving.items():
        if names:
            until = f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} resolved"
            yield f"until {until}, {address} keeps weight {weight}"
        elif not succeeded:
            limit = config.vpp.removal_max_delay
            at_most = f"for {limit:g} s at most, which a restart begins again"
            yield f"until a new backend is up, {address} keeps weight {weight}, {at_most}"


def _waiting(
    board: Board,
    config: Config,
    frontend: Frontend,
    status: FrontendStatus,
    between: Mapping[str, State],
    now: Mapping[str, DesiredWeight],
) -> Iterator[str]:
    """Yield which servers of a frontend keep a weight until others are proved, and lose it then.

    Args:
        board: The present state.
        config: The other configuration.
        frontend: The frontend in it.
        status: What is known of the frontend now.
        between: The states of its backends right after the reload, by name.
        now: What its backends get then, by name.
    """
    after = {name: state_after(board, config, config.backends[name]) for name in frontend.backends}
    final = decided_after(board, config, frontend, status, after)
    if final.active is None:
        return
    waiting = [
        name
        for name, each in final.desired.items()
        if between[name] is not State.UNKNOWN and now[name].weight > each.weight
    ]
    if waiting:
        more = f" and {len(waiting) - 1} more keep their weights" if len(waiting) > 1 else ""
        first = f"{waiting[0]}{more or f' keeps weight {now[waiting[0]].weight}'}"
        yield f"until pool {frontend.pools[final.active].name} has enough that is proved, {first}"


def wanted_now(board: Board, status: FrontendStatus, scale: Scale | None = None) -> WantedVip:
    """Return the VIP that a frontend should have now, once every backend serves at its own address.

    Args:
        board: The board.
        status: The frontend.
        scale: By which the weights are told; None for the one in force.
    """
    addresses = {name: board.backends[name].address for name in status.desired}
    desired = status.desired
    if scale is not None:
        desired = {name: attrs.evolve(each, programmed=scale[each.weight]) for name, each in desired.items()}
    return want(status.frontend, addresses, desired, frozenset())


def emptied_steps(board: Board, config: Config) -> Generator[None, None, dict[str, str]]:
    """Return the frontends that serve now, and that a reload of this configuration leaves with nothing; yield often.

    Returns:
        What to say of that, by name of frontend.
    """
    now = {status.frontend.identity: status for status in board.frontends.values()}
    concerned = {backend.name for backend in concerned_backends(board.config, config)}
    found = {}
    for name, frontend in config.frontends.items():
        status = now.get(frontend.identity)
        if status is None or (status.frontend == frontend and concerned.isdisjoint(frontend.backends)):
            continue
        if any(desired.weight for desired in status.desired.values()):
            states = {each: state_after(board, config, config.backends[each]) for each in frontend.backends}
            if not decided_after(board, config, frontend, status, states).serves:
                found[name] = _EMPTIED[frontend.when_none_eligible]
        yield
    return found


_EMPTIED: Final[Mapping[WhenNoneEligible, str]] = {
    WhenNoneEligible.DOWN: "a reload leaves nothing in service",
    WhenNoneEligible.HOLD: "a reload leaves nothing in service: when-none-eligible: hold keeps what is down, "
    "but not what the file takes out",
}


def _wanted_after(board: Board, config: Config, states: Mapping[str, State]) -> Iterator[WantedVip]:
    for frontend in config.frontends.values():
        decision = decided_after(board, config, frontend, board.frontends.get(frontend.name), states)
        addresses = {name: config.backends[name].address for name in frontend.backends}
        yield want(frontend, addresses, decision.desired, frozenset())


def _matched(
    old: Config,
    different: tuple[Difference, ...],
    changes: tuple[VipForecast, ...],
    interim: Mapping[str, tuple[str, ...]],
) -> Iterator[DryRunChange]:
    """Combine the differences and changes that concern the same frontend."""
    names: dict[VipKey, str] = {key_of(frontend): frontend.name for frontend in old.frontends.values()}
    of_frontend: dict[str, tuple[VipForecast, ...]] = {}
    for change in changes:
        name = change.frontend or names[change.key]
        of_frontend[name] = (*of_frontend.get(name, ()), change)
    listed = set()
    for each in different:
        if each.kind != "frontend":
            yield DryRunChange(each)
            continue
        listed.add(each.name)
        texts = () if each.change == "removed" else interim.get(each.name, ())
        yield DryRunChange(attrs.evolve(each, details=(*each.details, *texts)), of_frontend.pop(each.name, ()))
    for name in dict.fromkeys((*of_frontend, *interim)):
        if name not in listed:
            affected = Difference("frontend", name, "affected", interim.get(name, ()))
            yield DryRunChange(affected, of_frontend.get(name, ()))
