"""What the tests of the syncs share."""

from __future__ import annotations

import pytest
from twisted.logger import globalLogPublisher

from tests.fakes.configs import make_config
from tests.fakes.vpp_bench import QUICK, VppInMemory, web


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


@pytest.fixture
def bench():
    made = VppInMemory()
    yield made
    made.stop()


@pytest.fixture
def web_of_two():
    """A bench whose one frontend has two backends in one pool, and that has written them."""
    made = VppInMemory(make_config(frontends=[web(("a", "b"))], checks=QUICK))
    made.writes()
    yield made
    made.stop()
