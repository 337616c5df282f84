"""The change: what putting another configuration in force would do, to its objects and to VPP's VIPs.

It starts from what VPP should hold now, not from what it does hold: drift is the business of `IControl.vpp_lb_plan`.
And it ends where a reload ends when all goes well: each backend that is new, or that has something to prove again, is
taken to be up; each other one is taken as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.config.diff import Difference, differences
from maglev.model.health import State
from maglev.state.weights import active_pool, desired_weights, pool_weights
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.forecast import VipForecast, as_held, forecast_steps
from maglev.vpp.sync.plan import fitted, plan_steps, want

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from maglev.model.config import Backend, Config
    from maglev.state.board import Board
    from maglev.vpp.lb.state import VipKey
    from maglev.vpp.sync.plan import WantedVip


@attrs.frozen
class DryRunChange:
    """One thing that a reload would change.

    Attributes:
        difference: What is not the same; for a frontend of which only the VIP changes, that is ``affected``.
        changes: What happens to the VIPs of a frontend: two if its address or port changes.
    """

    difference: Difference
    changes: tuple[VipForecast, ...] = ()


def dry_run_steps(
    board: Board, config: Config, *, weights: bool, src_ip_sticky: bool
) -> Generator[None, None, tuple[DryRunChange, ...]]:
    """Return what putting a configuration in force would do; yield often, so that others can have a turn.

    Args:
        board: What is in force.
        config: The other configuration.
        weights: Whether VPP has weights.
        src_ip_sticky: Whether its VIPs can stick to source addresses.
    """
    before = {}
    for vip in _wanted_now(board):
        fit = fitted(vip, weights=weights, src_ip_sticky=src_ip_sticky)
        before[vip.key] = as_held(fit)
        yield
    after = {}
    states = yield from states_after_steps(board, config)
    for vip in _wanted_after(config, states):
        after[vip.key] = fitted(vip, weights=weights, src_ip_sticky=src_ip_sticky)
        yield
    plan = yield from plan_steps(after, before, before.keys() - after.keys())
    changes = yield from forecast_steps(plan, after, before, weights=weights)
    return tuple(_matched(board.config, differences(board.config, config), changes))


def states_after_steps(board: Board, config: Config) -> Generator[None, None, dict[str, State]]:
    """Return the states that the backends of another configuration would have in the end, by name; yield often."""
    states = {}
    for name, backend in config.backends.items():
        states[name] = _state_after(board, config, backend)
        yield
    return states


def _state_after(board: Board, config: Config, backend: Backend) -> State:
    before = board.config.backends.get(backend.name)
    if before is None:
        return State.UP if backend.enabled else State.DISABLED
    state = board.backends[backend.name].state
    if before.enabled and not backend.enabled:
        return State.DISABLED
    if state is State.DISABLED:
        return State.UP if backend.enabled and not before.enabled else State.DISABLED
    if state is State.PAUSED:
        return State.PAUSED
    proven = (before.address, board.config.healthcheck_of(before)) == (backend.address, config.healthcheck_of(backend))
    return state if proven and state is not State.UNKNOWN else State.UP


def _wanted_now(board: Board) -> Iterator[WantedVip]:
    for status in board.frontends.values():
        addresses = {name: board.backends[name].address for name in status.desired}
        yield want(status.frontend, addresses, status.desired, frozenset())


def _wanted_after(config: Config, states: Mapping[str, State]) -> Iterator[WantedVip]:
    for frontend in config.frontends.values():
        own = {name: states[name] for name in frontend.backends}
        weights = pool_weights(frontend, own, {}, active_pool(frontend, own, {}))
        addresses = {name: config.backends[name].address for name in own}
        yield want(frontend, addresses, desired_weights(frontend, own, weights), frozenset())


def _matched(
    old: Config, different: tuple[Difference, ...], changes: tuple[VipForecast, ...]
) -> Iterator[DryRunChange]:
    """Put together what is about one frontend."""
    names: dict[VipKey, str] = {key_of(frontend): frontend.name for frontend in old.frontends.values()}
    of_frontend: dict[str, tuple[VipForecast, ...]] = {}
    for change in changes:
        name = change.frontend or names[change.key]
        of_frontend[name] = (*of_frontend.get(name, ()), change)
    for each in different:
        yield DryRunChange(each, of_frontend.pop(each.name, ()) if each.kind == "frontend" else ())
    for name, rest in of_frontend.items():
        yield DryRunChange(Difference("frontend", name, "affected"), rest)
