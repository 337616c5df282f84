"""One event to one line: names, fields, order, bounds, and nothing unescaped."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from maglev.runtime.logs.render import TEXT_LIMIT, TRACEBACK_LIMIT, render_json, render_text

NASTY = "\x1b[2J\r\nfake=1 \x07\x9b\u202e\u2028"


def refuse(name):
    raise AssertionError(f"{name} is not JSON")


def event(name="thing-done", level=LogLevel.info, **fields):
    return {"log_level": level, "log_time": 1_700_000_000.25, "log_event": name, **fields}


def test_json_has_time_level_event_and_the_fields_in_the_order_of_the_call():
    line = render_json(event(backend="www1", code="L4CON", seq=7, ok=True, share=0.5, nothing=None))

    assert line.endswith("\n")
    assert list(json.loads(line).items()) == [
        ("time", "2023-11-14T22:13:20.250Z"),
        ("level", "info"),
        ("event", "thing-done"),
        ("backend", "www1"),
        ("code", "L4CON"),
        ("seq", 7),
        ("ok", True),
        ("share", 0.5),
        ("nothing", None),
    ]


def test_text_has_time_level_name_and_words_quoted_where_they_need_it():
    line = render_text(event(detail="connection refused", code="L4CON", empty="", share=1 / 3, equal="a=b"))

    expected = '2023-11-14T22:13:20.250Z info  thing-done detail="connection refused" code=L4CON empty="" '
    assert line == expected + 'share=0.333333 equal="a=b"\n'


def test_what_twisted_adds_to_an_event_is_not_a_field():
    twisted_s = {"log_namespace": "x", "log_source": object(), "log_format": "thing-done", "log_logger": object()}
    legacy = {"time": 1.0, "isError": 0, "message": (), "format": "%(x)s", "system": "-", "why": "", "failure": None}

    assert render_text(event(**twisted_s, **legacy)).split()[1:] == ["info", "thing-done"]


def test_events_of_twisted_are_messages_with_a_text():
    twisted_s = {"log_level": LogLevel.warn, "log_time": 0.0, "log_format": "{what} closed", "what": "port 80"}

    assert json.loads(render_json(twisted_s)) == {
        "time": "1970-01-01T00:00:00.000Z",
        "level": "warn",
        "event": "message",
        "text": "port 80 closed",
    }
    assert render_text(twisted_s) == '1970-01-01T00:00:00.000Z warn  message text="port 80 closed"\n'


def test_a_value_from_outside_gets_no_control_character_out():
    for render in (render_json, render_text):
        line = render(event(detail=NASTY))
        assert line.count("\n") == 1
        assert line.strip("\n").isascii()
        assert line.strip("\n").isprintable()


def test_a_message_of_twisted_gets_no_control_character_out():
    twisted_s = {"log_level": LogLevel.info, "log_time": 0.0, "log_format": "{x}", "x": NASTY}
    for render in (render_json, render_text):
        assert render(twisted_s).strip("\n").isprintable()


def test_a_value_is_bounded():
    shown = json.loads(render_json(event(detail="x" * 1_000_000)))["detail"]

    assert len(shown) == TEXT_LIMIT
    assert shown.endswith("...")


def test_other_values_are_shown_as_text():
    assert json.loads(render_json(event(what=frozenset({1}))))["what"] == "frozenset({1})"


def test_numbers_that_json_does_not_have_are_shown_as_text():
    shown = json.loads(render_json(event(a=float("nan"), b=float("-inf"))), parse_constant=refuse)

    assert (shown["a"], shown["b"]) == ("nan", "-inf")


def test_a_traceback_is_kept_at_its_end_and_stands_on_lines_of_its_own_in_text():
    long = "x" * 100_000 + NASTY + " at the end"
    bug = event("task-failed", LogLevel.critical, log_failure=Failure(ValueError(long)))

    shown = json.loads(render_json(bug))
    assert len(shown["traceback"]) == TRACEBACK_LIMIT
    assert "at the end" in shown["traceback"]
    first, *rest = render_text(bug).splitlines()
    assert first.endswith("critical task-failed")
    assert rest
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.one_of(st.text(), st.floats(), st.integers(), st.none())))
def test_json_is_always_one_valid_line(fields):
    line = render_json(event(**fields))

    assert line.count("\n") == 1
    assert json.loads(line, parse_constant=refuse).keys() == {"time", "level", "event", *fields}


@given(st.text())
def test_text_is_always_one_printable_line(value):
    line = render_text(event(value=value))

    assert line.count("\n") == 1
    assert line[:-1].isprintable()
