"""Desired against programmed: the ordered operations that bring one VIP, or all of VPP, to what it should hold.

Pure functions. Order inside one VIP is *raise before you lower*: add the VIP, add application servers, raise weights,
then lower weights, then delete application servers. A pool switch so never passes through a moment in which all
weights are 0. `raises` tells the two halves of a plan apart.

Three things cannot change on a live VIP: stickiness, encapsulation and table length. It is deleted and added again
(`AddressPlan.recreated`). And VPP refuses some neighbours on one prefix (``lb_vip_add``): VIPs of different
encapsulations, and an all-port VIP beside one with a port. So the VIPs of one prefix are planned together. A VIP
that blocks a wanted one is deleted first, if it may be: because it is not wanted, or because it is recreated as well.
If it has to stay for now, the wanted VIP is postponed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.addresses import family
from maglev.model.config import MAX_WEIGHT
from maglev.model.scale import GAIN_WORTH_RECREATION
from maglev.vpp.lb.state import (
    AddServer,
    AddVip,
    DeleteServer,
    DeleteVip,
    Encap,
    Prefix,
    SetWeight,
    key_of,
    prefix_of,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Frontend, LbConf
    from maglev.state.weights import DesiredWeight
    from maglev.vpp.lb.state import ApplicationServer, Operation, Vip, VipKey


@attrs.frozen
class WantedServer:
    """What an application server should have.

    Attributes:
        weight: What VPP is told, 0..100.
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
        table_fits: Whether the length of the table follows from the weights; see `length_after`.
        table_enough: Much shorter lengths that a live VIP keeps in that case.
        servers: Its application servers, by address.
        absent: Those that must not be there because this VPP has no weight of 0, by address; see `fitted`.
    """

    frontend: str
    key: VipKey
    encap: Encap
    src_ip_sticky: bool
    table_length: int
    servers: Mapping[str, WantedServer]
    absent: Mapping[str, WantedServer] = attrs.field(factory=dict)
    table_fits: bool = False
    table_enough: tuple[int, ...] = ()


@attrs.frozen
class AddressPlan:
    """What has to be done for the VIPs of one prefix, in order.

    Attributes:
        clearing: VIPs to delete first: those that are recreated, and those that block wanted ones.
        vips: The operations of each wanted VIP that needs any.
        removing: VIPs that are no longer wanted, to delete last.
        recreated: The VIPs that are deleted and added again, and what can't be changed about each.
        postponed: The VIPs that can't be created or recreated yet, and which VIP blocks each.
    """

    clearing: tuple[VipKey, ...] = ()
    vips: Mapping[VipKey, tuple[Operation, ...]] = attrs.field(factory=dict)
    removing: tuple[VipKey, ...] = ()
    recreated: Mapping[VipKey, tuple[str, ...]] = attrs.field(factory=dict)
    postponed: Mapping[VipKey, VipKey] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.clearing or self.vips or self.removing or self.postponed)

    @property
    def making(self) -> Iterator[Operation]:
        """Everything but the removals, in order."""
        yield from map(DeleteVip, self.clearing)
        for operations in self.vips.values():
            yield from operations

    @property
    def added(self) -> Iterator[VipKey]:
        """The VIPs that are added, for the first time or again."""
        return (key for key, operations in self.vips.items() if isinstance(operations[0], AddVip))


Plan = dict[Prefix, AddressPlan]
"""What has to be done, by prefix; prefixes are independent of one another."""


def want(
    frontend: Frontend,
    addresses: Mapping[str, str],
    desired: Mapping[str, DesiredWeight],
    flushes: AbstractSet[str],
    moved: Mapping[str, tuple[str, int]] | None = None,
) -> WantedVip:
    """Return the VIP that a frontend should have.

    Two backends of one address are one application server for VPP: it gets the higher weight. One that has moved to an
    address where it was not proved yet keeps its weight at the address where it was.

    Args:
        frontend: The frontend.
        addresses: Address of each of its backends, by name.
        desired: The desired weight of each backend of the frontend, by name.
        flushes: Names of the backends whose flows are to be forgotten now.
        moved: Of each backend that has moved and is yet to be proved there, by name: the address where it serves until
            then, and the programmed weight that its new address has already.
    """
    servers: dict[str, WantedServer] = {}
    for name, each in desired.items():
        address = addresses[name]
        if moved and name in moved:
            serving, carried = moved[name]
            if each.weight:
                _merge(servers, address, WantedServer(carried))
                address = serving
            elif carried:
                # It had no weight where it was, and does not take that of another one from its new address.
                _merge(servers, address, WantedServer(carried))
                continue
        _merge(servers, address, WantedServer(each.programmed, each.flush, each.weight == 0 and name in flushes))
    if moved:
        servers = _of_one_family(servers, set(addresses.values()))
    return WantedVip(
        frontend=frontend.name,
        key=key_of(frontend),
        encap=encap_of(servers) if servers or frontend.named_family != 6 else Encap.GRE6,
        src_ip_sticky=frontend.src_ip_sticky,
        table_length=frontend.table_length,
        servers=servers,
        table_fits=frontend.table_fits,
        table_enough=frontend.table_enough,
    )


def has_service(wanted: WantedVip) -> bool:
    """Return whether any server of a VIP should have weight."""
    return any(server.weight for server in wanted.servers.values())


def encap_of(servers: Iterable[str]) -> Encap:
    """Return the encapsulation of a VIP with servers of these addresses, which are of one family."""
    return Encap.GRE6 if any(family(address) == 6 for address in servers) else Encap.GRE4


def _of_one_family(servers: Mapping[str, WantedServer], configured: AbstractSet[str]) -> dict[str, WantedServer]:
    """Return the servers that a VIP can have together, where some have moved to the other family.

    A VIP is made again for the other family as soon as a server there is in service; until then, it stays as it is.
    """
    encap = encap_of(configured)
    new = {address: server for address, server in servers.items() if encap_of([address]) is encap}
    if len(new) == len(servers) or any(server.weight for server in new.values()):
        return new
    return {address: server for address, server in servers.items() if address not in new}


def _merge(servers: dict[str, WantedServer], address: str, server: WantedServer) -> None:
    """Add what one backend wants at an address to what others want there."""
    other = servers.get(address)
    if other is None or server.weight > other.weight:
        servers[address] = server
    elif server.weight == other.weight == 0:
        # None of them serves: what calls for a flush for one of them is done, whatever the others are.
        servers[address] = WantedServer(0, other.flush or server.flush, other.flush_now or server.flush_now)


def fitted(wanted: WantedVip, *, weights: bool, src_ip_sticky: bool) -> WantedVip:
    """Return of a wanted VIP what a VPP can hold.

    Args:
        wanted: The VIP.
        weights: Whether this VPP has weights. Without, a server of weight 0 is one that is not there, and every other
            has the one weight there is, which reads as 100.
        src_ip_sticky: Whether it can stick to source addresses.
    """
    if not src_ip_sticky and wanted.src_ip_sticky:
        wanted = attrs.evolve(wanted, src_ip_sticky=False)
    if weights:
        return wanted
    servers = {a: WantedServer(MAX_WEIGHT) for a, server in wanted.servers.items() if server.weight}
    absent = {a: server for a, server in wanted.servers.items() if not server.weight}
    return attrs.evolve(wanted, servers=servers, absent=absent)


def differs(wanted: LbConf, held: LbConf | None) -> bool:
    """Return whether global settings have to be written. What VPP did not report reads as 0 and does not count."""
    if held is None:
        return True
    known = attrs.evolve(
        wanted,
        ipv4_src_address=held.ipv4_src_address,
        ipv6_src_address=held.ipv6_src_address,
        sticky_buckets_per_core=held.sticky_buckets_per_core or wanted.sticky_buckets_per_core,
        flow_timeout=held.flow_timeout or wanted.flow_timeout,
    )
    return known != wanted


def raises(operation: Operation) -> bool:
    """Return whether an operation adds capacity: those of a VIP go first, and must be done before any other begins."""
    match operation:
        case AddVip() | AddServer():
            return True
        case SetWeight():
            return operation.weight > operation.previous
        case _:
            return False


def why_recreate(wanted: WantedVip, held: Vip) -> tuple[str, ...]:
    """Return the differences of a live VIP that can't be changed. What VPP did not report does not count."""
    reasons = []
    if held.encap != wanted.encap:
        reasons.append(f"encapsulation {held.encap.name.lower()} -> {wanted.encap.name.lower()}")
    if held.src_ip_sticky is not None and held.src_ip_sticky != wanted.src_ip_sticky:
        reasons.append(f"src-ip-sticky {_truth(held.src_ip_sticky)} -> {_truth(wanted.src_ip_sticky)}")
    if held.table_length not in {0, length_after(wanted, held)}:
        reasons.append(f"new-flows-table-length {held.table_length} -> {wanted.table_length}")
    return tuple(reasons)


