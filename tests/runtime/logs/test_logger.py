"""The logger of named events: our observers see name and fields, and Twisted's own show them too."""

import pytest
from twisted.logger import LogLevel, eventAsText, formatEvent

from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.logs.render import fields_of, name_of

PLAIN = {"includeTimestamp": False, "includeSystem": False}


@pytest.fixture
def seen():
    return []


@pytest.fixture
def log(seen):
    return EventLogger(namespace="test", observer=seen.append)


def test_an_event_has_its_name_and_its_fields(log, seen):
    log.info("backend-transition", backend="www1", code="L4CON")

    assert name_of(seen[0]) == "backend-transition"
    assert fields_of(seen[0]) == {"backend": "www1", "code": "L4CON"}
    assert seen[0]["log_level"] is LogLevel.info


def test_observers_of_twisted_show_name_and_fields(log, seen):
    log.error("probe-discarded", backend="www1", detail="{no} format: 100%")

    assert formatEvent(seen[0]) == "probe-discarded backend=www1 detail={no} format: 100%"


def test_a_name_that_is_not_a_keyword_can_be_a_field(log, seen):
    log.info("backend-transition", **{"from": "up", "to": "down"})

    assert formatEvent(seen[0]) == "backend-transition from=up to=down"


def test_a_failure_is_an_event_with_a_traceback(log, seen):
    try:
        int("broken")
    except ValueError:
        log.failure("task-failed", backend="www1")

    assert name_of(seen[0]) == "task-failed"
    assert fields_of(seen[0])["backend"] == "www1"
    assert "ValueError: invalid literal" in fields_of(seen[0])["traceback"]
    assert eventAsText(seen[0], **PLAIN).startswith("task-failed backend=www1\n")


@pytest.mark.parametrize("text", ["Port {port} closed", "Upper", "two words", "-x", "x-", "a--b", ""])
def test_anything_else_stays_an_ordinary_message(log, seen, text):
    log.info(text, port=80)

    assert name_of(seen[0]) == "message"
    assert fields_of(seen[0]) == {"text": text.format(port=80)}


def test_a_call_without_a_format_is_an_ordinary_message(log, seen):
    log.emit(LogLevel.info, port=80)

    assert name_of(seen[0]) == "message"
