"""Level VIPs: those that VPP was known to hold exactly as wanted, so that only what changed since needs a look.

A VIP is level at the moment at which it is compared as a whole, if everything that it lacked is then written and
acknowledged. From then on only two things can set it apart from what is wanted: changes on the board, which each
frontend remembers for a while (`maglev.state.status.FrontendStatus.changed_since`), and changes of VPP by others, which
a read reveals. Whatever is not plainly one of the first kind ends it: a reload, which may change addresses; another
object for the VIP in the ledger, as a read with a difference and a recreated VIP leave it there; a write that failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.ledger import Ledger
    from maglev.vpp.lb.state import Vip, VipKey


class SyncPoint(NamedTuple):
    """A moment at which a VIP is compared.

    Attributes:
        vip: What the ledger has of it: this very object, whose servers change with what is written.
        generation: That of the configuration.
        changes: That of the frontend.
    """

    vip: Vip
    generation: int
    changes: int


class InSyncVips:
    """The level VIPs of one connection."""

    def __init__(self, board: Board, ledger: Ledger) -> None:
        """Begin with none.

        Args:
            board: Says what is wanted.
            ledger: What VPP is known to hold.
        """
        self._board = board
        self._ledger = ledger
        self._levels: dict[VipKey, SyncPoint] = {}

    def now(self, key: VipKey, status: FrontendStatus, *, was_level: bool) -> SyncPoint | None:
        """Return the present moment, for `reached`; None if the VIP can't be level.

        That is so if it is yet to be made, if backends of the frontend share an address, and if one has moved and
        serves where it was: what an application server should have is then not a matter of the backend that changed
        alone.

        Args:
            key: The VIP.
            status: Its frontend.
            was_level: Whether it was level up to now, so that addresses need no look.
        """
        vip = self._ledger.vips.get(key)
        if vip is None or not (was_level or self._has_own_addresses(status)):
            return None
        return SyncPoint(vip, self._board.generation, status.changes)

    def reached(self, key: VipKey, level: SyncPoint | None) -> None:
        """Record that everything that a VIP lacked at some moment is written."""
        if level is not None:
            self._levels[key] = level

    def changed(self, key: VipKey, status: FrontendStatus) -> AbstractSet[str] | None:
        """Return the backends for which a VIP may not be as wanted; None if all of it has to be compared.

        The VIP is then out of sync until `reached` says otherwise.
        """
        level = self._levels.pop(key, None)
        if level is None or level.vip is not self._ledger.vips.get(key) or level.generation != self._board.generation:
            return None
        return status.changed_since(level.changes)

    def trim(self) -> None:
        """Forget VIPs that are gone."""
        self._levels = {key: level for key, level in self._levels.items() if key in self._ledger.vips}

    def _has_own_addresses(self, status: FrontendStatus) -> bool:
        backends = [self._board.backends[name] for name in status.desired]
        own = len({backend.address for backend in backends}) == len(backends)
        return own and all(backend.proved_address is None for backend in backends)
