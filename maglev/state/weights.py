"""Weights: what each backend of a frontend gets, and a fast way to follow its changes.

This is the last part of the decision: `maglev.state.standing` says what may be expected of a backend,
`maglev.state.pools` which pool is active and whom the guard keeps, and `weight_in` what follows for one backend.

`FrontendWeights` computes a whole frontend, at start and after a reload. `shift` handles transitions: it derives the
differences from the previous weights and the changed evidence, at a cost that depends on the change and not on the size
of the frontend; only while the guard keeps backends, it looks at their pool. The reference for both, which also says
why, is `maglev.state.decision`.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.events import FrontendState
from maglev.model.health import State
from maglev.model.scale import scales_of
from maglev.state.pools import added, choose, count, guarded_in
from maglev.state.scales import kept_weights, scale_in_force
from maglev.state.standing import AS_CONFIGURED, Standing, standing_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Frontend
    from maglev.model.scale import Scale
    from maglev.state.pools import Memory, PoolChoice, PoolCount
    from maglev.state.standing import Evidence

NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
"""No weights, by name."""


class Flushing(enum.Enum):
    """Whether the flows of a backend are flushed when it enters a state."""

    NEVER = enum.auto()
    IF_CONFIGURED = enum.auto()
    ALWAYS = enum.auto()


FLUSHING: Final[Mapping[State, Flushing]] = {
    State.UP: Flushing.NEVER,
    State.UNKNOWN: Flushing.NEVER,
    State.DRAINING: Flushing.NEVER,
    State.PAUSED: Flushing.NEVER,
    State.DOWN: Flushing.IF_CONFIGURED,
    State.DISABLED: Flushing.ALWAYS,
    # Its application server is deleted with a flush; this applies only until then.
    State.REMOVED: Flushing.ALWAYS,
}


class WeightReason(enum.StrEnum):
    """Why a backend has the weight that it has in a frontend."""

    ACTIVE = "active"
    """In service, in the active pool."""
    STANDBY = "standby"
    """In service, in another pool."""
    DOUBTED = "doubted"
    """Down, but the checks are in doubt; in the active pool."""
    HELD = "held"
    """Unknown, and keeps what it had."""
    GUARDED = "guarded"
    """Down, and kept in service by the guard."""
    DOWN = "down"
    UNPROVED = "unproved"
    """Unknown, and had nothing before."""
    DRAINED = "drained"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"
    FRONTEND_DISABLED = "frontend-disabled"


@attrs.frozen
class DesiredWeight:
    """The desired weight of one backend in one frontend.

    Attributes:
        weight: Effective weight, 0..100.
        flush: Whether lowering it to 0 flushes its flows.
        programmed: What VPP is told for it, 0..100; the effective weight itself unless the frontend has a scale.
        reason: Why it is that.
    """

    weight: int
    flush: bool
    programmed: int = attrs.field(default=attrs.Factory(lambda self: self.weight, takes_self=True))
    reason: WeightReason = WeightReason.ACTIVE


@lru_cache(None)
def desired_weight(weight: int, flush: bool, programmed: int, reason: WeightReason) -> DesiredWeight:  # noqa: FBT001
    """Return a value; as many backends share a few of them."""
    return DesiredWeight(weight, flush, programmed, reason)


def flushes(frontend: Frontend, state: State) -> bool:
    """Return whether entering a state requires a flush in this frontend."""
    flushing = FLUSHING[state]
    return flushing is Flushing.ALWAYS or (flushing is Flushing.IF_CONFIGURED and frontend.flush_on_down)


def weight_in(
    standing: Standing, configured: int, held: int, *, active: bool, guarded: bool
) -> tuple[int, WeightReason]:
    """Return the effective weight of a backend in a pool, and why it is that.

    Args:
        standing: What the frontend may expect of it.
        configured: Its weight in that pool.
        held: The weight that it keeps from before, 0 for none.
        active: Whether the pool is the active one.
        guarded: Whether the guard keeps it in service.
    """
    if standing in AS_CONFIGURED:
        if not active:
            return 0, WeightReason.STANDBY
        return configured, WeightReason.ACTIVE if standing is Standing.UP else WeightReason.DOUBTED
    if standing is Standing.HELD:
        return held, WeightReason.HELD
    if guarded and active:
        return configured, WeightReason.GUARDED
    return 0, WeightReason(standing.value)


def state_of(known: int, weighing: int) -> FrontendState:
    """Return the state of a frontend.

    Args:
        known: Number of its backends with a known state.
        weighing: Number of those with a weight above 0.
    """
    if not known:
        return FrontendState.UNKNOWN
    return FrontendState.UP if weighing else FrontendState.DOWN


class FrontendWeights:
    """The weights of one frontend, with the intermediate results that `shift` builds on.

    Attributes:
        frontend: The frontend.
        out: Whether an operator has taken all of it out of service.
        evidence: What is known of each backend, by name.
        standings: What may be expected of each, by name.
        places: The places of each backend, by name: index of the pool and configured weight there.
        totals: Sum of the configured weights of each pool.
        counts: What of each pool is in service.
        choice: Which pool is active.
        guarded: Which backends of it the guard keeps in service.
        pools: Effective weights, one mapping per pool, by name of backend.
        scales: The scale of each pool.
        scale: The scale in force, by which all weights are told: that of the active pool, or one that also says the
            weights that backends keep.
        desired: The desired weight of each backend in VPP, by name.
        known: Number of backends with a known state.
        weighing: Number of backends with a desired weight above 0.
        state: The state of the frontend.
    """

    __slots__ = (
        "choice",
        "counts",
        "desired",
        "evidence",
        "frontend",
        "guarded",
        "known",
        "out",
        "places",
        "pools",
        "scale",
        "scales",
        "standings",
        "state",
        "totals",
        "weighing",
    )

    def __init__(
        self,
        frontend: Frontend,
        evidence: Mapping[str, Evidence],
        held: Mapping[str, int],
        memory: Memory,
        now: float,
        *,
        out: bool = False,
        carried: Mapping[str, int] = NOTHING,
        told: Scale | None = None,
    ) -> None:
        """Compute everything.

        Args:
            frontend: The frontend.
            evidence: What is known of each of its backends, by name.
            held: Weights kept from before, by name of backend; missing means 0.
            memory: What the last choice of a pool left.
            now: Seconds of a monotonic clock.
            out: Whether an operator has taken all of it out of service.
            carried: Weights that the new addresses of moved backends keep, by name of backend.
            told: The scale that was in force before; None if nobody knows.
        """
        self.frontend = frontend
        self.out = out
        self.evidence = dict(evidence)
        self.standings = {name: standing_of(each, held.get(name, 0)) for name, each in evidence.items()}
        self.places = _places(frontend)
        self.totals = tuple(sum(member.weight for member in pool.members) for pool in frontend.pools)
        self.counts = tuple(count(frontend, pool, self.standings) for pool in frontend.pools)
        self.choice = choose(frontend, self.totals, self.counts, memory, now, out=out)
        self.guarded = _guarded(self, self.choice, self.standings, self.evidence)
        self.scales = scales_of(frontend)
        kept = kept_weights(self.standings, held, carried)
        self.scale = scale_in_force(frontend, self.choice.active, self.scales, kept, told)
        self.pools: tuple[dict[str, int], ...] = tuple({} for _ in frontend.pools)
        self.desired: dict[str, DesiredWeight] = {}
        _weigh(self, self.choice, self.guarded, self.scale, self.standings, evidence, held, (self.pools, self.desired))
        self.known = sum(each.state is not State.UNKNOWN for each in evidence.values())
        self.weighing = sum(each.weight > 0 for each in self.desired.values())
        self.state = state_of(self.known, self.weighing)

    @property
    def active(self) -> int | None:
        """Index of the pool whose backends serve; None while no backend has a weight."""
        return self.choice.active if self.weighing else None

    def take(self, change: IncrementalUpdate) -> None:
        """Apply the result of `shift`."""
        self.choice, self.counts, self.guarded, self.scale = change.choice, change.counts, change.guarded, change.scale
        self.known, self.weighing, self.state = change.known, change.weighing, change.state
        self.evidence.update(change.evidence)
        self.standings.update(change.standings)
        self.desired.update(change.desired)
        for weights, changed in zip(self.pools, change.pools, strict=True):
            weights.update(changed)


def _weigh(
    weights: FrontendWeights,
    choice: PoolChoice,
    guarded: AbstractSet[str],
    scale: Scale,
    standings: Mapping[str, Standing],
    evidence: Mapping[str, Evidence],
    held: Mapping[str, int],
    into: tuple[tuple[dict[str, int], ...], dict[str, DesiredWeight]],
) -> None:
    """Weigh some backends, those in ``standings``, and put the results into mappings."""
    pools, desired = into
    active = choice.active
    for name, standing in standings.items():
        best: tuple[int, WeightReason] = -1, WeightReason.STANDBY
        for index, configured in weights.places[name]:
            if weights.out:
                found = 0, WeightReason.FRONTEND_DISABLED
            else:
                found = weight_in(
                    standing, configured, held.get(name, 0), active=index == active, guarded=name in guarded
                )
            pools[index][name] = found[0]
            if found[0] > best[0] or (found[0] == best[0] and index == active):
                best = found
        desired[name] = desired_weight(
            best[0], weights.out or flushes(weights.frontend, evidence[name].state), scale[best[0]], best[1]
        )


def _guarded(
    weights: FrontendWeights, choice: PoolChoice, standings: Mapping[str, Standing], evidence: Mapping[str, Evidence]
) -> frozenset[str]:
    if not choice.guarded or choice.active is None:
        return frozenset()
    return guarded_in(weights.frontend.pools[choice.active], choice.guarded, standings, evidence)


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
    """The changes to the weights of a frontend after some of its backends have changed.

    Attributes:
        evidence: What is known now of the backends that have changed, by name.
        standings: What may be expected now of these, and of all others whose weight may have changed.
        pools: Effective weights, one mapping per pool, by name of backend: of the same backends.
        desired: The desired weights of the same backends.
        choice, counts, guarded, scale, known, weighing, state: As in `FrontendWeights`, for the whole frontend.
    """

    evidence: Mapping[str, Evidence]
    standings: Mapping[str, Standing]
    pools: tuple[Mapping[str, int], ...]
    desired: Mapping[str, DesiredWeight]
    choice: PoolChoice
    counts: tuple[PoolCount, ...]
    guarded: frozenset[str]
    scale: Scale
    known: int
    weighing: int
    state: FrontendState


def shift(
    before: FrontendWeights,
    evidence: Mapping[str, Evidence],
    held: Mapping[str, int],
    now: float,
    carried: Mapping[str, int] = NOTHING,
) -> IncrementalUpdate:
    """Return how changes of backends, or of time, affect the weights of a frontend, without applying them.

    Args:
        before: The weights before the change.
        evidence: What is known now of each affected backend, by name; none if only time has passed.
        held: Current held weights, by name of backend; they may differ from before only for the backends in
            ``evidence``.
        now: Seconds of a monotonic clock.
        carried: Weights that the new addresses of moved backends keep, by name of backend.
    """
    standings = {name: standing_of(each, held.get(name, 0)) for name, each in evidence.items()}
    counts = _counts_after(before, standings)
    choice = choose(before.frontend, before.totals, counts, before.choice.memory, now, out=before.out)
    guarded = frozenset[str]()
    if choice.guarded:
        guarded = _guarded(before, choice, before.standings | standings, {**before.evidence, **evidence})
    kept = kept_weights(before.standings | standings if held or carried else {}, held, carried)
    scale = scale_in_force(before.frontend, choice.active, before.scales, kept, before.scale)
    for name in _others(before, choice, guarded, scale):
        standings.setdefault(name, before.standings[name])
    pools: tuple[dict[str, int], ...] = tuple({} for _ in counts)
    desired: dict[str, DesiredWeight] = {}
    known_of = (
        evidence if len(standings) == len(evidence) else {**{n: before.evidence[n] for n in standings}, **evidence}
    )
    _weigh(before, choice, guarded, scale, standings, known_of, held, (pools, desired))
    known = before.known + sum(
        (each.state is not State.UNKNOWN) - (before.evidence[name].state is not State.UNKNOWN)
        for name, each in evidence.items()
    )
    weighing = before.weighing + sum((each.weight > 0) - (before.desired[n].weight > 0) for n, each in desired.items())
    state = state_of(known, weighing)
    return IncrementalUpdate(
        evidence, standings, pools, desired, choice, counts, guarded, scale, known, weighing, state
    )


def _counts_after(before: FrontendWeights, standings: Mapping[str, Standing]) -> tuple[PoolCount, ...]:
    counts = list(before.counts)
    for name, standing in standings.items():
        old = before.standings[name]
        for index, weight in before.places[name] if standing is not old else ():
            less = added(counts[index], before.frontend, weight, old, -1)
            counts[index] = added(less, before.frontend, weight, standing)
    return tuple(counts)


def _others(before: FrontendWeights, choice: PoolChoice, guarded: frozenset[str], scale: Scale) -> Iterator[str]:
    """Yield the backends whose weight depends on which pool is active, on the guard, or on the scale, if it changed.

    These are members of the old and the new active pool; and, if another scale is in force, all that have a weight.
    """
    if scale != before.scale:
        yield from (name for name, desired in before.desired.items() if desired.weight)
    old, new = before.choice.active, choice.active
    if old == new:
        yield from before.guarded ^ guarded
        return
    yield from before.guarded | guarded
    for index in (old, new):
        for member in () if index is None else before.frontend.pools[index].members:
            if before.standings[member.backend] in AS_CONFIGURED:
                yield member.backend
