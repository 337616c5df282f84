"""Held weights: the weights that unknown backends keep, so that missing evidence never lowers what VPP serves.

VIPs are identified by address, transport and port, and servers by address, as VPP does. Names of backends and frontends
are ours; a reload may change them without any effect on VPP.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING

from maglev.model.health import State
from maglev.state.found_weights import FoundWeights, understood

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from maglev.model.config import Frontend, VipIdentity
    from maglev.model.scale import Scale
    from maglev.state.backend_status import BackendStatus
    from maglev.state.status import FrontendStatus

    Found = Callable[[], FoundWeights]


class Holds:
    """Decides which weights unknown backends keep.

    Attributes:
        served_before: The desired weights before the last reload, by address, in the VIPs that it may have changed.
    """

    def __init__(self, backends: Mapping[str, BackendStatus]) -> None:
        """Create it without any knowledge of VPP.

        Args:
            backends: All backends, by name; the board's own mapping, which changes with it.
        """
        self._backends = backends
        self._before: Mapping[VipIdentity, Mapping[str, int]] = {}
        self._former_scales: Mapping[VipIdentity, Scale] = {}
        self._served_at: Mapping[str, str] = {}
        self._programmed: Callable[[Frontend], Mapping[str, int]] = _nothing
        self.served_before: Mapping[VipIdentity, Mapping[str, int]] = {}

    def know_programmed(self, programmed: Callable[[Frontend], Mapping[str, int]]) -> None:
        """Set the source of what VPP is known to hold for a frontend.

        Args:
            programmed: Returns the programmed weights above 0 that VPP holds, or is about to hold, for the VIP of a
                frontend, by address; empty when nothing is known of it.
        """
        self._programmed = programmed

    def weights_by_address(self, status: FrontendStatus) -> Mapping[str, int]:
        """Return the desired weights in the VIP of a frontend, by the address at which each backend serves.

        What backends that have moved carry at their new addresses is part of it.
        """
        weights: dict[str, int] = {}
        for name, desired in status.desired.items():
            address = self._backends[name].serving_address
            weights[address] = max(desired.weight, weights.get(address, 0))
        for name in status.carried.keys() & status.desired.keys():
            address = self._backends[name].address
            weights[address] = max(status.carried[name], weights.get(address, 0))
        return weights

    def is_served(self, status: FrontendStatus) -> bool:
        """Return whether a server that should have weight is not among those that VPP refuses."""
        return any(
            each.weight and self._backends[name].serving_address not in status.refused
            for name, each in status.desired.items()
        )

    def begin_reload(self, statuses: Iterable[FrontendStatus]) -> None:
        """Remember the desired weights of the VIPs that a reload is about to change, and where their backends serve."""
        concerned = list(statuses)
        self._before = {status.frontend.identity: self.weights_by_address(status) for status in concerned}
        self._former_scales = {status.frontend.identity: status.scale for status in concerned}
        self._served_at = {name: self._backends[name].serving_address for each in concerned for name in each.desired}

    def end_reload(self) -> None:
        """Hold nothing more because of what `begin_reload` remembered."""
        self.served_before, self._before, self._former_scales, self._served_at = self._before, {}, {}, {}

    def unproved(self, status: FrontendStatus) -> Collection[str]:
        """Return the backends of a frontend that are unknown."""
        return [name for name in status.frontend.backends if self._backends[name].state is State.UNKNOWN]

    def served(self, frontend: FrontendStatus, names: Collection[str]) -> Collection[str]:
        """Return which of these backends VPP is known to serve in this VIP."""
        mine = [name for name in names if name in frontend.desired and name not in frontend.excluded]
        effective = self._found(frontend).effective if mine else {}
        return [name for name in mine if effective.get(self._backends[name].serving_address)]

    def learn(self, frontend: FrontendStatus) -> None:
        """Let a frontend know what VPP held at the start, for what it says of changes."""
        if frontend.last_changes:
            effective = self._found(frontend).effective
            addresses = {name: self._backends[name].serving_address for name in frontend.last_changes}
            frontend.learn_served({name: effective.get(address, 0) for name, address in addresses.items()})

    def hold(self, frontend: FrontendStatus, names: Iterable[str]) -> bool:
        """Let unknown backends keep the weight served at their address in this VIP; return whether any hold grew.

        The held weight is the one that the board last wanted, for this backend or another one at the same address: VPP
        holds it, or is about to. Where the board never wanted any, the weight that VPP is known to hold is used. A
        backend without a weight in the file holds none.
        """
        identity = frontend.frontend.identity
        before = self._before.get(identity, {})
        found = cache(partial(self._found, frontend))
        more = False
        for name in names:
            if name in frontend.excluded:
                continue
            self._carry(frontend, self._backends[name], before, found)
            if name in frontend.held:
                continue
            weight = self._last_weight(frontend, name, before, found)
            if weight:
                frontend.held[name] = weight
                more = True
        if frontend.former_scale is None:
            frontend.former_scale = self._former_scales.get(identity)  # that of the former frontend of the VIP
        if more and found.cache_info().currsize:
            frontend.former_scale = found().scale or frontend.former_scale
        return more

    def _found(self, status: FrontendStatus) -> FoundWeights:
        """Return what VPP is known to hold for a frontend."""
        frontend = status.frontend
        programmed = self._programmed(frontend)
        if not programmed:
            return FoundWeights(programmed)
        # In the middle of a reload, backends of a frontend that is yet to change may be gone already.
        known = [name for name in frontend.backends if name in self._backends]
        addresses = {name: self._backends[name].serving_address for name in known}
        return understood(frontend, addresses, programmed)

    def _carry(self, frontend: FrontendStatus, status: BackendStatus, before: Mapping[str, int], found: Found) -> None:
        """Let the new address of a backend that has moved keep the weight it already served for another backend."""
        if status.name in frontend.carried and not self._before:
            return  # it has not moved since: a VPP that holds less gets it again
        frontend.carried.pop(status.name, None)
        if status.proved_address is not None and (weight := _weight_at(status.address, before, found)):
            frontend.carried[status.name] = weight

    def _last_weight(self, frontend: FrontendStatus, name: str, before: Mapping[str, int], found: Found) -> int:
        status = self._backends[name]
        desired = frontend.desired.get(name)
        # A backend that was out of service when it moved serves at its new address, for which its old weight says
        # nothing.
        stays = self._served_at.get(name, status.serving_address) == status.serving_address
        if stays and desired is not None and (desired.weight or not status.fresh):
            # Another backend may have carried a weight to this address, and have moved on unproved.
            return max(desired.weight, before.get(status.serving_address, 0))
        return _weight_at(status.serving_address, before, found)


def _weight_at(address: str, before: Mapping[str, int], found: Found) -> int:
    return before[address] if address in before else found().effective.get(address, 0)


def _nothing(_: Frontend) -> Mapping[str, int]:
    return {}
