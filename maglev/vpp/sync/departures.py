"""Departures: servers that left the configuration and go on serving a VIP for as long as nothing else does.

A server that left the file leaves service at once where another one that is proved up serves, and VPP a moment later
(see `maglev.vpp.sync.drains`). Otherwise it stays: until a successor is proved up and every newcomer has been probed,
until ``vpp.lb.removal-max-delay`` is over, until an operator says so, or until an operator takes the whole frontend
out. What keeps a weight without a result, at its former address too, does not succeed, and nor does what the guard
keeps for want of anything better; what the guard would raise besides waits until they have left (`WantedVips.whole`).
A VPP that restarts meanwhile gets them again, with the weight that they had. Servers are identified by VIP and
address: a rename is not a departure, and a restart of maglevd changes nothing.

What a VIP should be is computed without deciding anything (`Departures.keep`). Who is about to write that, decides
(`Departures.decide`); and who may go is forgotten only when VPP has acknowledged it (`Departures.written`): until then,
who takes over may fail, or be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

from maglev.config.diff import touched
from maglev.runtime.logs.logger import EventLogger
from maglev.state.found_weights import effective_weights
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.drains import Drains
from maglev.vpp.sync.owners import Owners
from maglev.vpp.sync.plan import WantedServer, encap_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.model.config import Config, Frontend, VipIdentity, VppConfig
    from maglev.vpp.lb.state import Vip, VipKey
    from maglev.vpp.sync.plan import WantedVip


class Departing(NamedTuple):
    """A server that left the configuration and is still in a VIP.

    Attributes:
        weight: Its weight; 0 if it only drains.
        seconds: For how long it stays at most.
    """

    weight: int
    seconds: float


class Departures:
    """The servers that have left the configuration and are still in VIPs.

    All weights in here are effective ones, also those that a VIP holds: what VPP is told for them is for the caller.

    Attributes:
        owners: Tells which servers a DNS name that was never resolved may stand for: those do not leave.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, limits: Callable[[], VppConfig], ended: Callable[[VipKey], None]) -> None:
        """Begin with none.

        Args:
            clock: A monotonic clock.
            limits: Returns for how long servers may stay and drain.
            ended: Called with a VIP in which a server's time is over: it has to be compared again.
        """
        self._clock = clock
        self.owners = Owners()
        self._limit = lambda: limits().removal_max_delay
        self._ended = ended
        self._drains = Drains(clock, lambda: limits().removal_drain, ended)
        self._candidates: dict[VipKey, dict[str, int]] = {}
        self._kept: dict[VipKey, dict[str, int]] = {}
        self._let_go: set[VipKey] = set()
        self._timers: dict[VipKey, IDelayedCall | None] = {}

    def __contains__(self, key: VipKey) -> bool:
        """Return whether a VIP has to be compared as a whole because servers may be leaving it."""
        return key in self._candidates or key in self._drains

    def departing(self, key: VipKey) -> Mapping[str, Departing]:
        """Return the servers that left the configuration and are still in a VIP, by address."""
        found = {address: Departing(0, seconds) for address, seconds in self._drains.draining(key).items()}
        timer = self._timers.get(key)
        if timer is not None:
            seconds = timer.getTime() - self._clock.seconds()
            found |= {address: Departing(weight, seconds) for address, weight in self._kept.get(key, {}).items()}
        return found

    def expect(self, key: VipKey, weights: Mapping[str, int]) -> None:
        """Regard these servers of a VIP as ours: if they are not wanted, they are leaving.

        Args:
            key: The VIP.
            weights: The effective weight with which each serves, by address; a VPP that has lost the VIP gets it again.
        """
        self._candidates.setdefault(key, {}).update(weights)
        self._let_go.discard(key)

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
            self._note_owners(key, (old, was), (new, frontend), held.get(key))
            if key in held:
                # Also what serves at an address from before the old configuration, or in what was a foreign VIP.
                programmed = {address: server.weight for address, server in held[key].servers.items()}
                config, of = (new, frontend) if was is None else (old, was)
                addresses = {name: config.backends[name].address for name in of.backends}
                self.expect(key, effective_weights(of, addresses, programmed))
            if was is not None:
                known = served.get(frontend.identity, {})
                all_of_them = dict.fromkeys((old.backends[name].address for name in was.backends), 0)
                self.expect(key, {**all_of_them, **known})

    def _note_owners(
        self, key: VipKey, before: tuple[Config, Frontend | None], after: tuple[Config, Frontend], held: Vip | None
    ) -> None:
        (old, was), (new, frontend) = before, after
        if not frontend.unresolved:
            self.owners.forget(key)
            return
        known = set(self.departing(key))
        # What leaves with the reload that brings a name may be what the name stands for.
        if was is not None and set(frontend.unresolved) <= set(was.unresolved):
            known |= {old.backends[name].address for name in was.backends}
        present = {new.backends[name].address for name in frontend.backends}
        self.owners.note(key, known - present, None if held is None else held.servers)

    def keep(
        self, wanted: WantedVip, held: Vip | None, *, succeeded: bool, newcomers_known: bool, weights: bool = True
    ) -> WantedVip:
        """Return what a VIP should be, with the servers that have to stay for now.

        Args:
            wanted: What the configuration says.
            held: What VPP holds of it.
            succeeded: Whether a backend of the frontend that is proved up serves.
            newcomers_known: Whether every backend of the frontend has been probed.
            weights: Whether this VPP has weights. Without, a server can't drain: it is there or not.
        """
        kept = self._with_kept(wanted, held, succeeded=succeeded, newcomers_known=newcomers_known)
        return self._drains.keep(kept, held, self._draining_from(wanted.key)) if weights else kept

    def _with_kept(self, wanted: WantedVip, held: Vip | None, *, succeeded: bool, newcomers_known: bool) -> WantedVip:
        """Return what a VIP should be, with the servers that have to go on serving."""
        key = wanted.key
        if succeeded and (newcomers_known or key not in self._timers):
            return wanted
        if self._limit() <= 0 or self._timers.get(key, self) is None:
            return wanted
        leaving = self._leaving(wanted, held)
        if not leaving:
            return wanted
        encap = encap_of(leaving) if held is None else held.encap
        if encap is wanted.encap:
            return attrs.evolve(wanted, servers={**wanted.servers, **leaving})
        # For servers of the other family the VIP has to be made again: not before one of them is proved up.
        return wanted if succeeded else attrs.evolve(wanted, encap=encap, servers=leaving)

    def decide(
        self,
        wanted: WantedVip,
        held: Vip | None,
        *,
        succeeded: bool,
        newcomers_known: bool,
        moving: bool,
        weights: bool = True,
    ) -> None:
        """Decide that a VIP is written as `keep` returns it now; its lock is held until VPP has answered.

        Args:
            wanted: As in `keep`, and so are all others but one.
            held: What VPP holds of it.
            succeeded: As in `keep`.
            newcomers_known: As in `keep`.
            moving: Whether a backend serves at its former address still, which may turn out to be the last one.
            weights: Whether this VPP has weights.
        """
        key = wanted.key
        if key not in self:
            return
        kept = self._with_kept(wanted, held, succeeded=succeeded, newcomers_known=newcomers_known)
        leaving = self._draining_from(key)
        self._let_go.discard(key)
        if kept is not wanted:
            self._begin(key, kept.servers, wanted.servers)
        elif newcomers_known or (succeeded and not moving) or self._timers.get(key, self) is None:
            self._let_go.add(key)
        if weights:
            self._drains.decide(kept, held, leaving)

    def written(self, key: VipKey) -> None:
        """Forget who was decided to go, because VPP has the VIP as decided; of others expected since, nothing is."""
        if key in self._let_go:
            self._forget(key)

    def _begin(self, key: VipKey, kept: Mapping[str, WantedServer], wanted: Collection[str]) -> None:
        """Remember the servers that go on serving, and for how long they may."""
        self._kept[key] = {address: server.weight for address, server in kept.items() if address not in wanted}
        if key not in self._timers:
            limit = self._limit()
            self._timers[key] = self._clock.callLater(limit, self._expire, key)
            servers = ", ".join(sorted(self._kept[key]))
            self._log.warn("vpp-lbsync-departure-held", vip=str(key), servers=servers, seconds=limit)

    def _draining_from(self, key: VipKey) -> Collection[str]:
        """Return the addresses of servers that drain if they are not wanted; none when they have to go at once."""
        return self._candidates.get(key, ()) if self._timers.get(key, self) is not None else ()

    def release(self) -> None:
        """Let all of them go at once, those included that are about to stay, because an operator said so."""
        for key in {*self._candidates, *self._drains.keys()}:
            timer = self._timers.get(key)
            if timer is not None:
                timer.cancel()
            if key in self._candidates:
                self._timers[key] = None
            self._drains.release(key)
            self._ended(key)

    def leave(self, key: VipKey) -> None:
        """Let the servers of a VIP go at once: an operator has taken its frontend out of service."""
        self._forget(key)
        self._drains.forget(key)

    def trim(self, keys: Collection[VipKey]) -> None:
        """Forget all VIPs but these."""
        for key in {*self._candidates, *self._drains.keys()}.difference(keys):
            self.leave(key)
        self.owners.trim(keys)

    def _leaving(self, wanted: WantedVip, held: Vip | None) -> dict[str, WantedServer]:
        """Return the servers of ours that serve and are no longer wanted, with the weights that they should keep."""
        key = wanted.key
        weights = self._candidates.get(key, {})
        if held is not None:
            serving = {address: server.weight for address, server in held.servers.items()}
            # What is remembered of a server says more than VPP does, where another scale is in force by now.
            weights = {a: serving.get(a, 0) and (weight or serving[a]) for a, weight in weights.items()}
        weights = {**weights, **self._kept.get(key, {})}
        return {a: WantedServer(weight) for a, weight in weights.items() if weight and a not in wanted.servers}

    def _expire(self, key: VipKey) -> None:
        self._timers[key] = None
        self._log.warn("vpp-lbsync-departure-over", vip=str(key))
        self._ended(key)

    def _forget(self, key: VipKey) -> None:
        self._let_go.discard(key)
        self._candidates.pop(key, None)
        self._kept.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
