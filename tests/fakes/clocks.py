"""Clocks that do more than advance."""

from __future__ import annotations

from twisted.internet.task import Clock


class LateClock(Clock):
    """A clock whose reactor can be made to stall: time passes, and nothing due is run until the stall is over."""

    def stall(self, seconds):
        self.rightNow += seconds
        self.advance(0)
