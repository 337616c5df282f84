"""The scale in force: the one by which all weights of a frontend are told to VPP.

It is the scale of the active pool (`maglev.model.scale`), and no transition changes that one. But backends that are
unknown keep weights from before, which it may have no integer for: then it is one that says these as well, until the
last of them is proved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.scale import scale_keeping
from maglev.state.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.model.config import Frontend
    from maglev.model.scale import Scale


def kept_weights(
    standings: Mapping[str, Standing], held: Mapping[str, int], carried: Mapping[str, int]
) -> frozenset[int]:
    """Return the weights that backends keep from before; none if all are known, which is the rule.

    Args:
        standings: What may be expected of the backends of a frontend, by name: at least of those that hold weights.
        held: Weights that unknown backends keep, by name.
        carried: Weights that the new addresses of moved backends keep, by name.
    """
    if not held and not carried:
        return frozenset()
    kept = {weight for name, weight in held.items() if standings.get(name) is Standing.HELD}
    return frozenset(kept | {weight for name, weight in carried.items() if name in standings})


def scale_in_force(
    frontend: Frontend, active: int | None, scales: Sequence[Scale], kept: frozenset[int], before: Scale | None
) -> Scale:
    """Return the scale in force.

    Args:
        frontend: The frontend.
        active: Index of the active pool; None if none is.
        scales: The scale of each pool.
        kept: What `kept_weights` returns.
        before: The scale in force before; None if nobody knows.
    """
    index = active or 0
    return scale_keeping(frontend.pools[index], frontend, kept, before) if kept else scales[index]
