"""What is known of backends, and which weights VPP may have because of it: told from the events alone.

Nothing here asks the product: the facts are what the file says, what was probed at which address, and what operators
did. Backends have rise 1 and fall 1, so that one result is a proof.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import attrs

from maglev.vpp.lb.state import key_of


@attrs.define
class Fact:
    """What is known of one backend.

    Attributes:
        address: Where it is.
        passed: Its last result there; None before the first.
        out: How an operator took it out of service, "draining", "paused" or "disabled"; empty if nobody did.
        serving: Where it was before it moved, until its first result at its address; None otherwise.
    """

    address: str
    passed: bool | None = None
    out: str = ""
    serving: str | None = None

    @property
    def up(self):
        return self.passed is True and not self.out

    @property
    def unknown(self):
        return self.passed is None and not self.out

    def forget(self):
        self.passed = None


class Judgment(NamedTuple):
    """What may be done to one VIP.

    Attributes:
        configured: Whether it is in the file.
        floors: The weights to which its servers may be lowered for reasons of their own, by address; None for those
            that must keep what they have. Those that are missing have left the file.
        members: The addresses of its backends in the file.
        eligible: Addresses that were proved up and should serve.
        exact: What VPP should hold, by address; None as long as some backend is unknown.
    """

    configured: bool
    floors: dict
    members: frozenset
    eligible: frozenset
    exact: dict | None


class Facts:
    """The facts of one daemon.

    Attributes:
        moment: Incremented with each event, and by others with each answer of VPP.
        drained: When a server that had left a VIP lost its weight, by VIP and address: filled in by others.
        left: When a server first left each VIP that stayed, since VPP was at rest.
    """

    def __init__(self, config, clock):
        self.clock = clock
        self.backends = {}
        self.frontends = {}
        self.checks = {}
        self.left = {}
        self.moment = 0
        self._sent = {}
        self._windows = {}
        self._known = {}
        self._own = {}
        self._found = {}
        self._gone = set()
        self.drained = {}
        self.apply(config)

    # Events

    def apply(self, config):
        addresses = {key: self._addresses(key) for key in self.keys()}
        for name in self.backends.keys() - config.backends.keys():
            del self.backends[name]
        for name, backend in config.backends.items():
            fact = self.backends.get(name)
            if fact is None:
                fact = self.backends[name] = Fact(backend.address, out="" if backend.enabled else "disabled")
                continue
            if fact.address != backend.address or self.checks != config.healthchecks:
                self._move(fact, backend.address)
            was = self.enabled[name]
            if was and not backend.enabled:
                self._take_out(fact, "disabled")
            elif backend.enabled and not was and fact.out == "disabled":
                fact.out = ""
                fact.forget()
        self.enabled = {name: backend.enabled for name, backend in config.backends.items()}
        self.checks = config.healthchecks
        self.frontends = dict(config.frontends)
        # What is under way to a VIP that leaves the file, and comes back before it is done, speaks for nobody.
        gone = addresses.keys() - self.keys()
        self._gone |= gone
        self.left |= dict.fromkeys(gone, -math.inf)
        for key, before in addresses.items():
            if before - self._addresses(key):
                self.left.setdefault(key, self.clock.seconds())
        self._changed()

    def record(self, name, passed):
        fact = self.backends.get(name)
        if fact is not None and fact.out in {"", "draining"}:
            fact.passed, fact.serving = passed, None
            self._changed()

    def operate(self, name, event):
        """Note what an operator does; return whether that makes sense."""
        fact = self.backends[name]
        if event == "paused" and fact.out != "disabled":
            self._take_out(fact, "paused")
        elif event == "disabled":
            self._take_out(fact, "disabled")
        elif event == "draining" and fact.out != "disabled":
            if fact.out == "paused":
                fact.forget()
            self._take_out(fact, "draining")
        elif (event, fact.out) == ("enabled", "draining"):
            fact.out = ""
        elif (event, fact.out) in {("resumed", "paused"), ("enabled", "disabled")}:
            fact.out = ""
            fact.forget()
        else:
            return False
        self._changed()
        return True

    def weigh(self, frontend, pool, backend, weight):
        old = self.frontends[frontend]
        pools = []
        for each in old.pools:
            members = tuple(
                attrs.evolve(m, weight=weight) if (each.name, m.backend) == (pool, backend) else m for m in each.members
            )
            pools.append(attrs.evolve(each, members=members))
        self.frontends[frontend] = attrs.evolve(old, pools=tuple(pools))
        fact = self.backends[backend]
        if fact.unknown:
            # An operator has said so: it may be lowered to that, but no further, before its first result.
            highest = max(m.weight for each in pools for m in each.members if m.backend == backend)
            key = key_of(old)
            self._known[key, fact.address] = min(self._known.get((key, fact.address), highest), highest)
            # Where it was, this speaks for it alone, and raises nothing: another backend may be there by now.
            for own in (self._own, self._found):
                if (key, backend) in own:
                    own[key, backend] = min(own[key, backend], highest)
        self._changed()

    def rest(self):
        """Note that VPP holds what the file says, and nothing else."""
        self.left.clear()
        self._gone.clear()

    @staticmethod
    def _take_out(fact, how):
        fact.out, fact.serving = how, None

    @staticmethod
    def _move(fact, address):
        before = fact.serving or fact.address
        fact.address = address
        fact.forget()
        fact.serving = None if before == address or fact.out else before

    # Judgments

    def keys(self):
        return {key_of(frontend) for frontend in self.frontends.values()}

    def sending(self, key):
        """Return the judgments since the message before about a VIP: one was decided upon, and one is enough.

        What is sent about it at the same moment belongs to one decision.
        """
        moment, window = self._sent.get(key, (-1, []))
        if moment != self.moment:
            now = self.judge(key)
            window = self._windows.get(key, [now])
            self._windows[key] = [now]
            self._sent[key] = (self.moment, window)
        return window

    def judge(self, key):
        frontend = self._at(key)
        if frontend is None:
            return Judgment(False, {}, frozenset(), frozenset(), {})
        floors = {}
        for name, floor in self._floors(frontend):
            fact = self.backends[name]
            for address in {fact.address, fact.serving or fact.address}:
                own = self._own.get((key, name), self._found.get((key, name)))
                if floor is None and address != fact.address and own is None:
                    continue  # it was never in this VIP while it was there: who is or was there speaks for itself
                # Where it was, it serves only if it was ever known there.
                blank = 0 if key in self._gone or address != fact.address else None
                # What is unknown may be what it could be when it was last known at this address.
                known = self._known.get((key, address), blank) if floor is None else floor
                if floor is None and address != fact.address:
                    # Another backend may have served there, too; what that one had is not for this one to keep.
                    known = min(known, own)
                    if self._is_proved_down(address):
                        known = 0
                floors[address] = _higher(floors.get(address, 0), known)
        facts = [self.backends[member.backend] for pool in frontend.pools for member in pool.members]
        exact = None if any(fact.unknown for fact in facts) else self._exact(frontend)
        eligible = frozenset(address for address, weight in (exact or {}).items() if weight)
        return Judgment(True, floors, frozenset(fact.address for fact in facts), eligible, exact)

    def _floors(self, frontend):
        """Yield the name of each backend in each pool, and what it should have there; None while it is unknown."""
        serving = [[self.backends[m.backend] for m in pool.members] for pool in frontend.pools]
        for index, pool in enumerate(frontend.pools):
            other = any(fact.up or fact.unknown for facts in serving[:index] for fact in facts)
            for member in pool.members:
                fact = self.backends[member.backend]
                if fact.unknown and member.weight:
                    yield member.backend, None
                else:
                    yield member.backend, member.weight if fact.up and not other else 0

    def _is_proved_down(self, address):
        """Return whether the backend that is at an address now fails there."""
        there = [fact for fact in self.backends.values() if fact.address == address and not fact.out]
        return bool(there) and all(fact.passed is False for fact in there)

    def _exact(self, frontend):
        pools = [[(self.backends[m.backend], m.weight) for m in pool.members] for pool in frontend.pools]
        active = next((pool for pool in pools if any(fact.up for fact, _ in pool)), [])
        weights = {fact.address: 0 for pool in pools for fact, _ in pool}
        return weights | {fact.address: weight if fact.up else 0 for fact, weight in active}

    def _at(self, key):
        return next((each for each in self.frontends.values() if key_of(each) == key), None)

    def _addresses(self, key):
        frontend = self._at(key)
        return set() if frontend is None else {self.backends[name].address for name in frontend.backends}

    def _changed(self):
        self.moment += 1
        known = {}
        for key in self.keys() | self._windows.keys():
            judgment = self.judge(key)
            self._windows.setdefault(key, []).append(judgment)
            for address in judgment.members:
                self.drained.pop((key, address), None)
            known |= {(key, address): floor for address, floor in judgment.floors.items() if floor is not None}
        self._known = known
        own, found = {}, {}
        for key in self.keys():
            for name, floor in self._floors(self._at(key)):
                fact = self.backends[name]
                if fact.unknown:
                    floor = self._own.get((key, name))  # noqa: PLW2901
                    # One that was never proved here keeps what another one had at its address.
                    there = known.get((key, fact.address)) if fact.serving is None else self._found.get((key, name))
                    if there is not None:
                        found[key, name] = there
                if floor is not None:
                    own[key, name] = max(floor, own.get((key, name), 0))
        self._own, self._found = own, found


def _higher(one, other):
    return None if one is None or other is None else max(one, other)
