"""Signals before the reactor or the daemon handles them: none ends the process halfway, and none is lost."""

from __future__ import annotations

import signal
from typing import Any


class EarlySignal:
    """The handler of a signal until there is a better one.

    Attributes:
        received: Whether it came.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, *_: Any) -> None:
        """Remember it."""
        self.received = True


def remember_hang_ups() -> None:
    """Survive SIGHUP from now on."""
    signal.signal(signal.SIGHUP, EarlySignal())


def was_hung_up() -> bool:
    """Return whether SIGHUP came since `remember_hang_ups`."""
    handler = signal.getsignal(signal.SIGHUP)
    return isinstance(handler, EarlySignal) and handler.received


def remember_end() -> EarlySignal:
    """Put SIGTERM off until the reactor, which installs its own handler, runs; return what remembers it."""
    early = EarlySignal()
    signal.signal(signal.SIGTERM, early)
    return early
