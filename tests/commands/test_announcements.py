"""Announcements, their events, and explanations, as lines of text."""

from __future__ import annotations

import pytest

from maglev.announce.announcer import SinkStatus
from maglev.commands.render.announcements import announcement_lines, announcement_table, announcements_head
from maglev.commands.render.events import event_line
from maglev.commands.render.explain import backend_explanation_lines, frontend_explanation_lines
from maglev.control.announce_views import sink_view

ADDRESS = {
    "address": "192.0.2.1",
    "prefix": "192.0.2.1/32",
    "state": "withdrawn",
    "why": "nothing serves",
    "since": "2026-01-01T00:00:00Z",
    "changes_in": None,
    "frontends": ["web"],
    "needed": "any",
    "min_up": 1,
    "after": 5.0,
    "when_held": False,
}
BIRD = SinkStatus("bird", "unix:/run/bird/bird.ctl", 0, "connection refused")


def text_of(line):
    return "".join(each.text for each in line.cells)


def head(*sinks):
    return [text_of(line) for line in announcements_head({"sinks": [sink_view(each) for each in sinks]})]


def test_receivers_that_are_missing_or_out_of_reach_come_first():
    assert head() == ["Nothing receives announcements: neither BIRD nor a hook is configured"]
    assert head(BIRD, SinkStatus("hook pager", "/bin/pager", 1)) == ["Not reached: bird: connection refused"]


@pytest.mark.parametrize(("seconds", "shown"), [(None, []), (3.2, ["changes-in 3s"])])
def test_an_address_says_when_it_changes_if_it_is_about_to(seconds, shown):
    view = ADDRESS | {"changes_in": seconds}
    lines = [text_of(line).strip() for line in announcement_lines(view)]
    assert [line for line in lines if line.startswith("changes-in")] == shown
    _, row = (text_of(line).split() for line in announcement_table()([view]))
    assert row[:2] + row[3:4] == ["192.0.2.1", "withdrawn", shown[0].split()[1] if shown else "-"]


def test_events_say_what_became_of_an_address_and_of_its_receivers():
    event = {"type": "announcement", "seq": 1, "at": "now", "address": "192.0.2.1", "prefix": "192.0.2.1/32"}
    line = text_of(event_line(event | {"from": "announced", "to": "withdrawn", "why": "nothing serves"}))
    assert line.startswith("now announcement 192.0.2.1/32 ")
    assert line.endswith("withdrawn: nothing serves")
    sink = {"type": "sink", "seq": 2, "at": "now", "sink": "bird"}
    assert text_of(event_line(sink | {"problem": "refused"})) == "now sink bird refused"
    assert text_of(event_line(sink | {"problem": ""})) == "now sink bird reached again"


def test_a_frontend_whose_address_is_not_announced_has_nothing_to_say_of_that():
    view = {"name": "web", "state": "up", "steps": [], "backends": [], "announcement": None}
    assert [text_of(line) for line in frontend_explanation_lines(view)] == ["frontend web up"]


def test_a_weight_that_was_never_another_has_no_change_to_explain():
    weight = {"frontend": "web", "backend": "a", "steps": [], "changed": None}
    view = {"name": "a", "state": "up", "steps": [], "frontends": [weight]}
    assert [text_of(line).strip() for line in backend_explanation_lines(view)] == ["backend a up", "frontend web"]
