"""Frontends with a weight that was set at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.config import MAX_WEIGHT
from maglev.model.errors import NotFoundError, RefusedError

if TYPE_CHECKING:
    from maglev.model.config import Frontend, PoolMember


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
