"""A turnstile: work that many wait to do gets done in portions so short that nothing else in the reactor waits."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

SLICE: Final = 0.002
"""Seconds of work at a stretch; a probe whose deadline is 10 ms still sees its answer in time."""


class Turnstile:
    """Lets those who wait through one by one, as many in one turn of the reactor as a slice has room for.

    When one event wakes two hundred watchers, what each then does is harmless, and the sum is not.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Deferred[None]] = deque()
        self._scheduled = False

    def turn(self) -> Deferred[None]:
        """Wait for one's turn: always a later turn of the reactor, first come, first served."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        self._schedule()
        return waiting

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._let_through)

    def _let_through(self) -> None:
        self._scheduled = False
        until = self._clock.seconds() + SLICE
        while self._waiting:
            # One that was cancelled meanwhile takes the call and does nothing.
            self._waiting.popleft().callback(None)
            if self._clock.seconds() >= until:
                break
        if self._waiting:
            self._schedule()
