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
    """Put SIGTERM and SIGINT off until the reactor runs; return what remembers them.

    The reactor installs its own handler of SIGTERM, but none of SIGINT while there is another: see `hand_over`. SIGINT
    that is ignored, as in what a script starts with ``&``, stays so.
    """
    early = EarlySignal()
    signal.signal(signal.SIGTERM, early)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, early)
    return early


def hand_over(reactor: Any, early: EarlySignal) -> None:
    """Let the reactor, which runs now, handle what ends the process; stop it if that came before."""
    if signal.getsignal(signal.SIGINT) is early:
        signal.signal(signal.SIGINT, reactor.sigInt)
    if early.received:
        reactor.stop()
