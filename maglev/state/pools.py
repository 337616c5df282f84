"""Which pool of a frontend is active, and whom the guard keeps in service: the middle of the decision.

A pool has *enough* while as much of it is in service as its `min_up` asks for. The active pool is the first one that
has enough; with a `failback_delay`, a pool stays active while it has enough, until an earlier one has had enough for so
long. Where no pool has enough, the first one with anything in service serves with that.

The *guard* (``when-none-eligible: hold``) then adds to it. It keeps backends of the pool in service although they are
down: all of them while none is in service, and fewer, the longest down first, the closer what is in service comes to
`min_up`. What an operator or the file took out is never kept, and nor is a backend of weight 0.

Both ways of weighing (`maglev.state.weights`, `maglev.state.decision`) use these functions.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from maglev.model.config import WhenNoneEligible
from maglev.model.health import State
from maglev.state.standing import IN_SERVICE, MAY_BE_GUARDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from maglev.model.config import Frontend, Pool
    from maglev.state.standing import Evidence, Standing

_WHOLE: Final = 10_000
"""Parts of weights are in hundredths of a percent."""


class PoolReason(enum.StrEnum):
    """Why a pool is the active one, or none is."""

    ENOUGH = "enough"
    """It is the first one that has enough."""
    FAILBACK_DELAY = "failback-delay"
    """An earlier one has enough, but not for long enough."""
    TOO_FEW = "too-few"
    """No pool has enough; this one has something."""
    GUARD = "guard"
    """No pool has enough, and the guard keeps backends of this one in service."""
    NONE_IN_SERVICE = "none-in-service"
    """Nothing is in service."""
    FRONTEND_DISABLED = "frontend-disabled"
    """An operator has taken the whole frontend out of service."""


@attrs.define
class PoolCount:
    """What of a pool is in service.

    Attributes:
        backends: Number of its members that are in service.
        weight: Sum of their configured weights.
        down: Number of its members that the guard may keep.
    """

    backends: int = 0
    weight: int = 0
    down: int = 0

    def add(self, frontend: Frontend, weight: int, standing: Standing, sign: int = 1) -> None:
        """Count one member more, or less if the sign is -1.

        Args:
            frontend: The frontend.
            weight: The configured weight of the member. The guard does not rely on one without weight.
            standing: What the frontend may expect of it.
            sign: 1 or -1.
        """
        if standing in IN_SERVICE:
            if weight or frontend.when_none_eligible is WhenNoneEligible.DOWN:
                self.backends += sign
                self.weight += sign * weight
        elif weight and standing in MAY_BE_GUARDED:
            self.down += sign


class Memory(NamedTuple):
    """What the choice of a pool depends on besides what is known now.

    Attributes:
        active: Index of the pool that was active last; None if none ever was.
        since: When each pool began to have enough, by a monotonic clock; None for those that have not.
    """

    active: int | None
    since: tuple[float | None, ...]


class PoolChoice(NamedTuple):
    """Which pool is active.

    Attributes:
        active: Its index; None if none is.
        reason: Why.
        memory: For the next choice.
        due: When an earlier pool takes over unless something changes, by the same clock; None if none is about to.
        heir: Index of that pool.
        guarded: How many backends of the pool the guard keeps in service.
    """

    active: int | None
    reason: PoolReason
    memory: Memory
    due: float | None = None
    heir: int | None = None
    guarded: int = 0


def no_memory(frontend: Frontend) -> Memory:
    """Return what a frontend remembers at first."""
    return Memory(None, (None,) * len(frontend.pools))


def remembered(memory: Memory, old: Frontend, new: Frontend) -> Memory:
    """Return what a frontend remembers after a change of its pools, which are known by their names."""
    places = {pool.name: index for index, pool in enumerate(old.pools)}
    now = {pool.name: index for index, pool in enumerate(new.pools)}
    active = None if memory.active is None else now.get(old.pools[memory.active].name)
    since = (memory.since[places[pool.name]] if pool.name in places else None for pool in new.pools)
    return Memory(active, tuple(since))


def count(frontend: Frontend, pool: Pool, standings: Mapping[str, Standing]) -> PoolCount:
    """Return what of a pool is in service.

    Args:
        frontend: The frontend.
        pool: The pool.
        standings: What the frontend may expect of each of its backends, by name.
    """
    total = PoolCount()
    for member in pool.members:
        total.add(frontend, member.weight, standings[member.backend])
    return total


def has_enough(pool: Pool, total: int, counted: PoolCount) -> bool:
    """Return whether as much of a pool is in service as has to be.

    Args:
        pool: The pool.
        total: Sum of its configured weights.
        counted: What of it is in service.
    """
    return counted.backends > 0 and _missing(pool, total, counted)[0] <= 0


def _missing(pool: Pool, total: int, counted: PoolCount) -> tuple[int, int]:
    """Return what a pool lacks and what it needs, in the same unit."""
    if pool.min_up.share:
        need = pool.min_up.amount * total
        return need - _WHOLE * counted.weight, need
    return pool.min_up.amount - counted.backends, pool.min_up.amount


def _kept(pool: Pool, total: int, counted: PoolCount) -> int:
    """Return how many backends of a pool the guard keeps: all while none is in service, in the end none."""
    if not counted.backends:
        return counted.down
    missing, need = _missing(pool, total, counted)
    return -(-counted.down * missing // need)


def choose(
    frontend: Frontend, totals: Sequence[int], counts: Sequence[PoolCount], memory: Memory, now: float, *, out: bool
) -> PoolChoice:
    """Return which pool is active.

    Args:
        frontend: The frontend.
        totals: Sum of the configured weights of each pool.
        counts: What of each pool is in service.
        memory: What the last choice left.
        now: Seconds of a monotonic clock.
        out: Whether an operator has taken the whole frontend out of service.
    """
    enough = [has_enough(*each) for each in zip(frontend.pools, totals, counts, strict=True)]
    since = tuple((now if at is None else at) if yes else None for yes, at in zip(enough, memory.since, strict=True))
    if out:
        return PoolChoice(None, PoolReason.FRONTEND_DISABLED, Memory(memory.active, since))
    first = enough.index(True) if True in enough else None
    if first is None:
        return _best(frontend, totals, counts, Memory(memory.active, since))
    last = memory.active
    if last is None or last <= first or not enough[last] or not frontend.failback_delay:
        return PoolChoice(first, PoolReason.ENOUGH, Memory(first, since))
    ends = {index: at + frontend.failback_delay for index, at in enumerate(since[:last]) if at is not None}
    active = min((index for index, end in ends.items() if end <= now), default=last)
    if active == first:
        return PoolChoice(first, PoolReason.ENOUGH, Memory(first, since))
    due, heir = min((end, index) for index, end in ends.items() if index < active)
    return PoolChoice(active, PoolReason.FAILBACK_DELAY, Memory(active, since), due, heir)


def still_chosen(frontend: Frontend, totals: Sequence[int], counts: Sequence[PoolCount], last: PoolChoice) -> bool:
    """Return whether `choose` would come to the last choice again, of the same frontend, without asking it.

    The first pool that has enough stays the active one for as long as no pool begins or ceases to have enough, whatever
    the time is. That is what most changes of a backend come to; of the others, nothing is said.

    Args:
        frontend: The frontend.
        totals: Sum of the configured weights of each pool.
        counts: What of each pool is in service.
        last: The choice up to now.
    """
    if last.reason is not PoolReason.ENOUGH:
        return False
    for pool, total, counted, at in zip(frontend.pools, totals, counts, last.memory.since, strict=True):
        if has_enough(pool, total, counted) is (at is None):
            return False
    return True


def _best(frontend: Frontend, totals: Sequence[int], counts: Sequence[PoolCount], memory: Memory) -> PoolChoice:
    """Return which pool serves when none has enough."""
    guards = frontend.when_none_eligible is WhenNoneEligible.HOLD
    best = next((index for index, each in enumerate(counts) if each.backends), None)
    if best is None and guards:
        # The pool that has been serving goes on; another one may have been dead for days.
        order = (*(() if memory.active is None else (memory.active,)), *range(len(counts)))
        best = next((index for index in order if counts[index].down), None)
    if best is None:
        return PoolChoice(None, PoolReason.NONE_IN_SERVICE, memory)
    guarded = _kept(frontend.pools[best], totals[best], counts[best]) if guards else 0
    reason = PoolReason.GUARD if guarded else PoolReason.TOO_FEW
    return PoolChoice(best, reason, Memory(best, memory.since), guarded=guarded)


def guarded_in(
    pool: Pool, number: int, standings: Mapping[str, Standing], evidence: Mapping[str, Evidence]
) -> frozenset[str]:
    """Return which backends of a pool the guard keeps in service: those that went down last.

    Those of which only their agents say so come first, for their checks pass.

    Args:
        pool: The pool.
        number: How many of them.
        standings: What the frontend may expect of each of its backends, by name.
        evidence: What is known of each, by name.
    """
    down = [each.backend for each in pool.members if each.weight and standings[each.backend] in MAY_BE_GUARDED]
    return frozenset(_latest(down, evidence)[:number])


def _latest(names: Iterable[str], evidence: Mapping[str, Evidence]) -> list[str]:
    return sorted(names, key=lambda name: (evidence[name].state is State.DOWN, -evidence[name].rank))
