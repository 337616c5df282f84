"""Held weights: what unknown backends keep, so that not knowing never lowers what VPP serves.

Identity is VPP's: a VIP by address, transport and port, a server by its address. Names of backends and frontends are
ours, and a reload may change them without a change for VPP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.config import MAX_WEIGHT
from maglev.model.health import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from maglev.model.config import Frontend, VipIdentity
    from maglev.state.status import BackendStatus, FrontendStatus


class Holds:
    """Decides what unknown backends keep."""

    def __init__(self, backends: Mapping[str, BackendStatus]) -> None:
        """Begin without any knowledge of VPP.

        Args:
            backends: All backends, by name; changes with the board.
        """
        self._backends = backends
        self._before: Mapping[VipIdentity, Mapping[str, int]] = {}
        self._programmed: Callable[[Frontend], Mapping[str, int]] = _nothing

    def know_programmed(self, programmed: Callable[[Frontend], Mapping[str, int]]) -> None:
        """Ask from now on what VPP is known to hold for a frontend.

        Args:
            programmed: Returns the weights above 0 that VPP holds for the VIP of a frontend, by address; empty when
                nothing is known of it.
        """
        self._programmed = programmed

    def weights_by_address(self, status: FrontendStatus) -> Mapping[str, int]:
        """Return what the VIP of a frontend should have, by the addresses at which its backends serve."""
        weights: dict[str, int] = {}
        for name, desired in status.desired.items():
            address = self._backends[name].serving_address
            weights[address] = max(desired.weight, weights.get(address, 0))
        return weights

    def begin_reload(self, statuses: Iterable[FrontendStatus]) -> None:
        """Remember what the VIPs should have that a reload is about to change."""
        self._before = {status.frontend.identity: self.weights_by_address(status) for status in statuses}

    def end_reload(self) -> None:
        """Forget it again."""
        self._before = {}

    def unproved(self, status: FrontendStatus) -> Collection[str]:
        """Return the backends of a frontend that are unknown."""
        return [name for name in status.frontend.backends if self._backends[name].state is State.UNKNOWN]

    def hold(self, frontend: FrontendStatus, names: Iterable[str]) -> bool:
        """Let unknown backends keep what serves at their address in this VIP; return whether that is more than before.

        That is the weight that the board wanted last, for this backend or for another one of its address: VPP has it,
        or is about to. Where the board never wanted any, what VPP is known to hold counts. A backend that has no weight
        in the file holds none.
        """
        before = self._before.get(frontend.frontend.identity, {})
        more = False
        for name in names:
            if name in frontend.excluded:
                continue
            self._carry(frontend, self._backends[name], before)
            if name in frontend.held:
                continue
            weight = self._last_weight(frontend, name, before)
            if weight:
                frontend.held[name] = weight
                more = True
        return more

    def _carry(self, frontend: FrontendStatus, status: BackendStatus, before: Mapping[str, int]) -> None:
        """Let the new address of a backend that has moved keep what it served already, as that of another one."""
        frontend.carried.pop(status.name, None)
        if status.proved_address is not None and (weight := self._weight_at(frontend, status.address, before)):
            frontend.carried[status.name] = weight

    def _weight_at(self, frontend: FrontendStatus, address: str, before: Mapping[str, int]) -> int:
        if address in before:
            return before[address]
        return min(self._programmed(frontend.frontend).get(address, 0), MAX_WEIGHT)

    def _last_weight(self, frontend: FrontendStatus, name: str, before: Mapping[str, int]) -> int:
        status = self._backends[name]
        desired = frontend.desired.get(name)
        if desired is not None and (desired.weight or not status.fresh):
            return desired.weight
        return self._weight_at(frontend, status.address, before)


def _nothing(_: Frontend) -> Mapping[str, int]:
    return {}
