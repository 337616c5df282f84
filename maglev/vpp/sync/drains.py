"""Drains: servers that left the configuration, and no longer get new flows, are deleted a short moment later.

VPP forgets the flows of a server that is deleted with a flush, which cuts off whatever is half way there. So a server
that leaves a VIP in which another one is in service first loses its weight, at once and without a flush, and is deleted
when ``vpp.lb.removal-drain`` is over. A server without weight has no need of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.sync.plan import WantedServer, has_service

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.plan import WantedVip


class Drains:
    """The servers that drain."""

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, limit: Callable[[], float], ended: Callable[[VipKey], None]) -> None:
        """Begin with none.

        Args:
            clock: A monotonic clock.
            limit: Returns for how many seconds a server drains.
            ended: Called with a VIP in which a server has drained: it has to be compared again.
        """
        self._clock = clock
        self._limit = limit
        self._ended = ended
        # A server that has drained stays, without a timer, until it is seen to be gone.
        self._timers: dict[VipKey, dict[str, IDelayedCall | None]] = {}

    def __contains__(self, key: VipKey) -> bool:
        """Return whether servers drain in a VIP, or have drained and may still be there."""
        return key in self._timers

    def keys(self) -> Collection[VipKey]:
        """Return the VIPs in which servers drain, or have drained and may still be there."""
        return self._timers.keys()

    def draining(self, key: VipKey) -> Mapping[str, float]:
        """Return for how many seconds each server of a VIP drains, by address."""
        now = self._clock.seconds()
        timers = self._timers.get(key, {})
        return {address: timer.getTime() - now for address, timer in timers.items() if timer is not None}

    def keep(self, wanted: WantedVip, held: Vip | None, leaving: Collection[str]) -> WantedVip:
        """Return what a VIP should be, with the servers that drain.

        Args:
            wanted: What it should be without them.
            held: What VPP holds of it.
            leaving: Addresses of servers that were ours: those that are no longer wanted begin to drain.
        """
        if held is None or held.encap is not wanted.encap:
            return wanted
        begins = self._limit() > 0 and has_service(wanted)
        timers = self._timers.get(wanted.key, {})
        drained = {
            address: WantedServer(0)
            for address, server in held.servers.items()
            if address not in wanted.servers
            and (timers[address] is not None if address in timers else begins and server.weight and address in leaving)
        }
        return attrs.evolve(wanted, servers={**wanted.servers, **drained}) if drained else wanted

    def decide(self, wanted: WantedVip, held: Vip | None, leaving: Collection[str]) -> None:
        """Let servers drain: the VIP is about to be written as `keep` returns it for the same arguments."""
        key = wanted.key
        kept = self.keep(wanted, held, leaving)
        draining = kept.servers.keys() - wanted.servers.keys()
        timers = self._timers.get(key, {})
        for address in [each for each in timers if each not in draining]:
            # One that has drained is gone, or has come back.
            if timers[address] is not None or held is None or address not in held.servers or address in wanted.servers:
                self._stop(timers.pop(address))
        begun = sorted(draining - timers.keys())
        if begun:
            limit = self._limit()
            timers |= {address: self._clock.callLater(limit, self._expire, key, address) for address in begun}
            self._log.info("vpp-lbsync-drain", vip=str(key), servers=", ".join(begun), seconds=limit)
        if timers:
            self._timers[key] = timers
        else:
            self._timers.pop(key, None)

    def release(self, key: VipKey) -> None:
        """Let the servers of a VIP go at once."""
        timers = self._timers.get(key, {})
        for address, timer in timers.items():
            self._stop(timer)
            timers[address] = None

    def forget(self, key: VipKey) -> None:
        """Forget the servers of a VIP."""
        for timer in self._timers.pop(key, {}).values():
            self._stop(timer)

    def _expire(self, key: VipKey, address: str) -> None:
        self._timers[key][address] = None
        self._ended(key)

    @staticmethod
    def _stop(timer: IDelayedCall | None) -> None:
        if timer is not None:
            timer.cancel()
