"""What every test gets: trial's two nets, which pytest-twisted leaves out, and one profile for Hypothesis."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from twisted.logger import globalLogPublisher

if TYPE_CHECKING:
    from collections.abc import Iterator

# No deadline: the machine may be busy. The same examples at each run: a red build must mean a change of ours.
settings.register_profile("default", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

# Tests in the background of a shell have SIGINT ignored, and so would every program that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class LoggedFailures:
    """The failures that were logged during one test; those left at its end fail it."""

    def __init__(self) -> None:
        self.failures = []

    def __call__(self, event) -> None:
        if "log_failure" in event:
            self.failures.append(event["log_failure"])

    def flush(self, *types: type[BaseException]) -> list:
        """Return, and forget, the failures of these types: the test expected them."""
        found = [failure for failure in self.failures if failure.check(*types)]
        self.failures = [failure for failure in self.failures if failure not in found]
        return found


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[LoggedFailures]:
    """Fail a test during which something failed that nobody handled, such as a Deferred."""
    observer = LoggedFailures()
    globalLogPublisher.addObserver(observer)
    try:
        yield observer
        # pytest-twisted keeps failures alive in their frames: unhandled ones only show when they are collected.
        gc.collect(1)
    finally:
        globalLogPublisher.removeObserver(observer)
    assert not observer.failures, "failures were logged: " + "\n".join(
        failure.getTraceback() for failure in observer.failures
    )


@pytest.fixture(autouse=True)
def no_calls_left_over() -> Iterator[None]:
    """Fail a test that leaves delayed calls behind in the real reactor."""
    from twisted.internet import reactor

    before = set(reactor.getDelayedCalls())
    yield
    left = [call for call in reactor.getDelayedCalls() if call not in before and call.active()]
    for call in left:
        call.cancel()
    assert not left, f"delayed calls left over: {left}"
