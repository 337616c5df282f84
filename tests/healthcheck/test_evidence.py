"""The log says which backends have had no result for too long, and when they have one again."""

import pytest
from twisted.internet.task import Clock

from maglev.healthcheck.evidence import LEAST, LOOK, QUIET, EvidenceWatch, overdue_after
from tests.fakes.logs import recorded_events


@pytest.fixture
def events():
    with recorded_events() as recorded:
        yield recorded


def told(events, name):
    return [fields for each, fields in events if each == name]


def test_how_long_is_too_long():
    assert overdue_after(60.0, 5.0) == 185.0
    assert overdue_after(1.0, 1.0) == LEAST


def test_thousands_of_backends_make_one_event_and_a_flapping_one_few(events):
    clock = Clock()
    heard = dict.fromkeys((f"b{number:04}" for number in range(5000)), 0.0)
    watch = EvidenceWatch(clock, lambda: ((name, since, 15.0) for name, since in heard.items()))
    watch.start()
    clock.pump([LOOK] * 3)
    for _ in range(10):
        watch.discarded("descriptors")
    watch.discarded("lag")
    clock.advance(LOOK)
    (event,) = told(events, "evidence-lost")
    assert (event["backends"], event["total"], event["oldest"]) == (5000, 5000, 20.0)
    assert event["reasons"] == "descriptors 10, lag 1"
    assert event["some"] == "b0000, b0001, b0002, b0003, b0004, ..."
    for turn in range(100):
        heard["b0000"] = clock.seconds() if turn % 2 else 0.0
        clock.advance(LOOK)
    spans = 100 * LOOK / QUIET
    assert 2 < len(told(events, "evidence-lost")) <= spans + 2
    assert 2 < len(told(events, "evidence-regained")) <= spans + 2
    watch.stop()
    watch.stop()
    assert clock.getDelayedCalls() == []


def test_what_was_heard_again_is_told_when_it_is_quiet(events):
    clock = Clock()
    heard = {"a": 0.0, "b": 0.0}
    watch = EvidenceWatch(clock, lambda: ((name, since, 15.0) for name, since in heard.items()))
    watch.start()
    clock.pump([LOOK] * 4)
    heard["a"] = clock.seconds()
    clock.advance(LOOK)
    (event,) = told(events, "evidence-regained")
    assert (event["backends"], event["total"], event["some"]) == (1, 1, "a")
    watch.stop()


def test_one_more_at_each_look_makes_no_event_at_each_look(events):
    clock = Clock()
    heard = {}
    watch = EvidenceWatch(clock, lambda: ((name, since, 15.0) for name, since in heard.items()))
    watch.start()
    clock.pump([LOOK] * 4)
    for turn in range(60):
        heard[f"b{turn}"] = 0.0
        clock.advance(LOOK)
    assert len(told(events, "evidence-lost")) == 60 * LOOK / QUIET
    watch.stop()
