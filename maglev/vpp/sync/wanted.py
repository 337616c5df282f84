"""What VPP should hold now, by VIP: the board's weights as VIPs that this VPP can have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.state.found_weights import effective_weights
from maglev.state.weights import WeightReason
from maglev.vpp.lb.state import AddServer, ApplicationServer, DeleteServer, SetWeight, key_of, prefix_of
from maglev.vpp.sync.plan import WantedServer, encap_of, fitted, plan_servers, raises, want

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.state.weights import DesiredWeight
    from maglev.vpp.lb.calls import Features
    from maglev.vpp.lb.state import Encap, Operation, Prefix, Vip, VipKey
    from maglev.vpp.sync.departures import Departures
    from maglev.vpp.sync.plan import WantedVip
    from maglev.vpp.sync.warmup import WarmUp


class WantedVips:
    """The VIPs that one connected VPP should hold.

    A VIP is asked for by its key; the name of its frontend is looked up each time, since a reload may change it.
    """

    def __init__(self, board: Board, features: Features, warm_up: WarmUp, departures: Departures) -> None:
        """Begin to look.

        Args:
            board: Says what each backend should have.
            features: What the connected VPP can do.
            warm_up: Says which frontends may be written.
            departures: Says which servers have to stay for now.
        """
        self._board = board
        self._features = features
        self._warm_up = warm_up
        self._departures = departures
        self._generation = 0
        self._names: Mapping[VipKey, str] = {}
        self._keys: dict[Prefix, list[VipKey]] = {}

    def names(self) -> Mapping[VipKey, str]:
        """Return the names of the frontends in force, by their VIPs; made once for each configuration."""
        if self._generation != self._board.generation:
            self._generation = self._board.generation
            self._names = {key_of(status.frontend): name for name, status in self._board.frontends.items()}
            self._keys = {}
            for key in self._names:
                self._keys.setdefault(prefix_of(key), []).append(key)
        return self._names

    def keys_on(self, prefix: Prefix) -> Sequence[VipKey]:
        """Return the VIPs of the configuration in force on a prefix."""
        self.names()
        return self._keys.get(prefix, ())

    def status_at(self, key: VipKey) -> FrontendStatus | None:
        """Return the frontend that has a VIP now and may be written; None if there is none."""
        name = self.names().get(key)
        return self._board.frontends[name] if name is not None and self._warm_up.is_free(name) else None

    def statuses_on(self, prefix: Prefix) -> Mapping[VipKey, FrontendStatus]:
        """Return the frontends that have VIPs on a prefix now and may be written, by VIP."""
        found = ((key, self.status_at(key)) for key in self.keys_on(prefix))
        return {key: status for key, status in found if status is not None}

    def steps(
        self, held: Mapping[VipKey, Vip], lost: AbstractSet[str] = frozenset()
    ) -> Generator[None, None, dict[VipKey, WantedVip]]:
        """Return all VIPs that may be written; yield after each.

        Args:
            held: What VPP holds. A write that is under way may be about to change it.
            lost: Frontends that are about to be released from the warm-up.
        """
        wanted = {}
        for name in tuple(self._board.frontends):
            if name in self._board.frontends and (self._warm_up.is_free(name) or name in lost):
                status = self._board.frontends[name]
                key = key_of(status.frontend)
                wanted[key] = self.whole(status, held.get(key))
            yield
        return wanted

    def some(self, status: FrontendStatus, desired: Mapping[str, DesiredWeight]) -> WantedVip:
        """Return what the VIP of a frontend should be as far as these of its backends go."""
        return self._fitted(self._configured(status, desired))

    def lacking(self, status: FrontendStatus, held: Vip, changed: AbstractSet[str]) -> Sequence[Operation]:
        """Return what a VIP lacks that lacked nothing before some backends changed: at the cost of those."""
        # Mostly it is one; of several, the order is that of the frontend.
        names = changed if len(changed) < 2 else [name for name in status.desired if name in changed]
        return plan_servers(self.some(status, {name: status.desired[name] for name in names}), held)

    def whole(self, status: FrontendStatus, held: Vip | None) -> WantedVip:
        """Return what the VIP of a frontend should be now.

        Args:
            status: The frontend.
            held: What VPP holds of the VIP.
        """
        weights = self._features.weights
        wanted = self._configured(status, status.desired)
        # An operator's word: servers that left the file do not stay in for a frontend that is out of service.
        if status.out:
            return self._fitted(wanted)
        unknown = self.unknown(status, held, wanted.servers)
        if wanted.key in self._departures:
            found = self._found(status, held, unknown)
            proved = {"succeeded": self._succeeded(status), "newcomers_known": status.knows_all}
            kept = self._departures.keep(wanted, found, **proved, weights=weights)
            if status.guarded and any(s.weight for a, s in kept.servers.items() if a not in wanted.servers):
                # The guard raises nobody while something better serves: what it keeps may never have worked.
                wanted = self._configured(status, self._without_raised(status, found))
                kept = self._departures.keep(wanted, found, **proved, weights=weights)
            wanted = _in_scale(status, kept, wanted.servers)
        if status.frontend.unresolved and held is not None:
            wanted = _with_held(wanted, held.encap, unknown)
        return self._fitted(wanted)

    def unknown(
        self, status: FrontendStatus, held: Vip | None, configured: Collection[str]
    ) -> Mapping[str, ApplicationServer]:
        """Return the servers that VPP holds for a frontend and that a name of it may stand for, never resolved yet.

        Args:
            status: The frontend.
            held: What VPP holds of the VIP.
            configured: The addresses that its backends have, or serve at.
        """
        if held is None or not status.frontend.unresolved or status.out:
            return {}
        return self._departures.owners.unknown(held, configured)

    def kept_steps(self, held: Mapping[VipKey, Vip]) -> Generator[None, None, dict[str, int]]:
        """Return how many servers stay for names that were never resolved, by frontend; yield after each."""
        kept = {}
        for name, status in tuple(self._board.frontends.items()):
            if count := len(self.kept(status, held.get(key_of(status.frontend)))):
                kept[name] = count
            yield
        return kept

    def kept(self, status: FrontendStatus, held: Vip | None) -> Collection[str]:
        """Return the addresses of the servers of a frontend that stay for names that were never resolved."""
        if not status.frontend.unresolved:
            return ()
        backends = [self._board.backends[name] for name in status.desired if name in self._board.backends]
        configured = {address for each in backends for address in (each.address, each.serving_address)}
        return self.unknown(status, held, configured).keys()

    def decide(self, status: FrontendStatus, held: Vip | None) -> None:
        """Decide which servers have to stay for now: the VIP is about to be written as `whole` returns it.

        Args:
            status: The frontend.
            held: What VPP holds of the VIP, whose lock the caller has.
        """
        key = key_of(status.frontend)
        if key not in self._departures:
            return
        if status.out:
            self._departures.leave(key)
            return
        wanted = self._configured(status, status.desired)
        self._departures.decide(
            wanted,
            self._found(status, held, self.unknown(status, held, wanted.servers)),
            succeeded=self._succeeded(status),
            newcomers_known=status.knows_all,
            moving=any(self._board.backends[name].proved_address is not None for name in status.desired),
            weights=self._features.weights,
        )

    def with_orders(self) -> list[VipKey]:
        """Return the VIPs that the warm-up protects and in which operators order backends out of service, or did."""
        if self._warm_up.over:
            return []
        board = self._board
        ordered = [name for name, status in board.backends.items() if status.ordered_out]
        names = dict.fromkeys(frontend for name in ordered for frontend in board.frontends_of(name))
        lowered = self._warm_up.raises_in
        names |= {name: None for name, each in board.frontends.items() if each.out or key_of(each.frontend) in lowered}
        return [key_of(board.frontends[name].frontend) for name in names if not self._warm_up.is_free(name)]

    def in_warm_up(self, key: VipKey, held: Mapping[VipKey, Vip]) -> list[Operation]:
        """Return what may be written to a VIP that the warm-up protects.

        The warm-up waits for evidence, and an operator's word is all that there is to know: maglevd may have ended
        between the order and its write to VPP. So what is ordered out loses its weight, and whatever should have more
        weight than it has gets that first.
        """
        name = self.names().get(key)
        if name is None or key not in held:
            return []
        status, vip = self._board.frontends[name], held[key]
        lowered = self._ordered_out(status, vip)
        if lowered:
            self._warm_up.raises_in.add(key)
        return [*self._raised(status, vip), *lowered] if key in self._warm_up.raises_in else []

    def _ordered_out(self, status: FrontendStatus, vip: Vip) -> list[Operation]:
        """Return what takes out of a VIP the servers that operators have ordered out."""
        backends = self._board.backends
        out = {name: desired for name, desired in status.desired.items() if status.out or backends[name].ordered_out}
        others = {backends[name].serving_address for name in status.desired if name not in out}
        serving = {address for address, server in vip.servers.items() if server.weight} - others
        # With the frontend, servers go that it no longer has in the file, too.
        wanted, zero = self._configured(status, out), WantedServer(0, flush=True)
        gone = {address: zero for address in vip.servers if status.out and address not in wanted.servers}
        operations = plan_servers(self._fitted(attrs.evolve(wanted, servers={**wanted.servers, **gone})), vip)
        return [each for each in operations if isinstance(each, SetWeight | DeleteServer) and each.address in serving]

    def _raised(self, status: FrontendStatus, vip: Vip) -> list[Operation]:
        """Return what gives the servers of a VIP the weights that they should have, where those are higher."""
        wanted = self.whole(status, vip)
        if wanted.encap is not vip.encap:
            return []  # the VIP has to be made again
        return [each for each in plan_servers(wanted, vip) if isinstance(each, AddServer | SetWeight) and _gains(each)]

    def effective(self, status: FrontendStatus, held: Vip) -> dict[str, ApplicationServer]:
        """Return the servers that VPP holds for a frontend with their effective weights, by address."""
        addresses = {name: self._board.backends[name].serving_address for name in status.desired}
        found = {address: server.weight for address, server in held.servers.items()}
        weights = effective_weights(status.frontend, addresses, found)
        return {address: ApplicationServer(address, weight) for address, weight in weights.items()}

    def _succeeded(self, status: FrontendStatus) -> bool:
        """Return whether a backend of a frontend that is proved up serves, at the address where it was proved."""
        return any(each.weight and each.reason is WeightReason.ACTIVE for each in status.desired.values())

    def _without_raised(self, status: FrontendStatus, found: Vip | None) -> Mapping[str, DesiredWeight]:
        """Return the desired weights of a frontend, without those that the guard would give to what has none in VPP."""
        serving = set() if found is None else {a for a, server in found.servers.items() if server.weight}
        desired = dict(status.desired)
        for name in status.guarded:
            if self._board.backends[name].address not in serving:
                desired[name] = attrs.evolve(desired[name], weight=0, programmed=0)
        return desired

    def _fitted(self, wanted: WantedVip) -> WantedVip:
        return fitted(wanted, weights=self._features.weights, src_ip_sticky=self._features.src_ip_sticky)

    def _found(self, status: FrontendStatus, held: Vip | None, unknown: Collection[str]) -> Vip | None:
        """Return what VPP holds for a frontend, with effective weights, without the servers of unknown owners."""
        if held is None:
            return None
        servers = self.effective(status, held)
        return attrs.evolve(held, servers={a: server for a, server in servers.items() if a not in unknown})

    def _configured(self, status: FrontendStatus, desired: Mapping[str, DesiredWeight]) -> WantedVip:
        addresses, moved = {}, {}
        for name in desired:
            backend = self._board.backends[name]
            addresses[name] = backend.address
            if backend.proved_address is not None:
                moved[name] = (backend.proved_address, status.scale[status.carried.get(name, 0)])
        return want(status.frontend, addresses, desired, status.flushes, moved)


def _gains(operation: AddServer | SetWeight) -> bool:
    """Return whether an operation gives a server more weight than it had."""
    return operation.weight > 0 and raises(operation)


def _with_held(wanted: WantedVip, encap: Encap, unknown: Mapping[str, ApplicationServer]) -> WantedVip:
    """Return a VIP with the servers of unknown owners: nobody knows what a name stands for that was never resolved."""
    servers = {address: WantedServer(server.weight) for address, server in unknown.items()}
    if wanted.servers and (not servers or encap_of(servers) is not encap_of(wanted.servers)):
        return wanted
    return attrs.evolve(wanted, encap=encap, servers={**servers, **wanted.servers})


def _in_scale(status: FrontendStatus, kept: WantedVip, configured: Collection[str]) -> WantedVip:
    """Return a VIP in which the servers that stay for now are told to VPP by a scale, too."""
    others = {address: server for address, server in kept.servers.items() if address not in configured}
    if not others:
        return kept
    scale = status.scale_of_departing(server.weight for server in others.values())
    scaled = {address: attrs.evolve(server, weight=scale[server.weight]) for address, server in others.items()}
    return attrs.evolve(kept, servers={**kept.servers, **scaled})
