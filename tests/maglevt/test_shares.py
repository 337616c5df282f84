"""The share test: chi-square against tables, and what it says of answers."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.maglevt.measure.chi_square import upper_tail
from maglev.maglevt.measure.shares import NAMES_LIMIT, OTHERS, PERIOD_LIMIT, ShareCounts, Weights, share_result
from maglev.vpp.lb.table import bucket_counts

TABLE = [
    (1, 3.841, 0.05),
    (1, 6.635, 0.01),
    (1, 10.828, 0.001),
    (2, 5.991, 0.05),
    (2, 13.816, 0.001),
    (5, 1.145, 0.95),
    (5, 11.070, 0.05),
    (10, 18.307, 0.05),
    (10, 29.588, 0.001),
    (30, 43.773, 0.05),
    (50, 86.661, 0.001),
    (100, 77.929, 0.95),
    (100, 124.342, 0.05),
    (100, 149.449, 0.001),
]
"""Degrees of freedom, critical value, upper tail: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4."""


@pytest.mark.parametrize(("degrees", "value", "tail"), TABLE)
def test_the_tail_is_that_of_the_tables(degrees, value, tail):
    assert upper_tail(value, degrees) == pytest.approx(tail, rel=2e-3)


@given(st.floats(0, 200))
def test_the_tail_of_two_degrees_is_an_exponential(value):
    assert upper_tail(value, 2) == pytest.approx(math.exp(-value / 2), rel=1e-9, abs=1e-12)


def test_the_tail_at_its_ends():
    assert upper_tail(0.0, 3) == 1.0
    assert upper_tail(1e4, 3) == 0.0
    assert 0.0 <= upper_tail(1e-9, 1) <= 1.0


WEIGHTS = Weights(
    {"www1": 100, "www2": 50, "www3": 10, "spare": 0},
    {"www1": "198.51.100.11", "www2": "198.51.100.12", "www3": "2001:db8::13"},
)


def test_a_backend_is_known_by_its_name_its_host_name_or_its_address():
    assert WEIGHTS.backend_of("WWW1") == "www1"
    assert WEIGHTS.backend_of("www2.example.net") == "www2"
    assert WEIGHTS.backend_of(" 198.51.100.12 ") == "www2"
    assert WEIGHTS.backend_of("2001:DB8::13") == "www3"
    assert WEIGHTS.backend_of("www4") is None
    assert Weights({"a": 1, "a.b": 1}, {}).backend_of("a.b") == "a.b"


@pytest.mark.parametrize(
    ("weights", "length"),
    [((100, 50, 10), 1024), ((100, 100, 100, 50), 1024), ((1, 1), 1024), ((100, 100, 10), 64), ((2, 1, 0), 4)],
)
def test_shares_are_those_of_the_table_of_vpp(weights, length):
    servers = {f"198.51.100.{number}": weight for number, weight in enumerate(weights, 1)}
    expected = {name: count / length for name, count in bucket_counts(servers, length).items() if servers[name]}

    assert Weights(servers, {}, length).shares() == expected


def test_without_the_length_of_the_table_shares_are_those_of_the_weights():
    assert Weights({"a": 3, "b": 1, "c": 0}, {}).shares() == {"a": 0.75, "b": 0.25}


def test_answers_that_follow_the_weights():
    result = share_result({"www1": 640, "www2": 310, "www3": 74}, WEIGHTS)

    # 1024 answers: 640, 320 and 64 are expected.
    assert result.chi_square == pytest.approx(100 / 320 + 100 / 64)
    assert (result.follows, result.degrees, result.answers) == (True, 2, 1024)
    assert result.text == "answers follow the weights (chi2 1.9, 2 df, p 0.39)"


def test_answers_that_do_not():
    result = share_result({"www1": 500, "www2": 460, "www3": 64}, WEIGHTS)

    assert result.follows is False
    assert result.text.endswith("(chi2 91.9, 2 df, p < 0.001); www2 gave 44.9 % instead of 31.2 %")
    assert "do not follow" in result.text


def test_a_p_value_that_is_small_but_not_significant_has_three_digits():
    assert share_result({"www1": 640, "www2": 292, "www3": 86}, WEIGHTS).text.endswith("(chi2 10.0, 2 df, p 0.007)")


def test_answers_of_a_backend_without_weight_are_said_so():
    result = share_result({"www1": 600, "spare": 3, "www2": 300, "www3": 60}, WEIGHTS)

    assert result.follows is False
    assert result.text == "answers come from backends with weight 0: 3 from spare"


def test_backends_that_should_get_little_are_taken_together():
    weights = Weights({"large": 100, **{f"small{i}": 1 for i in range(8)}}, {})
    result = share_result({"large": 92, "small0": 8}, weights)

    # 100 answers: each of the small ones should get one, all of them 7.4. Five of them make a group, three are left.
    assert result.follows
    assert result.degrees == 1


def test_what_is_left_over_joins_the_last_group():
    weights = Weights({f"b{i}": 1 for i in range(21)}, {})
    result = share_result({f"b{i}": 3 for i in range(21)}, weights)

    assert result.answers == 63
    assert result.degrees == 9  # ten groups of two, and one of 21 is left
    assert result.chi_square == pytest.approx(0.0)
    assert not share_result({f"b{i}": 3 for i in range(20)} | {"b20": 30}, weights).follows


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ({}, "no answers count yet: after a change of weights, VPP must have forgotten the flows before it"),
        ({"www1": 30, "www2": 10}, "40 answers are too few to judge the weights"),
        ({"www1": 90, "": 10}, "10 of 100 answers do not say who gave them"),
        ({"www1": 90, "": 5, "proxy7": 10}, '15 of 105 answers are from no known backend, such as "proxy7"'),
    ],
)
def test_what_can_not_be_told_is_said_so(counts, text):
    result = share_result(counts, WEIGHTS)

    assert result.follows is None
    assert result.text == text


def test_one_backend_alone_has_no_shares():
    only = Weights({"www1": 100, "spare": 0}, {})

    assert share_result({"www1": 900}, only).text == "fewer than two backends have a weight"
    assert share_result({}, only).text == "no answers"


def test_a_fair_draw_is_rarely_doubted_and_an_unfair_one_nearly_always():
    generator = random.Random(15)

    def drawn(*weights):
        names = generator.choices(["www1", "www2", "www3"], weights, k=2000)
        return share_result(Counter(names), WEIGHTS).follows

    assert sum(drawn(100, 50, 10) for _ in range(200)) >= 198
    assert not any(drawn(100, 100, 10) for _ in range(50))


def test_a_change_of_weights_begins_a_new_period():
    shares = ShareCounts()
    assert shares.test().text == "the weights are not known"
    shares.begin(WEIGHTS, 0.0)
    for number in range(100):
        shares.add("www1", float(number))
    shares.begin(WEIGHTS, 50.0)
    assert shares.counts == {"www1": 100}

    shares.begin(Weights({"www1": 1, "www2": 1}, {}), 200.0)
    shares.add("www1", 199.0)
    shares.add("www2", 200.0)
    shares.add(None, 201.0)

    assert shares.counts == {"www2": 1, "": 1}


def test_a_long_period_is_divided_and_the_last_complete_part_is_tested():
    shares = ShareCounts()
    shares.begin(WEIGHTS, 0.0)
    for number in range(PERIOD_LIMIT):
        shares.add(("www1", "www2")[number % 3 == 0] if number % 16 else "www3", float(number))
    first = shares.test()
    shares.add("www3", 1e6)

    assert shares.counts.total() == 1
    assert shares.test() == first


def test_names_in_a_period_are_bounded():
    shares = ShareCounts()
    for number in range(NAMES_LIMIT + 10):
        shares.add(f"name-{number}", 0.0)

    assert shares.counts[OTHERS] == 10