def length_after(wanted: WantedVip, held: Vip) -> int:
    """Return the length of table that a live VIP should have, if nothing else makes it be created again.

    A length that follows from the weights keeps the error of the shares below 1 % by a bound. Creating a VIP again
    disturbs far more flows than an error of 2 % does, so a live VIP keeps its table up to there, and is never given a
    shorter one.
    """
    held_length = held.table_length
    enough = held_length * GAIN_WORTH_RECREATION > wanted.table_length or held_length in wanted.table_enough
    if wanted.table_fits and enough:
        return held_length
    return wanted.table_length


def plan_vip(wanted: WantedVip, held: Vip | None) -> tuple[Operation, ...]:
    """Return the operations for one VIP, which must not need re-creation; the ones that raise come first."""
    operations = _fill(wanted) if held is None else _adjust(wanted, held.servers)
    return tuple(sorted(operations, key=_rank))


def plan_servers(wanted: WantedVip, held: Vip) -> tuple[Operation, ...]:
    """Return what `plan_vip` would for some servers of a VIP: those that are wanted or absent. Others stay as they are.

    The order is the same as well: what a whole plan has beside these operations comes before, between or after them.
    """
    servers = held.servers
    some = {address: servers[address] for address in (*wanted.servers, *wanted.absent) if address in servers}
    return tuple(sorted(_adjust(wanted, some), key=_rank))


