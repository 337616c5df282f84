"""The values of `maglev.vpp.lb.state` as the fields of VPP's messages, and back.

Fields are positional, as `maglev.vpp.api.messages.EXPECTED` lists them, without head and retval. An address is a family
(0 or 1) and 16 bytes, of which an IPv4 address takes the first four.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from maglev.model.addresses import pack, unpack
from maglev.model.config import LbConf
from maglev.model.errors import VppProtocolError
from maglev.vpp.lb.cli_text import parse_vips
from maglev.vpp.lb.state import ApplicationServer, Encap, LbState, Vip, VipKey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from maglev.vpp.lb.cli_text import ShownServer, ShownVip

    Values = tuple[Any, ...]

_IP4, _IP6 = 0, 1
_KEY_FIELDS: Final = 5

REMEMBERED: Final = 1 << 14
"""Number of keys and addresses whose conversion is cached: the same come with every write and every read."""

_USED: Final = 1
"""Bit of ``flags`` in the details of an application server: it is not deleted (``LB_AS_FLAGS_USED``)."""

VIPS_AT_ONCE: Final = 100
SERVERS_AT_ONCE: Final = 1000
"""What takes two milliseconds or so to put together, with ten application servers a VIP."""


@lru_cache(REMEMBERED)
def pack_address(address: str) -> tuple[int, bytes]:
    """Return the fields of an address."""
    packed = pack(address)
    return (_IP4, packed + bytes(12)) if len(packed) == 4 else (_IP6, packed)


@lru_cache(REMEMBERED)
def unpack_address(family: int, packed: bytes) -> str:
    """Return the address that these fields are.

    Raises:
        VppProtocolError: They are none.
    """
    if family == _IP4:
        return unpack(packed[:4])
    if family == _IP6:
        return unpack(packed)
    raise VppProtocolError(f"address of family {family}")


def pack_prefix(key: VipKey) -> tuple[int, bytes, int]:
    """Return the fields of a VIP's prefix."""
    return (*pack_address(key.address), key.length)


@lru_cache(REMEMBERED)
def pack_key(key: VipKey) -> tuple[int, bytes, int, int, int]:
    """Return the fields of a VIP's key."""
    return (*pack_address(key.address), key.length, key.protocol, key.port)


def pack_conf(conf: LbConf) -> tuple[bytes, bytes, int, int]:
    """Return the fields of the global settings."""
    sources = pack(conf.ipv4_src_address), pack(conf.ipv6_src_address)
    return (*sources, conf.sticky_buckets_per_core, conf.flow_timeout)


def unpack_conf(values: Values) -> LbConf:
    """Return the global settings from the reply to ``lb_conf_get``."""
    ipv4, ipv6, buckets, timeout = values
    return LbConf(unpack(ipv4), unpack(ipv6), buckets, timeout)


def unpack_text(raw: bytes) -> str:
    """Return the text of a string field: up to the first NUL; what is not ASCII is escaped."""
    return raw.partition(b"\0")[0].decode("ascii", "backslashreplace")


def unpack_state(
    conf: LbConf, vips: Iterable[Values], servers: Iterable[Values], text: str, unusable: Callable[[str], None]
) -> Generator[None, None, LbState]:
    """Put together what the plugin holds; yield after each few milliseconds of work, so that others can have a turn.

    Args:
        conf: The global settings.
        vips: Rows of ``lb_vip_details``.
        servers: Rows of ``lb_as_v2_details``.
        text: Output of ``show lb vips verbose``, or nothing.
        unusable: Called with the reason for each row that makes no sense. It is left out, so that it concerns its own
            VIP and no other.
    """
    shown: dict[VipKey, ShownVip] = {}
    details: dict[tuple[VipKey, str], ShownServer] = {}
    for done, vip in enumerate(parse_vips(text), 1):
        shown[vip.key] = vip
        details.update({(vip.key, server.address): server for server in vip.servers()})
        if done % VIPS_AT_ONCE == 0:
            yield
    held: dict[VipKey, dict[str, ApplicationServer]] = {}
    for done, row in enumerate(servers, 1):
        try:
            _hold(row, details, held)
        except VppProtocolError as error:
            unusable(str(error))
        if done % SERVERS_AT_ONCE == 0:
            yield
    found: dict[VipKey, Vip] = {}
    for done, row in enumerate(vips, 1):
        try:
            key, *rest = _keyed(row)
            found[key] = _vip(key, rest, held.get(key, {}), shown.get(key))
        except VppProtocolError as error:
            unusable(str(error))
        if done % VIPS_AT_ONCE == 0:
            yield
    return LbState(conf, found)


def _hold(
    row: Values, details: Mapping[tuple[VipKey, str], ShownServer], held: dict[VipKey, dict[str, ApplicationServer]]
) -> None:
    """Take in a row of an application server; deleted ones have rows too until they are collected."""
    key, family, packed, flags, _since, weight, buckets = _keyed(row)
    if flags & _USED:
        address = unpack_address(family, packed)
        more = details.get((key, address))
        flows, dpo = (more.flows, more.dpo) if more else (None, None)
        held.setdefault(key, {})[address] = ApplicationServer(address, weight, buckets, flows, dpo)


def _keyed(row: Values) -> tuple[Any, ...]:
    return (_key(*row[:_KEY_FIELDS]), *row[_KEY_FIELDS:])


@lru_cache(REMEMBERED)
def _key(family: int, packed: bytes, length: int, protocol: int, port: int) -> VipKey:
    return VipKey(unpack_address(family, packed), length, protocol, port)


def _vip(key: VipKey, rest: list[Any], servers: dict[str, ApplicationServer], shown: ShownVip | None) -> Vip:
    number, _dscp, _type, _target_port, length = rest
    try:
        encap = Encap(number)
    except ValueError as error:
        raise VppProtocolError(f"{key} has encapsulation {number}") from error
    if shown is None:
        # The message has 16 bits for the length. 65536 comes as 0, which means here that VPP did not say.
        return Vip(key, encap, None, length, servers)
    return Vip(key, encap, shown.src_ip_sticky, shown.table_length, servers, shown.pool_index)
