"""The messages that we exchange with VPP, and the fields that our calls pass and expect, in order.

A definition that comes from VPP is used only when its flattened fields are exactly these: `maglev.vpp.lb.calls` passes
values by position. Numbers may have any width, since VPP's own definition says which; raw bytes must have the length
given here. A message that is missing, or has other fields, is a feature that this VPP does not have.

The definitions in `BOOTSTRAP` are known beforehand: what is needed to ask VPP for its definitions, and what is needed
to drive a VPP that can't give them (before 24.06, where no definitions are installed either). They hold for one
checksum each, like any other definition, and these have been the same since VPP 21.06.

Sources: ``memclnt.api``, ``vlib.api``, ``vpe.api``, ``ip.api``, ``lb.api`` of VPP 26.10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUEST = "_vl_msg_id client_index context "
_DETAILS = "_vl_msg_id context "
_REPLY = "_vl_msg_id context retval "
_PREFIX = "pfx.address.af pfx.address.un:16 pfx.len "
_VIP = _PREFIX + "protocol port "
_SERVER = _VIP + "as_address.af as_address.un:16 "
_VIP_DETAILS = "vip.pfx.address.af vip.pfx.address.un:16 vip.pfx.len vip.protocol vip.port "
_ADD_VIP = _VIP + "encap dscp type target_port node_port new_flows_table_length "
_CONF = "ip4_src_address:4 ip6_src_address:16 sticky_buckets_per_core flow_timeout"

_EXPECTED: Final = {
    "sockclnt_create": "_vl_msg_id context name",
    "sockclnt_create_reply": "_vl_msg_id client_index context response index count",
    "sockclnt_delete": _REQUEST + "index",
    "memclnt_keepalive": _REQUEST,
    "memclnt_keepalive_reply": _REPLY,
    "control_ping": _REQUEST,
    "control_ping_reply": _REPLY + "client_index vpe_pid",
    "get_api_json": _REQUEST,
    "get_api_json_reply": _REPLY + "json",
    "cli_inband": _REQUEST + "cmd",
    "cli_inband_reply": _REPLY + "reply",
    "show_version": _REQUEST,
    "show_version_reply": _REPLY + "program version build_date build_directory",
    "ip_route_lookup": _REQUEST + "table_id exact prefix.address.af prefix.address.un:16 prefix.len",
    "ip_route_lookup_reply": _REPLY
    + "route.table_id route.stats_index route.prefix.address.af route.prefix.address.un:16 route.prefix.len"
    + " route.n_paths",
    "lb_conf": _REQUEST + _CONF,
    "lb_conf_reply": _REPLY,
    "lb_conf_get": _REQUEST,
    "lb_conf_get_reply": _REPLY + _CONF,
    "lb_add_del_vip_v2": _REQUEST + _ADD_VIP + "src_ip_sticky is_del",
    "lb_add_del_vip_v2_reply": _REPLY,
    "lb_add_del_as_v2": _REQUEST + _SERVER + "weight is_del is_flush",
    "lb_add_del_as_v2_reply": _REPLY,
    "lb_as_set_weight": _REQUEST + _SERVER + "weight is_flush",
    "lb_as_set_weight_reply": _REPLY,
    "lb_vip_dump": _REQUEST + _PREFIX + "pfx_matcher.le pfx_matcher.ge protocol port",
    "lb_vip_details": _DETAILS + _VIP_DETAILS + "encap dscp srv_type target_port flow_table_length",
    "lb_as_v2_dump": _REQUEST + _VIP,
    "lb_as_v2_details": _DETAILS + _VIP_DETAILS + "app_srv.af app_srv.un:16 flags in_use_since weight num_buckets",
}

EXPECTED: Final[Mapping[str, tuple[str, ...]]] = {name: tuple(fields.split()) for name, fields in _EXPECTED.items()}
"""Name of each message that we know, and its flattened fields."""

LB_REQUESTS: Final = (
    "lb_conf",
    "lb_conf_get",
    "lb_add_del_vip_v2",
    "lb_add_del_as_v2",
    "lb_as_set_weight",
    "lb_vip_dump",
    "lb_as_v2_dump",
)
"""What a VPP must have, all of it, to be driven by the binary API of its lb plugin: 26.10 has, and what is older than
the weights has mistakes in the other messages, too."""

LB_PLUGIN_SIGNS: Final = ("lb_conf", "lb_add_del_vip", "lb_add_del_as")
"""What every lb plugin since VPP 18.10 has: if VPP's table lists none of these, the plugin is not loaded."""

RETVAL_TEXTS: Final[Mapping[int, str]] = {
    -2: "no such interface",
    -3: "no such FIB table",
    -6: "no such entry",
    -7: "invalid value",
    -70: "length is not a power of two",
    -73: "prefix is used by another type of VIP",
    -81: "already exists",
    -97: "wrong address family",
}
"""What the codes of ``vnet/error.h`` mean in the calls that we make."""


def answer_to(request: str) -> str:
    """Return the name of the message that answers a request: the reply, or the rows of a dump."""
    return request.removesuffix("_dump") + "_details" if request.endswith("_dump") else request + "_reply"


def _message(name: str, crc: str, *fields: list[Any]) -> list[Any]:
    return [name, ["u16", "_vl_msg_id"], *fields, {"crc": crc}]


_INDEX, _CONTEXT, _RETVAL = ["u32", "client_index"], ["u32", "context"], ["i32", "retval"]

BOOTSTRAP: Final[Mapping[str, Any]] = {
    "types": [["message_table_entry", ["u16", "index"], ["string", "name", 64]]],
    "messages": [
        _message("sockclnt_create", "0x455fb9c4", _CONTEXT, ["string", "name", 64]),
        _message(
            "sockclnt_create_reply",
            "0x35166268",
            _INDEX,
            _CONTEXT,
            ["i32", "response"],
            ["u32", "index"],
            ["u16", "count"],
            ["vl_api_message_table_entry_t", "message_table", 0, "count"],
        ),
        _message("sockclnt_delete", "0x8ac76db6", _INDEX, _CONTEXT, ["u32", "index"]),
        _message("memclnt_keepalive", "0x51077d14", _INDEX, _CONTEXT),
        _message("memclnt_keepalive_reply", "0xe8d4e804", _CONTEXT, _RETVAL),
        _message("control_ping", "0x51077d14", _INDEX, _CONTEXT),
        _message("control_ping_reply", "0xf6b0b8ca", _CONTEXT, _RETVAL, _INDEX, ["u32", "vpe_pid"]),
        _message("get_api_json", "0x51077d14", _INDEX, _CONTEXT),
        _message("get_api_json_reply", "0xea715b59", _CONTEXT, _RETVAL, ["string", "json", 0]),
        _message("cli_inband", "0xf8377302", _INDEX, _CONTEXT, ["string", "cmd", 0]),
        _message("cli_inband_reply", "0x05879051", _CONTEXT, _RETVAL, ["string", "reply", 0]),
        _message("show_version", "0x51077d14", _INDEX, _CONTEXT),
        _message(
            "show_version_reply",
            "0xc919bde1",
            _CONTEXT,
            _RETVAL,
            ["string", "program", 32],
            ["string", "version", 32],
            ["string", "build_date", 32],
            ["string", "build_directory", 256],
        ),
    ],
}
"""A module of API definitions, in the form of VPP's own ``.api.json`` files."""
