"""VIPs, application servers and settings, as the lb plugin of VPP keeps them.

All addresses are 16 bytes, IPv4 in the last four; lengths of IPv4 prefixes are 96 more than one writes.

Source: VPP ``src/plugins/lb/lb.h``, ``util.c`` (26.10).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from maglev.vppsim.fib import RouteKey
from maglev.vppsim.pool import SlotPool

if TYPE_CHECKING:
    from collections import Counter

    from maglev.vppsim.fib import Route

ANY_PROTOCOL: Final = 255
"""The protocol of a VIP for all ports."""

_WORD: Final = 0xFFFFFFFFFFFFFFFF


class VipType(enum.IntEnum):
    """How packets to a VIP reach a server (``lb_vip_type_t``)."""

    IP6_GRE6 = 0
    IP6_GRE4 = 1
    IP4_GRE6 = 2
    IP4_GRE4 = 3
    IP4_L3DSR = 4
    IP4_NAT4 = 5
    IP6_NAT6 = 6

    @property
    def is_ip4(self) -> bool:
        """Whether VIPs of this type have IPv4 addresses."""
        return self.name.startswith("IP4")

    @property
    def has_ip4_servers(self) -> bool:
        """Whether the servers behind it have IPv4 addresses (``lb_encap_is_ip4``)."""
        return self.name.endswith(("GRE4", "L3DSR", "NAT4"))


class SimVipKey(NamedTuple):
    """What tells VIPs apart; the prefix as VPP keeps it (see `normalized`)."""

    prefix: bytes
    length: int
    protocol: int
    port: int


@attrs.define
class SimServer:
    """An application server in one VIP (``lb_as_t``).

    Attributes:
        vip_index: Pool index of its VIP.
        last_used: Second at which it was last *deleted*; whatever the slot held before while it never was.
        flows: Flows that stick to it: what the reference counter of VPP says.
    """

    index: int
    vip_index: int
    address: bytes
    weight: int
    last_used: int
    route: Route
    used: bool = True
    flows: int = 0


@attrs.define
class SimVip:
    """A VIP (``lb_vip_t``).

    Attributes:
        option: The DSCP of L3DSR, or the service type of NAT: one byte of a union, left over from the slot otherwise.
        target_port: Of NAT; left over otherwise.
        route: Held by the first VIP of a prefix, handed on when that one goes.
        servers: Pool of indexes into the pool of servers, the removed ones included.
    """

    index: int
    key: SimVipKey
    type: VipType
    table_length: int
    sticky: bool
    option: int
    target_port: int
    last_collection: int
    route: Route | None = None
    used: bool = True
    servers: SlotPool[int] = attrs.field(factory=SlotPool)
    buckets: Counter[int] | None = None

    @property
    def has_nat(self) -> bool:
        """Whether packets are translated instead of encapsulated."""
        return self.type in {VipType.IP4_NAT4, VipType.IP6_NAT6}

    @property
    def route_key(self) -> RouteKey:
        """The prefix that is routed to it."""
        if self.type.is_ip4:
            return RouteKey(is_ip6=False, network=self.key.prefix[12:], length=self.key.length - 96)
        return RouteKey(is_ip6=True, network=self.key.prefix, length=self.key.length)

    def server_route_key(self, address: bytes) -> RouteKey:
        """Return the route that packets to one of its servers take."""
        if self.type.has_ip4_servers:
            return RouteKey(is_ip6=False, network=address[12:], length=32)
        return RouteKey(is_ip6=True, network=address, length=128)


@attrs.frozen
class NewVip:
    """What is asked for when a VIP is added (``lb_vip_add_args_t``)."""

    key: SimVipKey
    type: VipType
    table_length: int
    sticky: bool = False
    option: int = 0
    target_port: int = 0


@attrs.define
class Conf:
    """The global settings; the addresses are all ones as long as nobody set them."""

    ip4_source: bytes = b"\xff" * 4
    ip6_source: bytes = b"\xff" * 16
    buckets: int = 1024
    timeout: int = 40


def is_ip4(address: bytes) -> bool:
    """Return whether VPP takes the 16 bytes of an address for IPv4 (``ip46_address_is_ip4``): ``::1`` is, to it."""
    return not any(address[:12])


def is_ip4_prefix(prefix: bytes, length: int) -> bool:
    """Return whether VPP takes a prefix for IPv4 (``ip46_prefix_is_ip4``)."""
    return length >= 96 and is_ip4(prefix)


def normalized(prefix: bytes, length: int) -> bytes:
    """Return a prefix without its host bits (``ip46_prefix_normalize``).

    A length above 128 is shifted as x86 does it, modulo 64: VPP accepts those.
    """
    high, low = int.from_bytes(prefix[:8]), int.from_bytes(prefix[8:])
    if length == 0:
        high = low = 0
    elif length <= 64:
        high, low = high & (_WORD << (64 - length)), 0
    else:
        low &= _WORD << ((128 - length) % 64)
    return high.to_bytes(8) + (low & _WORD).to_bytes(8)
