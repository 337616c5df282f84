"""Announcers for tests: over a board, and what VPP is said to hold."""

from __future__ import annotations

from types import SimpleNamespace

from twisted.internet.task import Clock

from maglev.announce.announcer import Announcer
from maglev.announce.support import SupportReader
from maglev.vpp.lb.ledger import Ledger


class FakeSyncedVpp:
    """A VPP that holds what a test says, once it is `connected`."""

    def __init__(self):
        self.ledger = Ledger()
        self.acknowledged = False
        self.starting = True
        self.hindered = False
        self.returning = set()
        self.memory = SimpleNamespace(ledger=None, taken_over=False, returning=lambda _: self.returning)

    def connect(self):
        """Acknowledge the first sync."""
        self.acknowledged = True
        self.memory.ledger, self.memory.taken_over = self.ledger, True

    def lose(self):
        """End the connection."""
        self.acknowledged = False


def announcer_of(board, clock=None, vpp=None, kept_off=lambda _: ""):
    """Return an announcer over a board; it is not started."""
    vpp = FakeSyncedVpp() if vpp is None else vpp
    return Announcer(Clock() if clock is None else clock, lambda: 1000.0, board, SupportReader(board, vpp), kept_off)
