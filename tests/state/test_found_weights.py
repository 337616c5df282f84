"""What the weights found in VPP mean, whichever scale they were programmed by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.config import WeightScale
from maglev.model.scale import AS_WRITTEN as AS_IT_IS
from maglev.model.scale import scales_of
from maglev.state.found_weights import effective_weights, understood
from maglev.state.reweighted import reweighted
from tests.fakes.configs import make_frontend

AS_WRITTEN, LEAST_MOVING = WeightScale
ABCD = (("a", 7), ("b", 9), ("c", 90), ("d", 80))
ADDRESSES = {name: f"10.0.0.{number}" for number, name in enumerate("abcdef", 1)}


def meaning(weights, found, *pools, **changes):
    """Return the effective weights that found ones mean, by name."""
    frontend = make_frontend(pools=pools, weights=weights, **changes)
    addresses = {name: ADDRESSES[name] for name in frontend.backends}
    known = {ADDRESSES.get(name, name): weight for name, weight in found.items()}
    names = {address: name for name, address in ADDRESSES.items()}
    meant = effective_weights(frontend, addresses, known)
    return {names.get(address, address): weight for address, weight in meant.items()}


@pytest.mark.parametrize("weights", WeightScale)
def test_a_restart_without_a_change_finds_what_it_left(weights):
    pools = ((("a", 100), ("b", 50), ("c", 0)), (("d", 30),))
    scales = scales_of(make_frontend(pools=pools, weights=weights))
    found = {"a": scales[0][100], "b": scales[0][50], "c": 0, "d": scales[1][30]}
    assert meaning(weights, found, *pools) == {"a": 100, "b": 50, "c": 0, "d": 30}


def test_what_was_programmed_as_written_is_understood_as_such():
    assert meaning(LEAST_MOVING, {"a": 100, "b": 50}, (("a", 100), ("b", 50))) == {"a": 100, "b": 50}


def test_what_was_programmed_by_a_scale_is_understood_without_one():
    pool = (("a", 100), ("b", 100), ("c", 50))
    assert meaning(AS_WRITTEN, {"a": 2, "b": 2, "c": 1}, pool) == {"a": 100, "b": 100, "c": 50}
    # One that was set at run time has its share, too.
    assert meaning(AS_WRITTEN, {"a": 2, "b": 2, "c": 2}, pool) == {"a": 100, "b": 100, "c": 100}


def test_without_a_scale_what_half_of_the_servers_agree_with_is_taken_as_it_is():
    # One was set at run time: the unit is the same.
    assert meaning(AS_WRITTEN, {"a": 37, "b": 50}, (("a", 100), ("b", 50))) == {"a": 37, "b": 50}
    assert meaning(AS_WRITTEN, {"a": 7, "b": 9, "c": 20, "d": 5}, ABCD) == {"a": 7, "b": 9, "c": 20, "d": 5}
    assert meaning(AS_WRITTEN, {"a": 255, "b": 50}, (("a", 100), ("b", 50))) == {"a": 100, "b": 50}


UNKNOWN_UNITS = [
    # The option and one weight of the file have changed.
    ((4, 2, 1), (100, 60, 25), (100, 50, 25)),
    ((1, 1, 1), (100, 100, 50), (100, 100, 100)),
    # a had 37 at run time, which had doubled the scale.
    ((3, 4, 2), (100, 50, 25), (38, 50, 25)),
    # However large one change is, the unit is that of the others.
    ((90, 1, 1), (20, 10, 10), (100, 10, 10)),
]
AS_THEY_ARE = [
    # One server agrees by chance, as 2 is 2.
    ((4, 2, 1), (100, 2, 25), (100, 50, 25)),
    # Nothing is right for most: what is proved and what is not are of one size in total.
    ((40, 8), (90, 78), (100, 28)),
    ((10, 20, 30, 40), (60, 20, 25, 10), (9, 18, 27, 36)),
    ((2,), (70,), (70,)),
    # What stood alone with a large weight has a small one.
    ((100,), (1,), (1,)),
    # The file has other weights for most, or all, of what was programmed as written.
    ((1, 10, 10), (1, 100, 100), (1, 10, 10)),
    ((10, 10, 10), (10, 1, 1), (1, 1, 1)),
    ((100, 10, 10), (100, 100, 100), (100, 100, 100)),
    ((1, 2, 3), (1, 3, 5), (2, 3, 5)),
]
"""Weights in VPP, those of the file, and what the first mean if there is a scale; without one, these as well."""


@pytest.mark.parametrize(("found", "file", "meant"), UNKNOWN_UNITS)
def test_weights_of_a_scale_that_is_no_longer_known_are_multiplied_by_one_factor(found, file, meant):
    pool = tuple(zip("abcd", file, strict=False))
    for weights in WeightScale:
        assert meaning(weights, dict(zip("abcd", found, strict=False)), pool) == dict(zip("abcd", meant, strict=False))


@pytest.mark.parametrize(("found", "file", "meant"), AS_THEY_ARE)
def test_what_can_have_been_programmed_as_written_stays_as_it_is_without_a_scale(found, file, meant):
    pool = tuple(zip("abcd", file, strict=False))
    held = dict(zip("abcd", found, strict=False))
    assert meaning(AS_WRITTEN, held, pool) == held
    if found != (1, 10, 10):  # of which most agree with the scale
        assert meaning(LEAST_MOVING, held, pool) == dict(zip("abcd", meant, strict=False))


def test_with_a_scale_other_weights_keep_their_proportions():
    found = {"a": 10, "b": 10, "c": 3}
    assert meaning(LEAST_MOVING, found, (("a", 100), ("b", 100), ("c", 100))) == {"a": 100, "b": 100, "c": 30}


def test_the_unit_is_that_of_the_pool_that_most_servers_are_in():
    pools = ((("a", 10), ("b", 10)), (("c", 90), ("d", 60), ("e", 30)))
    # c, d and e serve; b was not proved yet, and 10.0.9.9 has left the file. a and f have no weight in VPP.
    found = {"a": 0, "b": 4, "c": 16, "d": 14, "e": 8, "10.0.9.9": 4}
    assert meaning(LEAST_MOVING, found, *pools) == {"a": 0, "b": 17, "c": 69, "d": 60, "e": 34, "10.0.9.9": 17}


def test_without_a_server_of_the_file_the_largest_found_is_the_largest_of_the_file():
    assert meaning(LEAST_MOVING, {"10.0.9.8": 8, "10.0.9.9": 2}, (("a", 60), ("b", 10))) == {
        "10.0.9.8": 60,
        "10.0.9.9": 15,
    }
    assert meaning(LEAST_MOVING, {"10.0.9.9": 7, "a": 0}, (("a", 0),)) == {"10.0.9.9": 100, "a": 0}
    assert meaning(LEAST_MOVING, {"a": 0}, (("a", 50),)) == {"a": 0}


def test_servers_that_are_not_in_the_file_are_understood_as_the_others_are():
    pool = (("a", 100), ("b", 50))
    assert meaning(LEAST_MOVING, {"a": 2, "10.0.9.9": 1}, pool) == {"a": 100, "10.0.9.9": 50}
    assert meaning(LEAST_MOVING, {"a": 100, "b": 50, "10.0.9.9": 30}, pool)["10.0.9.9"] == 30
    assert meaning(LEAST_MOVING, {"10.0.9.9": 1}, pool) == {"10.0.9.9": 100}
    assert meaning(LEAST_MOVING, {"10.0.9.9": 1}, (("a", 0),)) == {"10.0.9.9": 100}


def test_a_server_that_is_not_in_the_file_is_understood_by_the_scale_of_the_first_pool_with_weights():
    assert meaning(LEAST_MOVING, {"b": 2, "10.0.9.9": 1}, (("a", 0),), (("b", 100), ("c", 50)))["10.0.9.9"] == 50


@given(found=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 255)), weights=st.sampled_from(WeightScale))
def test_what_serves_goes_on_and_what_does_not_stays_out(found, weights):
    pools = ((("a", 100), ("b", 40), ("c", 0)), (("d", 7), ("a", 20)))
    meant = meaning(weights, found, *pools)
    assert {name for name, weight in meant.items() if weight} == {name for name, weight in found.items() if weight}
    assert all(0 <= weight <= 100 for weight in meant.values())
    assert found.keys() == meant.keys()


@given(
    file=st.lists(st.integers(1, 100), min_size=6, max_size=6),
    edited=st.dictionaries(st.integers(0, 5), st.integers(1, 100), max_size=2),
    set_at_run_time=st.dictionaries(st.integers(0, 5), st.integers(1, 100), max_size=1),
    ways=st.tuples(st.sampled_from(WeightScale), st.sampled_from(WeightScale)),
    proved=st.sets(st.integers(0, 5)),
)
def test_a_change_of_anything_leaves_the_shares_of_what_was_not_proved(file, edited, set_at_run_time, ways, proved):
    old = make_frontend(pools=(tuple(zip(ADDRESSES, file, strict=True)),), weights=ways[0])
    for index, weight in set_at_run_time.items():
        old = reweighted(old, "pool0", "abcdef"[index], weight)
    (scale,) = scales_of(old)
    found = [scale[member.weight] for member in old.pools[0].members]
    now = [edited.get(index, weight) for index, weight in enumerate(file)]
    meant = list(
        meaning(ways[1], dict(zip(ADDRESSES, found, strict=True)), tuple(zip(ADDRESSES, now, strict=True))).values()
    )
    factors = [weight / held for weight, held in zip(now, found, strict=True)]
    # Each is held at the factor of some scale, or of the file, within the tolerance of scales and half a unit; so they
    # keep their proportions, but for what would be more than 100.
    everything = range(6)
    exact = [each for each in everything if meant[each] < 100]
    low = max((meant[each] - 0.5) / found[each] for each in exact) if exact else 0
    high = min((meant[each] + 0.5) / found[each] for each in exact) if exact else 100
    assert low <= high * 1.05
    # At least one server of the file was found at no less, and one at no more: what is proved and what is not are told
    # in one unit; but for what is left as it is, since it can have been programmed as written.
    if ways[1] is LEAST_MOVING or meant != found:
        assert min(factors) <= high * 1.05
        assert low <= max(factors) * 1.05
    # Proved are: the configured weight; not proved: what it means. The latter never lose more than those proved gain.
    weights = [now[each] if each in proved else meant[each] for each in everything]
    for each in set(everything) - proved:
        if meant[each] == 100:
            assert meant[each] >= now[each]
            continue
        share, before = weights[each] / sum(weights), found[each] / sum(found)
        growth = max([now[other] / meant[other] for other in proved] + [1])
        assert share >= before / growth / 1.05 * (meant[each] - 0.5) / meant[each]


@pytest.mark.parametrize(
    ("weights", "found", "scale"),
    [
        (LEAST_MOVING, (100, 100, 1), AS_IT_IS),
        (LEAST_MOVING, (1, 1, 3), None),
        (LEAST_MOVING, (4, 4, 2), None),
        (AS_WRITTEN, (1, 1, 1), None),
        (AS_WRITTEN, (100, 100, 1), None),
    ],
)
def test_the_scale_that_was_found_is_said_if_it_is_that_of_weights_as_they_are(weights, found, scale):
    frontend = make_frontend(pools=(("a", "b", "c"),), weights=weights)
    addresses = {name: ADDRESSES[name] for name in "abc"}
    programmed = {ADDRESSES[name]: weight for name, weight in zip("abc", found, strict=True)}
    assert understood(frontend, addresses, programmed).scale == scale
