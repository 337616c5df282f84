"""An alarm clock for one sleeper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime


class Alarm:
    """Wakes a coroutine at a time, or before if it is rung."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._sleeping: Deferred[None] | None = None
        self._rung = False

    def ring(self) -> None:
        """Wake the sleeper; if nobody sleeps, the next one who would."""
        self._rung = True
        if self._sleeping is not None:
            self._sleeping.callback(None)

    async def wait(self, until: float) -> None:
        """Wait until a time of the clock; for ever if it is infinite."""
        seconds = until - self._clock.seconds()
        if not self._rung and seconds > 0:
            waiting = self._sleeping = Deferred()
            call = None if seconds == float("inf") else self._clock.callLater(seconds, waiting.callback, None)
            try:
                await waiting
            finally:
                self._sleeping = None
                if call is not None and call.active():
                    call.cancel()
        self._rung = False
