"""Views of VPP as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maglev.commands.lines import Cell, Line, Style, cell, label, line
from maglev.commands.render import NOTHING, TextTable, address_text, fields, phrases, yes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    View = Mapping[str, Any]


def vpp_info_lines(view: View) -> Iterator[Line]:
    """Yield what the connected VPP says of itself."""
    keys = ("version", "build_date", "build_directory", "pid", "boot_time", "connected_since")
    weights = "supported" if view["weights"] else "unsupported"
    return fields([*((key.replace("_", "-"), view[key]) for key in keys), ("weights", weights)], indent=0)


def conf_lines(page: View) -> Iterator[Line]:
    """Yield the global settings of the lb plugin, given a page of `IControl.vpp_lb_state`."""
    conf = page["conf"]
    yield line(label("conf"))
    yield from fields(
        [
            ("ipv4-src-address", conf["ipv4_src_address"]),
            ("ipv6-src-address", conf["ipv6_src_address"]),
            ("sticky-buckets-per-core", conf["sticky_buckets_per_core"]),
            ("flow-timeout", f"{conf['flow_timeout']}s"),
        ]
    )


def vip_lines(vips: Iterable[View], *, aligned: bool) -> Iterator[Line]:
    """Yield VIPs with their application servers."""
    for vip in vips:
        yield line(label("vip"), " ", *_vip_pieces(vip))
        yield from fields(
            [
                ("frontend", vip["frontend"] or NOTHING),
                ("encap", vip["encap"]),
                ("src-ip-sticky", yes(vip["src_ip_sticky"])),
                ("new-flows-table-length", vip["new_flows_table_length"] or NOTHING),
            ]
        )
        yield from phrases(map(_server_row, vip["application_servers"]), aligned=aligned)


def _vip_pieces(vip: View) -> Sequence[Cell | str]:
    port = (" ", cell(vip["port"])) if vip["port"] else ()
    return (cell(address_text(vip["prefix"]), Style.HEADING), " ", cell(vip["protocol"]), *port)


def _server_row(server: View) -> tuple[Cell, ...]:
    return (
        label("address"),
        cell(server["address"]),
        label("weight"),
        cell(server["weight"]),
        label("flow-table-buckets"),
        cell(server["buckets"]),
    )


def plan_head(page: View) -> Iterator[Line]:
    """Yield what a sync would do besides VIPs, given the first page of `IControl.vpp_lb_plan`."""
    if page["waiting"]:
        count = page["waiting"]
        whose = f"{count} frontends wait" if count > 1 else "1 frontend waits"
        yield line(f"{whose} for the warm-up to end, and {'are' if count > 1 else 'is'} left alone")
    if page["conf"] is not None:
        yield from conf_lines(page)
    elif not page["rows"]:
        yield line("VPP holds what it should: nothing would be written")


def change_lines(changes: Iterable[View], indent: int = 0) -> Iterator[Line]:
    """Yield what happens to VIPs, with the operations of each."""
    margin = " " * indent
    for change in changes:
        action = cell(change["action"], _ACTIONS.get(change["action"], Style.PLAIN))
        reasons = (": ", cell(", ".join(change["reasons"]))) if change["reasons"] else ()
        yield line(margin, label("vip"), " ", *_vip_pieces(change), " ", action, *_moved(change["moved"]), *reasons)
        for operation in change["operations"]:
            yield line(margin, "  ", cell(operation))
        more = change["operation_count"] - len(change["operations"])
        if more:
            yield line(margin, f"  and {more} more")


_ACTIONS: Final = {"recreate": Style.DOWN, "remove": Style.DOWN, "wait": Style.UNKNOWN, "add": Style.UP}


def _moved(share: float | None) -> Sequence[Cell | str]:
    return () if share is None else (" ", label("moved"), " ", cell(f"{100 * share:.1f}%"))


def difference_lines(differences: Iterable[View]) -> Iterator[Line]:
    """Yield what a reload would change, object by object."""
    for difference in differences:
        yield line(
            label(difference["kind"]), " ", cell(difference["name"], Style.HEADING), " ", cell(difference["change"])
        )
        for detail in difference["details"]:
            yield line("  ", cell(detail))
        yield from change_lines(difference["vips"], 2)


def vip_counter_table() -> TextTable:
    """Return the table of ``show vpp lb counters``."""
    return TextTable(_vip_counter_row, "vip", "protocol", "port", *map(_hyphened, _VIP_NUMBERS))


def _vip_counter_row(view: View) -> tuple[Cell, ...]:
    port = cell(view["port"] or NOTHING, right=True)
    return (cell(address_text(view["prefix"])), cell(view["protocol"]), port, *_numbers(view, _VIP_NUMBERS))


def server_counter_table() -> TextTable:
    """Return the table of ``show vpp lb backends``."""
    return TextTable(_server_counter_row, "backend", "address", *map(_hyphened, _ROUTE_NUMBERS))


def _server_counter_row(view: View) -> tuple[Cell, ...]:
    name = NOTHING if view["backend"] is None else view["backend"]
    return (cell(name), cell(view["address"]), *_numbers(view, _ROUTE_NUMBERS))


_ROUTE_NUMBERS: Final = ("fib_packets", "fib_bytes")
_VIP_NUMBERS: Final = ("first", "next", "untracked", "no_server", *_ROUTE_NUMBERS)


def _numbers(view: View, keys: Iterable[str]) -> Iterator[Cell]:
    return (cell(NOTHING if view[key] is None else view[key], right=True) for key in keys)


def _hyphened(key: str) -> str:
    return key.replace("_", "-")


def write_lines(writes: Sequence[str]) -> Iterator[Line]:
    """Yield what a sync changed."""
    for write in writes:
        yield line(cell(write))
    if not writes:
        yield line("VPP holds what it should: nothing was written")