def plan_address(
    wanted: Mapping[VipKey, WantedVip], held: Mapping[VipKey, Vip], to_delete: AbstractSet[VipKey]
) -> AddressPlan:
    """Return what brings one prefix from what VPP holds there to what is wanted.

    Args:
        wanted: The VIPs to bring about on this prefix.
        held: What VPP holds on it; VIPs that are neither wanted nor to_delete are left as they are.
        to_delete: Keys of VIPs to delete; none of them is wanted.
    """
    reasons = {key: why for key, vip in wanted.items() if key in held and (why := why_recreate(vip, held[key]))}
    missing = [vip for key, vip in wanted.items() if key not in held or key in reasons]
    postponed = {vip.key: other for vip in missing for other in _obstacles(vip, held, to_delete | reasons.keys())}
    coming = [vip for vip in missing if vip.key not in postponed]
    recreated = {key: why for key, why in reasons.items() if key not in postponed}
    in_the_way = {key for key in held if key in to_delete and any(excludes(held[key], vip) for vip in coming)}
    vips = {}
    for key, vip in wanted.items():
        operations = () if key in postponed else plan_vip(vip, None if key in recreated else held.get(key))
        if operations:
            vips[key] = operations
    return AddressPlan(
        clearing=(*recreated, *in_the_way),
        vips=vips,
        removing=tuple(key for key in held if key in to_delete and key not in in_the_way),
        recreated=recreated,
        postponed=postponed,
    )


def plan_all(wanted: Mapping[VipKey, WantedVip], held: Mapping[VipKey, Vip], to_delete: AbstractSet[VipKey]) -> Plan:
    """Return what brings VPP from what it holds to what is wanted; the arguments are those of `plan_address`."""
    steps = plan_steps(wanted, held, to_delete)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            plan: Plan = end.value
            return plan


def plan_steps(
    wanted: Mapping[VipKey, WantedVip], held: Mapping[VipKey, Vip], to_delete: AbstractSet[VipKey]
) -> Generator[None, None, Plan]:
    """Do what `plan_all` does; yield after each prefix, so that others can have a turn."""
    wanted_on: dict[Prefix, dict[VipKey, WantedVip]] = {}
    held_on: dict[Prefix, dict[VipKey, Vip]] = {}
    for key, vip in wanted.items():
        wanted_on.setdefault(prefix_of(key), {})[key] = vip
    for key, held_vip in tuple(held.items()):
        held_on.setdefault(prefix_of(key), {})[key] = held_vip
    plan: Plan = {}
    for prefix in dict.fromkeys((*wanted_on, *held_on)):
        address = plan_address(wanted_on.get(prefix, {}), held_on.get(prefix, {}), to_delete)
        if address:
            plan[prefix] = address
        yield
    return plan


def _obstacles(vip: WantedVip, held: Mapping[VipKey, Vip], leaving: AbstractSet[VipKey]) -> Iterator[VipKey]:
    """Yield the VIPs beside which VPP would refuse another one, and that can't be taken out of its way."""
    for key, other in held.items():
        if key != vip.key and key not in leaving and excludes(other, vip):
            yield key


def excludes(held: Vip, wanted: WantedVip) -> bool:
    """Return whether VPP would refuse a VIP beside another one that it holds on the same prefix."""
    return held.encap != wanted.encap or (not held.key.port) != (not wanted.key.port)


def _fill(wanted: WantedVip) -> Iterable[Operation]:
    yield AddVip(wanted.key, wanted.encap, wanted.src_ip_sticky, wanted.table_length)
    for address, server in wanted.servers.items():
        yield AddServer(wanted.key, address, server.weight)


def _adjust(wanted: WantedVip, held: Mapping[str, ApplicationServer]) -> Iterable[Operation]:
    for address, server in wanted.servers.items():
        now = held.get(address)
        if now is None:
            yield AddServer(wanted.key, address, server.weight, server.flush_now)
        elif now.weight != server.weight or server.flush_now:
            flush = server.weight == 0 and (server.flush or server.flush_now)
            yield SetWeight(wanted.key, address, server.weight, now.weight, flush)
    for address in held:
        if address not in wanted.servers and address not in wanted.absent:
            yield DeleteServer(wanted.key, address)
    for address, server in wanted.absent.items():
        if address in held or server.flush_now:
            yield DeleteServer(wanted.key, address, server.flush or server.flush_now)


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


def _truth(value: bool) -> str:  # noqa: FBT001
    return "true" if value else "false"
