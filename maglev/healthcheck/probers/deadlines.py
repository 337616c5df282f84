"""The deadlines of probes, without a delayed call for each.

Probes that have the same time come to their deadlines in the order in which they began. So a queue is enough for them,
and one delayed call for its head. Nearly every probe ends long before its deadline: its entry is taken out again, and
the call, when it comes, finds another head whose time is not up.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

from maglev.runtime.budget import EXPIRY

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.healthcheck.lag import LagMonitor


class HasDeadline(Protocol):
    """What has a deadline."""

    def expire(self) -> None:
        """Time is up. It must not raise."""


class Deadlines:
    """Expires everything that has begun and not ended in time.

    Attributes:
        clock: The clock that it goes by.
    """

    def __init__(self, clock: IReactorTime, timeout: float, lag: LagMonitor) -> None:
        """Begin with nothing under way.

        Args:
            clock: A monotonic clock.
            timeout: Seconds until the deadline.
            lag: Learns whether anything is under way.
        """
        self.clock = clock
        self._timeout = timeout
        self._lag = lag
        self._waiting: OrderedDict[HasDeadline, float] = OrderedDict()
        self._call: IDelayedCall | None = None

    def begin(self, expiring: HasDeadline) -> float:
        """Let something begin that is not under way, and return the time: now."""
        now = self.clock.seconds()
        self._waiting[expiring] = now + self._timeout
        if self._call is None:
            self._call = self.clock.callLater(self._timeout, self._expire)
            self._lag.attend(self, really=True)
        return now

    def end(self, expiring: HasDeadline) -> None:
        """Remove something that has ended; harmless if it is not waiting."""
        self._waiting.pop(expiring, None)
        if not self._waiting and self._call is not None:
            self._call.cancel()
            self._call = None
            self._lag.attend(self, really=False)

    def close(self) -> None:
        """Let everything expire now."""
        for expiring in tuple(self._waiting):
            self.end(expiring)
            expiring.expire()

    def _expire(self) -> None:
        self._call = None
        pause = 0.0
        try:
            pause = self._expire_due(self.clock.seconds())
        finally:  # whatever raised, the others have their deadlines too
            if self._waiting:
                self._wait(pause)
            elif self._call is None:
                self._lag.attend(self, really=False)

    def _expire_due(self, now: float) -> float:
        """Let expire what is due; return the seconds to pause before the rest."""
        until = now + EXPIRY
        while self._waiting:
            expiring, deadline = next(iter(self._waiting.items()))
            if deadline > now:
                return deadline - now
            if self.clock.seconds() >= until:
                return 0.0
            del self._waiting[expiring]
            expiring.expire()
        return 0.0

    def _wait(self, pause: float) -> None:
        # What expired may have begun again and scheduled a call already, for a later deadline than the head's.
        if self._call is not None:
            self._call.cancel()
        self._call = self.clock.callLater(pause, self._expire)


class DeadlinesByTimeout:
    """The deadlines of probes with different timeouts; those with the same one share a queue."""

    def __init__(self, clock: IReactorTime, lag: LagMonitor) -> None:
        """Begin without any.

        Args:
            clock: A monotonic clock.
            lag: Learns which timeouts there are, and whether anything is under way.
        """
        self._clock = clock
        self._lag = lag
        self._deadlines: dict[float, Deadlines] = {}
        self._halfway: dict[float, Deadlines] = {}

    def after(self, timeout: float) -> Deadlines:
        """Return the deadlines of what has so many seconds."""
        deadlines = self._deadlines.get(timeout)
        if deadlines is None:
            self._lag.heed(timeout)
            deadlines = self._deadlines[timeout] = Deadlines(self._clock, timeout, self._lag)
        return deadlines

    def halfway(self, timeout: float) -> Deadlines:
        """Return what expires when half of so many seconds are over; no probe ends by that."""
        deadlines = self._halfway.get(timeout)
        if deadlines is None:
            deadlines = self._halfway[timeout] = Deadlines(self._clock, timeout / 2, self._lag)
        return deadlines

    def close(self) -> None:
        """Let everything expire now."""
        for deadlines in self._deadlines.values():
            deadlines.close()
