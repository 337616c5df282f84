"""Reads what stands behind the frontends of an address: from the board, and from what VPP is known to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from maglev.announce.decision import FrontendSupport
from maglev.model.health import State
from maglev.vpp.lb.state import key_of, prefix_of

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Config
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.ledger import Ledger
    from maglev.vpp.lb.state import VipKey


class SyncedVpp(Protocol):
    """What is asked of `maglev.vpp.sync.service.VppService`."""

    @property
    def acknowledged(self) -> bool:
        """Whether VPP has acknowledged a full sync over the present connection."""

    @property
    def starting(self) -> bool:
        """Whether backends may be without a result only because maglevd has just started."""

    @property
    def hindered(self) -> bool:
        """Whether maglevd could not connect for a reason of its own, which says nothing of VPP."""

    @property
    def memory(self) -> RemembersVpp:
        """What outlives a connection."""


class RemembersVpp(Protocol):
    """What is asked of `maglev.vpp.sync.memory.SyncMemory`."""

    @property
    def ledger(self) -> Ledger | None:
        """What VPP was last known to hold; None before the first read."""

    @property
    def taken_over(self) -> bool:
        """Whether the board knows what VPP held when this run read it first."""

    def returning(self, key: VipKey) -> AbstractSet[str]:
        """Return the addresses of servers that left the configuration and go on serving a VIP, once VPP has it."""


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
        self._keys: tuple[Config | None, frozenset[VipKey]] = None, frozenset()

    @property
    def acknowledged(self) -> bool:
        """Whether VPP has acknowledged a full sync over the present connection."""
        return self._vpp.acknowledged

    def of(self, status: FrontendStatus) -> FrontendSupport:
        """Return what stands behind a frontend."""
        backends, name = self._board.backends, status.frontend.name
        if status.out:
            return FrontendSupport(name, 0, disabled=True)
        wanted = [each for each, desired in status.desired.items() if desired.weight and self._accepted(status, each)]
        held = bool(wanted) and status.guarded.issuperset(wanted)
        unproved = self._unproved(status)
        memory, key = self._vpp.memory, key_of(status.frontend)
        serving = _serving(memory.ledger, key)
        judged = self._addresses(status.desired.keys() - unproved)
        staying = serving - judged
        returning = memory.returning(key) - judged - staying
        elsewhere = len(self._elsewhere(key) - self._addresses(self._known_down(status)))
        if not self.acknowledged:
            may_serve = len(staying | returning | {backends[each].serving_address for each in unproved})
            unread = not memory.taken_over
            return FrontendSupport(
                name,
                len(wanted),
                may_serve,
                held=held,
                unread=unread,
                elsewhere=elsewhere,
                hindered=self._vpp.hindered,
            )
        starting = self._vpp.starting
        programmed = [each for each in wanted if backends[each].serving_address in serving]
        return FrontendSupport(
            name,
            len(wanted),
            len(returning),
            len(programmed),
            held,
            len(staying),
            proved=sum(backends[each].state is State.UP for each in programmed),
            pending=len({backends[each].serving_address for each in unproved} - staying - returning) if starting else 0,
            elsewhere=elsewhere,
        )

    def _known_down(self, status: FrontendStatus) -> set[str]:
        """Return the backends of a frontend that are known not to be up."""
        backends = self._board.backends
        return {name for name in status.desired if backends[name].state not in {State.UP, State.UNKNOWN}}

    def _elsewhere(self, key: VipKey) -> set[str]:
        """Return the servers on other ports of an address that are not configured, if VPP lacks this VIP."""
        ledger = self._vpp.memory.ledger
        if ledger is None or key in ledger.vips:
            return set()
        others = ledger.on(prefix_of(key)).keys()
        if not others:
            return set()
        return {address for other in others - self._configured() for address in _serving(ledger, other)}

    def _configured(self) -> AbstractSet[VipKey]:
        """Return the VIPs of the configuration; a look at thousands of addresses asks for them once."""
        config = self._board.config
        if self._keys[0] is not config:
            self._keys = config, frozenset(map(key_of, config.frontends.values()))
        return self._keys[1]

    def _accepted(self, status: FrontendStatus, name: str) -> bool:
        return not status.refused or self._board.backends[name].serving_address not in status.refused

    def _unproved(self, status: FrontendStatus) -> AbstractSet[str]:
        """Return the backends without a weight that have no result yet, and might serve in VPP."""
        backends = self._board.backends
        return {
            name
            for name, desired in status.desired.items()
            if not (desired.weight or name in status.excluded) and backends[name].state is State.UNKNOWN
        }

    def _addresses(self, names: AbstractSet[str]) -> AbstractSet[str]:
        """Return the addresses of backends, those at which they still serve after a move included."""
        backends = self._board.backends
        return {address for name in names for address in (backends[name].address, backends[name].serving_address)}


def _serving(ledger: Ledger | None, key: VipKey) -> AbstractSet[str]:
    """Return the addresses of the servers with a weight that VPP was last known to hold in a VIP."""
    vip = None if ledger is None else ledger.vips.get(key)
    return set() if vip is None else {address for address, server in vip.servers.items() if server.weight}
