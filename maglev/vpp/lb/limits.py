"""What must never be sent to VPP: each of these crashes it, corrupts its memory, or programs something that can't work.

VPP accepts all of them without an error (``lb.c``, ``api.c``, 26.10; each one seen or read there). These checks come
last before the wire, whatever the callers have checked already.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from maglev.model.addresses import LOOPBACK, bits, canonical, family, misfit, pack, unpack
from maglev.model.config import MAX_WEIGHT
from maglev.vpp.lb.state import (
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
    from maglev.model.config import LbConf
    from maglev.vpp.lb.state import Operation, VipKey

MAX_BUCKETS: Final = 1 << 24
"""Sticky buckets for each core; VPP takes 32 bytes for each, on each thread."""

MAX_FLOW_TIMEOUT: Final = 0x7FFFFFFF
"""Seconds; 2^32-1 would mean "keep" to VPP. The configuration has a much tighter bound of its own."""

REMEMBERED: Final = 1 << 14
"""Number of keys and addresses whose check results are cached: the same few come again and again."""


def check_conf(conf: LbConf) -> None:
    """Refuse settings that harm VPP.

    Raises:
        ValueError: It is such a setting.
    """
    for number, address in ((4, conf.ipv4_src_address), (6, conf.ipv6_src_address)):
        if family(canonical(address)) != number or misfit(address):
            _refuse(f"{address} as IPv{number} source")
    # 0 passes VPP's own test, and then the first packet writes outside of the table.
    if not _is_power_of_two(conf.sticky_buckets_per_core, 1, MAX_BUCKETS):
        _refuse(f"{conf.sticky_buckets_per_core} sticky buckets per core")
    # 0 would mean: no flow is ever remembered.
    if not 1 <= conf.flow_timeout <= MAX_FLOW_TIMEOUT:
        _refuse(f"flow timeout {conf.flow_timeout}")


def check(operation: Operation) -> None:
    """Refuse an operation that harms VPP, or that VPP takes for another one.

    Raises:
        ValueError: It is such an operation.
    """
    check_key(operation.key)
    match operation:
        case AddVip():
            _check_vip(operation)
        case AddServer(_, address, weight) | SetWeight(_, address, weight):
            _check_address(address)
            if isinstance(operation, AddServer):
                _check_server(address)
                check_pair(operation.key, address)
            # VPP takes up to 255 over the API; its command line, and so its documentation, up to 100.
            if not 0 <= weight <= MAX_WEIGHT:
                _refuse(f"weight {weight}")
        case DeleteServer(_, address):
            _check_address(address)


def check_pair(vip: VipKey, server: str) -> None:
    """Refuse a server whose address is that of a VIP: VPP would send the packets to itself, until it dies of it.

    Args:
        vip: Any VIP that VPP has.
        server: Address of a server, of this or of any other VIP.

    Raises:
        ValueError: It is such a server.
    """
    if family(vip.address) == family(server) and _masked(server, vip.length) == vip.address:
        _refuse(f"{server} as application server, which is the address of the VIP {vip}")


def _check_vip(vip: AddVip) -> None:
    # A VIP of ::/96 reads back as an IPv4 one; others match no packet that ever comes.
    if reason := misfit(vip.key.address):
        _refuse(f"{vip.key}, which is {reason}")
    # L3DSR and NAT are never ours; VPP silently makes GRE6 of some of them.
    if vip.encap not in {Encap.GRE4, Encap.GRE6}:
        _refuse(f"encapsulation {vip.encap!r}")
    # 0 passes VPP's own test, and then aborts it: a mask of 2^32-1 leads to a table of 16 GiB.
    if not _is_power_of_two(vip.table_length, MIN_TABLE_LENGTH, MAX_TABLE_LENGTH):
        _refuse(f"table length {vip.table_length}")


@lru_cache(REMEMBERED)
def check_key(key: VipKey) -> None:
    """Refuse a VIP that VPP would take for another one, or that matches no packet.

    Raises:
        ValueError: It is such a VIP.
    """
    if not 0 <= key.length <= bits(key.address):
        _refuse(f"prefix length {key.length} of {key.address}")
    if _masked(key.address, key.length) != key.address:
        _refuse(f"{key.address}/{key.length}, which has host bits or another spelling")
    if not 0 <= key.port <= 0xFFFF:
        _refuse(f"port {key.port}")
    # VPP makes 255 of any protocol if the port is 0; 255 with a port matches no packet at all.
    if not 0 <= key.protocol <= ANY_PROTOCOL or (key.port == 0) is not (key.protocol == ANY_PROTOCOL):
        _refuse(f"protocol {key.protocol} with port {key.port}")


@lru_cache(REMEMBERED)
def _check_address(address: str) -> None:
    if canonical(address) != address:
        _refuse(f"{address}, which has another spelling")


@lru_cache(REMEMBERED)
def _check_server(address: str) -> None:
    # VPP refuses ::1, and sends to none of the others what a backend would get. It has no route to 127.0.0.0/8, which
    # harms nobody, and is where the backends of a simulated VPP are.
    if (reason := misfit(address)) and (reason != LOOPBACK or family(address) == 6):
        _refuse(f"{address} as application server, which is {reason}")


def _masked(address: str, length: int) -> str:
    packed = pack(address)
    shift = len(packed) * 8 - length
    return unpack((int.from_bytes(packed) >> shift << shift).to_bytes(len(packed)))


def _is_power_of_two(number: int, least: int, most: int) -> bool:
    return least <= number <= most and number & (number - 1) == 0


def _refuse(what: str) -> NoReturn:
    message = f"invalid value for VPP: {what}"
    raise ValueError(message)
