"""What the tests of the verbs share."""

import pytest
from twisted.logger import globalLogPublisher

from tests.fakes.control_setup import ControlSetup


@pytest.fixture
def bench():
    made = ControlSetup()
    yield made
    made.stop()


@pytest.fixture
def audit():
    """The audit lines that the test causes."""
    lines = []

    def observe(event):
        if event.get("log_event") == "audit":
            keys = ("who", "role", "origin", "action", "object", "from", "to", "refused", "writes", "reason", "until")
            lines.append({key: event[key] for key in keys if key in event})

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)
