"""Makes a draft fit the rules: one name for one thing, one VIP for an address and port, one family in a frontend."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.model import Note
from maglev.model.names import MAX_ADDRESSES
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from maglev.importers.draft.model import Draft, DraftServer, DraftVip, Member, Tier
    from maglev.model.config import Healthcheck

NAME_LENGTH: Final = 63
_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]+")


class Names:
    """Hands out unique names."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def give(self, *wanted: str) -> str:
        """Return the first of some names that is free, or the last one with a number."""
        for name in map(_allowed, wanted):
            if name not in self._taken:
                self._taken.add(name)
                return name
        base = _allowed(wanted[-1])[: NAME_LENGTH - 8]
        number = self._numbers.get(base, 2)
        while (name := f"{base}-{number}") in self._taken:
            number += 1
        self._numbers[base] = number + 1
        self._taken.add(name)
        return name


def _allowed(name: str) -> str:
    """Return a valid name that YAML does not read as a number."""
    made = _FOREIGN.sub("-", name).strip("-._")[:NAME_LENGTH]
    return made or "unnamed"


@attrs.define(eq=False)
class Fitted:
    """A draft that fits.

    Attributes:
        healthchecks: Ways to probe, by name, in the order of the file.
        backends: Servers by name; several servers that are the same are one.
        names: The name of the backend that a server has become.
        frontends: VIPs by name.
        leftovers: What belongs to none of these.
    """

    healthchecks: dict[str, Healthcheck] = attrs.field(factory=dict)
    check_names: dict[Healthcheck, str] = attrs.field(factory=dict)
    backends: dict[str, DraftServer] = attrs.field(factory=dict)
    names: dict[DraftServer, str] = attrs.field(factory=dict)
    frontends: dict[str, DraftVip] = attrs.field(factory=dict)
    leftovers: list[Note] = attrs.field(factory=list)


def fit(draft: Draft) -> Fitted:
    """Return a draft fitted to our rules."""
    fitted = Fitted(leftovers=list(draft.leftovers))
    _fit_servers(draft, fitted)
    _fit_vips(draft, fitted)
    return fitted


def _identity(server: DraftServer) -> Hashable:
    # HAProxy gives servers of one name in one section different addresses of it.
    name = server.dns_name and (server.dns_name, server.dns_family, server.section)
    return name or server.address or server.origin.text, server.healthchecks, server.agent, server.enabled


def _fit_servers(draft: Draft, fitted: Fitted) -> None:
    """Give names to servers, and to the ways in which they are probed."""
    checks, names = Names(), Names()
    same: dict[Hashable, DraftServer] = {}
    for server in draft.servers:
        for healthcheck in server.healthchecks:
            if healthcheck not in fitted.check_names:
                name = checks.give(server.section, f"{server.section}-{healthcheck.l4_port or healthcheck.type}")
                fitted.check_names[healthcheck] = name
                fitted.healthchecks[name] = healthcheck
        if server.agent is not None and server.agent not in fitted.check_names:
            name = checks.give(f"{server.section}-agent", f"{server.section}-agent-{server.agent.l4_port}")
            fitted.check_names[server.agent] = name
            fitted.healthchecks[name] = server.agent
        first = same.setdefault(_identity(server), server)
        if first is server:
            name = names.give(server.name, f"{server.section}-{server.name}")
            fitted.names[server] = name
            fitted.backends[name] = server
        else:
            fitted.names[server] = fitted.names[first]
            first.dns_max = min(first.dns_max + server.dns_max, MAX_ADDRESSES)
            first.notes += server.notes
            first.notes.append(Note(server.origin.place, f"same as: {server.origin.text}"))


def _fit_vips(draft: Draft, fitted: Fitted) -> None:
    names = Names()
    keys: dict[Hashable, str] = {}
    families: dict[str, int] = {}
    for vip in draft.vips:
        objection = _objection(vip, keys, families)
        if objection:
            fitted.leftovers.append(Note(vip.origin.place, f"{vip.origin.text} left out: {objection}"))
            fitted.leftovers += vip.notes
            continue
        name = names.give(vip.name, f"{vip.name}-{vip.l4_port or 'all'}")
        fitted.frontends[name] = vip
        _keep_one_family(vip)
        for tier in vip.tiers:
            _keep_each_once(tier, fitted)
        if vip.address is not None:
            keys[vip.address, vip.transport, vip.l4_port] = name
            keys.setdefault(vip.address, name)
            families[vip.address] = families.get(vip.address, 0) or _family(vip)


def _objection(vip: DraftVip, keys: dict[Hashable, str], families: dict[str, int]) -> str:
    """Return why this VIP conflicts with an earlier one; empty if it does not."""
    if vip.address is None:
        return ""
    other = keys.get((vip.address, vip.transport, vip.l4_port))
    if other is not None:
        return f"frontend {other} already has this address and port"
    whole = keys.get((vip.address, None, 0)) or (keys.get(vip.address) if vip.l4_port == 0 else None)
    if whole is not None:
        return f"frontend {whole} has the same address, and one of the two serves all ports"
    before, now = families.get(vip.address, 0), _family(vip)
    if before and now and before != now:
        return "a frontend on this address has servers of the other family: VPP supports one encapsulation per address"
    return ""


def _members(vip: DraftVip) -> Iterator[Member]:
    return (member for tier in vip.tiers for member in tier.members)


def _family(vip: DraftVip) -> int:
    """Return the family of the servers: that of the first of which it is known; 0 if there is none."""
    return next((each for member in _members(vip) if (each := member.server.family) is not None), 0)


def _keep_one_family(vip: DraftVip) -> None:
    wanted = _family(vip)
    for tier in vip.tiers:
        kept = []
        for member in tier.members:
            address = member.server.address or member.server.dns_name
            if member.server.family in {None, wanted}:
                kept.append(member)
                continue
            expected = f"all backends of a frontend must have the same family, here IPv{wanted}"
            text = f"{member.server.name} ({address}) left out: {expected}"
            vip.notes.append(Note(member.server.origin.place, text))
        tier.members = kept


def _keep_each_once(tier: Tier, fitted: Fitted) -> None:
    """Let a backend be in a pool once; two servers may have become one."""
    seen: dict[str, Member] = {}
    for member in tier.members:
        first = seen.setdefault(fitted.names[member.server], member)
        if first is not member:
            first.weight = max(first.weight, member.weight)
            first.notes.append(Note(member.server.origin.place, f"{member.server.name} has become the same backend"))
    tier.members = list(seen.values())


def shown(words: str) -> str:
    """Return text of the file in a form fit for a comment: printable, and on one line."""
    return printable(" ".join(words.split()))
