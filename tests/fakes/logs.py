"""The log of a test: every event of ours that is emitted meanwhile."""

from __future__ import annotations

from contextlib import contextmanager

from twisted.logger import globalLogPublisher

from maglev.runtime.logs.render import fields_of, name_of


@contextmanager
def recorded_events():
    """Collect (name, fields) of each event of ours."""
    events = []

    def observe(event):
        if "log_event" in event:
            events.append((name_of(event), fields_of(event)))

    globalLogPublisher.addObserver(observe)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(observe)
