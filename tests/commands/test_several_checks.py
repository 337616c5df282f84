"""Views and events of backends with several checks, filters, and lists, as they are written."""

from __future__ import annotations

import pytest

from maglev.commands.render.backends import backend_lines, backend_table
from maglev.commands.render.events import event_line
from maglev.commands.render.lines import cell, line, wrapped
from tests.commands.test_session import Typed
from tests.fakes.world import backend_view

CHECKS = [
    {
        "healthcheck": "web",
        "state": "up",
        "health": {"value": 2, "rise": 2, "fall": 1},
        "last_result": {"code": "L7OK", "detail": "", "duration": 0.01, "age": 1.0},
    },
    {"healthcheck": "gre", "state": "down", "health": {"value": 0, "rise": 2, "fall": 1}, "last_result": None},
]


def text_of(each):
    return "".join(part.text for part in each.cells)


def several():
    return {**backend_view("www1", "198.51.100.1"), "checks": CHECKS}


def test_a_backend_names_its_checks():
    (row,) = [text_of(each) for each in backend_table()([several()]) if "www1" in text_of(each)]
    assert "web+gre" in row
    lines = [" ".join(text_of(each).split()) for each in backend_lines(several())]
    assert any(each.startswith("healthcheck web+gre, ") and each.endswith(" of 2 required") for each in lines)
    assert "check web up health 2/2 rise 2 fall 1 L7OK in 10ms" in lines
    assert "check gre down health 0/2 rise 2 fall 1" in lines


def test_an_event_of_a_check_names_the_backend_and_its_state():
    event = {
        "type": "check",
        "seq": 1,
        "at": "2026-10-12T08:00:00.000Z",
        "backend": "www1",
        "address": "198.51.100.1",
        "healthcheck": "gre",
        "from": "up",
        "to": "down",
        "code": "L4CON",
        "detail": "refused",
        "state": "down",
    }
    text = text_of(event_line(event))
    assert "check gre of www1 " in text
    assert text.endswith("L4CON refused (www1 is down)")


def test_begin_shows_what_follows_the_first_match():
    whole = Typed("show backends").output.splitlines()
    assert Typed("show backends | begin www2").output.splitlines() == whole[whole.index(next(
        each for each in whole if "www2" in each)) :]  # fmt: skip


def test_announcements_as_json_have_their_receivers():
    assert '"sinks"' in Typed("show announcements | json").output


@pytest.mark.parametrize("suffix", ["", " | include www"])
def test_a_note_about_the_output_is_for_those_who_read_all_of_it(suffix):
    noted = "to stop" in Typed(f"watch events{suffix}", terminal=True).output.lower()
    assert noted is not bool(suffix)


def test_a_line_that_ends_in_blanks_has_no_empty_line_below():
    assert [text_of(each).strip() for each in wrapped(line(cell("one two   ")), 7)] == ["one two"]
