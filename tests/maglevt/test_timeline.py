"""The timeline: the client's moments and the daemon's events on one axis."""

import pytest

from maglev.maglevt.measure.timeline import (
    CLIENT,
    DAEMON,
    ENTRIES_KEPT,
    Timeline,
    TimelineEntry,
    backends_in,
    event_words,
    placed,
)

AT = {"at": "2026-11-29T12:00:00.500Z", "seq": 7}
BY = {"who": "ada", "origin": "ssh", "reason": ""}

WWW1 = {"backend": "www1", "address": "10.0.0.1"}

EVENTS = [
    (
        {"type": "backend", **WWW1, "from": "up", "to": "down", "code": "L4CON", "detail": "refused"},
        "backend www1 10.0.0.1 up -> down L4CON refused",
    ),
    (
        {"type": "drain", **WWW1, "phase": "drained", "flows": 0, "detail": "0 flows\n", **BY},
        "drain www1 drained, 0 flows: 0 flows\\x0a by ada (ssh)",
    ),
    ({"type": "gap", "missed": 12}, "gap 12 events were missed here: they came faster than they were read"),
    ({"type": "frontend", "frontend": "web"}, "frontend event in a form that this version does not know"),
    ({"type": "guard", "frontend": "web", "kept": 7}, "guard event in a form that this version does not know"),
    ({"type": ["frontend"]}, None),
    ({"type": "snapshot", "kind": "backend", "name": "www1", "state": "up"}, None),
    ({"type": "log", "level": "info", "event": "x", "fields": {}}, None),
    ({"type": "of-a-newer-daemon"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("event", "text"), EVENTS)
def test_an_event_is_one_line_in_the_words_of_watch_events_without_its_time(event, text):
    assert event_words(AT | event) == text


def test_an_event_names_what_it_is_about():
    assert backends_in({"type": "weight", "frontend": "web", "backend": "www1"}) == {"web", "www1"}
    assert backends_in({"type": "reload"}) == set()


def test_an_event_is_placed_by_the_daemons_clock_unless_that_is_off():
    wall = 1796040000.5  # 2026-11-30T12:00:00.500Z
    assert placed("2026-11-30T12:00:00.400Z", wall, 100.0) == pytest.approx(99.9, abs=1e-6)
    assert placed("2026-11-30T12:00:00.600Z", wall, 100.0) == pytest.approx(100.1, abs=1e-6)
    assert placed("2026-11-30T11:59:00.400Z", wall, 100.0) == 100.0
    assert placed("", wall, 100.0) == 100.0


def entry(at, source=CLIENT):
    return TimelineEntry(at, source, f"at {at}")


def test_entries_are_in_the_order_of_their_times_whenever_they_come():
    timeline = Timeline()
    for each in (entry(3.0), entry(1.0), entry(2.0), entry(2.0, DAEMON)):
        timeline.add(each)

    assert [(each.at, each.source) for each in timeline] == [
        (1.0, CLIENT),
        (2.0, CLIENT),
        (2.0, DAEMON),
        (3.0, CLIENT),
    ]
    assert (len(timeline), timeline.dropped) == (4, 0)


def test_the_oldest_entries_are_dropped_and_counted():
    timeline = Timeline()
    for number in range(ENTRIES_KEPT + 3):
        timeline.add(entry(float(number)))

    assert (len(timeline), timeline.dropped) == (ENTRIES_KEPT, 3)
    assert next(iter(timeline)).at == 3.0
