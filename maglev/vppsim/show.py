"""What the ``show`` commands of the lb plugin print, to the last blank: programs parse it.

Source: VPP ``src/plugins/lb/lb.c`` (``format_lb_*``), the output of a running VPP 26.10, and for the lines of older
releases the facts page of this project.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from maglev.vppsim.vip import VipType, is_ip4, is_ip4_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.vppsim.balancer import Balancer
    from maglev.vppsim.vip import SimServer, SimVip

COUNTERS: Final = (
    "packet from existing sessions",
    "first session packet",
    "untracked packet",
    "no server configured",
)
"""The counters of a VIP, here and in the stats segment."""


def address_text(address: bytes) -> str:
    """Return 16 bytes as VPP prints them: as IPv4 whenever the first twelve are zero."""
    if is_ip4(address):
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return socket.inet_ntop(socket.AF_INET6, address)


def prefix_text(prefix: bytes, length: int) -> str:
    """Return a prefix as VPP prints it."""
    if is_ip4_prefix(prefix, length):
        return f"{socket.inet_ntop(socket.AF_INET, prefix[12:])}/{length - 96}"
    return f"{socket.inet_ntop(socket.AF_INET6, prefix)}/{length}"


def type_text(type_: VipType) -> str:
    """Return the type of a VIP as VPP prints it, such as ``ip4-gre6``."""
    return type_.name.lower().replace("_", "-")


def swapped(port: int) -> int:
    """Return a port with its two bytes exchanged: VPP converts some of them once too often."""
    return (port & 0xFF) << 8 | port >> 8


def settings(balancer: Balancer) -> str:
    """Return the output of ``show lb``."""
    conf = balancer.conf
    return (
        f"lb_main ip4-src-address: {socket.inet_ntop(socket.AF_INET, conf.ip4_source)} \n"
        f" ip6-src-address: {socket.inet_ntop(socket.AF_INET6, conf.ip6_source)} \n"
        f" #vips: {len(balancer.vips)}\n"
        f" #ass: {len(balancer.servers) - 1}\n"
    )


def vip_line(vip: SimVip) -> str:
    """Return a line of ``show lb vips``."""
    line = f"{type_text(vip.type)} {prefix_text(vip.key.prefix, vip.key.length)} new_size:{vip.table_length}"
    line += f" #as:{len(vip.servers)}{'' if vip.used else ' removed'}"
    if vip.key.port:
        line += f"  protocol:{vip.key.protocol} port:{vip.key.port} "
    if vip.type is VipType.IP4_L3DSR:
        line += f"  dscp:{vip.option}"
    elif vip.has_nat:
        line += f" {_nat_text(vip)}"
    return line + "\n"


def vip_block(balancer: Balancer, vip: SimVip, counts: Sequence[int], *, weighted: bool) -> str:
    """Return what ``show lb vips verbose`` prints about a VIP.

    Args:
        balancer: The plugin that it is of.
        vip: The VIP.
        counts: The values of its `COUNTERS`.
        weighted: Whether to print servers as 26.10 does, or as older releases do.
    """
    return "".join(_lines(balancer, vip, counts, weighted=weighted)) + "\n"


def _lines(balancer: Balancer, vip: SimVip, counts: Sequence[int], *, weighted: bool) -> Iterator[str]:
    flags = f"{' src_ip_sticky' if vip.sticky else ''}{'' if vip.used else ' removed'}"
    yield f" {type_text(vip.type)} [{vip.index}] {prefix_text(vip.key.prefix, vip.key.length)}{flags}\n"
    yield f"  new_size:{vip.table_length}\n"
    if vip.key.port:
        yield f"  protocol:{vip.key.protocol} port:{vip.key.port}\n"
    if vip.type is VipType.IP4_L3DSR:
        yield f"  dscp:{vip.option}\n"
    elif vip.has_nat:
        yield f"  {_nat_text(vip)}"  # VPP forgets the end of this line.
    yield "  counters:\n"
    for name, count in zip(COUNTERS, counts, strict=True):
        yield f"    {name}: {count}\n"
    yield f"  #as:{len(vip.servers)}\n"
    buckets = balancer.buckets_of(vip)
    for server in balancer.servers_of(vip):
        yield f"    {_server_text(server, buckets[server.index], weighted=weighted)}\n"


def _server_text(server: SimServer, buckets: int, *, weighted: bool) -> str:
    used = "used" if server.used else " removed"
    address = address_text(server.address)
    if weighted:
        return (
            f"{address} weight:{server.weight} buckets:{buckets} flows:{server.flows} dpo:{server.route.index} {used}"
        )
    return f"{address} {buckets} buckets   {server.flows} flows  dpo:{server.route.index} {used}"


def _nat_text(vip: SimVip) -> str:
    kind = "nodeport" if vip.option else "clusterip"
    return f"type:{kind} port:{swapped(vip.key.port)} target_port:{vip.target_port}"
