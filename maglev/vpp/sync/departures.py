"""Departures: servers that left the configuration and go on serving a VIP for as long as nothing else does.

A server that left the file leaves VPP at once where another one is in service. Where it would take the last weight of a
VIP with it, it stays: until a successor is in service and every newcomer has been probed, until
``vpp.lb.removal-max-delay`` is over, or until an operator says so. A VPP that restarts meanwhile gets it again, with
the weight that it had. Servers are identified by VIP and address: a rename is not a departure, and a restart of maglevd
changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.config.diff import touched
from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.plan import WantedServer, encap_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.model.config import Config, VipIdentity
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.plan import WantedVip


def has_service(wanted: WantedVip) -> bool:
    """Return whether any server of a VIP should have weight."""
    return any(server.weight for server in wanted.servers.values())


class Departures:
    """The VIPs in which servers go on that have left the configuration."""

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, limit: Callable[[], float], ended: Callable[[VipKey], None]) -> None:
        """Begin with none.

        Args:
            clock: A monotonic clock.
            limit: Returns for how many seconds a server may stay.
            ended: Called with a VIP whose time is over: it has to be compared again.
        """
        self._clock = clock
        self._limit = limit
        self._ended = ended
        self._candidates: dict[VipKey, dict[str, int]] = {}
        self._kept: dict[VipKey, dict[str, int]] = {}
        self._timers: dict[VipKey, IDelayedCall | None] = {}

    def __contains__(self, key: VipKey) -> bool:
        """Return whether a VIP has to be compared as a whole because servers may be leaving it."""
        return key in self._candidates

    @property
    def staying(self) -> Mapping[VipKey, float]:
        """The VIPs that are served by servers that left, and for how many seconds more they may be."""
        now = self._clock.seconds()
        return {key: timer.getTime() - now for key, timer in self._timers.items() if timer is not None}

    def expect(self, key: VipKey, weights: Mapping[str, int]) -> None:
        """Regard these servers of a VIP as ours: if they are not wanted, they are leaving.

        Args:
            key: The VIP.
            weights: The weight with which each serves, by address; a VPP that has lost the VIP gets it again.
        """
        self._candidates.setdefault(key, {}).update(weights)

    def expect_reload(
        self,
        old: Config,
        new: Config,
        served: Mapping[VipIdentity, Mapping[str, int]],
        held: Mapping[VipKey, Vip],
    ) -> None:
        """Note which servers a reload may take out of VIPs that stay.

        Args:
            old: The configuration up to now.
            new: That in force now.
            served: The weights wanted up to now, by address, in the VIPs that may change.
            held: What VPP is known to hold; empty without a connection.
        """
        before = {key_of(frontend): frontend for frontend in old.frontends.values()}
        moved = set(touched(new.backends, old.backends))
        for frontend in new.frontends.values():
            key = key_of(frontend)
            was = before.get(key)
            if was is not None and was == frontend and moved.isdisjoint(was.backends):
                continue
            if key in held:
                # Also what serves at an address from before the old configuration, or in what was a foreign VIP.
                self.expect(key, {address: server.weight for address, server in held[key].servers.items()})
            if was is not None:
                known = served.get(frontend.identity, {})
                addresses = {old.backends[name].address for name in was.backends}
                self.expect(key, {**dict.fromkeys(addresses, 0), **known})

    def would_keep(self, wanted: WantedVip, held: Vip | None, *, newcomers_known: bool) -> WantedVip:
        """Return what `keep` would, and decide nothing."""
        key = wanted.key
        if has_service(wanted) and (newcomers_known or key not in self._timers):
            return wanted
        if self._limit() <= 0 or self._timers.get(key, self) is None:
            return wanted
        leaving = self._leaving(wanted, held)
        if not leaving:
            return wanted
        encap = encap_of(leaving) if held is None else held.encap
        if encap is wanted.encap:
            return attrs.evolve(wanted, servers={**wanted.servers, **leaving})
        # For servers of the other family the VIP has to be made again: not before one of them is in service.
        return wanted if has_service(wanted) else attrs.evolve(wanted, encap=encap, servers=leaving)

    def keep(self, wanted: WantedVip, held: Vip | None, *, newcomers_known: bool, moving: bool) -> WantedVip:
        """Return what a VIP should be, with the servers that have to stay for now.

        Args:
            wanted: What the configuration says.
            held: What VPP holds of it.
            newcomers_known: Whether every backend of the frontend has been probed.
            moving: Whether a backend serves at its former address still, which may turn out to be the last one.
        """
        key = wanted.key
        if key not in self._candidates:
            return wanted
        kept = self.would_keep(wanted, held, newcomers_known=newcomers_known)
        if kept is wanted:
            if newcomers_known or (has_service(wanted) and not moving):
                self._forget(key)
            return wanted
        staying = {address: kept.servers[address].weight for address in kept.servers.keys() - wanted.servers.keys()}
        self._kept[key] = staying
        if key not in self._timers:
            limit = self._limit()
            self._timers[key] = self._clock.callLater(limit, self._expire, key)
            self._log.warn("vpp-lbsync-departure-held", vip=str(key), servers=", ".join(sorted(staying)), seconds=limit)
        return kept

    def release(self) -> None:
        """Let all of them go at once, those included that are about to stay, because an operator said so."""
        for key in tuple(self._candidates):
            timer = self._timers.get(key)
            if timer is not None:
                timer.cancel()
            self._timers[key] = None
            self._ended(key)

    def trim(self, keys: Collection[VipKey]) -> None:
        """Forget all VIPs but these."""
        for key in self._candidates.keys() - keys:
            self._forget(key)

    def _leaving(self, wanted: WantedVip, held: Vip | None) -> dict[str, WantedServer]:
        """Return the servers of ours that serve and are no longer wanted, with the weights that they should keep."""
        key = wanted.key
        weights = self._candidates.get(key, {})
        if held is not None:
            weights = {a: held.servers[a].weight if a in held.servers else 0 for a in weights}
        weights = {**weights, **self._kept.get(key, {})}
        return {a: WantedServer(weight) for a, weight in weights.items() if weight and a not in wanted.servers}

    def _expire(self, key: VipKey) -> None:
        self._timers[key] = None
        self._log.warn("vpp-lbsync-departure-over", vip=str(key))
        self._ended(key)

    def _forget(self, key: VipKey) -> None:
        self._candidates.pop(key, None)
        self._kept.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
