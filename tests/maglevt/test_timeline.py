"""The timeline: the client's moments and the daemon's events on one axis."""

import pytest

from maglev.maglevt.measure.timeline import (
    CLIENT,
    DAEMON,
    ENTRIES_KEPT,
    Timeline,
    TimelineEntry,
    backends_in,
    event_text,
    placed,
)

AT = {"at": "2026-11-29T12:00:00.500Z", "seq": 7}
BY = {"who": "ada", "origin": "ssh", "reason": ""}

EVENTS = [
    (
        {"type": "backend", "backend": "www1", "from": "up", "to": "down", "code": "L4CON", "detail": "refused"},
        "backend www1 up -> down (L4CON refused)",
    ),
    (
        {"type": "backend", "backend": "www1", "from": "up", "to": "paused", "code": "paused", "detail": ""},
        "backend www1 up -> paused (paused)",
    ),
    (
        {
            "type": "check",
            "backend": "www1",
            "healthcheck": "gre",
            "from": "up",
            "to": "down",
            "code": "L4CON",
            "detail": "refused",
        },
        "check gre of backend www1 up -> down (L4CON refused)",
    ),
    ({"type": "frontend", "frontend": "web", "from": "up", "to": "down"}, "frontend web up -> down"),
    (
        {"type": "override", "action": "set", "object": "backend www1", "value": "drain", **BY},
        "override set: backend www1 drain by ada",
    ),
    (
        {"type": "weight", "frontend": "web", "pool": "p", "backend": "www1", "from": 100, "to": 10, **BY, "who": ""},
        "weight of www1 in web/p 100 -> 10",
    ),
    ({"type": "guard", "frontend": "web", "held": 2}, "frontend web holds 2 backends that are down"),
    (
        {"type": "blindness", "scope": "all", "name": "", "blind": True, "why": "share"},
        "checks in doubt (all ): share",
    ),
    (
        {"type": "blindness", "scope": "healthcheck", "name": "http", "blind": False, "why": "hold"},
        "checks believed again (healthcheck http): hold",
    ),
    ({"type": "reload", "applied": True, "generation": 3, "problems": 0, "who": ""}, "configuration 3 in force"),
    (
        {"type": "reload", "applied": False, "generation": 3, "problems": 2, "who": "ada"},
        "configuration refused: 2 problems by ada",
    ),
    (
        {"type": "drain", "backend": "www1", "phase": "drained", "detail": "0 flows\n", **BY},
        "backend www1 drained: 0 flows by ada",
    ),
    (
        {"type": "announcement", "address": "192.0.2.1", "from": "announced", "to": "withdrawn", "why": "down"},
        "address 192.0.2.1 announced -> withdrawn: down",
    ),
    ({"type": "gap", "missed": 12}, "12 events are missing here"),
    ({"type": "snapshot", "kind": "backend", "name": "www1", "state": "up"}, None),
    ({"type": "of-a-newer-daemon"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("event", "text"), EVENTS)
def test_an_event_is_one_line(event, text):
    assert event_text(AT | event) == text


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
