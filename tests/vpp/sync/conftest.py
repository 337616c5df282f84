"""What the tests of the syncs share."""

from __future__ import annotations

import pytest
from twisted.logger import globalLogPublisher


@pytest.fixture
def told():
    """What the log is told: call it with the name of an event."""
    events = []
    globalLogPublisher.addObserver(events.append)
    yield lambda name: [
        {key: value for key, value in event.items() if not key.startswith("log_")}
        for event in events
        if event.get("log_event") == name
    ]
    globalLogPublisher.removeObserver(events.append)
