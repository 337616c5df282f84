"""The scale of a pool: the smallest integers that say its weights, and the length of table that they need."""

from __future__ import annotations

import math
import subprocess
import sys
from fractions import Fraction

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maglev.model.config import Frontend, Pool, PoolMember, Transport, WeightScale
from maglev.model.scale import (
    AS_WRITTEN,
    enough_lengths,
    fitting_length,
    scale_keeping,
    scale_of,
    scales_of,
    shares_within,
    smallest,
)
from maglev.vpp.lb.table import bucket_counts, stored

LEAST_MOVING = WeightScale.LEAST_MOVING

WEIGHTS = st.sets(st.integers(1, 100), min_size=1, max_size=6)
TOLERANCES = st.sampled_from([0, 1, 10, 100, 200, 500, 2000])


def pool(*weights: int, name: str = "main") -> Pool:
    return Pool(name, tuple(PoolMember(f"s{number}", weight) for number, weight in enumerate(weights)))


def programmed(some: Pool, tolerance: float = 2.0) -> list[int]:
    scale = scale_of(some, LEAST_MOVING, tolerance)
    return [scale[member.weight] for member in some.members]


def override(some: Pool, index: int, weight: int) -> Pool:
    members = list(some.members)
    members[index] = attrs.evolve(members[index], weight=weight, written=members[index].weight)
    return attrs.evolve(some, members=tuple(members))


def spread(scale: dict[int, int]) -> Fraction:
    """Return how much the largest ratio of programmed to configured weight is above the smallest one, in 1/10000."""
    ratios = [Fraction(small, weight) for weight, small in scale.items()]
    return (max(ratios) / min(ratios) - 1) * 10_000


def keeping(some: Pool, *kept: int, before: bytes | None = None, weights: WeightScale = LEAST_MOVING) -> bytes:
    frontend = Frontend("web", "192.0.2.1", Transport.TCP, 80, (some,), weights=weights)
    return scale_keeping(some, frontend, frozenset(kept), before)


def test_equal_weights_are_one():
    assert programmed(pool(*[100] * 10)) == [1] * 10


def test_a_half_is_one_of_two():
    assert programmed(pool(100, 100, 50)) == [2, 2, 1]


def test_without_tolerance_the_proportions_are_exact():
    assert programmed(pool(100, 73), 0.0) == [100, 73]
    assert programmed(pool(60, 45, 30), 0.0) == [4, 3, 2]


def test_weights_that_are_nearly_equal_are_equal_within_the_tolerance():
    assert programmed(pool(100, 99)) == [1, 1]
    assert programmed(pool(100, 99), 1.0) == [51, 50]


def test_a_weight_of_zero_stays_zero_and_any_other_is_one_at_least():
    assert programmed(pool(0, 100, 50)) == [0, 2, 1]
    assert programmed(pool(0, 0)) == [0, 0]
    assert 0 not in scale_of(pool(100), LEAST_MOVING, 2.0)[1:]


def test_as_written_programs_the_weights_themselves():
    assert scale_of(pool(100, 50), WeightScale.AS_WRITTEN, 2.0) == AS_WRITTEN == bytes(range(101))


def test_each_pool_of_a_frontend_has_a_scale_of_its_own():
    pools = pool(100, 50, name="first"), pool(50, 50, name="second")
    frontend = Frontend("web", "192.0.2.1", Transport.TCP, 80, pools, weights=LEAST_MOVING)
    first, second = scales_of(frontend)
    assert (first[100], first[50], second[50]) == (2, 1, 1)


def test_how_many_backends_have_a_weight_does_not_matter():
    assert scale_of(pool(100, 73), LEAST_MOVING, 2.0) == scale_of(pool(*[73] * 40, 100), LEAST_MOVING, 2.0)


@given(weights=WEIGHTS, tolerance=TOLERANCES)
def test_every_subset_has_its_shares_within_the_tolerance(weights, tolerance):
    scale = smallest(weights, tolerance)
    assert spread(scale) <= tolerance
    # The extreme subset: one server against ever more of the one that is furthest from it.
    for one in weights:
        for other in weights:
            for many in (1, 3, 1000):
                wanted = Fraction(one, one + many * other)
                share = Fraction(scale[one], scale[one] + many * scale[other])
                assert abs(share / wanted - 1) * 10_000 <= tolerance


