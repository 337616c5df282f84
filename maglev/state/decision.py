"""The decision about a frontend, from what is known to the weight in VPP, with a trace of why.

`decide` is a pure function: from a `Situation` to a `Decision` and a `FrontendTrace`. Its steps, in order:

===================  ======================================================================================
results -> health    `maglev.model.health` counts results; ``Evidence.state`` is what comes out
causes               an operator, the file, checks, doubt and an agent stay apart in `Evidence`
eligibility          `maglev.state.standing.standing_of`: one standing for each backend
pool, guard          `maglev.state.pools.choose`: the active pool, and whom the guard keeps in service
weight               `maglev.state.weights.weight_in`: configured -> effective -> programmed, each with a reason
announce             `Decision.serves` and `Decision.guarded` are what an announcement of the VIP depends on
===================  ======================================================================================

It is the reference. The board follows changes in a faster way (`maglev.state.weights.FrontendWeights.shift`), which
must come to the same; a test compares them over random histories. To ask about a live frontend, use `Board.situation`
and pass the result here: what it decides is what the board has decided, and the trace is there to be put in words. Why
a weight is not as it was a moment before is recorded as it changes (`maglev.state.changes.WeightChange`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.health import State
from maglev.model.scale import scales_of
from maglev.state.pools import choose, count, guarded_in, has_enough, no_memory
from maglev.state.scales import kept_weights, scale_in_force
from maglev.state.standing import Cause, causes_of, standing_of
from maglev.state.weights import DesiredWeight, WeightReason, flushes, flushes_for_agent, state_of, weight_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Frontend, MinUp
    from maglev.model.events import FrontendState
    from maglev.model.scale import Scale
    from maglev.state.pools import Memory, PoolChoice, PoolCount, PoolReason
    from maglev.state.standing import Evidence, Standing


@attrs.frozen
class Situation:
    """Everything that the decision about a frontend depends on.

    Attributes:
        frontend: The frontend, with weights set at run time.
        evidence: What is known of each of its backends, by name.
        held: Weights that unknown backends keep from before, by name; missing means 0.
        memory: What the last choice of a pool left.
        now: Seconds of a monotonic clock.
        out: Whether an operator has taken the whole frontend out of service.
        carried: Weights that the new addresses of moved backends keep from before, by name.
        former_scale: The scale in force before; None if nobody knows.
    """

    frontend: Frontend
    evidence: Mapping[str, Evidence]
    held: Mapping[str, int] = attrs.field(factory=dict)
    memory: Memory = attrs.field(default=attrs.Factory(lambda self: no_memory(self.frontend), takes_self=True))
    now: float = 0.0
    out: bool = False
    carried: Mapping[str, int] = attrs.field(factory=dict)
    former_scale: Scale | None = None


@attrs.frozen
class PlaceTrace:
    """One place of a backend in a frontend.

    Attributes:
        pool: Name of the pool.
        configured: Its weight there, from the file or set at run time.
        written: Its weight there in the file.
        active: Whether the pool is the active one.
        weight: What follows for it there.
        reason: Why.
    """

    pool: str
    configured: int
    written: int
    active: bool
    weight: int
    reason: WeightReason


@attrs.frozen
class BackendTrace:
    """Why a backend has its weight in a frontend: the outcome of each step for it, in order.

    Attributes:
        backend: Its name.
        state: Its health, or the order that takes it out of service.
        causes: Who keeps it in service or out of it.
        held: The weight that it keeps from before, 0 for none.
        standing: What the frontend may expect of it: whether it is eligible.
        places: What follows in each pool that it is in.
        effective: The highest of these weights.
        programmed: What VPP is told for that.
        reason: Why it is that.
    """

    backend: str
    state: State
    causes: frozenset[Cause]
    held: int
    standing: Standing
    places: tuple[PlaceTrace, ...]
    effective: int
    programmed: int
    reason: WeightReason


@attrs.frozen
class PoolTrace:
    """What there is to know of a pool.

    Attributes:
        name: Its name.
        backends: Number of its members.
        total: Sum of their configured weights.
        count: What of it is in service.
        min_up: What has to be.
        enough: Whether that is so.
        since: When that began, by the monotonic clock of the situation; None if it is not so.
        guarded: Names of the members that the guard keeps in service, those that went down first before the others.
    """

    name: str
    backends: int
    total: int
    count: PoolCount
    min_up: MinUp
    enough: bool
    since: float | None
    guarded: tuple[str, ...] = ()


@attrs.frozen
class FrontendTrace:
    """Why a frontend serves as it does.

    Attributes:
        pools: What there is to know of each pool, in order.
        active: Index of the active pool; None if nothing serves.
        reason: Why it is that one.
        due: When an earlier pool takes over, by the clock of the situation; None if none is about to.
        heir: Index of that pool.
        backends: Why each backend has its weight, by name.
    """

    pools: tuple[PoolTrace, ...]
    active: int | None
    reason: PoolReason
    due: float | None
    heir: int | None
    backends: Mapping[str, BackendTrace]


@attrs.frozen
class Decision:
    """What is decided for a frontend.

    Attributes:
        choice: Which pool was chosen.
        pools: Effective weights, one mapping per pool, by name of backend.
        desired: The desired weight of each backend in VPP, by name.
        guarded: Backends that the guard keeps in service.
        state: The state of the frontend.
    """

    choice: PoolChoice
    pools: tuple[Mapping[str, int], ...]
    desired: Mapping[str, DesiredWeight]
    guarded: frozenset[str]
    state: FrontendState

    @property
    def serves(self) -> bool:
        """Whether any backend has weight."""
        return any(each.weight for each in self.desired.values())

    @property
    def active(self) -> int | None:
        """Index of the pool whose backends serve; None while no backend has a weight."""
        return self.choice.active if self.serves else None


def decide(situation: Situation) -> tuple[Decision, FrontendTrace]:
    """Return what follows for a frontend, and why."""
    frontend, evidence = situation.frontend, situation.evidence
    standings = {name: standing_of(each, situation.held.get(name, 0)) for name, each in evidence.items()}
    totals = [sum(member.weight for member in pool.members) for pool in frontend.pools]
    counts = [count(frontend, pool, standings) for pool in frontend.pools]
    choice = choose(frontend, totals, counts, situation.memory, situation.now, out=situation.out)
    guarded = frozenset[str]()
    if choice.active is not None:
        guarded = guarded_in(frontend.pools[choice.active], choice.guarded, standings, evidence)
    places = _places(situation, choice, standings, guarded)
    kept = kept_weights(standings, situation.held, situation.carried)
    scale = scale_in_force(frontend, choice.active, scales_of(frontend), kept, situation.former_scale)
    backends = {}
    for name, each in evidence.items():
        best = max(places[name], key=lambda place: (place.weight, place.active))
        causes = causes_of(each) | ({Cause.GUARD} if name in guarded else set())
        backends[name] = BackendTrace(
            name,
            each.state,
            frozenset(causes),
            situation.held.get(name, 0),
            standings[name],
            tuple(places[name]),
            best.weight,
            scale[best.weight],
            best.reason,
        )
    desired = {
        name: DesiredWeight(each.effective, _flushes(situation, each), each.programmed, each.reason)
        for name, each in backends.items()
    }
    weights = tuple(
        {name: place.weight for name in evidence for place in places[name] if place.pool == pool.name}
        for pool in frontend.pools
    )
    known = sum(each.state is not State.UNKNOWN for each in evidence.values())
    state = state_of(known, sum(each.weight > 0 for each in desired.values()))
    decision = Decision(choice, weights, desired, guarded, state)
    traces = tuple(_pools(situation, totals, counts, choice, guarded))
    return decision, FrontendTrace(traces, decision.active, choice.reason, choice.due, choice.heir, backends)


def _flushes(situation: Situation, backend: BackendTrace) -> bool:
    """Return whether lowering a backend to 0 flushes its flows."""
    frontend, word = situation.frontend, situation.evidence[backend.backend].agent
    return situation.out or flushes(frontend, backend.state) or flushes_for_agent(frontend, word)


def _places(
    situation: Situation, choice: PoolChoice, standings: Mapping[str, Standing], guarded: AbstractSet[str]
) -> dict[str, list[PlaceTrace]]:
    """Return what follows for each backend in each pool that it is in, by name."""
    places: dict[str, list[PlaceTrace]] = {name: [] for name in standings}
    for index, pool in enumerate(situation.frontend.pools):
        active = index == choice.active
        for member in pool.members:
            name = member.backend
            held = situation.held.get(name, 0)
            word, kept = situation.evidence[name].agent, name in guarded
            found = weight_in(standings[name], member.weight, held, word, active=active, guarded=kept)
            weight, reason = (0, WeightReason.FRONTEND_DISABLED) if situation.out else found
            written = member.weight if member.written is None else member.written
            places[name].append(PlaceTrace(pool.name, member.weight, written, active, weight, reason))
    return places


def _pools(
    situation: Situation, totals: list[int], counts: list[PoolCount], choice: PoolChoice, guarded: frozenset[str]
) -> Iterator[PoolTrace]:
    """Yield what there is to know of each pool."""
    for index, pool in enumerate(situation.frontend.pools):
        kept = sorted(guarded, key=lambda name: situation.evidence[name].rank) if index == choice.active else ()
        yield PoolTrace(
            pool.name,
            len(pool.members),
            totals[index],
            counts[index],
            pool.min_up,
            has_enough(pool, totals[index], counts[index]),
            choice.memory.since[index],
            tuple(kept),
        )
