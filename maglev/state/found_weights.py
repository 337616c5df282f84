"""What the weights found in VPP mean: they may have been programmed by another scale than the one in force.

VPP holds integers, and nothing else that says which weights of a file they stood for. They are taken to be of the scale
that most servers of the VIP agree with: the one of the file, or the one that the frontend would have if its ``weights``
were the other way round. So a restart with a changed option keeps the shares, and one without changes nothing.

If less than half of the servers agree with either, somebody has edited the weights while maglevd was stopped. A
frontend whose weights are programmed as written takes what is there as it is, if it can have been programmed so: in
that case the option has not changed, and what is not proved is left alone.

Otherwise, as after a change of both the option and the weights, or with a scale that an override had multiplied, the
unit is unknown. Then all weights are multiplied by one factor: the median of configured / found weight. More than half
of the servers may have been changed neither by an override nor by an edit of the file; in their unit, the median is
exact, however large the other changes are. All weights of a VIP are then in one unit: what is proved has its configured
weight, and what is not keeps its proportion to that.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import attrs

from maglev.model.config import MAX_WEIGHT, WeightScale
from maglev.model.scale import AS_WRITTEN, scale_for, scales_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.model.config import Frontend
    from maglev.model.scale import Scale

Places = dict[str, list[tuple[int, int]]]
"""The places of a server, by address: index of the pool and configured weight there."""


class FoundWeights(NamedTuple):
    """What weights found in VPP mean.

    Attributes:
        effective: The effective weights that they say, by address.
        scale: The scale by which they are programmed, if that is not the one of the file: weights as they are; None
            otherwise, and if nobody knows.
    """

    effective: Mapping[str, int]
    scale: Scale | None = None


def effective_weights(
    frontend: Frontend, addresses: Mapping[str, str], weights: Mapping[str, int]
) -> Mapping[str, int]:
    """Return the effective weights that weights found in VPP say, by address; see `understood`."""
    return understood(frontend, addresses, weights).effective


def understood(frontend: Frontend, addresses: Mapping[str, str], weights: Mapping[str, int]) -> FoundWeights:
    """Return what weights found in VPP mean.

    Args:
        frontend: The frontend of the VIP.
        addresses: The address at which each of its backends serves, by name, as far as it is known.
        weights: The weights that VPP holds, by address; also of servers that are not in the file.
    """
    found = {address: weight for address, weight in weights.items() if weight}
    places: Places = {}
    for index, pool in enumerate(frontend.pools):
        for member in pool.members:
            address = addresses.get(member.backend, "")
            if member.weight and address in found:
                places.setdefault(address, []).append((index, member.weight))
    own = scales_of(frontend)
    as_written = frontend.weights is WeightScale.AS_WRITTEN
    others = WeightScale.LEAST_MOVING if as_written else WeightScale.AS_WRITTEN
    other = scales_of(attrs.evolve(frontend, weights=others))
    ours, theirs = _agreeing(places, own, found), _agreeing(places, other, found)
    agreeing = max(ours, theirs)
    if not agreeing or 2 * agreeing < len(places):
        if as_written and (ours or not _may_be_scaled(frontend, found)):
            return FoundWeights({address: min(weight, MAX_WEIGHT) for address, weight in weights.items()})
        return FoundWeights(dict.fromkeys(weights, 0) | _converted(frontend, places, found))
    written_by = own if ours >= theirs else other
    meant = {address: _meant(frontend, places.get(address, ()), written_by, found[address]) for address in found}
    as_they_are = written_by is other and not as_written
    return FoundWeights(dict.fromkeys(weights, 0) | meant, AS_WRITTEN if as_they_are else None)


def _agreeing(places: Places, scales: Sequence[Scale], found: Mapping[str, int]) -> int:
    """Return how many servers have the weight that some scales give them in one of their pools."""
    return sum(any(scales[index][weight] == found[address] for index, weight in own) for address, own in places.items())


def _may_be_scaled(frontend: Frontend, found: Mapping[str, int]) -> bool:
    """Return whether weights are as a scale makes them: the smallest integers that say what they say."""
    different = {min(weight, MAX_WEIGHT) for weight in found.values()}
    scale = scale_for(frozenset(different), WeightScale.LEAST_MOVING, frontend.weight_tolerance)
    return all(scale[weight] == weight for weight in different)


def _meant(frontend: Frontend, places: Sequence[tuple[int, int]], scales: Sequence[Scale], programmed: int) -> int:
    """Return the effective weight that a server has: its configured one if that is programmed so."""
    for index, weight in places:
        if scales[index][weight] == programmed:
            return weight
    index = places[0][0] if places else _first_used(frontend)
    scale = scales[index]
    configured = {member.weight for member in frontend.pools[index].members if member.weight} or {MAX_WEIGHT}
    nearest = min(configured, key=lambda weight: (abs(scale[weight] - programmed), weight))
    return _rounded(programmed * nearest, scale[nearest])


def _converted(frontend: Frontend, places: Places, found: Mapping[str, int]) -> dict[str, int]:
    """Return weights of an unknown unit in that of the file, each at most 100."""
    numerator, denominator = _unit(frontend, places, found)
    return {address: _rounded(weight * numerator, denominator) for address, weight in found.items()}


def _unit(frontend: Frontend, places: Places, found: Mapping[str, int]) -> tuple[int, int]:
    """Return the factor from found to configured weights, as a fraction.

    It is the median over the servers of the pool that most of them are in: VPP holds one pool, and of others only what
    was not proved yet. Of an even number, the two in the middle are added. Without any server of the file, the largest
    weight found is taken for the largest of the file.
    """
    pools = Counter(index for own in places.values() for index, _ in own)
    if not pools:
        weights = (member.weight for pool in frontend.pools for member in pool.members)
        return max(weights, default=0) or MAX_WEIGHT, max(found.values(), default=1)
    ((most, _),) = pools.most_common(1)
    pairs = ((weight, found[address]) for address, own in places.items() for index, weight in own if index == most)
    ratios = sorted(pairs, key=lambda pair: pair[0] / pair[1])
    middle = ratios[(len(ratios) - 1) // 2 : len(ratios) // 2 + 1]
    return sum(weight for weight, _ in middle), sum(programmed for _, programmed in middle)


def _rounded(numerator: int, denominator: int) -> int:
    return min(max((2 * numerator + denominator) // (2 * denominator), 1), MAX_WEIGHT)


def _first_used(frontend: Frontend) -> int:
    """Return the index of the first pool that has any weight; 0 if none has."""
    weighted = (index for index, pool in enumerate(frontend.pools) if any(member.weight for member in pool.members))
    return next(weighted, 0)
