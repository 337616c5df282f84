"""Promises: kept, broken, or not to be tested; and the notices and lines about them."""

import pytest

from maglev.maglevt.measure.promises import Promises, duration, exit_status, judge, percent
from maglev.maglevt.measure.sample import Sample, SampleKind
from maglev.maglevt.measure.shares import Weights
from maglev.maglevt.measure.vip_statistics import VipStatistics

GOOD, FAILED, UNJUDGED = SampleKind.GOOD, SampleKind.FAILED, SampleKind.UNJUDGED


def figures_of(*kinds, rate=20.0, slow=None, took=0.01, late=0.0):
    """Return the figures of requests that became this, in that order."""
    figures = VipStatistics("web", 0.0, rate, slow)
    for number, kind in enumerate(kinds):
        due = number / rate
        code = {GOOD: "L7OK", FAILED: "L4CON", UNJUDGED: "unsent"}[kind]
        figures.add(Sample(kind, due, due + late, due + late + took, code))
    return figures


def many(good, failed=0, unjudged=0):
    return (*(GOOD,) * good, *(FAILED,) * failed, *(UNJUDGED,) * unjudged)


def verdict(promises, figures):
    (only,) = judge(promises, figures)
    return only.verdict.value, only.text


@pytest.mark.parametrize(
    ("limit", "counts", "expected"),
    [
        (0.001, (1200,), ("kept", "0 of 1,200 failed")),
        (0.001, (1199, 1), ("kept", "1 of 1,200 failed")),
        (0.001, (1198, 2), ("broken", "2 of 1,200 failed (0.167 %)")),
        (0.001, (600,), ("could not test", "600 requests are too few: 1,000 are needed")),
        # One failure of ten does not prove that more than one of a thousand fail; two do.
        (0.001, (9, 1), ("could not test", "10 requests are too few: 1,000 are needed")),
        (0.001, (8, 2), ("broken", "2 of 10 failed (20 %)")),
        (0.0, (100,), ("kept", "0 of 100 failed")),
        (0.0, (9, 1), ("broken", "1 of 10 failed (10 %)")),
        (0.0, (99,), ("could not test", "99 requests are too few: 100 are needed")),
        (0.5, (0,), ("could not test", "0 requests are too few: 100 are needed")),
        # What says nothing may have failed, or not.
        (0.01, (990, 5, 5), ("kept", "10 of 1,000 failed")),
        (
            0.01,
            (989, 5, 6),
            ("could not test", "6 of 1,000 requests say nothing about it (unsent 6)"),
        ),
        (0.01, (980, 11, 9), ("broken", "11 of 1,000 failed (1.1 %)")),
        (0.0, (200, 0, 1), ("could not test", "1 of 201 requests say nothing about it (unsent 1)")),
    ],
)
def test_how_many_may_fail(limit, counts, expected):
    assert verdict(Promises(max_fail=limit), figures_of(*many(*counts))) == expected


def test_a_gap_is_from_the_first_failure_to_the_next_answer():
    figures = figures_of(*many(60), *many(0, 8), *many(60))

    assert verdict(Promises(max_gap=0.5), figures) == ("kept", "no answer for 410 ms at most")
    assert verdict(Promises(max_gap=0.4), figures) == ("broken", "no answer for 410 ms")
    assert verdict(Promises(max_gap=0.5), figures_of(*many(120))) == ("kept", "no outage")


def test_a_gap_that_may_have_been_is_not_tested():
    figures = figures_of(*many(60), *many(0, 4, 4), *many(60))

    assert verdict(Promises(max_gap=0.15), figures)[0] == "broken"
    assert verdict(Promises(max_gap=0.3), figures) == (
        "could not test",
        "it may have been up to 410 ms: 4 of 128 requests say nothing about it (unsent 4)",
    )
    assert verdict(Promises(max_gap=0.5), figures)[0] == "kept"


def test_a_gap_needs_requests_often_enough_and_enough_of_them():
    assert verdict(Promises(max_gap=0.05), figures_of(*many(200))) == (
        "could not test",
        "a gap of 50 ms shows at a rate of 40 or more only",
    )
    assert verdict(Promises(max_gap=0.5), figures_of(*many(99)))[1] == "99 requests are too few: 100 are needed"


def test_a_stall_of_this_program_hides_no_gap():
    figures = figures_of(*many(200), late=0.3)

    assert verdict(Promises(max_gap=0.2), figures) == (
        "could not test",
        "it may have been up to 310 ms: requests began late by up to 300 ms",
    )


def test_a_request_that_fails_is_not_answered_in_time():
    promises = Promises(p99=0.05)

    assert verdict(promises, figures_of(*many(198, 2), slow=0.05)) == ("kept", "2 of 200 not answered within 50 ms")
    assert verdict(promises, figures_of(*many(197, 3), slow=0.05)) == (
        "broken",
        "3 of 200 not answered within 50 ms (1.5 %)",
    )
    assert verdict(promises, figures_of(*many(200), slow=0.05, took=0.06))[0] == "broken"
    # Answered 10 ms after they were sent, but sent late.
    assert verdict(promises, figures_of(*many(200), slow=0.05, late=0.045))[0] == "could not test"


def test_shares_are_a_promise():
    figures = figures_of()
    assert verdict(Promises(shares=True), figures) == ("could not test", "the weights are not known")
    figures.shares.begin(Weights({"a": 1, "b": 1}, {}), 0.0)
    for number in range(200):
        figures.shares.add("ab"[number % 2], 0.0)
    assert verdict(Promises(shares=True), figures)[0] == "kept"
    for _ in range(100):
        figures.shares.add("a", 0.0)
    assert verdict(Promises(shares=True), figures)[0] == "broken"


def test_the_exit_status_is_that_of_the_worst():
    kept, broken, untested = (
        judge(Promises(max_fail=0.01), figures_of(*many(*counts))) for counts in ((200,), (100, 100), (10,))
    )

    assert exit_status([]) == 0
    assert exit_status(kept) == 0
    assert exit_status(kept + untested) == 2
    assert exit_status(untested + broken + kept) == 1


def test_nothing_is_judged_that_was_not_promised():
    assert judge(Promises(), figures_of(*many(5))) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ms"), (0.00123, "1.23 ms"), (0.412, "412 ms"), (0.9996, "1 s"), (12.34, "12.3 s"), (86400, "86400 s")],
)
def test_seconds_have_the_unit_that_suits(seconds, text):
    assert duration(seconds) == text


def test_percentages_have_the_digits_that_matter():
    assert (percent(0.001), percent(0.12345), percent(1.0)) == ("0.1 %", "12.3 %", "100 %")
