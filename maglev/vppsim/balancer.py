"""The rules of VPP's lb plugin: VIPs, application servers, their order of checks, and when they are really gone.

Theory of operation. Nothing is deleted at once. A deleted application server or VIP is only marked as not *used*; it
stays in dumps, and its slot stays taken, until a garbage collection finds that it was deleted long enough ago and that
no flow sticks to it. A server that comes back before that gets its old slot back. Both pools keep slot 0 for
themselves: the VIP of packets that match nothing, and the server of buckets that nobody owns.

Every quirk is deliberate and is what VPP does (``src/plugins/lb/lb.c``, 26.10); retvals are of ``api_errno.h``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from maglev.vpp.lb.table import owner_indexes
from maglev.vppsim.fib import Fib, PathType, Route, RouteKey
from maglev.vppsim.pool import SlotPool
from maglev.vppsim.vip import (
    ANY_PROTOCOL,
    Conf,
    NewVip,
    SimServer,
    SimVip,
    SimVipKey,
    VipType,
    is_ip4,
    is_ip4_prefix,
    normalized,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OK: Final = 0
NO_SUCH_ENTRY: Final = -6
INVALID_MEMORY_SIZE: Final = -70
INVALID_ARGUMENT: Final = -73
VALUE_EXIST: Final = -81
INVALID_ADDRESS_FAMILY: Final = -97

COLLECTION_INTERVAL: Final = 60
"""Seconds between two garbage collections of the same VIP (``LB_GARBAGE_RUN``)."""

REMOVAL_DELAY: Final = 10
"""Seconds that a deleted server is kept at least (``LB_CONCURRENCY_TIMEOUT``)."""

KEEP: Final = 0xFFFFFFFF
"""Leave this setting as it is (``lb_conf``)."""

LARGEST_TABLE: Final = 1 << 22
"""Buckets. VPP takes whatever fits into its heap; a table in Python of more than this would stop us for minutes."""


class CrashError(Exception):
    """VPP itself would abort here."""


def _after(now: int, then: int) -> bool:
    """Return whether a moment has come, in 32-bit seconds (``clib_u32_loop_gt``)."""
    return (now - then) % (1 << 32) < 0x7FFFFFFF


class Balancer:
    """The lb plugin of one VPP.

    Args:
        now: Seconds since this VPP started.
        fib: Where the routes to VIPs and servers go.
        on_vip: Called with the index of each new VIP: VPP clears its counters then.
        weighted: Whether this release knows weights (26.10); without, every server counts once.
    """

    def __init__(
        self,
        now: Callable[[], float],
        fib: Fib,
        on_vip: Callable[[int], None] = lambda _: None,
        *,
        weighted: bool = True,
    ) -> None:
        self._now = now
        self._fib = fib
        self._on_vip = on_vip
        self._weighted = weighted
        self.conf = Conf()
        self.vips: SlotPool[SimVip] = SlotPool()
        self.servers: SlotPool[SimServer] = SlotPool()
        self._by_prefix: dict[tuple[bytes, int], list[SimVip]] = {}
        nowhere = Route(RouteKey(is_ip6=True, network=bytes(16), length=0), 0)
        self.vips.add(
            SimVip(
                0,
                SimVipKey(b"\xff" * 16, 0, ANY_PROTOCOL, 0),
                VipType.IP6_GRE6,
                1,
                sticky=False,
                option=0,
                target_port=0,
                last_collection=0,
            )
        )
        self.servers.add(SimServer(0, -1, b"\xff" * 16, 0, 0, nowhere, used=False))

    # Reading

    def find(self, key: SimVipKey) -> SimVip | None:
        """Return the VIP in use with this key; host bits of the prefix do not matter."""
        for vip in self._sharing(key):
            if vip.key[2:] == key[2:]:
                return vip
        return None

    def shown(self) -> Iterator[SimVip]:
        """Yield the VIPs without the placeholder, the removed ones included, by pool index."""
        return (vip for vip in self.vips if vip.index)

    def servers_of(self, vip: SimVip) -> list[SimServer]:
        """Return the servers of a VIP in the order of its own pool, the removed ones included."""
        return [self.servers[index] for index in vip.servers]

    def buckets_of(self, vip: SimVip) -> Counter[int]:
        """Return how many buckets of the new-flow table each server owns, by server index; computed when asked for."""
        if vip.buckets is None:
            serving = [server for server in self.servers_of(vip) if server.used]
            line = [(server.address, server.weight if self._weighted else 1) for server in serving]
            owners = owner_indexes(line, vip.table_length)
            vip.buckets = Counter(serving[owner].index for owner in owners if owner >= 0)
        return vip.buckets

    def weights_of(self, vip: SimVip) -> dict[bytes, int]:
        """Return the weights of the servers in use, by their 16 bytes."""
        return {server.address: server.weight for server in self.servers_of(vip) if server.used}

    # Changing

    def configure(self, ip4_source: bytes, ip6_source: bytes, buckets: int, timeout: int) -> int:
        """Set the global settings; zero buckets pass, as in VPP, where that destroys memory at the next packet."""
        buckets = self.conf.buckets if buckets == KEEP else buckets
        if buckets & (buckets - 1):
            return INVALID_MEMORY_SIZE
        self.conf = Conf(ip4_source, ip6_source, buckets, self.conf.timeout if timeout == KEEP else timeout)
        return OK

    def add_vip(self, new: NewVip) -> tuple[int, int]:
        """Add a VIP and return the retval and its pool index.

        Raises:
            CrashError: A table without buckets, or one larger than memory; a length above 128 of an IPv6 prefix.
        """
        key = new.key._replace(prefix=normalized(new.key.prefix, new.key.length))
        if retval := self._refusal(new, key):
            return retval, 0
        if not new.type.is_ip4 and key.length > 128:
            message = f"no FIB for an IPv6 prefix of {key.length} bits"
            raise CrashError(message)
        if not 0 < new.table_length <= LARGEST_TABLE:
            message = f"no memory for a flow table of {new.table_length} buckets"
            raise CrashError(message)
        vip = self._place(new, key)
        self._on_vip(vip.index)
        if len(self._sharing(key)) == 1:
            vip.route = self._fib.hold(vip.route_key, PathType.NORMAL)
        return OK, vip.index

    def delete_vip(self, key: SimVipKey) -> int:
        """Mark a VIP and all its servers as removed, without forgetting any flow."""
        vip = self.find(key)
        if vip is None:
            return NO_SUCH_ENTRY
        if addresses := [server.address for server in self.servers_of(vip)]:
            self._remove_servers(vip, addresses, flush=False)
        sharing = self._sharing(vip.key)
        sharing.remove(vip)
        vip.used = False
        if not sharing:
            del self._by_prefix[vip.key[:2]]
        if vip.route is not None:
            self._hand_on(vip.route, sharing)
            vip.route = None
        return OK

    def add_servers(self, key: SimVipKey, addresses: Sequence[bytes], weight: int, *, flush: bool) -> int:
        """Add servers to a VIP: all or none. One that was deleted and not yet collected gets its old slot back.

        Raises:
            CrashError: A server of an all-port VIP with NAT.
        """
        vip = self.find(key)
        if vip is None:
            return NO_SUCH_ENTRY
        known = {server.address: server for server in self.servers_of(vip)}
        back: list[SimServer] = []
        new: list[bytes] = []
        for position in reversed(range(len(addresses))):
            address = addresses[position]
            if (server := known.get(address)) is not None:
                if server.used:
                    return VALUE_EXIST
                back.append(server)
            elif is_ip4(address) != vip.type.has_ip4_servers:
                return INVALID_ADDRESS_FAMILY
            elif address not in addresses[:position]:
                new.append(address)
        for server in back:
            server.used, server.weight = True, weight
            server.flows = 0 if flush else server.flows
        for address in new:
            self._place_server(vip, address, weight)
        vip.buckets = None
        self._collect_servers(vip)
        return OK

    def delete_servers(self, key: SimVipKey, addresses: Sequence[bytes], *, flush: bool) -> int:
        """Mark servers of a VIP as removed: all or none. One that is removed already only waits longer."""
        vip = self.find(key)
        return NO_SUCH_ENTRY if vip is None else self._remove_servers(vip, addresses, flush=flush)

    def set_weight(self, key: SimVipKey, address: bytes, weight: int, *, flush: bool) -> int:
        """Change the weight (0..255) of a server in use."""
        vip = self.find(key)
        server = vip and next((server for server in self.servers_of(vip) if server.address == address), None)
        if not vip or not server or not server.used:
            return NO_SUCH_ENTRY
        server.weight = weight
        server.flows = 0 if flush else server.flows
        vip.buckets = None
        return OK

    def flush(self, key: SimVipKey) -> int:
        """Forget the flows of a VIP. The retval is always success, whether there is such a VIP or not."""
        if vip := self.find(key):
            for server in self.servers_of(vip):
                server.flows = 0
        return OK

    def collect(self) -> None:
        """Free what was deleted long enough ago (``lb_garbage_collection``)."""
        for vip in self.vips:
            self._collect_servers(vip)
            if not vip.used and not len(vip.servers):
                self.vips.remove(vip.index)

    # Implementation

    def _sharing(self, key: SimVipKey) -> list[SimVip]:
        """Return the VIPs in use on a prefix."""
        return self._by_prefix.get((normalized(key.prefix, key.length), key.length), [])

    def _refusal(self, new: NewVip, key: SimVipKey) -> int:
        """Return why a VIP is refused, in VPP's order of checks (``lb_vip_add``)."""
        sharing = sorted(self._sharing(key), key=lambda vip: vip.index)
        if any(vip.key == key for vip in sharing):
            return VALUE_EXIST
        if sharing and (not key.port or any(not vip.key.port for vip in sharing)):
            return VALUE_EXIST
        if sharing and sharing[0].type != new.type:
            return INVALID_ARGUMENT
        if new.table_length & (new.table_length - 1):
            return INVALID_MEMORY_SIZE
        if is_ip4_prefix(key.prefix, key.length) != new.type.is_ip4:
            return INVALID_ADDRESS_FAMILY
        return OK

    def _place(self, new: NewVip, key: SimVipKey) -> SimVip:
        """Put a VIP into its slot; options that its type does not have stay as the slot had them."""
        left = self.vips.leftover()
        option, target_port = (left.option, left.target_port) if left else (0, 0)
        if new.type is VipType.IP4_L3DSR:
            option = new.option
        elif new.type in {VipType.IP4_NAT4, VipType.IP6_NAT6}:
            option, target_port = new.option, new.target_port
        vip = SimVip(
            self.vips.next_index, key, new.type, new.table_length, new.sticky, option, target_port, int(self._now())
        )
        self.vips.add(vip)
        self._by_prefix.setdefault(key[:2], []).append(vip)
        return vip

    def _place_server(self, vip: SimVip, address: bytes, weight: int) -> None:
        if vip.has_nat and not vip.key.port:
            message = "nothing to stack a server of an all-port NAT VIP on"
            raise CrashError(message)
        left = self.servers.leftover()
        route = self._fib.hold(vip.server_route_key(address), PathType.DROP)
        last_used = left.last_used if left else 0
        server = SimServer(self.servers.next_index, vip.index, address, weight, last_used, route)
        self.servers.add(server)
        vip.servers.add(server.index)

    def _remove_servers(self, vip: SimVip, addresses: Sequence[bytes], *, flush: bool) -> int:
        known = {server.address: server for server in self.servers_of(vip)}
        if any(address not in known for address in addresses):
            return NO_SUCH_ENTRY
        self._collect_servers(vip)
        for address in addresses:
            server = known[address]
            server.used, server.last_used = False, int(self._now())
            server.flows = 0 if flush else server.flows
        vip.buckets = None
        return OK

    def _collect_servers(self, vip: SimVip) -> None:
        """Free the removed servers of a VIP, at most once a minute (``lb_vip_garbage_collection``)."""
        now = int(self._now())
        if not _after(now, vip.last_collection + COLLECTION_INTERVAL):
            return
        vip.last_collection = now
        for slot, index in vip.servers.items():
            if self._is_garbage(server := self.servers[index], now):
                vip.servers.remove(slot)
                self.servers.remove(server.index)
                self._fib.release(server.route, PathType.DROP)

    @staticmethod
    def _is_garbage(server: SimServer, now: int) -> bool:
        return not server.used and _after(now, server.last_used + REMOVAL_DELAY) and not server.flows

    def _hand_on(self, route: Route, sharing: list[SimVip]) -> None:
        """Keep the route of a prefix while any VIP is on it."""
        if sharing:
            sharing[0].route = route
        else:
            self._fib.release(route, PathType.NORMAL)
