"""What must never be sent to VPP: each of these crashes it, corrupts its memory, or programs something that can't work.

VPP accepts all of them with a smile (``lb.c``, ``api.c``, 26.10; each one seen or read there). The checks cost a few
microseconds and stand last before the wire, whatever the rooms above have promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.addresses import bits, canonical, family, pack, unpack
from maglev.model import MAX_WEIGHT
from maglev.vpp.lbstate import (
    ANY_PROTOCOL,
    MAX_TABLE_LENGTH,
    MIN_TABLE_LENGTH,
    AddServer,
    AddVip,
    DeleteServer,
    Encap,
    SetWeight,
)

if TYPE_CHECKING:
    from maglev.model import LbConf
    from maglev.vpp.lbstate import Operation, VipKey

MAX_BUCKETS: Final = 1 << 24
"""Sticky buckets for each core; VPP takes 32 bytes for each, on each thread."""

MAX_FLOW_TIMEOUT: Final = 0x7FFFFFFF
"""Seconds; 2^32-1 would mean "keep" to VPP. The configuration has a much tighter bound of its own."""


def check_conf(conf: LbConf) -> None:
    """Refuse settings that harm VPP.

    Raises:
        ValueError: It is such a setting.
    """
    _demand(family(canonical(conf.ipv4_src_address)) == 4, f"{conf.ipv4_src_address} is no IPv4 address")
    _demand(family(canonical(conf.ipv6_src_address)) == 6, f"{conf.ipv6_src_address} is no IPv6 address")
    # 0 passes VPP's own test, and then the first packet writes outside of the table.
    _demand_power_of_two("sticky buckets per core", conf.sticky_buckets_per_core, 1, MAX_BUCKETS)
    # 0 would mean: no flow is ever remembered.
    _demand(1 <= conf.flow_timeout <= MAX_FLOW_TIMEOUT, f"flow timeout {conf.flow_timeout}")


def check(operation: Operation) -> None:
    """Refuse an operation that harms VPP, or that VPP takes for another one.

    Raises:
        ValueError: It is such an operation.
    """
    check_key(operation.key)
    match operation:
        case AddVip(_, encap, _, table_length):
            # L3DSR and NAT are never ours; VPP silently makes GRE6 of some of them.
            _demand(encap in {Encap.GRE4, Encap.GRE6}, f"encapsulation {encap!r}")
            # 0 passes VPP's own test, and then aborts it: a mask of 2^32-1 leads to a table of 16 GiB.
            _demand_power_of_two("table length", table_length, MIN_TABLE_LENGTH, MAX_TABLE_LENGTH)
        case AddServer(_, address, weight) | SetWeight(_, address, weight):
            _check_server(address)
            # VPP takes up to 255 over the API; its command line, and so its documentation, up to 100.
            _demand(0 <= weight <= MAX_WEIGHT, f"weight {weight}")
        case DeleteServer(_, address):
            _check_server(address)


def check_key(key: VipKey) -> None:
    """Refuse a VIP that VPP would take for another one, or that matches no packet.

    Raises:
        ValueError: It is such a VIP.
    """
    _demand(0 <= key.length <= bits(key.address), f"prefix length {key.length} of {key.address}")
    _demand(_masked(key.address, key.length) == key.address, f"{key.address}/{key.length} has host bits")
    _demand(0 <= key.port <= 0xFFFF, f"port {key.port}")
    _demand(0 <= key.protocol <= ANY_PROTOCOL, f"protocol {key.protocol}")
    # VPP makes 255 of any protocol if the port is 0; 255 with a port matches no packet at all.
    _demand((key.port == 0) is (key.protocol == ANY_PROTOCOL), f"port {key.port} with protocol {key.protocol}")


def _check_server(address: str) -> None:
    _demand(canonical(address) == address, f"{address} is not spelled canonically")


def _masked(address: str, length: int) -> str:
    packed = pack(address)
    shift = len(packed) * 8 - length
    return unpack((int.from_bytes(packed) >> shift << shift).to_bytes(len(packed)))


def _demand_power_of_two(what: str, number: int, least: int, most: int) -> None:
    _demand(least <= number <= most and number & (number - 1) == 0, f"{what} {number}")


def _demand(condition: bool, what: str) -> None:  # noqa: FBT001  # the one thing it is about
    if not condition:
        message = f"never sent to VPP: {what}"
        raise ValueError(message)