@settings(max_examples=25)
@given(weights=st.sets(st.integers(1, 24), min_size=1, max_size=3), tolerance=TOLERANCES)
def test_no_smaller_integers_are_within_the_tolerance(weights, tolerance):
    found = smallest(weights, tolerance)
    ordered = sorted(weights)

    def candidates(total: int, count: int):
        if count == 1:
            yield (total,)
            return
        for first in range(1, total - count + 2):
            yield from ((first, *rest) for rest in candidates(total - first, count - 1))

    for total in range(len(ordered), sum(found.values())):
        for numbers in candidates(total, len(ordered)):
            assert spread(dict(zip(ordered, numbers, strict=True))) > tolerance


@given(weights=WEIGHTS)
def test_no_tolerance_divides_by_the_greatest_common_divisor(weights):
    divisor = math.gcd(*weights)
    assert smallest(weights, 0) == {weight: weight // divisor for weight in weights}


def test_another_daemon_computes_the_same_scale():
    script = "from maglev.model.scale import smallest; print(sorted(smallest({100, 73, 41, 20, 7}, 200).items()))"
    for seed in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True
        )
        assert answer.stdout.strip() == str(sorted(smallest({7, 20, 41, 73, 100}, 200).items()))


# Weights set at run time


def test_an_override_takes_the_smallest_multiple_that_can_say_it():
    assert programmed(override(pool(100, 100, 100), 1, 30)) == [10, 3, 10]
    assert programmed(override(pool(100, 50, 100), 0, 25)) == [1, 2, 4]


def test_an_override_that_the_scale_can_say_changes_nothing_else():
    assert programmed(override(pool(100, 50, 100), 0, 50)) == [1, 1, 2]
    assert programmed(override(pool(100, 100), 0, 0)) == [0, 1]


def test_an_override_may_be_within_the_tolerance():
    assert programmed(override(pool(100, 100), 0, 99)) == [1, 1]
    assert programmed(override(pool(100, 100), 0, 37)) == [3, 8]


def test_an_override_that_no_multiple_can_say_is_written_as_it_is():
    some = pool(100, 73, 41, 20)
    assert programmed(override(some, 0, 99), 0.0) == [99, 73, 41, 20]


def test_overrides_of_a_pool_without_weights_are_a_scale_by_themselves():
    assert programmed(override(override(pool(0, 0), 0, 100), 1, 50)) == [2, 1]


@given(weights=WEIGHTS, other=st.integers(1, 100), tolerance=TOLERANCES)
def test_overrides_are_within_the_tolerance(weights, other, tolerance):
    some = override(pool(*sorted(weights), 100), 0, other)
    scale = scale_of(some, LEAST_MOVING, tolerance / 100)
    assert spread({each.weight: scale[each.weight] for each in some.members}) <= tolerance


# The length of the table


@pytest.mark.parametrize(
    ("weights", "length"),
    [
        ([], 1024),
        ([1] * 2, 1024),
        ([1] * 10, 1024),
        ([100] * 10, 1024),
        ([2] * 5 + [1] * 5, 2048),
        ([100] * 5 + [50] * 5, 32768),
        ([1] * 16, 2048),  # 1024 is divisible by 16, and not by 15
        ([1] * 100, 16384),
        ([1] * 1000, 65536),
    ],
)
def test_the_length_of_the_table_that_fits(weights, length):
    assert fitting_length([weights]) == length


def test_the_pool_that_needs_most_decides():
    assert fitting_length([[1] * 10, [1] * 100, [0]]) == 16384


