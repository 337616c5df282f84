"""What the sync remembers from one connection to the next, and the contest for a VPP that it may find itself in.

Two daemons with different configurations on one VPP delete each other's VIPs at every sync, and each deletion is an
outage until the other one syncs next. So one deletion has to be enough. A full read shows either of two signs:

* A foreign VIP that we deleted is back: somebody insists on it. This sign needs one deletion by us.
* Nothing is left of several VIPs of ours, and there are others that were not there before. This needs none.

A VIP of ours that was deleted by hand shows neither, nor does a VPP that has restarted: the first read of a connection
is not judged. After a sign we stop deleting foreign VIPs and raise an alarm; which VIPs are the right ones is for an
operator to decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.lb.state import DeleteVip

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from collections.abc import Set as AbstractSet

    from maglev.vpp.lb.ledger import Ledger
    from maglev.vpp.lb.state import Operation, VipKey
    from maglev.vpp.sync.departures import Departures
    from maglev.vpp.sync.writer import SyncCounters

SEVERAL: Final = 2
"""VIPs of ours that must have gone together, with nothing left: one may have been moved by hand."""

QUIET_READS: Final = 20
"""Reads without any sign after which it is over: ten minutes at the default sync interval."""

NAMED: Final = 24
"""VIPs named in one line of log; the rest is counted."""


class Contest:
    """Notices that somebody else programs the same VPP.

    Attributes:
        contested: Whether somebody else programs this VPP, so that no foreign VIP is deleted.
    """

    _log = EventLogger()

    def __init__(self) -> None:
        self.contested = False
        self._theirs: set[VipKey] = set()
        self._quiet = 0

    def removing(self, keys: Iterable[VipKey]) -> None:
        """Remember foreign VIPs that we are about to delete."""
        for key in keys:
            self._theirs.add(key)
            self._quiet = 0

    def tell_removed(self, done: Iterable[Operation]) -> None:
        """Tell which foreign VIPs were deleted: the owner may still be there, and nothing else says so the first time.

        Args:
            done: What a full sync has written.
        """
        gone = [each.key for each in done if isinstance(each, DeleteVip) and each.key in self._theirs]
        if gone:
            self._log.warn("vpp-foreign-vips-removed", vips=_named(gone), count=len(gone))

    def look(self, known: Collection[VipKey], found: AbstractSet[VipKey], ours: AbstractSet[VipKey]) -> None:
        """Judge what a full read has found.

        Args:
            known: VIPs that VPP was known to hold before.
            found: VIPs that it holds.
            ours: VIPs that are ours.
        """
        foreign = found - ours
        missing = [key for key in ours if key in known and key not in found]
        new = [key for key in foreign if key not in known]
        back = self._theirs.intersection(new)
        if self.contested:
            self._theirs.update(new)
            self._count_quiet(quiet=not missing and self._theirs.isdisjoint(foreign))
        elif back or (new and len(missing) >= SEVERAL and ours.isdisjoint(found)):
            self.contested = True
            self._theirs.update(new)
            self._log.error("vpp-contested", missing=_named(missing), foreign=_named(back or new))
        else:
            self._count_quiet(quiet=True)

    def vpp_restarted(self) -> None:
        """Forget which VIPs were deleted in the VPP before: a script may add them at every start."""
        if not self.contested:
            self._theirs.clear()

    def reset(self) -> None:
        """Begin again, because it is over or because an operator says so."""
        if self.contested:
            self._log.info("vpp-contest-over")
        self.contested = False
        self._theirs.clear()
        self._quiet = 0

    def _count_quiet(self, *, quiet: bool) -> None:
        self._quiet = self._quiet + 1 if quiet else 0
        if self._quiet >= QUIET_READS:
            self.reset()


def _named(keys: Collection[VipKey]) -> list[str]:
    """Return VIPs as text, in order; of many, the first ones and how many more there are."""
    texts = sorted(map(str, keys))
    return texts if len(texts) <= NAMED else [*texts[:NAMED], f"and {len(texts) - NAMED} more"]


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
        taken_over: Whether the board knows what VPP held when this run read it first.
    """

    tally: SyncCounters
    departures: Departures
    left_configuration: set[VipKey] = attrs.field(factory=set)
    contest: Contest = attrs.field(factory=Contest)
    ledger: Ledger | None = None
    held: set[VipKey] = attrs.field(factory=set)
    taken_over: bool = False

    def note_held(self) -> None:
        """Keep in `held` what is known of VPP now, before it is read again."""
        if self.ledger is not None:
            self.held.update(self.ledger.vips)

    def returning(self, key: VipKey) -> AbstractSet[str]:
        """Return the addresses of servers that left the configuration and go on serving a VIP, once VPP has it."""
        departing = self.departures.departing(key)
        return {address for address, each in departing.items() if each.weight}
