"""The text of ``show lb vips verbose`` and ``show lb``, read into values.

VPP prints more about a VIP than its API tells. A VIP looks like this, the servers in one of two forms::

     ip4-gre4 [1] 192.0.2.1/32 src_ip_sticky
      new_size:1024
      protocol:6 port:443
      counters:
        packet from existing sessions: 0
        ...
      #as:2
        10.0.0.1 weight:50 buckets:200 flows:0 dpo:14 used          (since 26.10)
        10.0.0.3 512 buckets   7 flows  dpo:16  removed             (before)

VIPs and servers that are deleted but not yet collected are marked ``removed``, so a key may appear twice. The protocol
line is missing for all ports. A NAT VIP has a line more, in which the port is wrong. Lines that fit nothing here are
passed over: a text is for people, and may change. So are numbers longer than VPP's own (32 bits) and servers that are
not an address: nothing in a text may fail the reading of the rest.

Source: ``format_lb_vip_detailed`` and ``format_lb_main`` in ``src/plugins/lb/lb.c``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.model.addresses import canonical, is_address
from maglev.vpp.lb.state import ANY_PROTOCOL, Encap, VipKey

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBER: Final = r"\d{1,10}"
_ADDRESS: Final = r"[0-9a-f.:]{2,45}"
_VIP: Final = re.compile(
    rf"^ *ip[46]-(\w{{1,16}}) \[({_NUMBER})\] ({_ADDRESS})/(\d{{1,3}})(?!\d)(.*)$", re.MULTILINE | re.ASCII
)
_LENGTH: Final = re.compile(rf"^ *new_size:({_NUMBER})(?!\d)", re.MULTILINE | re.ASCII)
_PORT: Final = re.compile(r"^ *protocol:(\d{1,3}) port:(\d{1,5})(?!\d)", re.MULTILINE | re.ASCII)
_SERVER: Final = re.compile(
    rf"^ +({_ADDRESS}) (?:weight:(\d{{1,3}}) buckets:({_NUMBER}) flows:({_NUMBER})"
    rf"|({_NUMBER}) buckets +({_NUMBER}) flows) +dpo:({_NUMBER}) +used",
    re.MULTILINE | re.ASCII,
)
_FLOWS: Final = re.compile(
    rf"^ +({_ADDRESS}) (?:weight:(\d{{1,3}}) buckets:{_NUMBER} flows:({_NUMBER})"
    rf"|({_NUMBER}) buckets +({_NUMBER}) flows) +dpo:{_NUMBER} +(?:(used)|removed)",
    re.MULTILINE | re.ASCII,
)
_SOURCE: Final = re.compile(rf"ip([46])-src-address: ({_ADDRESS})(?!\S)")
_TIMEOUT: Final = re.compile(rf"^ *timeout: ({_NUMBER})s", re.MULTILINE | re.ASCII)
_USAGE: Final = re.compile(rf"^ *usage: \d{{1,20}} / ({_NUMBER})(?!\d)", re.MULTILINE | re.ASCII)

SIZE_EXCESS: Final = 3
"""What VPP shows as the size of a flow table is its buckets and 3 (``lb_hash_size`` in ``lbhash.h`` adds the 4 entries
of a bucket to the mask, where multiplying was meant)."""


class ShownServer(NamedTuple):
    """An application server in use.

    Attributes:
        weight: None before 26.10, where there are no weights.
        buckets: Buckets of the new-flow table that point at it.
        flows: Flows that stick to it.
        dpo: Index of its route in the counters ``/net/route/via``.
    """

    address: str
    weight: int | None
    buckets: int
    flows: int
    dpo: int


class ShownFlows(NamedTuple):
    """The flows of an application server in a VIP.

    Attributes:
        serves: Whether it gets new ones.
        flows: Those that stick to it. VPP counts a flow that has ended until its place is taken by another one.
    """

    address: str
    serves: bool
    flows: int


class ShownVip(NamedTuple):
    """A VIP in use.

    Attributes:
        pool_index: Column of its counters in the stats segment.
        table_length: Buckets of its new-flow table.
        text: What is shown of it, for `servers`.
    """

    key: VipKey
    encap: Encap
    pool_index: int
    src_ip_sticky: bool
    table_length: int
    text: str

    def flows(self) -> Iterator[ShownFlows]:
        """Yield the flows of all its application servers, also of those that are deleted and not collected yet."""
        for address, weight, flows, _, old_flows, used in _FLOWS.findall(self.text):
            if is_address(address):
                serves = bool(used) and weight != "0"
                yield ShownFlows(canonical(address), serves, int(flows or old_flows))

    def servers(self) -> Iterator[ShownServer]:
        """Yield its application servers in use."""
        for address, weight, buckets, flows, old_buckets, old_flows, dpo in _SERVER.findall(self.text):
            if not is_address(address):
                continue
            yield ShownServer(
                canonical(address),
                int(weight) if weight else None,
                int(buckets or old_buckets),
                int(flows or old_flows),
                int(dpo),
            )


class ShownConf(NamedTuple):
    """The global settings, as far as ``show lb`` tells them.

    Attributes:
        buckets: Sticky buckets per core; None before the first packet to a VIP, like ``timeout``.
        timeout: Seconds.
    """

    ipv4_src_address: str
    ipv6_src_address: str
    buckets: int | None
    timeout: int | None


def parse_vips(text: str) -> Iterator[ShownVip]:
    """Yield the VIPs in use that ``show lb vips verbose`` shows; what can't be understood is left out."""
    head: re.Match[str] | None = None
    for following in _VIP.finditer(text):
        if head is not None:
            yield from _vip(head, text[head.end() : following.start()])
        head = following
    if head is not None:
        yield from _vip(head, text[head.end() :])


def _vip(head: re.Match[str], text: str) -> Iterator[ShownVip]:
    if "removed" in head[5]:
        return
    length = _LENGTH.search(text)
    port = _PORT.search(text)
    l4 = (int(port[1]), int(port[2])) if port else (ANY_PROTOCOL, 0)
    try:
        key = VipKey(canonical(head[3]), int(head[4]), *l4)
        encap = Encap[head[1].upper()]
    except (ValueError, KeyError):
        return
    yield ShownVip(
        key=key,
        encap=encap,
        pool_index=int(head[2]),
        src_ip_sticky="src_ip_sticky" in head[5],
        table_length=int(length[1]) if length else 0,
        text=text,
    )


def parse_conf(text: str) -> ShownConf | None:
    """Return what ``show lb`` says of the global settings; None if that is not its output."""
    sources = dict(_SOURCE.findall(text))
    timeout, usage = _TIMEOUT.search(text), _USAGE.search(text)
    try:
        return ShownConf(
            canonical(sources["4"]),
            canonical(sources["6"]),
            int(usage[1]) - SIZE_EXCESS if usage else None,
            int(timeout[1]) if timeout else None,
        )
    except (ValueError, KeyError):
        return None
