"""SIGHUP before the daemon can reload: it must not end the process, and it must not be lost."""

from __future__ import annotations

import signal
from typing import Any


class EarlyHangUp:
    """The handler of SIGHUP until the daemon has its own.

    Attributes:
        received: Whether it came.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, *_: Any) -> None:
        """Remember that the file is to be read again."""
        self.received = True


def remember_hang_ups() -> None:
    """Survive SIGHUP from now on."""
    signal.signal(signal.SIGHUP, EarlyHangUp())


def was_hung_up() -> bool:
    """Return whether SIGHUP came since `remember_hang_ups`."""
    handler = signal.getsignal(signal.SIGHUP)
    return isinstance(handler, EarlyHangUp) and handler.received
