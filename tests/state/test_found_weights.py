"""What the weights found in VPP mean, whichever scale they were programmed by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.config import WeightScale
from maglev.model.scale import scales_of
from maglev.state.found_weights import effective_weights
from tests.fakes.configs import make_frontend

AS_WRITTEN, LEAST_MOVING = WeightScale
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


def test_without_a_scale_other_weights_are_taken_as_they_are():
    assert meaning(AS_WRITTEN, {"a": 40, "b": 7}, (("a", 100), ("b", 100))) == {"a": 40, "b": 7}
    assert meaning(AS_WRITTEN, {"a": 255}, (("a", 100),)) == {"a": 100}


def test_with_a_scale_other_weights_keep_their_proportions():
    found = {"a": 10, "b": 10, "c": 3}
    assert meaning(LEAST_MOVING, found, (("a", 100), ("b", 100), ("c", 100))) == {"a": 100, "b": 100, "c": 30}


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