@given(weights=st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_a_fitting_table_has_its_shares_within_a_hundredth(weights):
    length = fitting_length([weights])
    total = sum(weights)
    whole, rest = divmod(length, total) if total else (0, 0)
    line = [index for turn in range(6) for index, weight in enumerate(weights) if weight > turn]
    for index, weight in enumerate(weights):
        if weight:
            buckets = weight * whole + line[:rest].count(index)
            assert abs(Fraction(buckets * total, weight * length) - 1) <= Fraction(1, 100)


@given(weights=st.lists(st.integers(0, 12), min_size=1, max_size=12), bits=st.integers(0, 12))
def test_whether_the_shares_of_a_table_are_right_is_what_its_buckets_say(weights, bits):
    servers = {f"10.0.{7 * number % 11}.{number + 1}": weight for number, weight in enumerate(weights)}
    line = tuple(servers[address] for address in sorted(servers, key=stored))
    buckets, length, total = bucket_counts(servers, 1 << bits), 1 << bits, sum(weights)
    for error in (10, 50, 100):
        right = all(
            abs(Fraction(buckets[address] * total, weight * length) - 1) <= Fraction(1, error)
            for address, weight in servers.items()
            if weight
        )
        assert shares_within(line, length, error) is right


def test_a_table_that_the_replicas_divide_is_enough_for_a_live_vip():
    def equal(count):
        return {f"10.0.0.{number + 1}": 1 for number in range(count)}

    assert fitting_length([equal(32).values()]) == 4096
    assert 1024 in enough_lengths([equal(32)], 4096)
    assert enough_lengths([equal(25)], 4096) == ()
    assert enough_lengths([equal(32), equal(25)], 4096) == ()
    assert enough_lengths([equal(2)], 1024) == (2, 4, 8, 16, 32, 64, 128, 256)
    assert enough_lengths([{"10.0.0.1": 0}], 1024) == (1, 2, 4, 8, 16, 32, 64, 128, 256)


def test_the_order_of_the_addresses_decides_which_servers_have_one_bucket_more():
    # Of 3 + 1 + 1 replicas in 16 buckets, 1 remains after 3 rounds, for the first server of the line.
    ahead, behind = {"10.0.0.9": 3, "10.0.0.10": 1, "10.0.0.11": 1}, {"10.0.0.9": 1, "10.0.0.10": 1, "10.0.0.11": 3}
    assert list(bucket_counts(ahead, 16).values()) == [10, 3, 3]
    assert list(bucket_counts(behind, 16).values()) == [4, 3, 9]
    lines = [tuple(each[address] for address in sorted(each, key=stored)) for each in (ahead, behind)]
    assert [shares_within(line, 16, 10) for line in lines] == [True, False]


# Weights that are kept from before


def test_a_scale_that_says_what_is_kept_stays():
    base = scale_of(pool(100, 50), LEAST_MOVING, 2.0)
    assert keeping(pool(100, 50)) == keeping(pool(100, 50), 50, 99, before=AS_WRITTEN) == base


def test_what_is_kept_takes_the_scale_that_was_in_force_if_that_says_everything():
    assert keeping(pool(100, 100), 25, before=AS_WRITTEN) == AS_WRITTEN
    eighths = scale_of(pool(100, 50, 25, 12), LEAST_MOVING, 2.0)
    assert keeping(pool(100, 100), 25, before=eighths) == eighths


def test_what_is_kept_takes_the_smallest_multiple_otherwise():
    halves = scale_of(pool(100, 50), LEAST_MOVING, 2.0)
    for before in (None, halves):
        scale = keeping(pool(100, 100), 25, before=before)
        assert (scale[100], scale[25]) == (4, 1)
    # What was set at run time is said as well.
    scale = keeping(override(pool(100, 100), 0, 50), 25)
    assert (scale[100], scale[50], scale[25]) == (4, 2, 1)


def test_as_written_says_everything():
    assert keeping(pool(100, 100), 1, weights=WeightScale.AS_WRITTEN) == AS_WRITTEN


def test_a_pool_without_weights_tells_what_is_kept_as_it_is():
    assert keeping(pool(0, 0), 100, 50) == AS_WRITTEN


@given(WEIGHTS, WEIGHTS, WEIGHTS, TOLERANCES)
def test_what_is_kept_and_what_is_configured_have_their_shares(own, kept, old, tolerance):
    some = pool(*own)
    frontend = Frontend(
        "web", "192.0.2.1", Transport.TCP, 80, (some,), weights=LEAST_MOVING, weight_tolerance=tolerance / 100
    )
    before = scale_of(pool(*old), LEAST_MOVING, tolerance / 100)
    scale = scale_keeping(some, frontend, frozenset(kept), before)
    assert spread({weight: scale[weight] for weight in own | kept}) <= tolerance
    # Asked again, it is the same.
    assert scale_keeping(some, frontend, frozenset(kept), scale) == scale
