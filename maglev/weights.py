"""Pools and backend states to effective weights: pure functions, the one place where failover is decided.

A frontend's *active pool* is the first one that has a backend in service. In the active pool an up backend gets its
configured weight; everywhere else it gets 0 and waits. What every other state deserves is in the table `RULES`.

While a backend is `unknown` because its healthcheck or address changed, it *holds* the weight that it had, until the
first result. A held weight above 0 counts as service for its pool: re-proving a healthy pool after a reload must not
swing all traffic to the standby pool and back.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from maglev.errors import NotFoundError, RefusedError
from maglev.events import FrontendState
from maglev.health import State
from maglev.model import MAX_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model import Frontend, Pool


class Weighing(enum.Enum):
    """Where the weight of a backend comes from."""

    CONFIGURED = enum.auto()
    HELD = enum.auto()
    ZERO = enum.auto()


class Flushing(enum.Enum):
    """Whether the flows that stick to a backend are forgotten when it gets into a state."""

    NEVER = enum.auto()
    IF_CONFIGURED = enum.auto()
    ALWAYS = enum.auto()


@attrs.frozen
class Rule:
    """What a state means for the weight in VPP."""

    weighing: Weighing
    flushing: Flushing


RULES: Final[Mapping[State, Rule]] = {
    State.UP: Rule(Weighing.CONFIGURED, Flushing.NEVER),
    State.UNKNOWN: Rule(Weighing.HELD, Flushing.NEVER),
    State.PAUSED: Rule(Weighing.ZERO, Flushing.NEVER),
    State.DOWN: Rule(Weighing.ZERO, Flushing.IF_CONFIGURED),
    State.DISABLED: Rule(Weighing.ZERO, Flushing.ALWAYS),
    # Its application server is deleted with flush; here only for the moment in between.
    State.REMOVED: Rule(Weighing.ZERO, Flushing.ALWAYS),
}


@attrs.frozen
class Deserved:
    """What one backend should have in one frontend.

    Attributes:
        weight: Effective weight, 0..100.
        flush: Whether lowering it to 0 forgets its flows.
    """

    weight: int
    flush: bool


def flushes(frontend: Frontend, state: State) -> bool:
    """Return whether getting into a state calls for a flush in this frontend."""
    flushing = RULES[state].flushing
    return flushing is Flushing.ALWAYS or (flushing is Flushing.IF_CONFIGURED and frontend.flush_on_down)


def active_pool(frontend: Frontend, states: Mapping[str, State], held: Mapping[str, int]) -> int:
    """Return the index of the active pool; 0 when no pool has a backend in service.

    Args:
        frontend: The frontend.
        states: State of each of its backends, by name.
        held: Weights kept from before, by name of backend; missing means 0.
    """
    for index, pool in enumerate(frontend.pools):
        for member in pool.members:
            state = states[member.backend]
            if state is State.UP or (state is State.UNKNOWN and held.get(member.backend, 0) > 0):
                return index
    return 0


def pool_weights(
    frontend: Frontend, states: Mapping[str, State], held: Mapping[str, int], active: int
) -> tuple[Mapping[str, int], ...]:
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
    weights = {}
    for member in pool.members:
        weighing = RULES[states[member.backend]].weighing
        if weighing is Weighing.CONFIGURED:
            weights[member.backend] = member.weight if active else 0
        elif weighing is Weighing.HELD:
            weights[member.backend] = held.get(member.backend, 0)
        else:
            weights[member.backend] = 0
    return weights


def deserved(
    frontend: Frontend, states: Mapping[str, State], pools: tuple[Mapping[str, int], ...]
) -> dict[str, Deserved]:
    """Return what each backend of a frontend should have in VPP, by name.

    A backend in several pools counts in each; VPP sees the highest of its weights.

    Args:
        frontend: The frontend.
        states: State of each of its backends.
        pools: The result of `pool_weights`.
    """
    highest: dict[str, int] = {}
    for weights in pools:
        for backend, weight in weights.items():
            highest[backend] = max(weight, highest.get(backend, 0))
    return {backend: Deserved(weight, flush=flushes(frontend, states[backend])) for backend, weight in highest.items()}


def frontend_state(states: Mapping[str, State], weights: Mapping[str, Deserved]) -> FrontendState:
    """Return the state of a frontend.

    Args:
        states: State of each of its backends.
        weights: The result of `deserved`.
    """
    if all(state is State.UNKNOWN for state in states.values()):
        return FrontendState.UNKNOWN
    if any(each.weight > 0 for each in weights.values()):
        return FrontendState.UP
    return FrontendState.DOWN


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
        attrs.evolve(member, weight=weight) if member.backend == backend else member for member in chosen.members
    )
    changed = attrs.evolve(chosen, members=members)
    return attrs.evolve(frontend, pools=tuple(changed if each is chosen else each for each in frontend.pools))
