"""Views of VPP as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.render.lines import Cell, Line, Style, cell, label, line
from maglev.commands.render.views import NOTHING, TextTable, address_text, fields, phrases, yes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from maglev.model.views import (
        ConfView,
        DifferenceView,
        LbPlanView,
        LbStateView,
        ServerCountersView,
        ServerView,
        VipChangeView,
        VipCountersView,
        VipKeyView,
        VipView,
        VppInfoView,
    )


def vpp_info_lines(view: VppInfoView) -> Iterator[Line]:
    """Yield version and process of the connected VPP."""
    return fields(
        [
            ("version", view["version"]),
            ("build-date", view["build_date"]),
            ("build-directory", view["build_directory"]),
            ("pid", view["pid"]),
            ("boot-time", view["boot_time"]),
            ("connected-since", view["connected_since"]),
            ("weights", "supported" if view["weights"] else "unsupported"),
        ],
        indent=0,
    )


def state_head(page: LbStateView) -> Iterator[Line]:
    """Yield what VPP holds besides VIPs, given the first page of `IControl.vpp_lb_state`."""
    return conf_lines(page["conf"])


def conf_lines(conf: ConfView) -> Iterator[Line]:
    """Yield the global settings of the lb plugin."""
    yield line(label("conf"))
    yield from fields(
        [
            ("ipv4-src-address", conf["ipv4_src_address"]),
            ("ipv6-src-address", conf["ipv6_src_address"]),
            ("sticky-buckets-per-core", conf["sticky_buckets_per_core"]),
            ("flow-timeout", f"{conf['flow_timeout']}s"),
        ]
    )


def vip_lines(vips: Iterable[VipView], *, aligned: bool) -> Iterator[Line]:
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


def _vip_pieces(vip: VipKeyView) -> Sequence[Cell | str]:
    port = (" ", cell(vip["port"])) if vip["port"] else ()
    return (cell(address_text(vip["prefix"]), Style.HEADING), " ", cell(vip["protocol"]), *port)


def _server_row(server: ServerView) -> tuple[Cell, ...]:
    return (
        label("address"),
        cell(server["address"]),
        label("weight"),
        cell(server["weight"]),
        label("flow-table-buckets"),
        cell(server["buckets"]),
        cell("" if server["leaves_in"] is None else f"[leaves in {server['leaves_in']:.1f}s]"),
    )


def plan_head(page: LbPlanView) -> Iterator[Line]:
    """Yield what a sync would do besides VIPs, given the first page of `IControl.vpp_lb_plan`."""
    if page["waiting"]:
        count = page["waiting"]
        whose = f"{count} frontends wait" if count > 1 else "1 frontend waits"
        yield line(f"{whose} for the warm-up to end, and {'are' if count > 1 else 'is'} left alone")
    for kept in page["kept"]:
        count, names = kept["servers"], kept["names"]
        servers = f"{count} servers in VPP are" if count > 1 else "1 server in VPP is"
        until = f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} resolved"
        yield line(label("frontend"), " ", cell(kept["frontend"]), f": {servers} kept until {until}")
    if page["conf"] is not None:
        yield from conf_lines(page["conf"])
    elif not page["rows"] and not page["kept"]:
        whose = "Of all others, " if page["waiting"] else ""
        yield line(f"{whose}VPP holds what it should: nothing would be written{' now' if whose else ''}")
    elif not page["rows"]:
        yield line("Nothing would be written")


def change_lines(changes: Iterable[VipChangeView], indent: int = 0) -> Iterator[Line]:
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


def difference_lines(differences: Iterable[DifferenceView]) -> Iterator[Line]:
    """Yield what a reload would change, object by object."""
    for difference in differences:
        yield line(
            label(difference["kind"]), " ", cell(difference["name"], Style.HEADING), " ", cell(difference["change"])
        )
        for detail in difference["details"]:
            yield line("  ", cell(detail))
        yield from change_lines(difference["vips"], 2)


def vip_counter_table() -> TextTable[VipCountersView]:
    """Return the table of ``show vpp lb counters``."""
    numbers = ("first", "next", "untracked", "no-server", "fib-packets", "fib-bytes")
    return TextTable(_vip_counter_row, "vip", "protocol", "port", *numbers)


def _vip_counter_row(view: VipCountersView) -> tuple[Cell, ...]:
    return (
        cell(address_text(view["prefix"])),
        cell(view["protocol"]),
        cell(view["port"] or NOTHING, right=True),
        _number(view["first"]),
        _number(view["next"]),
        _number(view["untracked"]),
        _number(view["no_server"]),
        _number(view["fib_packets"]),
        _number(view["fib_bytes"]),
    )


def server_counter_table() -> TextTable[ServerCountersView]:
    """Return the table of ``show vpp lb backends``."""
    return TextTable(_server_counter_row, "backend", "address", "fib-packets", "fib-bytes")


def _server_counter_row(view: ServerCountersView) -> tuple[Cell, ...]:
    name = NOTHING if view["backend"] is None else view["backend"]
    return (cell(name), cell(view["address"]), _number(view["fib_packets"]), _number(view["fib_bytes"]))


def _number(value: int | None) -> Cell:
    return cell(NOTHING if value is None else value, right=True)


def write_lines(writes: Sequence[str]) -> Iterator[Line]:
    """Yield what a sync changed."""
    for write in writes:
        yield line(cell(write))
    if not writes:
        yield line("VPP holds what it should: nothing was written")
