"""The Maglev table: the counts that VPP itself asserts, and what must hold of any table."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.vpp.lb.table import bucket_counts, disturbed, flow_table, owner_indexes, stored

FOUR = {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 100, "10.0.0.4": 50}

LENGTHS = st.sampled_from([1, 2, 8, 64, 256])
WEIGHTS = st.dictionaries(
    st.integers(1, 250).map("10.0.0.{}".format), st.integers(0, 20), min_size=1, max_size=6
)  # fmt: skip


def test_buckets_are_those_that_vpp_asserts_for_unequal_weights():
    assert bucket_counts(FOUR, 1024) == {"10.0.0.1": 292, "10.0.0.2": 291, "10.0.0.3": 291, "10.0.0.4": 150}


def test_buckets_are_those_that_vpp_asserts_when_one_is_drained():
    weights = {"10.0.0.1": 50, "10.0.0.2": 0, "10.0.0.3": 100, "10.0.0.4": 100}
    assert bucket_counts(weights, 1024) == {"10.0.0.1": 208, "10.0.0.2": 0, "10.0.0.3": 408, "10.0.0.4": 408}


def test_the_order_of_the_servers_does_not_matter():
    shuffled = list(FOUR.items())
    random.Random(1).shuffle(shuffled)
    assert flow_table(dict(shuffled), 1024) == flow_table(FOUR, 1024)


def test_nobody_owns_anything_when_all_weights_are_zero():
    assert flow_table({"10.0.0.1": 0, "2001:db8::1": 0}, 4) == [None] * 4


def test_a_table_without_servers_is_empty():
    assert flow_table({}, 2) == [None, None]


def test_ipv6_servers_get_shares_too():
    counts = bucket_counts({"2001:db8::1": 100, "2001:db8::2": 100}, 1024)
    assert counts == {"2001:db8::1": 512, "2001:db8::2": 512}


def test_a_small_weight_gets_nearly_a_full_share_when_the_table_is_too_short():
    weights = {f"10.0.0.{number}": 100 for number in range(1, 100)} | {"10.0.0.100": 10}
    assert bucket_counts(weights, 1024)["10.0.0.100"] == 10
    assert bucket_counts(weights, 16384)["10.0.0.100"] < 30


def test_weights_beyond_the_table_are_not_looked_at():
    assert owner_indexes([(stored("10.0.0.1"), 255), (stored("10.0.0.2"), 255)], 1) == [0]


@pytest.mark.parametrize("length", [0, -1, 3, 1000])
def test_a_length_that_is_not_a_power_of_two_is_refused(length):
    with pytest.raises(ValueError, match="power of two"):
        flow_table(FOUR, length)


def test_an_ipv4_address_is_kept_in_the_last_four_bytes():
    assert stored("192.0.2.1") == bytes(12) + b"\xc0\x00\x02\x01"


@given(WEIGHTS, LENGTHS)
def test_every_replica_gets_its_turn_as_often_as_any_other_give_or_take_one(weights, length):
    counts = bucket_counts(weights, length)
    total = sum(weights.values())
    assert sum(counts.values()) == (length if total else 0)
    if total and total <= length:
        for address, weight in weights.items():
            assert weight * (length // total) <= counts[address] <= weight * -(-length // total)


@given(WEIGHTS, LENGTHS)
def test_a_server_without_weight_changes_nothing(weights, length):
    assert flow_table({**weights, "192.0.2.99": 0}, length) == flow_table(weights, length)


@pytest.mark.parametrize(("weight", "length", "least", "most"), [
    (100, 1024, 0.150, 0.175), (1, 1024, 0.024, 0.036),
    (100, 4096, 0.130, 0.146), (1, 4096, 0.010, 0.015),
    (100, 65536, 0.033, 0.037), (1, 65536, 0.002, 0.0032),
])  # fmt: skip
def test_small_weights_disturb_the_servers_that_stay_less(weight, length, least, most):
    ten = {f"10.0.0.{number}": weight for number in range(1, 11)}
    assert least < disturbed(ten, ten | {"10.0.0.1": 0}, length) < most


def test_nothing_is_disturbed_where_nothing_changes_or_nobody_stays():
    assert disturbed({"10.0.0.1": 1, "10.0.0.2": 1}, {"10.0.0.2": 1, "10.0.0.1": 1}, 1024) == 0.0
    assert disturbed({"10.0.0.1": 1}, {"10.0.0.1": 0, "10.0.0.2": 1}, 1024) == 0.0
