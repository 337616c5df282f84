"""``show``: what is configured, what is known, and what VPP holds."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from maglev.commands.language.environment import ExitStatus
from maglev.commands.render.announcements import announcement_lines, announcement_table, announcements_head
from maglev.commands.render.backends import backend_lines, backend_table
from maglev.commands.render.events import event_line
from maglev.commands.render.explain import backend_explanation_lines, frontend_explanation_lines
from maglev.commands.render.lines import cell, line
from maglev.commands.render.names import name_lines
from maglev.commands.render.overrides import override_table, overrides_head
from maglev.commands.render.peers import peer_vip_lines, peers_head
from maglev.commands.render.program import checker_lines, session_table, version_lines
from maglev.commands.render.views import (
    frontend_lines,
    frontend_table,
    healthcheck_lines,
    healthcheck_table,
)
from maglev.commands.render.vpp import (
    change_lines,
    plan_head,
    server_counter_table,
    state_head,
    vip_counter_table,
    vip_lines,
    vpp_info_lines,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from maglev.commands.language.nodes import Invocation
    from maglev.commands.render.lines import Line
    from maglev.model.announce_views import AnnouncementsView
    from maglev.model.name_views import DnsNameView
    from maglev.model.peer_views import PeersView
    from maglev.model.views import LbPlanView, LbStateView, OverridesView, PageView


async def show_version(call: Invocation) -> ExitStatus:
    """Show which build this is."""
    view = await call.control.version()
    await call.output.view(view, version_lines(view))
    return ExitStatus.OK


async def show_frontends(call: Invocation) -> ExitStatus:
    """Show all frontends, one per row."""
    await call.output.pages(call.control.frontends, frontend_table().page)
    return ExitStatus.OK


async def show_frontend(call: Invocation) -> ExitStatus:
    """Show one frontend with its pools."""
    view = await call.control.frontend(call.text("frontend"))
    await call.output.view(view, frontend_lines(view, aligned=call.output.aligned))
    return ExitStatus.OK


async def explain_frontend(call: Invocation) -> ExitStatus:
    """Show why a frontend serves as it does."""
    view = await call.control.explain_frontend(call.text("frontend"))
    await call.output.view(view, frontend_explanation_lines(view))
    return ExitStatus.OK


async def explain_backend(call: Invocation) -> ExitStatus:
    """Show why a backend has its weights."""
    view = await call.control.explain_backend(call.text("backend"))
    await call.output.view(view, backend_explanation_lines(view))
    return ExitStatus.OK


async def show_backends(call: Invocation) -> ExitStatus:
    """Show all backends, one per row."""
    await call.output.pages(call.control.backends, backend_table().page)
    return ExitStatus.OK


async def show_backend(call: Invocation) -> ExitStatus:
    """Show one backend with its history."""
    view = await call.control.backend(call.text("backend"))
    await call.output.view(view, backend_lines(view))
    return ExitStatus.OK


async def show_healthchecks(call: Invocation) -> ExitStatus:
    """Show all healthchecks, one per row."""
    await call.output.pages(call.control.healthchecks, healthcheck_table().page)
    return ExitStatus.OK


async def show_healthcheck(call: Invocation) -> ExitStatus:
    """Show one healthcheck."""
    view = await call.control.healthcheck(call.text("healthcheck"))
    await call.output.view(view, healthcheck_lines(view))
    return ExitStatus.OK


async def show_checker(call: Invocation) -> ExitStatus:
    """Show the state of the checker itself."""
    view = await call.control.checker()
    await call.output.view(view, checker_lines(view))
    return ExitStatus.OK


async def show_vpp_info(call: Invocation) -> ExitStatus:
    """Show version and process of the connected VPP."""
    view = await call.control.vpp_info()
    await call.output.view(view, vpp_info_lines(view))
    return ExitStatus.OK


async def show_vpp_lb_state(call: Invocation) -> ExitStatus:
    """Show what VPP's load balancer holds."""

    def members(page: LbStateView) -> Mapping[str, object]:
        return {"conf": page["conf"]}

    def rows(page: LbStateView) -> Iterator[Line]:
        return vip_lines(page["rows"], aligned=call.output.aligned)

    await call.output.pages(call.control.vpp_lb_state, rows, members=members, key="vips", head=state_head)
    return ExitStatus.OK


