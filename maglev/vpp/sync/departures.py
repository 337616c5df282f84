"""Departures: servers that left the configuration and go on serving a VIP for as long as nothing else does.

A server that left the file leaves VPP at once where another one is in service. Where it would take the last weight of a
VIP with it, it stays: until a successor is in service and every newcomer has been probed, until
``vpp.lb.removal-max-delay`` is over, or until an operator says so. Servers are identified by VIP and address: a rename
is not a departure, and a restart of maglevd changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.sync.plan import WantedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.plan import WantedVip


def departing(wanted: WantedVip, held: Vip, candidates: Collection[str]) -> dict[str, WantedServer]:
    """Return the servers that serve in VPP and are no longer wanted there, with the weights that they have.

    Args:
        wanted: What the configuration says.
        held: What VPP holds of the VIP.
        candidates: Addresses of servers that may be ours; all others were added by somebody else.
    """
    listed = wanted.servers.keys() | wanted.absent.keys()
    return {
        address: WantedServer(server.weight)
        for address, server in held.servers.items()
        if server.weight and address not in listed and address in candidates
    }


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
        self._candidates: dict[VipKey, set[str]] = {}
        self._timers: dict[VipKey, IDelayedCall | None] = {}

    def __contains__(self, key: VipKey) -> bool:
        """Return whether a VIP has to be compared as a whole because servers may be leaving it."""
        return key in self._candidates

    @property
    def staying(self) -> Mapping[VipKey, float]:
        """The VIPs that are served by servers that left, and for how many seconds more they may be."""
        now = self._clock.seconds()
        return {key: timer.getTime() - now for key, timer in self._timers.items() if timer is not None}

    def expect(self, key: VipKey, addresses: Iterable[str]) -> None:
        """Regard these servers of a VIP as ours: if they are not wanted, they are leaving."""
        self._candidates.setdefault(key, set()).update(addresses)

    def would_keep(
        self,
        wanted: WantedVip,
        held: Vip | None,
        *,
        newcomers_known: bool,
        moving: bool = False,  # noqa: ARG002  # as `keep` has it
    ) -> WantedVip:
        """Return what `keep` would, and decide nothing."""
        key = wanted.key
        if held is None or (has_service(wanted) and (newcomers_known or key not in self._timers)):
            return wanted
        if self._limit() <= 0 or self._timers.get(key, self) is None:
            return wanted
        leaving = departing(wanted, held, self._candidates.get(key, ()))
        if not leaving:
            return wanted
        if held.encap is wanted.encap:
            return attrs.evolve(wanted, servers={**wanted.servers, **leaving})
        # For servers of the other family the VIP has to be made again: not before one of them is in service.
        return wanted if has_service(wanted) else attrs.evolve(wanted, encap=held.encap, servers=leaving, absent={})

    def keep(self, wanted: WantedVip, held: Vip | None, *, newcomers_known: bool, moving: bool = False) -> WantedVip:
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
        if key not in self._timers:
            limit = self._limit()
            self._timers[key] = self._clock.callLater(limit, self._expire, key)
            staying = ", ".join(sorted(kept.servers.keys() - wanted.servers.keys()))
            self._log.warn("vpp-lbsync-departure-held", vip=str(key), servers=staying, seconds=limit)
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

    def _expire(self, key: VipKey) -> None:
        self._timers[key] = None
        self._log.warn("vpp-lbsync-departure-over", vip=str(key))
        self._ended(key)

    def _forget(self, key: VipKey) -> None:
        self._candidates.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
