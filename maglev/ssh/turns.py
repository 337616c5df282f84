"""Work that is not urgent, a little in each turn of the reactor, whoever it is for."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

BUDGET: Final = 0.005
"""Seconds of it in one turn. A hundred sessions that each do a little at once would hold up the probes together."""


class Turns:
    """Calls that are made one after the other, as long as the budget of a turn lasts; the rest in the next ones."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._calls: deque[Callable[[], None]] = deque()
        self._scheduled = False

    def soon(self, call: Callable[[], None]) -> None:
        """Make a call in one of the next turns, never in this one. It must not raise."""
        self._calls.append(call)
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        until = self._clock.seconds() + BUDGET
        # What these calls ask for in turn is for a later turn.
        for _ in range(len(self._calls)):
            self._calls.popleft()()
            if self._clock.seconds() >= until:
                break
        self._scheduled = bool(self._calls)
        if self._scheduled:
            self._clock.callLater(0, self._turn)
