"""Renders a log event as one line: JSON for machines, text for people. Text from outside is always escaped."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from twisted.logger import formatEvent

if TYPE_CHECKING:
    from twisted.logger import LogEvent
    from twisted.python.failure import Failure

_LEGACY: Final = frozenset({"time", "isError", "failure", "format", "message", "system", "why"})
"""Fields that Twisted adds for its old log system."""

TEXT_LIMIT: Final = 4096
"""Maximum length of a value in characters: more than any message worth reading, and short enough for journald not to
split it."""

TRACEBACK_LIMIT: Final = 16384
"""Maximum length of a traceback in characters; its end is kept."""


FieldValue = str | float | bool | None
"""What the fields of a line hold; whole numbers are a kind of float here."""


def name_of(event: LogEvent) -> str:
    """Return the name of an event; ``message`` for those that are not ours."""
    return str(event.get("log_event", "message"))


def fields_of(event: LogEvent) -> dict[str, FieldValue]:
    """Return the fields of an event, in the order of the call, with plain values."""
    fields: dict[str, FieldValue] = {}
    if name_of(event) == "message":
        fields["text"] = _escape(formatEvent(event))
    else:
        for key, value in event.items():
            if not key.startswith("log_") and key not in _LEGACY:
                fields[key] = _plain(value)
    failure: Failure | None = event.get("log_failure")
    if failure is not None:
        fields["traceback"] = failure.getTraceback()[-TRACEBACK_LIMIT:]
    return fields


def render_json(event: LogEvent) -> str:
    """Return an event as one line of JSON: time, level, event, then its fields."""
    line = {"time": _time(event), "level": event["log_level"].name, "event": name_of(event), **fields_of(event)}
    return json.dumps(line, ensure_ascii=True) + "\n"


def render_text(event: LogEvent) -> str:
    """Return an event as a readable line; a traceback follows on separate lines."""
    fields = fields_of(event)
    traceback = fields.pop("traceback", "")
    words = [_time(event), f"{event['log_level'].name:5}", name_of(event)]
    words += [f"{key}={_word(value)}" for key, value in fields.items()]
    return " ".join(words) + "\n" + "".join(f"  | {_escape(line)}\n" for line in str(traceback).splitlines())


def _time(event: LogEvent) -> str:
    when = datetime.fromtimestamp(event["log_time"], UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> FieldValue:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has no NaN and no infinity
    if isinstance(value, int) or value is None:
        return value
    return _escape(str(value))


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else json.dumps(text)


def _escape(text: str) -> str:
    """Return text without control characters, bounded: log lines are read on terminals."""
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT - 3] + "..."
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
