"""What the sync remembers from one connection to the next, and the contest for a VPP that it may find itself in.

Two daemons with different configurations on one VPP delete each other's VIPs at every sync. The signs in one full read:
a VIP of ours that VPP had acknowledged is gone, and a foreign VIP that we had deleted is back. After a few such reads
we stop deleting foreign VIPs and raise an alarm; which VIPs are the right ones is for an operator to decide.

Once one daemon has stopped, the other one loses nothing any more, and only finds back what it deletes. So that sign
counts alone, too, after twice as many reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Collection

    from maglev.vpp.lb.ledger import Ledger
    from maglev.vpp.lb.state import VipKey
    from maglev.vpp.sync.departures import Departures
    from maglev.vpp.sync.writer import SyncCounters

CONTESTED_READS: Final = 3
"""Reads with both signs that are not an accident: one may be an operator's mistake, two a script that ran twice."""

RETURNING_READS: Final = 2 * CONTESTED_READS
"""Reads in which only a VIP that we had deleted is back that are not an accident."""

QUIET_READS: Final = 20
"""Reads without any sign after which it is over: ten minutes at the default sync interval."""


class Contest:
    """Notices that somebody else programs the same VPP.

    Attributes:
        contested: Whether somebody else programs this VPP, so that no foreign VIP is deleted.
    """

    _log = EventLogger()

    def __init__(self) -> None:
        self.contested = False
        self._removed: set[VipKey] = set()
        self._signs = 0
        self._returns = 0
        self._quiet = 0

    def removed(self, key: VipKey) -> None:
        """Remember a foreign VIP that we have deleted."""
        self._removed.add(key)

    def look(self, missing: Collection[VipKey], foreign: Collection[VipKey]) -> None:
        """Judge what a full read has found.

        Args:
            missing: VIPs of ours that VPP was known to hold and does not hold any longer.
            foreign: VIPs that VPP holds and that are not ours.
        """
        again = self._removed.intersection(foreign)
        if again or (missing and self.contested):
            self._returns += 1
            self._signs += bool(missing)
            self._quiet = 0
        elif not missing:
            self._quiet += 1
            if self._quiet >= QUIET_READS:
                self.reset()
        many = self._signs >= CONTESTED_READS or self._returns >= RETURNING_READS
        if many and not self.contested:
            self.contested = True
            self._log.error(
                "vpp-contested", missing=sorted(map(str, missing)), foreign=sorted(map(str, again)), reads=self._returns
            )

    def reset(self) -> None:
        """Begin again, because it is over or because an operator says so."""
        if self.contested:
            self._log.info("vpp-contest-over")
        self.contested = False
        self._removed.clear()
        self._signs = self._returns = self._quiet = 0


@attrs.define
class SyncMemory:
    """What outlives a connection to VPP.

    Attributes:
        tally: Counts what is done.
        departures: Servers that left the file and still serve.
        left_configuration: VIPs that a reload took out of the configuration and that VPP may still hold.
        contest: Whether somebody else programs the same VPP.
        ledger: What VPP was last known to hold, by this connection or the one before; None before the first read.
        held: VIPs that VPP was ever known to hold.
    """

    tally: SyncCounters
    departures: Departures
    left_configuration: set[VipKey] = attrs.field(factory=set)
    contest: Contest = attrs.field(factory=Contest)
    ledger: Ledger | None = None
    held: set[VipKey] = attrs.field(factory=set)

    def note_held(self) -> None:
        """Keep in `held` what is known of VPP now, before it is read again."""
        if self.ledger is not None:
            self.held.update(self.ledger.vips)
