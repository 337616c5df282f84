"""Why a weight is not as it was before: which step of the decision came to something else."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.state.weights import WeightReason

if TYPE_CHECKING:
    from maglev.state.weights import DesiredWeight


class Step(enum.StrEnum):
    """A step of the decision."""

    HEALTH = "health"
    """A result: of the backend's own probes, or the lack of one after a change of the backend."""
    ORDER = "order"
    """An operator, or the file, took it out or back in."""
    BLINDNESS = "blindness"
    """Doubt about the checks began or ended."""
    POOL = "pool"
    """Another pool became the active one."""
    GUARD = "guard"
    """The guard keeps it in service, or no longer."""
    FRONTEND = "frontend"
    """An operator took the whole frontend out or back in."""
    AGENT = "agent"
    """Its agent says something else."""
    WEIGHT = "weight"
    """Another weight was configured, or found in VPP."""


_ORDERED: Final = frozenset({WeightReason.DRAINED, WeightReason.PAUSED, WeightReason.DISABLED, WeightReason.REMOVED})
_OF_POOLS: Final = frozenset(
    {WeightReason.ACTIVE, WeightReason.STANDBY, WeightReason.DOUBTED, WeightReason.AGENT_WEIGHT}
)
_ORDERED_BY_AGENT: Final = frozenset({WeightReason.AGENT_DRAIN, WeightReason.AGENT_MAINT})
_PARTS: Final = frozenset({WeightReason.ACTIVE, WeightReason.AGENT_WEIGHT})


_STEPS: Final = (
    (Step.GUARD, {WeightReason.DOWN, WeightReason.GUARDED}),
    (Step.GUARD, {WeightReason.AGENT_DOWN, WeightReason.GUARDED}),
    (Step.BLINDNESS, {WeightReason.DOWN, WeightReason.DOUBTED}),
)


def step_between(old: WeightReason, new: WeightReason) -> Step:
    """Return which step made the difference between two reasons for the weight of a backend."""
    both = {old, new}
    if old is new:
        return Step.AGENT if new is WeightReason.AGENT_WEIGHT else Step.WEIGHT
    if WeightReason.FRONTEND_DISABLED in both:
        return Step.FRONTEND
    if both & _ORDERED:
        return Step.ORDER
    for step, alike in _STEPS:
        if both == alike:
            return step
    if WeightReason.STANDBY in both and both <= _OF_POOLS:
        return Step.POOL
    return Step.AGENT if _is_of_agent(both) else Step.HEALTH


def _is_of_agent(both: set[WeightReason]) -> bool:
    """Return whether an agent made the difference between two reasons."""
    if both & _ORDERED_BY_AGENT or both == _PARTS:
        return True
    return WeightReason.AGENT_DOWN in both and WeightReason.DOWN not in both


class WeightChange(NamedTuple):
    """The last time at which a backend got another weight in a frontend, or the same for another reason.

    Attributes:
        at: Wall-clock time, seconds since the epoch: for display only.
        old: What it had.
        new: What it got.
    """

    at: float
    old: DesiredWeight
    new: DesiredWeight

    @property
    def step(self) -> Step:
        """The step of the decision that came to something else."""
        return step_between(self.old.reason, self.new.reason)
