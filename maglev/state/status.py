"""The live record of one frontend, as the board keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.events import FrontendState
from maglev.model.health import State
from maglev.model.scale import AS_WRITTEN
from maglev.state.changes import WeightChange
from maglev.state.pools import no_memory, remembered
from maglev.state.scales import scale_in_force
from maglev.state.weights import FrontendWeights, WeightReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Frontend
    from maglev.model.scale import Scale
    from maglev.state.pools import Memory, PoolChoice
    from maglev.state.standing import Evidence
    from maglev.state.weights import DesiredWeight

LATEST: Final = 256
"""Changed backends that a frontend remembers: more than change between two writes to VPP, which come 0.1 s apart even
when everything fails. A caller that asks later than that has to look at all backends."""


class FrontendStatus:
    """What is known about one frontend.

    Attributes:
        frontend: Its configuration, with weights set at run time.
        state: The reduction of its backends' states.
        active: Index of the pool whose backends serve; None while no backend has a weight.
        pools: Effective weights, one mapping per pool, by name of backend.
        scales: The scale of each pool.
        desired: The desired weight of each backend in VPP, by name.
        former_scale: The scale in force when it was weighed last, or by which VPP was found to be programmed; None if
            nobody knows.
        held: Weights that unknown backends keep until their first result, by name.
        carried: Weights that the new addresses of moved backends had in this VIP before the move, by name.
        excluded: Backends without a weight in the file: they hold none either.
        refused: Addresses of servers that VPP has refused to let serve.
        out: Whether an operator has taken all of it out of service.
        memory: What the choice of the active pool leaves for the next one.
        last_changes: The last change of the weight of each backend, by name, of those that had any.
        flushes: Backends whose flows still have to be flushed.
        changes: Incremented with each change of weights; a mark for `changed_since`.
    """

    __slots__ = (
        "_latest",
        "_weighed",
        "active",
        "carried",
        "changes",
        "desired",
        "excluded",
        "flushes",
        "former_scale",
        "frontend",
        "held",
        "last_changes",
        "memory",
        "out",
        "pools",
        "refused",
        "scales",
        "state",
    )

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend
        self.state = FrontendState.UNKNOWN
        self.active: int | None = None
        self.out = False
        self.memory: Memory = no_memory(frontend)
        self.last_changes: dict[str, WeightChange] = {}
        self.pools: tuple[Mapping[str, int], ...] = ()
        self.scales: tuple[Scale, ...] = ()
        self.former_scale: Scale | None = None
        self.desired: Mapping[str, DesiredWeight] = {}
        self.held: dict[str, int] = {}
        self.carried: dict[str, int] = {}
        self.refused: frozenset[str] = frozenset()
        self.flushes: set[str] = set()
        self.changes = 0
        self._latest: list[str] = []
        self._weighed: FrontendWeights | None = None
        self.drop_excluded()

    @property
    def reduction(self) -> FrontendState:
        """The state that follows from the states and weights of the backends, as they were weighed last."""
        return FrontendState.UNKNOWN if self._weighed is None else self._weighed.state

    @property
    def knows_all(self) -> bool:
        """Whether every backend had a known state when the frontend was last weighed."""
        return self._weighed is not None and self._weighed.known == len(self.desired)

    @property
    def choice(self) -> PoolChoice | None:
        """The choice of the active pool, as it was weighed last; None if it never was."""
        return None if self._weighed is None else self._weighed.choice

    @property
    def due(self) -> float | None:
        """When another choice of the active pool is due, by the monotonic clock; None if none is."""
        return None if self._weighed is None else self._weighed.choice.due

    @property
    def in_service(self) -> tuple[int, ...]:
        """How many members of each pool are in service."""
        return () if self._weighed is None else tuple(each.backends for each in self._weighed.counts)

    @property
    def guarded(self) -> frozenset[str]:
        """The backends that the guard keeps in service although they are down."""
        return frozenset() if self._weighed is None else self._weighed.guarded

    @property
    def scale(self) -> Scale:
        """The scale in force, by which all weights are told; see `maglev.state.scales`."""
        return AS_WRITTEN if self._weighed is None else self._weighed.scale

    @property
    def write_scales(self) -> tuple[Scale, ...]:
        """The scale by which each pool is told, or would be: that of the active one is in force."""
        active = self.active or 0
        return tuple(self.scale if index == active else scale for index, scale in enumerate(self.scales))

    def scale_of_departing(self, weights: Iterable[int]) -> Scale:
        """Return the scale by which servers that have left the file are told: one that says their weights, if it can.

        Where backends serve beside them, that is the one in force.
        """
        if self._weighed is None or self._weighed.weighing:
            return self.scale
        active = self._weighed.choice.active
        return scale_in_force(self.frontend, active, self.scales, frozenset(weights) - {0}, None)

    def configure(self, frontend: Frontend) -> None:
        """Take another configuration; the weights are to be computed next."""
        self.memory = remembered(self.memory, self.frontend, frontend)
        self.frontend = frontend
        self.drop_excluded()

    def release(self, name: str) -> None:
        """Drop the weight held for a backend."""
        self.held.pop(name, None)
        self.carried.pop(name, None)

    def lower_hold(self, name: str) -> None:
        """Let a backend keep no more than its highest configured weight; an operator has said so."""
        weights = (member.weight for pool in self.frontend.pools for member in pool.members if member.backend == name)
        highest = max(weights)
        for kept in (self.held, self.carried):
            if kept.get(name, 0) > highest:
                kept[name] = highest

    def drop_excluded(self) -> None:
        """Recompute `excluded` from the configuration, and drop the weights that these backends held."""
        weighted = {member.backend for pool in self.frontend.pools for member in pool.members if member.weight}
        self.excluded = frozenset(self.frontend.backends) - weighted
        for name in self.excluded:
            self.release(name)

    def leave_vip(self) -> None:
        """Forget the held and desired weights of the frontend's former VIP, and their scale."""
        self.former_scale = None
        self.held.clear()
        self.carried.clear()
        self.desired = {}

    def weigh(self, evidence: Mapping[str, Evidence], now: float, at: float) -> None:
        """Recompute all weights.

        Args:
            evidence: What is known of each backend, by name.
            now: Seconds of a monotonic clock.
            at: Wall-clock time, seconds since the epoch.
        """
        unknown = {name for name, each in evidence.items() if each.state is State.UNKNOWN}
        self.held = {name: weight for name, weight in self.held.items() if name in unknown}
        self.flushes &= evidence.keys()
        self.last_changes = {name: change for name, change in self.last_changes.items() if name in evidence}
        weighed = FrontendWeights(
            self.frontend,
            evidence,
            self.held,
            self.memory,
            now,
            out=self.out,
            carried=self.carried,
            former_scale=self.former_scale,
        )
        self._weighed = weighed
        old, self.desired = self.desired, weighed.desired
        self.active, self.pools = weighed.active, weighed.pools
        self.memory, self.scales, self.former_scale = weighed.choice.memory, weighed.scales, weighed.scale
        self._note(old, at)
        self.changes += 1
        self._latest.clear()

    def shift(self, evidence: Mapping[str, Evidence], now: float, at: float) -> None:
        """Update the weights incrementally; the arguments are those of `weigh`, for the backends that changed.

        The previous ones must have been weighed.
        """
        weighed = self._weighed
        assert weighed is not None  # noqa: S101
        old = weighed.shift(evidence, self.held, now, self.carried)
        self.active, self.memory, self.former_scale = weighed.active, weighed.choice.memory, weighed.scale
        self._note(old, at)
        self.changes += len(old)
        self._latest += old
        if len(self._latest) > LATEST:
            self._latest.clear()

    def _note(self, before: Mapping[str, DesiredWeight], at: float) -> None:
        """Record which weights have changed, of these backends.

        A weight that VPP was found to hold was learned: it has not changed.
        """
        for name, old in before.items():
            new = self.desired.get(name)
            if new is None or (old.reason is WeightReason.UNPROVED and new.reason is WeightReason.HELD):
                continue
            if old.weight != new.weight or old.reason is not new.reason:
                self.last_changes[name] = WeightChange(at, old, new)

    def learn_served(self, found: Mapping[str, int]) -> None:
        """Correct what is recorded of changes: until now, it was not known what VPP held when maglevd started.

        Args:
            found: The effective weight that VPP holds for each backend, by name.
        """
        for name, change in tuple(self.last_changes.items()):
            weight = found.get(name, 0)
            if change.old.reason is WeightReason.UNPROVED and weight:
                if weight == change.new.weight:
                    del self.last_changes[name]
                else:
                    old = attrs.evolve(change.old, weight=weight, reason=WeightReason.HELD)
                    self.last_changes[name] = change._replace(old=old)

    def changed_since(self, changes: int) -> AbstractSet[str] | None:
        """Return the backends whose state or desired weight has changed since.

        Args:
            changes: The value of `changes` at the time in question.

        Returns:
            Their names; None when that is too long ago to know, so that all of them may have changed.
        """
        count = self.changes - changes
        return None if count > len(self._latest) else frozenset(self._latest[len(self._latest) - count :])
