"""A register of overrides around a board, on a clock of the test; the wall clock goes with it until it is set."""

from __future__ import annotations

from twisted.internet.task import Clock

from maglev.control.overrides import Overrides
from maglev.control.restored import Restored


class WallClock:
    """A wall clock that goes with another clock.

    Attributes:
        ahead: Seconds by which it is ahead of that.
    """

    def __init__(self, clock, ahead=1.6e9):
        self._clock = clock
        self.ahead = ahead

    def __call__(self):
        return self._clock.seconds() + self.ahead


def overrides_of(board, reactor=None, path=""):
    """Return the overrides of a board that has none yet, kept in no file by default."""
    reactor = reactor or Clock()
    return Overrides(reactor, WallClock(reactor), board, Restored(path, board.config))
