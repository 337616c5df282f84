"""Desired against programmed: the ordered operations that bring one VIP, or all of VPP, to what it should hold.

Pure functions. Order inside one VIP is *raise before you lower*: add the VIP, add application servers, raise weights,
then lower weights, then delete application servers. A pool switch so never passes through a moment in which all
weights are 0. `raises` tells the two halves of a plan apart.

Three things cannot change on a live VIP: stickiness, encapsulation and table length. It is deleted and added again
(`Plan.recreated`). And VPP refuses some neighbours on one prefix (``lb_vip_add``): VIPs of different encapsulations,
and an all-port VIP beside one with a port. What stands in the way of a wanted VIP is deleted first, if it may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.addresses import bits, family
from maglev.model import Transport
from maglev.vpp.lbstate import (
    ANY_PROTOCOL,
    AddServer,
    AddVip,
    DeleteServer,
    DeleteVip,
    Encap,
    SetWeight,
    VipKey,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model import Frontend
    from maglev.vpp.lbstate import Operation, Vip
    from maglev.weights import Deserved

PROTOCOLS: Final = {Transport.TCP: 6, Transport.UDP: 17}


@attrs.frozen
class WantedServer:
    """What an application server should have.

    Attributes:
        weight: 0..100.
        flush: Whether lowering it to 0 forgets its flows.
        flush_now: Whether its flows are to be forgotten even if its weight is 0 already.
    """

    weight: int
    flush: bool = False
    flush_now: bool = False


@attrs.frozen
class WantedVip:
    """What a VIP should be.

    Attributes:
        frontend: Name of the frontend that it is made from.
        servers: Its application servers, by address.
    """

    frontend: str
    key: VipKey
    encap: Encap
    src_ip_sticky: bool
    table_length: int
    servers: Mapping[str, WantedServer]


@attrs.frozen
class Plan:
    """What has to be done, in order.

    Attributes:
        clearing: Deletions that must come first, because they stand in the way of something wanted.
        vips: The operations of each wanted VIP that needs any; the VIPs are independent of one another.
        removing: Deletions of what nobody wants any more.
        recreated: The VIPs that are deleted and added again.
    """

    clearing: tuple[Operation, ...]
    vips: Mapping[VipKey, tuple[Operation, ...]]
    removing: tuple[Operation, ...]
    recreated: tuple[VipKey, ...]


def key_of(frontend: Frontend) -> VipKey:
    """Return the key of a frontend's VIP."""
    protocol = ANY_PROTOCOL if frontend.transport is None else PROTOCOLS[frontend.transport]
    return VipKey(frontend.address, bits(frontend.address), protocol, frontend.l4_port)


def want(
    frontend: Frontend,
    addresses: Mapping[str, str],
    deserved: Mapping[str, Deserved],
    flushes: AbstractSet[str],
) -> WantedVip:
    """Return the VIP that a frontend should have.

    Two backends of one address are one application server for VPP: it gets the higher weight.

    Args:
        frontend: The frontend.
        addresses: Address of each of its backends, by name.
        deserved: What each backend of the frontend deserves, by name.
        flushes: Names of the backends whose flows are to be forgotten now.
    """
    servers: dict[str, WantedServer] = {}
    for name, each in deserved.items():
        address = addresses[name]
        other = servers.get(address)
        if other is None or each.weight > other.weight:
            servers[address] = WantedServer(each.weight, each.flush, each.weight == 0 and name in flushes)
    six = any(family(address) == 6 for address in servers)
    return WantedVip(
        frontend=frontend.name,
        key=key_of(frontend),
        encap=Encap.GRE6 if six else Encap.GRE4,
        src_ip_sticky=frontend.src_ip_sticky,
        table_length=frontend.table_length,
        servers=servers,
    )


def raises(operation: Operation) -> bool:
    """Return whether an operation adds capacity: those of a VIP go first, and must be done before any other begins."""
    match operation:
        case AddVip() | AddServer():
            return True
        case SetWeight():
            return operation.weight > operation.previous
        case _:
            return False


