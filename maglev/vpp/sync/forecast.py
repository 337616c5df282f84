"""What a plan does to the traffic: for each VIP, which share of its new flows would go to another application server.

The shares are those of the very tables that VPP builds (`maglev.vpp.lb.table`), before and after, compared bucket by
bucket. They are about *new* flows: one that VPP knows stays where it is, unless it is forgotten. VPP takes the low bits
of a flow's hash as its bucket (``lb/node.c``), so tables of different lengths can be compared as well. A VIP that
changes its stickiness hashes something else than before; then every flow finds its server as if by chance.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs

from maglev.state.weights import DesiredWeight
from maglev.vpp.lb.state import AddVip, ApplicationServer, DeleteVip, Vip, key_of
from maglev.vpp.lb.table import owner_steps, stored
from maglev.vpp.sync.plan import fitted, length_after, want, why_recreate

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from maglev.model.config import Config, Frontend, LbConf
    from maglev.vpp.lb.state import LbState, Operation, VipKey
    from maglev.vpp.sync.plan import AddressPlan, Plan, WantedVip

    Table = list[bytes | None]


@attrs.frozen
class Preview:
    """What a full sync would do.

    Attributes:
        conf: Global settings that it would write; None if they are as they should be.
        plan: The operations.
        wanted: The VIPs that it would bring about.
        state: What VPP holds.
        waiting: Frontends that the warm-up does not let it touch yet.
        weights: Whether this VPP has weights.
        kept: How many servers it leaves in VPP for names that were never resolved, by frontend; only those with any.
    """

    conf: LbConf | None
    plan: Plan
    wanted: Mapping[VipKey, WantedVip]
    state: LbState
    waiting: int
    weights: bool
    kept: Mapping[str, int]


@attrs.frozen
class VipForecast:
    """What a plan does to one VIP.

    Attributes:
        frontend: Name of the frontend that it is made from; None if there is none.
        action: ``add``, ``recreate``, ``change``, ``remove`` or ``wait``.
        reasons: Why it is recreated, or what it waits for.
        operations: What is written, in order.
        moved: Share of new flows that go elsewhere than before, 0..1; None when there were none before, or when nobody
            knows, because this VPP builds its tables in another way.
    """

    key: VipKey
    frontend: str | None
    action: str
    reasons: tuple[str, ...]
    operations: tuple[Operation, ...]
    moved: float | None


def forecast_steps(
    plan: Plan, wanted: Mapping[VipKey, WantedVip], held: Mapping[VipKey, Vip], *, weights: bool
) -> Generator[None, None, tuple[VipForecast, ...]]:
    """Return what a plan does to each VIP, removals last; yield often, so that others can have a turn.

    Args:
        plan: The plan.
        wanted: What it brings about.
        held: What was there before.
        weights: Whether this VPP has weights, and so the tables that we know.
    """
    changes = []
    for address in plan.values():
        for key in dict.fromkeys((*address.clearing, *address.vips, *address.postponed)):
            change = _change(address, key, wanted.get(key))
            if key in held and key in wanted and key not in address.postponed:
                moved = yield from _moved_steps(held[key], wanted[key], _length_after(address, held[key], wanted[key]))
                change = attrs.evolve(change, moved=moved if weights else None)
            changes.append(change)
            yield
    removals = [key for address in plan.values() for key in address.removing]
    return (*changes, *(_removal(key) for key in removals))


def recreation_steps(
    old: Config, new: Config, known: Mapping[VipKey, Vip] | None = None, *, src_ip_sticky: bool = True
) -> Generator[None, None, dict[str, tuple[str, ...]]]:
    """Return which frontends of a new configuration have a VIP now that must be recreated, and why; yield often.

    Args:
        old: The configuration in force.
        new: The other one.
        known: What VPP holds; None when nobody knows. Then it is taken to be as the old configuration says, with tables
            of any length where that follows from the weights: a VIP may have kept another one.
        src_ip_sticky: Whether VPP supports stickiness by source address.
    """
    before = {key_of(frontend): frontend for frontend in old.frontends.values()}
    found = {}
    for name, frontend in new.frontends.items():
        key = key_of(frontend)
        was = before.get(key)
        if was is None or not _untouched(frontend, was, old, new):
            live = known.get(key) if known is not None else None if was is None else _supposed(was, old)
            wanted = fitted(_shape(frontend, new), weights=True, src_ip_sticky=src_ip_sticky)
            reasons = () if live is None else why_recreate(wanted, live)
            if reasons:
                found[name] = reasons
        yield
    return found


def as_held(wanted: WantedVip) -> Vip:
    """Return a wanted VIP as VPP holds it when everything is done."""
    servers = {address: ApplicationServer(address, server.weight) for address, server in wanted.servers.items()}
    return Vip(wanted.key, wanted.encap, wanted.src_ip_sticky, wanted.table_length, servers)


def _change(address: AddressPlan, key: VipKey, wanted: WantedVip | None) -> VipForecast:
    operations = address.vips.get(key, ())
    frontend = wanted.frontend if wanted is not None else None
    if key in address.postponed:
        return VipForecast(key, frontend, "wait", (f"for {address.postponed[key]} to go",), (), 0.0)
    if key in address.recreated:
        return VipForecast(key, frontend, "recreate", address.recreated[key], (DeleteVip(key), *operations), None)
    if wanted is None:
        return _removal(key)
    action = "add" if any(isinstance(each, AddVip) for each in operations) else "change"
    return VipForecast(key, frontend, action, (), operations, None)


def _removal(key: VipKey) -> VipForecast:
    return VipForecast(key, None, "remove", (), (DeleteVip(key),), 1.0)


def moved_steps(before: WantedVip, after: WantedVip) -> Generator[None, None, float | None]:
    """Return the share of new flows that a change of weights moves, as `VipForecast.moved` does; yield often."""
    return (yield from _moved_steps(as_held(before), after, before.table_length))


def _length_after(plan: AddressPlan, held: Vip, wanted: WantedVip) -> int:
    return wanted.table_length if wanted.key in plan.recreated else length_after(wanted, held)


def _moved_steps(held: Vip, wanted: WantedVip, length_then: int) -> Generator[None, None, float | None]:
    before = {address: server.weight for address, server in held.servers.items()}
    after = {address: server.weight for address, server in wanted.servers.items()}
    length = held.table_length or length_then
    hashes_alike = held.src_ip_sticky in {None, wanted.src_ip_sticky}
    if (before, length) == (after, length_then) and hashes_alike:
        return 0.0
    old = yield from _table_steps(before, length)
    new = yield from _table_steps(after, length_then)
    if old[0] is None:
        return None  # nobody had any weight
    return _moved(old, new) if hashes_alike else _moved_by_chance(old, new)


def _table_steps(weights: Mapping[str, int], length: int) -> Generator[None, None, Table]:
    servers = [(stored(address), weight) for address, weight in weights.items()]
    owners = yield from owner_steps(servers, length)
    return [servers[owner][0] if owner >= 0 else None for owner in owners]


def _moved(old: Table, new: Table) -> float:
    length = max(len(old), len(new))
    moved = sum(a != b for a, b in zip(old * (length // len(old)), new * (length // len(new)), strict=True))
    return moved / length


def _moved_by_chance(old: Table, new: Table) -> float:
    before, after = Counter(old), Counter(new)
    return 1 - sum(count * after[owner] for owner, count in before.items()) / (len(old) * len(new))


def _shape(frontend: Frontend, config: Config) -> WantedVip:
    """Return the VIP of a frontend, with servers of no weight."""
    addresses = {name: config.backends[name].address for name in frontend.backends}
    return want(frontend, addresses, dict.fromkeys(frontend.backends, DesiredWeight(0, flush=False)), frozenset())


def _supposed(frontend: Frontend, config: Config) -> Vip:
    """Return the VIP of a frontend as far as VPP must hold it, without having read it."""
    vip = as_held(_shape(frontend, config))
    return attrs.evolve(vip, table_length=0) if frontend.table_fits else vip


def _untouched(frontend: Frontend, held: Frontend, old: Config, new: Config) -> bool:
    """Return whether a reload has left the very objects in place; if so, which is the rule, nothing is different."""
    return frontend is held and all(old.backends[name] is new.backends[name] for name in frontend.backends)
