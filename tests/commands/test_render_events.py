"""Each type of event is a line."""

from __future__ import annotations

import pytest

from maglev.commands.render.events import event_line
from tests.fakes.world import UNTIL

AT = "2026-10-12T08:00:00.000Z"
BY = {"who": "ada", "origin": "ssh 192.0.2.7:1"}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            {
                "type": "weight",
                "at": AT,
                "frontend": "web",
                "pool": "p",
                "backend": "a",
                "from": 100,
                "to": 25,
                **BY,
                "reason": "less",
            },
            f"{AT} weight frontend web pool p backend a 100 -> 25 by ada (ssh 192.0.2.7:1): less",
        ),
        (
            {
                "type": "weight",
                "at": AT,
                "frontend": "web",
                "pool": "p",
                "backend": "a",
                "from": 25,
                "to": 100,
                "who": "",
                "origin": "",
                "reason": "",
            },
            f"{AT} weight frontend web pool p backend a 25 -> 100",
        ),
        (
            {"type": "reload", "at": AT, "applied": True, "generation": 3, "problems": 0, "ended": ["x ends"], **BY},
            f"{AT} reload applied, generation 3; x ends by ada (ssh 192.0.2.7:1)",
        ),
        (
            {
                "type": "reload",
                "at": AT,
                "applied": False,
                "generation": 3,
                "problems": 2,
                "ended": [],
                "who": "",
                "origin": "SIGHUP",
            },
            f"{AT} reload refused, 2 problems by (SIGHUP)",
        ),
        (
            {"type": "drain", "at": AT, "backend": "a", "phase": "drained", "flows": 1, "detail": "quiet", **BY},
            f"{AT} drain a drained, 1 flow: quiet by ada (ssh 192.0.2.7:1)",
        ),
        ({"type": "snapshot", "kind": "backend", "name": "www1", "state": "up", "seq": 1}, "snapshot backend www1 up"),
        (
            {
                "type": "backend",
                "at": "T",
                "backend": "www1",
                "address": "192.0.2.1",
                "from": "up",
                "to": "paused",
                "code": "paused",
                "detail": "",
            },
            "T backend www1 192.0.2.1 up -> paused paused",
        ),
        ({"type": "frontend", "at": "T", "frontend": "web", "from": "up", "to": "down"}, "T frontend web up -> down"),
        (
            {
                "type": "log",
                "at": "T",
                "level": "info",
                "event": "vpp-connect",
                "fields": {"pid": 4711, "version": "2\n6"},
            },
            "T log info vpp-connect pid=4711 version=2\\x0a6",
        ),
        ({"type": "log", "at": "T", "level": "warn", "event": "odd", "fields": {}}, "T log warn odd"),
        ({"type": "gap", "missed": 7}, "gap 7 events were missed here: they came faster than they were read"),
        ({"type": "newer", "what": "\x1b"}, "{'type': 'newer', 'what': '\\x1b'}"),
    ],
)
def test_each_type_of_event_is_a_line(event, text):
    assert event_line(event).plain == text


# Overrides


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"action": "set", "who": "ada", "reason": "disk swap"},
            "set by ada until 2026-11-21T10:00:00.000Z: disk swap",
        ),
        ({"action": "cleared", "who": "ada", "reason": ""}, "cleared by ada"),
        ({"action": "expired", "who": "", "reason": "its time has come"}, "expired: its time has come"),
    ],
)
def test_an_override_is_an_event(more, text):
    event = {"type": "override", "seq": 9, "at": "2026-11-21T08:00:00.000Z", "object": "backend www1"}
    event |= {"value": "disable", "file": "enable", "until": UNTIL, **more}
    assert event_line(event).plain == f"2026-11-21T08:00:00.000Z override backend www1 disable {text}"


def test_events_of_the_guard_and_of_doubt():
    at = "2026-10-01T09:00:00.000Z"
    guard = {"type": "guard", "seq": 1, "at": at, "frontend": "web", "kept": ["a", "b"], "released": [], "held": 2}
    doubt = {"type": "blindness", "seq": 2, "at": at, "scope": "all", "name": "", "blind": True}
    doubt |= {"backends": 3, "total": 4, "why": "share"}
    told = [
        event_line(event).plain
        for event in (guard, {**guard, "kept": [], "released": ["a"], "held": 1}, doubt, {**doubt, "blind": False})
    ]
    assert told == [
        f"{at} guard web keeps a, b (2 held)",
        f"{at} guard web releases a (1 held)",
        f"{at} blindness all 3 of 4 backends are doubted",
        f"{at} blindness all 3 of 4 backends were doubted until now (share)",
    ]
