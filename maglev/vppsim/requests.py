"""What each request of the binary API does, and what it is answered with.

The methods named ``request_*`` are the dispatch table. Each takes the decoded fields and returns its answers, as names
and fields without context. Requests that VPP does not check are not checked here.

Sources: VPP ``src/plugins/lb/api.c`` (26.10; for older releases what commit ``db44addb60c`` changed), ``vlibmemory``,
``vnet/ip/ip_api.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maglev.vppsim.cli import CommandLine
from maglev.vppsim.fib import RouteKey
from maglev.vppsim.show import prefix_text, swapped
from maglev.vppsim.vip import ANY_PROTOCOL, NewVip, SimVipKey, VipType, is_ip4, is_ip4_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from maglev.vppsim.boot import Boot
    from maglev.vppsim.cli import SimulatorControls
    from maglev.vppsim.fib import Route
    from maglev.vppsim.vip import SimServer, SimVip

Answer = tuple[str, dict[str, Any]]

_GRE4, _GRE6, _L3DSR, _NAT4, _NAT6 = range(5)

_IP4_TYPES: Final = {
    _GRE4: VipType.IP4_GRE4,
    _GRE6: VipType.IP4_GRE6,
    _L3DSR: VipType.IP4_L3DSR,
    _NAT4: VipType.IP4_NAT4,
}
_IP6_TYPES: Final = {_GRE4: VipType.IP6_GRE4, _GRE6: VipType.IP6_GRE6, _NAT6: VipType.IP6_NAT6}
_ENCAPS: Final = {
    **{type_: encap for encap, type_ in _IP4_TYPES.items()},
    **{type_: encap for encap, type_ in _IP6_TYPES.items()},
}

_NOWHERE: Final = 0xFFFFFFFF


class Requests:
    """The requests of one life of VPP.

    Args:
        boot: What they work on.
        controls: What the commands of our own in the command line reach.
    """

    def __init__(self, boot: Boot, controls: SimulatorControls) -> None:
        self._boot = boot
        self._balancer = boot.balancer
        self._binary_works = boot.release.has_weights
        self._commands = CommandLine(boot, controls)

    def answer(self, name: str, fields: Any) -> Sequence[Answer]:
        """Carry out a request and return its answers; none for a message that VPP ignores."""
        request = getattr(self, f"request_{name}", None)
        return request(fields) if request else ()

    # VPP itself.

    def request_control_ping(self, fields: Any) -> Sequence[Answer]:
        """Say that everything before this was done."""
        return _reply("control_ping", client_index=fields.client_index, vpe_pid=self._boot.pid)

    def request_get_api_json(self, _fields: Any) -> Sequence[Answer]:
        """Tell the API description."""
        return _reply("get_api_json", json=self._boot.messages.json)

    def request_show_version(self, _fields: Any) -> Sequence[Answer]:
        """Tell the version."""
        return _reply(
            "show_version", program="vpe", version=self._boot.release.version, build_date="", build_directory=""
        )

    def request_cli_inband(self, fields: Any) -> Sequence[Answer]:
        """Run commands."""
        retval, output = self._commands.run(fields.cmd)
        return _reply("cli_inband", retval, reply=output)

    def request_ip_route_lookup(self, fields: Any) -> Sequence[Answer]:
        """Look up a route; only the default tables exist."""
        prefix = fields.prefix
        is_ip6 = bool(prefix.address.af)
        key = RouteKey(is_ip6, prefix.address.un[1] if is_ip6 else prefix.address.un[1][:4], prefix.len)
        if fields.table_id:
            return _reply("ip_route_lookup", -3)
        route = (self._boot.fib.exact if fields.exact else self._boot.fib.longest)(key)
        if route is None:
            return _reply("ip_route_lookup", -6)
        return _reply("ip_route_lookup", route=_route(route))

    # Settings.

    def request_lb_conf(self, fields: Any) -> Sequence[Answer]:
        """Change the global settings."""
        retval = self._balancer.configure(
            fields.ip4_src_address, fields.ip6_src_address, fields.sticky_buckets_per_core, fields.flow_timeout
        )
        self._boot.record("lb_conf", f"buckets {fields.sticky_buckets_per_core}", None, (), retval)
        return _reply("lb_conf", retval)

    def request_lb_conf_get(self, _fields: Any) -> Sequence[Answer]:
        """Tell the global settings."""
        conf = self._balancer.conf
        return _reply(
            "lb_conf_get",
            ip4_src_address=conf.ip4_source,
            ip6_src_address=conf.ip6_source,
            sticky_buckets_per_core=conf.buckets,
            flow_timeout=conf.timeout,
        )

    # VIPs.

    def request_lb_add_del_vip(self, fields: Any) -> Sequence[Answer]:
        """Add or delete a VIP."""
        return _reply("lb_add_del_vip", self._add_del_vip("lb_add_del_vip", fields, sticky=False))

    def request_lb_add_del_vip_v2(self, fields: Any) -> Sequence[Answer]:
        """Add or delete a VIP, which may stick to source addresses."""
        return _reply("lb_add_del_vip_v2", self._add_del_vip("lb_add_del_vip_v2", fields, sticky=fields.src_ip_sticky))

    def request_lb_flush_vip(self, fields: Any) -> Sequence[Answer]:
        """Forget the flows of a VIP."""
        key = self._key(fields)
        retval = self._balancer.flush(key)
        self._boot.record("lb_flush_vip", _text(key), key, (), retval)
        return _reply("lb_flush_vip", retval)

    def request_lb_vip_dump(self, _fields: Any) -> Sequence[Answer]:
        """Tell of all VIPs, whatever the filter says."""
        details = self._details if self._binary_works else self._old_details
        shown = [vip for vip in self._balancer.shown() if vip.used or not self._binary_works]
        return [("lb_vip_details", {"vip": self._vip(vip), **details(vip)}) for vip in shown]

    # Application servers.

    def request_lb_add_del_as(self, fields: Any) -> Sequence[Answer]:
        """Add, with the full weight, or delete an application server."""
        return _reply("lb_add_del_as", self._add_del_server("lb_add_del_as", fields, 100, flush=False))

    def request_lb_add_del_as_v2(self, fields: Any) -> Sequence[Answer]:
        """Add or delete an application server."""
        retval = self._add_del_server("lb_add_del_as_v2", fields, fields.weight, flush=fields.is_flush)
        return _reply("lb_add_del_as_v2", retval)

    def request_lb_as_set_weight(self, fields: Any) -> Sequence[Answer]:
        """Change the weight of an application server."""
        key, server = self._key(fields), _stored(fields.as_address)
        retval = self._balancer.set_weight(key, server, fields.weight, flush=fields.is_flush)
        text = f"{_text(key)} weight {fields.weight}{' flush' if fields.is_flush else ''}"
        self._boot.record("lb_as_set_weight", text, key, [server], retval)
        return _reply("lb_as_set_weight", retval)

    def request_lb_as_dump(self, fields: Any) -> Sequence[Answer]:
        """Tell of application servers, the removed ones included."""
        return [("lb_as_details", self._server(vip, server)) for vip, server in self._matching(fields)]

    def request_lb_as_v2_dump(self, fields: Any) -> Sequence[Answer]:
        """Tell of application servers and their weights, the removed ones included."""
        return [
            (
                "lb_as_v2_details",
                {
                    **self._server(vip, server),
                    "weight": server.weight,
                    "num_buckets": self._balancer.buckets_of(vip)[server.index],
                },
            )
            for vip, server in self._matching(fields)
        ]

    # Implementation

    def _key(self, fields: Any) -> SimVipKey:
        """Return the VIP that a request is about, by VPP's rules: port 0 means all protocols."""
        address, length = fields.pfx.address, fields.pfx.len
        if self._binary_works and address.af == 0:
            length = (length + 96) & 0xFF
        return SimVipKey(_stored(address), length, fields.protocol if fields.port else ANY_PROTOCOL, fields.port)

    def _add_del_vip(self, name: str, fields: Any, *, sticky: bool) -> int:
        key = self._key(fields)
        if fields.is_del:
            retval = self._balancer.delete_vip(key)
        else:
            retval, _ = self._balancer.add_vip(self._new_vip(fields, key, sticky=sticky))
        self._boot.record(name, f"{_text(key)}{' del' if fields.is_del else ''}", key, (), retval)
        return retval

    def _new_vip(self, fields: Any, key: SimVipKey, *, sticky: bool) -> NewVip:
        encap = int(fields.encap)
        if not self._binary_works:  # Not converted from network order there.
            encap = int.from_bytes(encap.to_bytes(4), "little")
        types = _IP4_TYPES if is_ip4_prefix(key.prefix, key.length) else _IP6_TYPES
        type_ = types.get(encap, VipType.IP6_GRE6)
        option = fields.dscp & 0x3F if encap == _L3DSR else int(fields.type) >> 24
        return NewVip(key, type_, fields.new_flows_table_length, sticky, option, fields.target_port)

    def _add_del_server(self, name: str, fields: Any, weight: int, *, flush: bool) -> int:
        key, server = self._key(fields), _stored(fields.as_address)
        if fields.is_del:
            retval = self._balancer.delete_servers(key, [server], flush=fields.is_flush)
            text = f"{_text(key)} del{' flush' if fields.is_flush else ''}"
        else:
            retval = self._balancer.add_servers(key, [server], weight, flush=flush)
            text = f"{_text(key)} weight {weight}{' flush' if flush else ''}"
        self._boot.record(name, text, key, [server], retval)
        return retval

    def _matching(self, fields: Any) -> list[tuple[SimVip, SimServer]]:
        """Return what a dump of servers is to tell: the filter compares raw bytes, and all zeros means everything."""
        raw = fields.pfx.address.un[1]
        return [
            (vip, server)
            for vip in self._balancer.shown()
            if not any(raw) or (raw, fields.protocol, fields.port) == (vip.key.prefix, *vip.key[2:])
            for server in self._balancer.servers_of(vip)
        ]

    def _vip(self, vip: SimVip) -> dict[str, Any]:
        prefix, length, protocol, port = vip.key
        if self._binary_works and is_ip4_prefix(prefix, length):
            length -= 96
        return {"pfx": {"address": _address(prefix), "len": length}, "protocol": protocol, "port": port}

    @staticmethod
    def _details(vip: SimVip) -> dict[str, Any]:
        return {
            "encap": _ENCAPS[vip.type],
            "dscp": vip.option,
            "srv_type": vip.option << 24,
            "target_port": swapped(vip.target_port),
            "flow_table_length": vip.table_length & 0xFFFF,
        }

    def _old_details(self, vip: SimVip) -> dict[str, Any]:
        """Return the fields of a VIP as releases before 26.10 tell them."""
        details = {**self._details(vip), "encap": int(vip.type), "flow_table_length": vip.table_length >> 16}
        return {**details, "vip": {**self._vip(vip), "protocol": 0}}

    def _server(self, vip: SimVip, server: SimServer) -> dict[str, Any]:
        return {
            "vip": self._vip(vip),
            "app_srv": _address(server.address),
            "flags": int(server.used),
            "in_use_since": server.last_used,
        }