def must_recreate(wanted: WantedVip, held: Vip) -> bool:
    """Return whether a live VIP differs in something that can't be changed. What VPP did not tell is no difference."""
    return (
        held.encap != wanted.encap
        or (held.src_ip_sticky is not None and held.src_ip_sticky != wanted.src_ip_sticky)
        or (held.table_length not in {0, wanted.table_length})
    )


def plan_vip(wanted: WantedVip, held: Vip | None) -> tuple[Operation, ...]:
    """Return the operations for one VIP, which must not need re-creation; the ones that raise come first."""
    operations = list(_fill(wanted)) if held is None else list(_adjust(wanted, held))
    return tuple(sorted(operations, key=_rank))


def plan_all(wanted: Mapping[VipKey, WantedVip], held: Mapping[VipKey, Vip], doomed: AbstractSet[VipKey]) -> Plan:
    """Return what brings VPP from what it holds to what is wanted.

    Args:
        wanted: The VIPs to bring about.
        held: What VPP holds; VIPs that are neither wanted nor doomed are left as they are.
        doomed: Keys of VIPs to delete; none of them is wanted.
    """
    recreated = tuple(key for key, vip in wanted.items() if key in held and must_recreate(vip, held[key]))
    absent = [vip for key, vip in wanted.items() if key not in held or key in recreated]
    first = _in_the_way(absent, held, doomed)
    vips = {}
    for key, vip in wanted.items():
        operations = plan_vip(vip, None if key in recreated else held.get(key))
        if operations:
            vips[key] = operations
    return Plan(
        clearing=tuple(_delete_all(held[key] for key in (*recreated, *first))),
        vips=vips,
        removing=tuple(_delete_all(vip for key, vip in held.items() if key in doomed and key not in first)),
        recreated=recreated,
    )


def _in_the_way(
    absent: Iterable[WantedVip], held: Mapping[VipKey, Vip], doomed: AbstractSet[VipKey]
) -> tuple[VipKey, ...]:
    """Return the doomed VIPs beside which VPP would refuse a VIP that is to be added."""
    coming: dict[str, list[WantedVip]] = {}
    for vip in absent:
        coming.setdefault(vip.key.address, []).append(vip)
    return tuple(
        key
        for key, vip in held.items()
        if key in doomed and any(_excludes(vip, other) for other in coming.get(key.address, ()))
    )


def _excludes(held: Vip, wanted: WantedVip) -> bool:
    same_prefix = held.key.length == wanted.key.length
    return same_prefix and (held.encap != wanted.encap or (not held.key.port) != (not wanted.key.port))


def _delete_all(vips: Iterable[Vip]) -> Iterable[Operation]:
    for vip in vips:
        # Flows first: a VIP lingers in VPP for as long as flow slots point at its servers.
        yield from (DeleteServer(vip.key, address) for address in vip.servers)
        yield DeleteVip(vip.key)


def _fill(wanted: WantedVip) -> Iterable[Operation]:
    yield AddVip(wanted.key, wanted.encap, wanted.src_ip_sticky, wanted.table_length)
    for address, server in wanted.servers.items():
        yield AddServer(wanted.key, address, server.weight)


def _adjust(wanted: WantedVip, held: Vip) -> Iterable[Operation]:
    for address, server in wanted.servers.items():
        now = held.servers.get(address)
        if now is None:
            yield AddServer(wanted.key, address, server.weight)
        elif now.weight != server.weight or server.flush_now:
            flush = server.weight == 0 and (server.flush or server.flush_now)
            yield SetWeight(wanted.key, address, server.weight, now.weight, flush)
    for address in held.servers:
        if address not in wanted.servers:
            yield DeleteServer(wanted.key, address)


def _rank(operation: Operation) -> int:
    match operation:
        case AddVip():
            return 0
        case AddServer():
            return 1
        case SetWeight():
            return 2 if raises(operation) else 3
        case _:
            return 4
