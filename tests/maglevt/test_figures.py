"""Latencies, outages and the axis: figures that samples amount to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.maglevt.measure.histogram import LARGEST, PARTS, LatencyHistogram
from maglev.maglevt.measure.notices import OUTAGES_IN_WINDOW, WINDOW, OutageNotices
from maglev.maglevt.measure.outages import OUTAGES_KEPT, Outage, OutageBounds, OutageLog
from maglev.maglevt.measure.sample import Sample, SampleKind, SampleOrder
from maglev.maglevt.measure.shares import NAMES_LIMIT, OTHERS
from maglev.maglevt.measure.strip import SLOT, SLOTS, TimeStrip, marks
from maglev.maglevt.measure.vip_statistics import BOUNDS, VipStatistics

GOOD, FAILED, UNJUDGED = SampleKind.GOOD, SampleKind.FAILED, SampleKind.UNJUDGED


def sample(kind=GOOD, at=0.0, took=0.01, late=0.0, code="L7OK", **more):
    """Return a sample that was due at a moment, began late, and took a while from then."""
    return Sample(kind, at, at + late, at + late + took, code, **more)


# Order


def test_samples_come_in_the_order_of_their_schedule():
    order = SampleOrder()
    first, second, third = (sample(at=at) for at in (0.0, 1.0, 2.0))

    assert order.add(1, second) == []
    assert order.add(0, first) == [first, second]
    assert order.add(2, third) == [third]


# Latencies


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 1))
def test_a_quantile_is_off_by_less_than_a_bucket(values, share):
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]

    assert exact - 1e-6 <= histogram.quantile(share) <= exact * (1 + 1 / PARTS) + 1e-6


def test_the_largest_value_is_exact_and_nothing_is_too_large_or_too_small():
    histogram = LatencyHistogram()
    assert histogram.quantile(0.5) is None

    for value in (-1.0, 0.1234567, 1e9):
        histogram.add(value)

    assert histogram.largest == 1e9
    assert histogram.count == 3
    assert histogram.quantile(0) == 0.0
    assert histogram.quantile(1) == pytest.approx(LARGEST / 1e6, rel=1 / PARTS)


def test_a_histogram_of_everything_has_a_bounded_number_of_buckets():
    histogram = LatencyHistogram()
    for exponent in range(20_000):
        histogram.add(1e-7 * 1.0015**exponent)

    assert len(histogram._buckets) <= 2000


# Outages


def logged(*samples):
    log = OutageLog()
    return log, [outage for each in samples if (outage := log.add(each)) is not None]


def test_an_outage_is_from_the_start_of_the_first_failure_to_the_end_of_the_first_answer():
    log, _ = logged(
        sample(at=0.0),
        sample(FAILED, at=1.0, took=0.9, late=0.05, code="L4TOUT", detail="no connection in time"),
        sample(FAILED, at=1.5, took=0.9, code="L4TOUT"),
        sample(at=2.0, took=0.25),
        sample(FAILED, at=3.0, code="L4CON"),
        sample(at=3.1),
    )

    assert log.count == 2
    assert log.longest.seconds == pytest.approx(2.25 - 1.05)
    assert (log.longest.failed, log.longest.code) == (2, "L4TOUT")
    assert [each.failed for each in log.latest] == [2, 1]
    assert log.current is None


def test_a_lost_request_between_answers_is_an_outage_until_the_next_answer_and_not_until_its_timeout():
    log, _ = logged(sample(), sample(FAILED, at=1.0, took=0.9), sample(at=1.05))

    assert log.longest.seconds == pytest.approx(0.06)


def test_requests_that_say_nothing_neither_begin_nor_end_an_outage():
    log, changes = logged(
        sample(UNJUDGED), sample(FAILED, at=1.0), sample(UNJUDGED, at=2.0), sample(FAILED, at=3.0), sample(at=4.0)
    )

    assert len(changes) == 2
    assert log.longest.seconds == pytest.approx(3.01)


def test_an_outage_that_goes_on_counts_as_far_as_it_is_known():
    log, _ = logged(sample(FAILED, at=0.0), sample(at=0.5), sample(FAILED, at=1.0), sample(FAILED, at=3.0, took=0.5))

    assert log.longest is log.current
    assert log.longest.seconds == pytest.approx(2.5)


def test_the_first_of_equal_outages_stays_the_longest_and_only_the_latest_are_kept():
    log = OutageLog()
    for number in range(OUTAGES_KEPT + 5):
        log.add(sample(FAILED, at=2.0 * number))
        log.add(sample(at=2.0 * number + 1 - 1e-3 * (number > 0)))

    assert log.longest.start == 0.0
    assert log.count == OUTAGES_KEPT + 5
    assert len(log.latest) == OUTAGES_KEPT


SAMPLES = st.lists(st.tuples(st.sampled_from(SampleKind), st.floats(0.001, 2.0), st.floats(0, 0.3)), max_size=30)


def longest_of(samples):
    """Return the longest outage by the definition, of samples that are all judged."""
    longest, start, latest = 0.0, None, 0.0
    for each in samples:
        if each.kind is FAILED:
            start = each.started if start is None else start
            latest = max(latest, each.ended)
        elif start is not None:
            longest, start, latest = max(longest, each.ended - start), None, 0.0
    return max(longest, latest - start) if start is not None else longest


@given(SAMPLES)
def test_the_bounds_hold_whatever_became_of_requests_that_say_nothing(drawn):
    samples = [sample(kind, at=0.1 * i, took=took, late=late) for i, (kind, took, late) in enumerate(drawn)]
    bounds = OutageBounds()
    for each in samples:
        bounds.add(each, 0.05)

    def as_if(kind):
        # One that was good would have been answered when it was sent.
        return [each if each.kind is not UNJUDGED else sample(kind, each.scheduled, took=0.0) for each in samples]

    assert bounds.at_least <= longest_of(as_if(GOOD)) + 1e-9
    assert bounds.at_most >= longest_of(as_if(FAILED)) - 1e-9
    assert bounds.at_least <= bounds.at_most + 1e-9


def test_a_stall_of_our_own_hides_no_outage():
    bounds = OutageBounds()
    for number in range(10):
        late = 0.8 - 0.1 * number if 1 < number < 9 else 0.0
        bounds.add(sample(at=0.1 * number, late=max(0.0, late)), 0.1)

    assert bounds.at_least == 0.0
    assert bounds.at_most == pytest.approx(0.81 - 0.2, abs=0.1)


# Entries of the timeline


def outage(at, seconds=None):
    return Outage(at, "L4CON", "connection refused", at, None if seconds is None else at + seconds, failed=2)


def test_an_outage_is_two_entries():
    notices = OutageNotices("web")

    assert notices.entry(outage(1.0)).text == "requests fail: L4CON connection refused"
    ended = notices.entry(outage(1.0, 0.25))
    assert (ended.at, ended.text, ended.vip) == (1.25, "answers again after 250 ms; 2 requests failed", "web")
    assert not ended.bad


def test_outages_by_the_dozen_are_one_entry_until_it_is_quieter():
    notices = OutageNotices("web")
    entries = []
    for number in range(50):
        entries += [notices.entry(outage(0.1 * number)), notices.entry(outage(0.1 * number, 0.05))]
    entries = [each for each in entries if each is not None]

    assert len(entries) == 2 * OUTAGES_IN_WINDOW + 1
    assert "by turns" in entries[-1].text
    assert notices.entry(outage(4.95, 2.0)).text == "answers again after 2 s; 2 requests failed"
    assert notices.entry(outage(5.0 + WINDOW)) is not None
    assert notices.entry(outage(5.0 + WINDOW, 1.0)) is not None


# The axis


def test_the_axis_shows_what_became_of_requests():
    strip = TimeStrip(10.0)
    for at, kind in ((10.0, GOOD), (10.15, FAILED), (10.25, GOOD), (10.26, FAILED), (10.35, UNJUDGED)):
        strip.add(at, kind)

    assert marks(strip.counts(10.0, 10.5, 5)) == ".x+? "
    assert marks(strip.counts(10.0, 10.5, 1)) == "+"
    assert marks(strip.counts(9.5, 10.5, 2)) == " +"
    assert marks([(1, 0, 1), (1, 1, 1), (0, 1, 1)]) == ".+x"


def test_slots_are_joined_when_they_become_too_many():
    strip = TimeStrip(0.0)
    strip.add(0.05, FAILED)
    strip.add(SLOT * SLOTS * 4.5, GOOD)

    assert strip.width == SLOT * 8
    assert len(strip._slots) <= SLOTS
    assert marks(strip.counts(0.0, SLOT * SLOTS * 8, 8)) == "x   .   "


# All of it


def test_the_figures_of_a_vip():
    figures = VipStatistics("web", 0.0, 10.0, slow=0.05)
    assert figures.achieved_rate == 0.0
    for each in (
        sample(at=0.0, took=0.01, who="www1"),
        sample(at=0.1, took=0.04, late=0.02),
        sample(FAILED, at=0.2, code="L4CON", detail="connection refused"),
        sample(UNJUDGED, at=0.3, code="unsent"),
        sample(at=0.4, took=0.06, who="www2"),
    ):
        figures.add(each)

    assert (figures.good, figures.failed, figures.total) == (3, 1, 5)
    assert (figures.failures, figures.unjudged) == ({"L4CON": 1}, {"unsent": 1})
    assert figures.achieved_rate == pytest.approx(10.0 * 4 / 5)
    assert (figures.slow_at_least, figures.slow_at_most) == (2, 4)
    assert figures.latest_failure == "L4CON connection refused"
    assert figures.answers == {"www1": 1, "www2": 1, "": 1}
    assert sum(figures.buckets) == 3
    assert len(figures.buckets) == len(BOUNDS) + 1
    assert figures.lateness == pytest.approx(0.02)


def test_names_of_those_who_answer_are_bounded():
    figures = VipStatistics("web", 0.0, 10.0)
    for number in range(NAMES_LIMIT + 10):
        figures.add(sample(at=0.1 * number, who=f"name-{number}"))

    assert len(figures.answers) == NAMES_LIMIT + 1
    assert figures.answers[OTHERS] == 10