def _reply(request: str, retval: int = 0, **fields: Any) -> Sequence[Answer]:
    return ((f"{request}_reply", {"retval": retval, **fields}),)


def _stored(address: Any) -> bytes:
    """Return the 16 bytes that VPP makes of an address on the wire (``ip_address_decode``)."""
    raw: bytes = address.un[1]
    if address.af == 0:
        return bytes(12) + raw[:4]
    return raw if address.af == 1 else bytes(16)


def _address(address: bytes) -> Mapping[str, Any]:
    """Return the fields of an address on the wire."""
    if is_ip4(address):
        return {"af": 0, "un": {"ip4": address[12:]}}
    return {"af": 1, "un": {"ip6": address}}


def _route(route: Route) -> dict[str, Any]:
    family = "ip6" if route.key.is_ip6 else "ip4"
    address = {"af": int(route.key.is_ip6), "un": {family: route.key.network}}
    path = {
        "sw_if_index": _NOWHERE,
        "weight": 1,
        "type": int(route.path),
        "proto": int(route.key.is_ip6),
        "label_stack": [None] * 16,
    }
    return {
        "stats_index": route.index,
        "prefix": {"address": address, "len": route.key.length},
        "n_paths": 1,
        "paths": [path],
    }


def _text(key: SimVipKey) -> str:
    shown = prefix_text(key.prefix, key.length)
    return f"{shown} protocol {key.protocol} port {key.port}" if key.port else shown
