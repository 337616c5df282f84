"""Computes effective weights from pools and backend states; the only place where failover is decided.

A frontend's *active pool* is the first one that has a backend in service. An up backend in the active pool gets its
configured weight; in any other pool it gets 0 and waits. The table `RULES` covers every other state.

While a backend is `unknown` because its healthcheck or address changed, it *holds* the weight that it had, until the
first result. A held weight above 0 counts as service for its pool: re-proving a healthy pool after a reload must not
swing all traffic to the standby pool and back.

Weights are computed in two ways that must agree. `FrontendWeights` computes a whole frontend, at start and after a
reload. `shift` handles transitions: it derives the differences from the previous weights and the changed states, at a
cost that depends on the change and not on the size of the frontend. Both use `serves` and `weight_of` for a single
backend.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.config import MAX_WEIGHT
from maglev.model.errors import NotFoundError, RefusedError
from maglev.model.events import FrontendState
from maglev.model.health import State
from maglev.model.scale import AS_WRITTEN, scales_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maglev.model.config import Frontend, Pool, PoolMember
    from maglev.model.scale import Scale


class Weighing(enum.Enum):
    """Where the weight of a backend comes from."""

    CONFIGURED = enum.auto()
    HELD = enum.auto()
    ZERO = enum.auto()


class Flushing(enum.Enum):
    """Whether the flows of a backend are flushed when it enters a state."""

    NEVER = enum.auto()
    IF_CONFIGURED = enum.auto()
    ALWAYS = enum.auto()


@attrs.frozen
class StateRule:
    """How a state determines the weight in VPP."""

    weighing: Weighing
    flushing: Flushing


RULES: Final[Mapping[State, StateRule]] = {
    State.UP: StateRule(Weighing.CONFIGURED, Flushing.NEVER),
    State.UNKNOWN: StateRule(Weighing.HELD, Flushing.NEVER),
    State.PAUSED: StateRule(Weighing.ZERO, Flushing.NEVER),
    State.DOWN: StateRule(Weighing.ZERO, Flushing.IF_CONFIGURED),
    State.DISABLED: StateRule(Weighing.ZERO, Flushing.ALWAYS),
    # Its application server is deleted with a flush; this applies only until then.
    State.REMOVED: StateRule(Weighing.ZERO, Flushing.ALWAYS),
}


@attrs.frozen
class DesiredWeight:
    """The desired weight of one backend in one frontend.

    Attributes:
        weight: Effective weight, 0..100.
        flush: Whether lowering it to 0 flushes its flows.
        programmed: What VPP is told for it, 0..100; the effective weight itself unless the frontend has a scale.
    """

    weight: int
    flush: bool
    programmed: int = attrs.field(default=attrs.Factory(lambda self: self.weight, takes_self=True))


@lru_cache(None)
def _desired(weight: int, flush: bool, programmed: int) -> DesiredWeight:  # noqa: FBT001
    """Return a value; there are at most 20,000, and as many backends share a few of them."""
    return DesiredWeight(weight, flush, programmed)


def flushes(frontend: Frontend, state: State) -> bool:
    """Return whether entering a state requires a flush in this frontend."""
    flushing = RULES[state].flushing
    return flushing is Flushing.ALWAYS or (flushing is Flushing.IF_CONFIGURED and frontend.flush_on_down)


def serves(state: State, held: int) -> bool:
    """Return whether a backend is in service, and so makes its pool fit to be the active one.

    Args:
        state: Its state.
        held: The weight that it keeps from before, 0 for none.
    """
    return state is State.UP or (state is State.UNKNOWN and held > 0)


def weight_of(state: State, configured: int, held: int, *, active: bool) -> int:
    """Return the effective weight of a backend in a pool.

    Args:
        state: Its state.
        configured: Its weight in that pool.
        held: The weight that it keeps from before, 0 for none.
        active: Whether the pool is the active one.
    """
    weighing = RULES[state].weighing
    if weighing is Weighing.CONFIGURED:
        return configured if active else 0
    return held if weighing is Weighing.HELD else 0


def active_pool(frontend: Frontend, states: Mapping[str, State], held: Mapping[str, int]) -> int:
    """Return the index of the active pool; 0 when no pool has a backend in service.

    Args:
        frontend: The frontend.
        states: State of each of its backends, by name.
        held: Weights kept from before, by name of backend; missing means 0.
    """
    for index, pool in enumerate(frontend.pools):
        if any(serves(states[member.backend], held.get(member.backend, 0)) for member in pool.members):
            return index
    return 0


def pool_weights(
    frontend: Frontend, states: Mapping[str, State], held: Mapping[str, int], active: int
) -> tuple[dict[str, int], ...]:
    """Return the effective weight of each member of each pool: one mapping per pool, by name of backend.

    Args:
        frontend: The frontend.
        states: State of each of its backends, by name.
        held: Weights kept from before, by name of backend; missing means 0.
        active: Index of the active pool, as `active_pool` says.
    """
    return tuple(_weights_of(pool, index == active, states, held) for index, pool in enumerate(frontend.pools))


def _weights_of(
    pool: Pool,
    active: bool,  # noqa: FBT001
    states: Mapping[str, State],
    held: Mapping[str, int],
) -> dict[str, int]:
    return {
        member.backend: weight_of(states[member.backend], member.weight, held.get(member.backend, 0), active=active)
        for member in pool.members
    }


def desired_weights(
    frontend: Frontend,
    states: Mapping[str, State],
    pools: Sequence[Mapping[str, int]],
    scale: Scale = AS_WRITTEN,
) -> dict[str, DesiredWeight]:
    """Return the desired weight of each backend of a frontend in VPP, by name.

    A backend in several pools gets the highest of its weights.

    Args:
        frontend: The frontend.
        states: State of each of its backends.
        pools: The result of `pool_weights`.
        scale: The scale of the active pool. It tells all weights, also those that backends of other pools hold: the
            shares are right only if all of them are told by one scale.
    """
    highest: dict[str, int] = {}
    for weights in pools:
        for backend, weight in weights.items():
            highest[backend] = max(weight, highest.get(backend, 0))
    return {
        backend: _desired(weight, flushes(frontend, states[backend]), scale[weight])
        for backend, weight in highest.items()
    }


def frontend_state(states: Mapping[str, State], weights: Mapping[str, DesiredWeight]) -> FrontendState:
    """Return the state of a frontend.

    Args:
        states: State of each of its backends.
        weights: The result of `desired_weights`.
    """
    return _reduced(_known(states), _weighing(weights))


def _reduced(known: int, weighing: int) -> FrontendState:
    if not known:
        return FrontendState.UNKNOWN
    return FrontendState.UP if weighing else FrontendState.DOWN


def _known(states: Mapping[str, State]) -> int:
    return sum(state is not State.UNKNOWN for state in states.values())


def _weighing(weights: Mapping[str, DesiredWeight]) -> int:
    return sum(each.weight > 0 for each in weights.values())


class FrontendWeights:
    """The weights of one frontend, with the intermediate results that `shift` builds on.

    Attributes:
        frontend: The frontend.
        states: The states that the weights were computed from, by name of backend.
        places: The places of each backend, by name: index of the pool and configured weight there.
        active: Index of the active pool.
        pools: Effective weights, one mapping per pool, by name of backend.
        scales: The scale of each pool.
        desired: The desired weight of each backend in VPP, by name.
        serving: Number of members of each pool that are in service.
        known: Number of backends with a known state.
        weighing: Number of backends with a desired weight above 0.
        state: The state of the frontend.
    """

    __slots__ = (
        "active",
        "desired",
        "frontend",
        "known",
        "places",
        "pools",
        "scales",
        "serving",
        "state",
        "states",
        "weighing",
    )

    def __init__(self, frontend: Frontend, states: Mapping[str, State], held: Mapping[str, int]) -> None:
        """Compute everything.

        Args:
            frontend: The frontend.
            states: State of each of its backends, by name.
            held: Weights kept from before, by name of backend; missing means 0.
        """
        self.frontend = frontend
        self.states = dict(states)
        self.places = _places(frontend)
        self.active = active_pool(frontend, states, held)
        self.pools = pool_weights(frontend, states, held, self.active)
        self.scales = scales_of(frontend)
        self.desired = desired_weights(frontend, states, self.pools, self.scales[self.active])
        self.serving = tuple(
            sum(serves(states[member.backend], held.get(member.backend, 0)) for member in pool.members)
            for pool in frontend.pools
        )
        self.known = _known(states)
        self.weighing = _weighing(self.desired)
        self.state = frontend_state(states, self.desired)

    def take(self, change: IncrementalUpdate) -> None:
        """Apply the result of `shift`."""
        self.active, self.serving = change.active, change.serving
        self.known, self.weighing, self.state = change.known, change.weighing, change.state
        self.states.update(change.states)
        self.desired.update(change.desired)
        for weights, changed in zip(self.pools, change.pools, strict=True):
            weights.update(changed)


def _places(frontend: Frontend) -> dict[str, tuple[tuple[int, int], ...]]:
    places: dict[str, tuple[tuple[int, int], ...]] = {}
    alike: dict[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]] = {}
    for index, pool in enumerate(frontend.pools):
        for member in pool.members:
            place = (*places.get(member.backend, ()), (index, member.weight))
            # Most backends of a frontend have the same place, and share one tuple.
            places[member.backend] = alike.setdefault(place, place)
    return places


@attrs.frozen
class IncrementalUpdate:
    """The changes to the weights of a frontend after some of its backends have changed state.

    Attributes:
        states: The new states, by name of backend.
        pools: Effective weights, one mapping per pool, by name of backend: of these backends, and of all others whose
            weight has changed.
        desired: The desired weights of the same backends.
        active, serving, known, weighing, state: As in `FrontendWeights`, for the whole frontend.
    """

    states: Mapping[str, State]
    pools: tuple[Mapping[str, int], ...]
    desired: Mapping[str, DesiredWeight]
    active: int
    serving: tuple[int, ...]
    known: int
    weighing: int
    state: FrontendState


def shift(before: FrontendWeights, states: Mapping[str, State], held: Mapping[str, int]) -> IncrementalUpdate:
    """Return how changes of state affect the weights of a frontend, without applying them.

    Args:
        before: The weights before the change.
        states: The new state of each affected backend, by name.
        held: Current held weights, by name of backend; they may differ from before only for the backends in ``states``.
    """
    serving = _serving_after(before, states, held)
    active = next((index for index, count in enumerate(serving) if count), 0)
    names = dict.fromkeys(states)
    if active != before.active:
        names |= dict.fromkeys(_switched(before, active))
    pools: tuple[dict[str, int], ...] = tuple({} for _ in serving)
    weights = {}
    scale = before.scales[active]
    for name in names:
        state = states.get(name) or before.states[name]
        highest = 0
        for index, configured in before.places[name]:
            weight = weight_of(state, configured, held.get(name, 0), active=index == active)
            pools[index][name] = weight
            highest = max(highest, weight)
        weights[name] = _desired(highest, flushes(before.frontend, state), scale[highest])
    known = before.known + _known(states) - _known({name: before.states[name] for name in states})
    weighing = before.weighing + _weighing(weights) - _weighing({name: before.desired[name] for name in weights})
    return IncrementalUpdate(states, pools, weights, active, serving, known, weighing, _reduced(known, weighing))


def _serving_after(before: FrontendWeights, states: Mapping[str, State], held: Mapping[str, int]) -> tuple[int, ...]:
    serving = list(before.serving)
    for name, state in states.items():
        # The desired weight of an unknown backend was the weight that it held.
        served = serves(before.states[name], before.desired[name].weight)
        gain = serves(state, held.get(name, 0)) - served
        for index, _ in before.places[name] if gain else ():
            serving[index] += gain
    return tuple(serving)


def _switched(before: FrontendWeights, active: int) -> Iterator[str]:
    """Yield the backends whose weight depends on which pool is active.

    These are members of the old and the new active pool; and, if the two have different scales, what holds a weight.
    """
    for index in (before.active, active):
        for member in before.frontend.pools[index].members:
            if RULES[before.states[member.backend]].weighing is Weighing.CONFIGURED:
                yield member.backend
    if before.scales[before.active] != before.scales[active]:
        for name, desired in before.desired.items():
            if desired.weight and RULES[before.states[name]].weighing is Weighing.HELD:
                yield name


def reweighted(frontend: Frontend, pool: str, backend: str, weight: int) -> Frontend:
    """Return a frontend with another configured weight for one backend in one pool.

    Raises:
        NotFoundError: There is no such pool in the frontend, or no such backend in the pool.
        RefusedError: The weight is not in 0..100.
    """
    if not 0 <= weight <= MAX_WEIGHT:
        message = f"weight {weight} is not in 0..{MAX_WEIGHT}"
        raise RefusedError(message)
    chosen = next((each for each in frontend.pools if each.name == pool), None)
    if chosen is None:
        message = f"frontend {frontend.name} has no pool {pool!r}"
        raise NotFoundError(message)
    if all(member.backend != backend for member in chosen.members):
        message = f"pool {pool} of frontend {frontend.name} has no backend {backend!r}"
        raise NotFoundError(message)
    members = tuple(
        _set_at_run_time(member, weight) if member.backend == backend else member for member in chosen.members
    )
    changed = attrs.evolve(chosen, members=members)
    return attrs.evolve(frontend, pools=tuple(changed if each is chosen else each for each in frontend.pools))


def _set_at_run_time(member: PoolMember, weight: int) -> PoolMember:
    written = member.weight if member.written is None else member.written
    return attrs.evolve(member, weight=weight, written=None if weight == written else written)
