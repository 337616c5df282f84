"""Reads what stands behind the frontends of an address: from the board, and from what VPP is known to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from maglev.announce.decision import FrontendSupport
from maglev.model.health import State
from maglev.vpp.lb.state import key_of

if TYPE_CHECKING:
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.ledger import Ledger


class SyncedVpp(Protocol):
    """What is asked of `maglev.vpp.sync.service.VppService`."""

    @property
    def acknowledged(self) -> bool:
        """Whether VPP has acknowledged a full sync over the present connection."""

    @property
    def sync(self) -> HasLedger | None:
        """The sync of the present connection; None without one."""


class HasLedger(Protocol):
    """What is asked of a sync."""

    @property
    def ledger(self) -> Ledger:
        """What VPP is known to hold."""


class SupportReader:
    """Reads what stands behind frontends."""

    def __init__(self, board: Board, vpp: SyncedVpp) -> None:
        """Prepare.

        Args:
            board: Says what should serve.
            vpp: Says what VPP was told.
        """
        self._board = board
        self._vpp = vpp

    @property
    def acknowledged(self) -> bool:
        """Whether VPP has acknowledged a full sync over the present connection."""
        return self._vpp.acknowledged

    def of(self, status: FrontendStatus) -> FrontendSupport:
        """Return what stands behind a frontend."""
        wanted = [name for name, desired in status.desired.items() if desired.weight and self._accepted(status, name)]
        programmed = self._programmed(status, wanted)
        unproved = 0 if programmed is not None else self._unproved(status)
        held = bool(wanted) and status.guarded.issuperset(wanted)
        return FrontendSupport(status.frontend.name, len(wanted), unproved, programmed, held)

    def _accepted(self, status: FrontendStatus, name: str) -> bool:
        return not status.refused or self._board.backends[name].serving_address not in status.refused

    def _unproved(self, status: FrontendStatus) -> int:
        """Return how many backends without a weight have no result yet, and might serve in VPP."""
        return sum(
            not desired.weight and name not in status.excluded and self._board.backends[name].state is State.UNKNOWN
            for name, desired in status.desired.items()
        )

    def _programmed(self, status: FrontendStatus, wanted: list[str]) -> int | None:
        sync = self._vpp.sync
        if not self.acknowledged or sync is None:
            return None
        vip = sync.ledger.vips.get(key_of(status.frontend))
        servers = {} if vip is None else vip.servers
        found = (servers.get(self._board.backends[name].serving_address) for name in wanted)
        return sum(server is not None and server.weight > 0 for server in found)
