"""Text becomes cells, columns and lines: printable, aligned whatever is in it, and filtered."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.commands.render.columns import Columns
from maglev.commands.render.lines import COLOURS, Cell, Style, cell, clean, line, state_cell
from maglev.commands.render.views import BATCH, address_text, duration_text, phrases
from tests.fakes.control import FakeControl
from tests.fakes.environment import shown
from tests.fakes.world import backend_view, frontend_view, member_view

SGR = re.compile(r"\x1b\[[0-9;]*m")


def test_filters_see_one_blank_between_two_words_and_none_before():
    for terminal in (True, False):
        found = shown("show frontends web | include ^www2 weight 50 effective 0 .disabled.$", terminal=terminal)
        assert found.split() == ["www2", "weight", "50", "effective", "0", "[disabled]"]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("show backends | include up", ["www1", "spare"]),
        ("show backends | exclude up", ["backend", "www2", "v6"]),
        ("show backends | include up | exclude ^spare", ["www1"]),
        ("show backends | include up|down", ["www1", "spare", "v6"]),
        ("show backends | include '198.51.100.1[12] '", ["www1", "www2"]),
        ("show backends | include zzz", []),
        ("show backends | count", ["4"]),
        ("show backends | include ww | count", ["2"]),
        ("show backends | include backend | count", ["0"]),
        ("show backends | json | include www2", ['{"name":']),
        ("show backends | json | count", ["6"]),
    ],
)
def test_filters_take_lines_out(line, rows):
    assert [text.split()[0] for text in shown(line).splitlines()] == rows


def test_filters_look_at_the_text_and_not_at_the_colours():
    assert shown("show backends | include 32m|x1b", colour=True) == ""
    assert "\x1b[32mup" in shown("show backends | include up", colour=True)


def test_only_the_beginning_of_a_very_long_line_is_searched():
    control = FakeControl()
    members = [member_view(f"www{index:03}", "192.0.2.1") for index in range(300)]
    control.rows["frontend"] = [frontend_view("web", "203.0.113.80", [("primary", True, members)])]

    assert shown("show frontends | json | include www010", control) != ""
    assert shown("show frontends | json | include www299", control) == ""


NASTY = "x\x1b[2J\r\n\x07\x9b31m\x7f\u202e\ud800" + "y" * 300


def test_nothing_from_outside_reaches_the_terminal_unescaped():
    control = FakeControl()
    result = {"ok": False, "layer": "L7", "code": NASTY, "detail": NASTY, "duration": 1.0}
    change = {"from": NASTY, "to": NASTY, "at": NASTY, "code": NASTY, "detail": NASTY}
    control.rows["backend"] = [backend_view("www1", NASTY, NASTY, last_result=result, transitions=[change])]
    control.rows["frontend"] = [frontend_view("web", NASTY, [(NASTY, True, [member_view(NASTY, NASTY, NASTY)])])]

    for command in ("show backends", "show backends www1", "show frontends", "show frontends web"):
        for filters in ("", " | json"):
            output = shown(command + filters, control)
            assert output.replace("\n", "").isascii()
            assert output.replace("\n", "").isprintable()
            assert max(map(len, output.splitlines())) < 5000
    assert json.loads(shown("show backends www1 | json", control))["address"] == NASTY


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.00125, "1.25ms"),
        (0.000004, "0s"),
        (0.5, "500ms"),
        (0.999999, "1s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (59.9999, "1m"),
        (60, "1m"),
        (90.25, "1m30.25s"),
        (3600, "1h"),
        (86400 * 2 + 61, "48h1m1s"),
        (3601.001, "1h1.001s"),
    ],
)
def test_durations_are_written_as_in_the_configuration(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8::1/128", "2001:db8::1"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("2001:db8::/64", "2001:db8::/64"),
    ],
)
def test_masks_of_hosts_are_not_shown(prefix, text):
    assert address_text(prefix) == text


def test_every_style_has_one_colour_and_states_have_theirs():
    assert set(COLOURS) == set(Style) - {Style.PLAIN}
    assert {
        state_cell(state).style for state in ("up", "down", "unknown", "draining", "paused", "disabled", "removed")
    } == {
        Style.UP,
        Style.DOWN,
        Style.UNKNOWN,
        Style.DRAINING,
        Style.PAUSED,
        Style.DISABLED,
        Style.REMOVED,
    }
    # What merely is named like a style of ours is not a state.
    assert state_cell("heading").style is Style.PLAIN
    assert Cell("", Style.UP).painted == ""
    assert cell("x").painted == "x"


def test_long_lists_of_phrases_line_up_in_batches():
    rows = [(cell(f"w{index}"), cell("weight"), cell(1)) for index in range(BATCH + 5)]
    lines = [each.plain for each in phrases(rows, aligned=True)]

    assert len(lines) == BATCH + 5
    assert lines[0] == "    w0  weight 1"
    assert lines[-1] == "    w104 weight 1"
    assert list(phrases([], aligned=True)) == []


def test_empty_cells_at_the_end_leave_no_blanks_and_an_empty_row_is_an_empty_line():
    rows = [(cell("a"), cell(""), cell("")), (cell(""), cell("")), ()]

    assert [each.plain for each in Columns(indent=2).rows(rows)] == ["  a", "", ""]


TEXTS = st.text(st.characters(max_codepoint=0x2FFF), max_size=30)


@given(st.lists(st.lists(st.tuples(TEXTS, st.sampled_from(list(Style)), st.booleans()), min_size=3, max_size=3)))
def test_columns_line_up_whatever_is_in_them(rows):
    made = [[cell(text or "-", style, right=right) for text, style, right in row] for row in rows]
    lines = list(Columns().rows(made))
    widths = [max((len(row[index].text) for row in made), default=0) for index in range(3)]

    for row, each in zip(made, lines, strict=True):
        assert SGR.sub("", each.painted) == each.plain
        assert each.plain.isprintable()
        assert each.plain[widths[0] : widths[0] + 2] == "  "
        assert each.plain[: widths[0]].strip(" ") == row[0].text.strip(" ")
        assert each.plain[widths[0] + 2 :][: widths[1]].strip(" ") == row[1].text.strip(" ")


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none()))
def test_any_value_becomes_printable_ascii_of_bounded_length(value):
    text = clean(value)

    assert len(text) <= 200
    assert text.isascii()
    assert text.isprintable()
    assert line(text).plain == text