async def show_vpp_lb_plan(call: Invocation) -> ExitStatus:
    """Show the operations that a sync would make now."""

    def members(page: LbPlanView) -> Mapping[str, object]:
        return {"conf": page["conf"], "waiting": page["waiting"], "kept": page["kept"]}

    def rows(page: LbPlanView) -> Iterator[Line]:
        return change_lines(page["rows"])

    await call.output.pages(call.control.vpp_lb_plan, rows, members=members, key="vips", head=plan_head)
    return ExitStatus.OK


async def show_vpp_lb_counters(call: Invocation) -> ExitStatus:
    """Show what VPP has counted for each VIP, one per row."""
    await call.output.pages(call.control.vpp_lb_counters, vip_counter_table().page)
    return ExitStatus.OK


async def show_vpp_lb_backends(call: Invocation) -> ExitStatus:
    """Show what VPP has sent to each backend, one per row."""
    await call.output.pages(call.control.vpp_backend_counters, server_counter_table().page)
    return ExitStatus.OK


async def show_overrides(call: Invocation) -> ExitStatus:
    """Show what operators have ordered that differs from the file, one per row."""

    def members(page: OverridesView) -> Mapping[str, object]:
        return {"not_kept": page["not_kept"], "damage": page["damage"]}

    await call.output.pages(call.control.overrides, override_table().page, members=members, head=overrides_head)
    return ExitStatus.OK


async def show_announcements(call: Invocation) -> ExitStatus:
    """Show what is announced, one address per row."""

    def members(page: AnnouncementsView) -> Mapping[str, object]:
        return {"sinks": page["sinks"]}

    await call.output.pages(
        call.control.announcements, announcement_table().page, members=members, head=announcements_head
    )
    return ExitStatus.OK


async def show_announcement(call: Invocation) -> ExitStatus:
    """Show one address with its conditions."""
    view = await call.control.announcement(call.text("address"))
    await call.output.view(view, announcement_lines(view))
    return ExitStatus.OK


async def show_peers(call: Invocation) -> ExitStatus:
    """Show the other balancers, and what differs."""

    def members(page: PeersView) -> Mapping[str, object]:
        return {"host": page["host"], "peers": page["peers"]}

    def rows(page: PeersView) -> Iterable[Line]:
        return chain.from_iterable(map(peer_vip_lines, page["rows"]))

    await call.output.pages(call.control.peers, rows, members=members, key="vips", head=peers_head)
    return ExitStatus.OK


async def show_dns_names(call: Invocation) -> ExitStatus:
    """Show the DNS names and their addresses."""

    def head(page: PageView[DnsNameView]) -> Iterable[Line]:
        return () if page["rows"] else [line(cell("No backend has a dns-name"))]

    def rows(page: PageView[DnsNameView]) -> Iterable[Line]:
        return chain.from_iterable(map(name_lines, page["rows"]))

    await call.output.pages(call.control.dns_names, rows, head=head)
    return ExitStatus.OK


async def show_log(call: Invocation) -> ExitStatus:
    """Show the latest events and changes."""
    views = await call.control.log(call.number("last")) if "last" in call.arguments else await call.control.log()
    await call.output.view(views, map(event_line, views))
    return ExitStatus.OK


async def show_sessions(call: Invocation) -> ExitStatus:
    """Show who is connected."""
    views = await call.control.sessions()
    await call.output.view(views, session_table()(views))
    return ExitStatus.OK


async def show_history(call: Invocation) -> ExitStatus:
    """Show the lines typed in this session."""
    history = list(call.environment.history())
    await call.output.view(history, (line(cell(text)) for text in history))
    return ExitStatus.OK
