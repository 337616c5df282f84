"""The scale of a pool: which small integers tell VPP its weights, and how long a table has to be for them.

A weight in VPP is a number of *replicas*, and each of them claims buckets of the table of new flows by itself. The
more there are, the more buckets change their owner when one server comes or goes, also between servers that stay. So
the fewest replicas that still say the weights are the best: the *programmed* weights.

The scale of a pool follows from its configured weights alone: which different ones there are, not how many backends
have each, and not the states. Neither a transition nor another backend of a weight that is there already changes it.
Write r = programmed / configured weight. Within a pool, no r is more than ``1 + tolerance`` times another one. In any
subset of the pool, the mean of r lies between its extremes, so every share is within the tolerance of the wanted one,
whichever members are up, and however many there are. No weaker condition achieves that for all numbers of members.

The smallest such integers are unique. For a given least r, each programmed weight is at least ``ceil(r * weight)``, and
that grows with r: the least r for which all of them are within the tolerance gives the smallest integer for every
weight at once. It is found by raising r, each time to the next value at which a weight that does not fit may fit; the
greatest common divisor of the weights ends the search. Everything is computed in integers, so that all daemons agree.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from maglev.model.addresses import pack
from maglev.model.config import DEFAULT_TABLE_LENGTH, MAX_TABLE_LENGTH, MAX_WEIGHT, WeightScale

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from maglev.model.config import Frontend, Pool

Scale = bytes
"""Programmed weights, 0..100, by effective weight, 0..100."""

AS_WRITTEN: Final[Scale] = bytes(range(MAX_WEIGHT + 1))
"""The scale that programs the weights themselves."""

SHARE_ERROR: Final = 100
"""One part in so many of a share is as exact as a table of new flows needs to be."""

GAIN_WORTH_RECREATION: Final = 4
"""How many times as long a fitting table must be, at least, for a live VIP to be created again."""

ENOUGH_ERROR: Final = 50
"""One part in so many of a share is not worth creating a live VIP again, which disturbs far more flows."""

_WHOLE: Final = 10_000
"""Tolerances are in hundredths of a percent."""

_REMEMBERED: Final = 1 << 10


def scale_of(pool: Pool, weights: WeightScale, tolerance: float) -> Scale:
    """Return the scale of a pool.

    A weight set at run time that the scale of the file can't say takes the smallest multiple of it that can.

    Args:
        pool: The pool.
        weights: How the frontend tells VPP its weights.
        tolerance: By how much a share may differ from the wanted one, in percent of it; 0 for not at all.
    """
    if weights is WeightScale.AS_WRITTEN:
        return AS_WRITTEN
    written = frozenset(member.weight if member.written is None else member.written for member in pool.members)
    return _scale(written, frozenset(member.weight for member in pool.members), _hundredths(tolerance))


def scale_keeping(pool: Pool, frontend: Frontend, kept: frozenset[int], before: Scale | None) -> Scale:
    """Return the scale of a pool beside whose members others keep weights from before, until they are proved.

    The scale of the pool, if it says these weights. Otherwise the one that was in force before, if it says everything:
    then no flow moves until the last of them is proved, and all that must move does so at once. Otherwise the smallest
    multiple of the pool's that says everything, which mostly is what was in force before as well.

    Args:
        pool: The pool, one of the frontend's.
        frontend: The frontend.
        kept: The weights, 1..100; mostly none.
        before: The scale that was in force before, or by which VPP was found to be programmed; None if nobody knows.
    """
    base = scale_of(pool, frontend.weights, frontend.weight_tolerance)
    if not kept or frontend.weights is WeightScale.AS_WRITTEN:
        return base
    tolerance = _hundredths(frontend.weight_tolerance)
    own = frozenset(member.weight for member in pool.members if member.weight)
    for scale in (base, before):
        if scale is not None and _fits({weight: scale[weight] for weight in own | kept}, tolerance):
            return scale
    written = frozenset(member.weight if member.written is None else member.written for member in pool.members)
    return _scale(written, own | kept, tolerance)


def scale_for(written: frozenset[int], weights: WeightScale, tolerance: float) -> Scale:
    """Return the scale of a pool with these weights in the file; the other arguments are those of `scale_of`."""
    return AS_WRITTEN if weights is WeightScale.AS_WRITTEN else _scale(written, written, _hundredths(tolerance))


def scales_of(frontend: Frontend) -> tuple[Scale, ...]:
    """Return the scale of each pool of a frontend."""
    return tuple(scale_of(pool, frontend.weights, frontend.weight_tolerance) for pool in frontend.pools)


def programmed_in(frontend: Frontend, addresses: Mapping[str, str]) -> Iterator[Mapping[str, int]]:
    """Yield the programmed weights of the servers of each pool by address; of two backends of one, the higher counts.

    Args:
        frontend: The frontend.
        addresses: Address of each of its backends, by name.
    """
    for pool, scale in zip(frontend.pools, scales_of(frontend), strict=True):
        highest: dict[str, int] = {}
        for member in pool.members:
            address = addresses[member.backend]
            highest[address] = max(scale[member.weight], highest.get(address, 0))
        yield highest


def _hundredths(tolerance: float) -> int:
    return round(tolerance * _WHOLE / 100)


@lru_cache(_REMEMBERED)
def _scale(written: frozenset[int], weights: frozenset[int], tolerance: int) -> Scale:
    """Return the scale of a pool with these weights in the file, and these in force."""
    weights -= {0}
    base = smallest(written - {0} or weights, tolerance)
    return _filled(base if weights <= base.keys() else _refined(base, weights, tolerance))


def smallest(weights: Collection[int], tolerance: int) -> dict[int, int]:
    """Return the smallest integers that say some weights within a tolerance, by weight.

    Args:
        weights: Different weights, 1..100.
        tolerance: In hundredths of a percent.
    """
    if not weights:
        return {}
    up = _WHOLE + tolerance
    # The least r, as a fraction: below this one, the largest weight would have to be programmed as less than 1.
    numerator, denominator = _WHOLE, up * max(weights)
    while True:
        found = {weight: -(-numerator * weight // denominator) for weight in weights}
        unfit = [
            (programmed, weight)
            for weight, programmed in found.items()
            if programmed * denominator * _WHOLE > numerator * weight * up
        ]
        if not unfit:
            return found
        programmed, weight = max(unfit, key=_Ratio)
        numerator, denominator = programmed * _WHOLE, weight * up


class _Ratio:
    """The ratio of two integers, for comparison only."""

    __slots__ = ("denominator", "numerator")

    def __init__(self, pair: tuple[int, int]) -> None:
        self.numerator, self.denominator = pair

    def __gt__(self, other: _Ratio) -> bool:
        return self.numerator * other.denominator > other.numerator * self.denominator


def _refined(base: Mapping[int, int], weights: Collection[int], tolerance: int) -> dict[int, int]:
    """Return the smallest multiple of a scale that says these weights as well; without one, the weights themselves."""
    everything = sorted({*base, *weights})
    for multiple in range(1, MAX_WEIGHT // max(base.values()) + 1):
        found = {weight: multiple * programmed for weight, programmed in base.items()}
        found.update((weight, _said(weight, found, base)) for weight in everything if weight not in base)
        if max(found.values()) <= MAX_WEIGHT and _fits(found, tolerance):
            return found
    return {weight: weight for weight in everything}


def _said(weight: int, scale: Mapping[int, int], known: Collection[int]) -> int:
    """Return the nearest integer for a weight, 1 at least, in proportion to the nearest weight that is known."""
    nearest = min(known, key=lambda each: (abs(each - weight), each))
    return max(1, (2 * weight * scale[nearest] + nearest) // (2 * nearest))


def _fits(scale: Mapping[int, int], tolerance: int) -> bool:
    low = min(((programmed, weight) for weight, programmed in scale.items()), key=lambda pair: pair[0] / pair[1])
    return all(
        programmed * low[1] * _WHOLE <= low[0] * weight * (_WHOLE + tolerance) for weight, programmed in scale.items()
    )


def _filled(scale: Mapping[int, int]) -> Scale:
    """Return a scale that says any weight, those that are not in it as well as it can."""
    if not scale:
        return AS_WRITTEN
    return bytes(
        scale.get(weight) or (weight and min(_said(weight, scale, scale.keys()), MAX_WEIGHT))
        for weight in range(MAX_WEIGHT + 1)
    )


def fitting_length(pools: Iterable[Iterable[int]]) -> int:
    """Return the length of table that shares new flows within 1 % of the programmed weights, in each of some pools.

    That holds while all servers of the pool are in service, and by a bound that no remainder of the division exceeds:
    half of it may be within 1 % as well, by luck, and no longer be with one server more or less. It is
    `DEFAULT_TABLE_LENGTH` at least, since the memory is of no importance, and `MAX_TABLE_LENGTH` at most.

    Args:
        pools: The programmed weights of the servers of each pool.
    """
    needed = max((_needed(tuple(sorted(Counter(weights).items()))) for weights in pools), default=0)
    return min(max(DEFAULT_TABLE_LENGTH, 1 << max(needed - 1, 0).bit_length()), MAX_TABLE_LENGTH)


@lru_cache(_REMEMBERED)
def _needed(counts: tuple[tuple[int, int], ...]) -> int:
    """Return how many buckets keep the worst share within 1 %.

    The replicas claim one bucket each in turn, in the order of their number. When all had their turn equally often,
    the shares are exact. In the last, unfinished round, a server of weight w has claimed ``number`` buckets at the
    moment at which ``claimed`` are claimed in all, and it should have ``claimed * w / total``.

    Args:
        counts: Pairs of programmed weight and number of servers that have it, by weight.
    """
    total = sum(weight * count for weight, count in counts)
    taking: list[int] = []
    for position, (weight, _) in enumerate(counts):
        taking += [sum(count for _, count in counts[position:])] * (weight - len(taking))
    before = list(accumulate(taking, initial=0))
    worst = 0
    for weight, _ in counts:
        for number in range(weight):
            late = weight * (before[number] + taking[number] - 1) - number * total
            early = (number + 1) * total - weight * (before[number] + 1)
            worst = max(worst, -(-max(late, early) * SHARE_ERROR // weight))
    return worst


def enough_lengths(pools: Collection[Mapping[str, int]], fitting: int) -> tuple[int, ...]:
    """Return the lengths of table for which a live VIP is not worth creating again although they are much shorter.

    They are at most a quarter of the fitting length, and share new flows within 2 % of the programmed weights while all
    servers of each pool are in service.

    Args:
        pools: The programmed weights of the servers of each pool, by address.
        fitting: What `fitting_length` returns for them.
    """
    lines = [tuple(each[address] for address in sorted(each, key=pack)) for each in pools]
    shorter = (1 << bits for bits in range((fitting // GAIN_WORTH_RECREATION).bit_length()))
    return tuple(length for length in shorter if all(shares_within(line, length, ENOUGH_ERROR) for line in lines))


@lru_cache(_REMEMBERED)
def shares_within(weights: tuple[int, ...], length: int, error: int) -> bool:
    """Return whether every server gets its share of a table within one part in so many of that share.

    The replicas of a VIP stand in line by their number and then by their server, and each claims one bucket in turn. So
    the number of buckets of each server follows from the place at which the table is full; no hash has a part in it.

    Args:
        weights: The programmed weights of the servers, in the order in which VPP sorts them.
        length: Number of buckets.
        error: One part in so many of a share, that it may be off.
    """
    total = sum(weights)
    if not total:
        return True
    rounds, rest = divmod(length, total)
    number = 0
    while rest >= (taking := sum(weight > number for weight in weights)):
        rest -= taking
        number += 1
    for weight in weights:
        claimed = rounds * weight + min(weight, number)
        if weight > number and rest:
            rest -= 1
            claimed += 1
        if abs(claimed * total - weight * length) * error > weight * length:
            return False
    return True
