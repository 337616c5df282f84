"""Weights: what each backend of a frontend gets, and a fast way to follow its changes.

This is the last part of the decision: `maglev.state.standing` says what may be expected of a backend,
`maglev.state.pools` which pool is active and whom the guard keeps, and `weight_in` what follows for one backend.

`FrontendWeights` computes a whole frontend, at start and after a reload. Its method `shift` handles transitions: it
follows from the previous weights and the changed evidence, at a cost that depends on the change and not on the size of
the frontend; only while the guard keeps backends, it looks at their pool. The reference for both, which also says why,
is `maglev.state.decision`.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.agent import WHOLE, weight_of
from maglev.model.events import FrontendState
from maglev.model.health import State
from maglev.model.scale import scales_of
from maglev.state.pools import choose, count, guarded_in, still_chosen
from maglev.state.scales import kept_weights, scale_in_force
from maglev.state.standing import AS_CONFIGURED, IN_SERVICE, Standing, standing_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maglev.model.agent import AgentWord
    from maglev.model.config import Frontend
    from maglev.model.scale import Scale
    from maglev.state.pools import Memory
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
    NOLB = "nolb"
    """Up, and wants no new flows: its last probe was answered so."""
    AGENT_WEIGHT = "agent-weight"
    """In service, in the active pool, with the part of its weight that its agent says."""
    AGENT_DOWN = "agent-down"
    AGENT_DRAIN = "agent-drain"
    AGENT_MAINT = "agent-maint"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"
    FRONTEND_DISABLED = "frontend-disabled"


_REASONS: Final[Mapping[Standing, WeightReason]] = {
    Standing.UP: WeightReason.ACTIVE,
    Standing.DOUBTED: WeightReason.DOUBTED,
    Standing.HELD: WeightReason.HELD,
    **{each: WeightReason(each.value) for each in Standing if each not in IN_SERVICE},
}
"""Why a backend has its weight, if neither its pool nor the guard has a part in it."""

_OUT: Final = (0, WeightReason.FRONTEND_DISABLED)
_NOTHING: Final = (-1, WeightReason.STANDBY)


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


_FLUSHED: Final = {
    on_down: frozenset(state for state, flushing in FLUSHING.items() if flushing in {Flushing.ALWAYS, too})
    for on_down, too in ((False, Flushing.ALWAYS), (True, Flushing.IF_CONFIGURED))
}
"""The states in which flows are flushed, by ``flush_on_down``."""


def flushes(frontend: Frontend, state: State) -> bool:
    """Return whether entering a state requires a flush in this frontend."""
    return state in _FLUSHED[frontend.flush_on_down]


def flushes_for_agent(frontend: Frontend, word: AgentWord) -> bool:
    """Return whether what an agent says requires a flush: like a backend that is down, or one that is disabled."""
    return word.order == "maint" or (bool(word.down) and frontend.flush_on_down)


def weight_in(
    standing: Standing, configured: int, held: int, word: AgentWord, *, active: bool, guarded: bool
) -> tuple[int, WeightReason]:
    """Return the effective weight of a backend in a pool, and why it is that.

    Args:
        standing: What the frontend may expect of it.
        configured: Its weight in that pool.
        held: The weight that it keeps from before, 0 for none.
        word: What its agent says: how much of the configured weight it is to have.
        active: Whether the pool is the active one.
        guarded: Whether the guard keeps it in service.
    """
    if standing in AS_CONFIGURED:
        if not active:
            return 0, WeightReason.STANDBY
        if word.percent == WHOLE or standing is not Standing.UP:
            return weight_of(word, configured), _REASONS[standing]
        return weight_of(word, configured), WeightReason.AGENT_WEIGHT
    if guarded and active:
        return weight_of(word, configured), WeightReason.GUARDED
    return held if held and standing is Standing.HELD else 0, _REASONS[standing]


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
        former_scale: Scale | None = None,
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
            former_scale: The scale that was in force before; None if nobody knows.
        """
        self.frontend = frontend
        self.out = out
        self.evidence = dict(evidence)
        self.standings = {name: standing_of(each, held.get(name, 0)) for name, each in evidence.items()}
        self.places = _places(frontend)
        self.totals = tuple(sum(member.weight for member in pool.members) for pool in frontend.pools)
        self.counts = tuple(count(frontend, pool, self.standings) for pool in frontend.pools)
        self.choice = choose(frontend, self.totals, self.counts, memory, now, out=out)
        self.guarded = self._guarded()
        self.scales = scales_of(frontend)
        self.scale = self._scale(held, carried, former_scale)
        self.pools: tuple[dict[str, int], ...] = tuple({} for _ in frontend.pools)
        self.desired: dict[str, DesiredWeight] = {}
        self._weigh(evidence, held)
        self.known = sum(each.state is not State.UNKNOWN for each in evidence.values())
        self.weighing = sum(each.weight > 0 for each in self.desired.values())
        self.state = state_of(self.known, self.weighing)

    @property
    def active(self) -> int | None:
        """Index of the pool whose backends serve; None while no backend has a weight."""
        return self.choice.active if self.weighing else None

    def shift(
        self,
        evidence: Mapping[str, Evidence],
        held: Mapping[str, int],
        now: float,
        carried: Mapping[str, int] = NOTHING,
    ) -> dict[str, DesiredWeight]:
        """Follow changes of backends, or of time.

        Args:
            evidence: What is known now of each affected backend, by name; none if only time has passed.
            held: Current held weights, by name of backend; they may differ from before only for the backends in
                ``evidence``.
            now: Seconds of a monotonic clock.
            carried: Weights that the new addresses of moved backends keep, by name of backend.

        Returns:
            The former desired weights, by name, of the affected backends and of all others whose weight may have
            changed.
        """
        self._take(evidence, held)
        names: Iterable[str] = evidence
        if not still_chosen(self.frontend, self.totals, self.counts, self.choice):
            names = dict.fromkeys((*evidence, *self._choose(now)))
        before, self.scale = self.scale, self._scale(held, carried, self.scale)
        if self.scale != before:
            names = dict.fromkeys((*names, *(name for name, desired in self.desired.items() if desired.weight)))
        old = {name: self.desired[name] for name in names}
        self._weigh(names, held)
        for name, each in old.items():
            self.weighing += (self.desired[name].weight > 0) - (each.weight > 0)
        self.state = state_of(self.known, self.weighing)
        return old

    def _take(self, evidence: Mapping[str, Evidence], held: Mapping[str, int]) -> None:
        """Take what is known now of some backends, and count what of each pool is in service."""
        unknown = State.UNKNOWN
        for name, each in evidence.items():
            before, standing = self.standings[name], standing_of(each, held.get(name, 0))
            if standing is not before:
                self.standings[name] = standing
                for index, weight in self.places[name]:
                    self.counts[index].add(self.frontend, weight, before, -1)
                    self.counts[index].add(self.frontend, weight, standing)
            self.known += (each.state is not unknown) - (self.evidence[name].state is not unknown)
            self.evidence[name] = each

    def _choose(self, now: float) -> list[str]:
        """Choose again which pool is active, and whom the guard keeps; return the backends to weigh for that."""
        old, guarded = self.choice.active, self.guarded
        self.choice = choose(self.frontend, self.totals, self.counts, self.choice.memory, now, out=self.out)
        self.guarded = self._guarded()
        if self.choice.active == old:
            return list(guarded ^ self.guarded)
        return [*guarded, *self.guarded, *self._switched(old, self.choice.active)]

    def _switched(self, old: int | None, new: int | None) -> Iterator[str]:
        """Yield the backends whose weight depends on which of two pools is active: members of the two."""
        for index in (old, new):
            for member in () if index is None else self.frontend.pools[index].members:
                if self.standings[member.backend] in AS_CONFIGURED:
                    yield member.backend

    def _guarded(self) -> frozenset[str]:
        if not self.choice.guarded or self.choice.active is None:
            return frozenset()
        pool = self.frontend.pools[self.choice.active]
        return guarded_in(pool, self.choice.guarded, self.standings, self.evidence)

    def _scale(self, held: Mapping[str, int], carried: Mapping[str, int], before: Scale | None) -> Scale:
        kept = kept_weights(self.standings, held, carried)
        return scale_in_force(self.frontend, self.choice.active, self.scales, kept, before)

    def _weigh(self, names: Iterable[str], held: Mapping[str, int]) -> None:
        """Weigh some backends by their standings, the choice of the pool and the guard."""
        active, guarded, scale, out = self.choice.active, self.guarded, self.scale, self.out
        for name in names:
            standing, holds = self.standings[name], held.get(name, 0)
            weight, reason = _NOTHING
            word = self.evidence[name].agent
            for index, configured in self.places[name]:
                if out:
                    found = _OUT
                else:
                    kept = name in guarded
                    found = weight_in(standing, configured, holds, word, active=index == active, guarded=kept)
                self.pools[index][name] = found[0]
                if found[0] > weight or (found[0] == weight and index == active):
                    weight, reason = found
            flush = out or flushes(self.frontend, self.evidence[name].state) or flushes_for_agent(self.frontend, word)
            self.desired[name] = desired_weight(weight, flush, scale[weight], reason)


def _places(frontend: Frontend) -> dict[str, tuple[tuple[int, int], ...]]:
    places: dict[str, tuple[tuple[int, int], ...]] = {}
    alike: dict[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]] = {}
    for index, pool in enumerate(frontend.pools):
        for member in pool.members:
            place = (*places.get(member.backend, ()), (index, member.weight))
            # Most backends of a frontend have the same place, and share one tuple.
            places[member.backend] = alike.setdefault(place, place)
    return places
