"""``show``: what is configured, what is known, and what VPP holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maglev.cli.environment import Status
from maglev.cli.lines import cell, line
from maglev.cli.output import json_text
from maglev.cli.render import (
    backend_lines,
    backend_table,
    checker_lines,
    frontend_lines,
    frontend_table,
    healthcheck_lines,
    healthcheck_table,
    session_table,
    version_lines,
)
from maglev.cli.render_vpp import (
    change_lines,
    conf_lines,
    plan_head,
    server_counter_table,
    vip_counter_table,
    vip_lines,
    vpp_info_lines,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.cli.nodes import Call


async def show_version(call: Call) -> Status:
    """Show which build this is."""
    view = await call.control.version()
    await call.output.view(view, version_lines(view))
    return Status.OK


async def show_frontends(call: Call) -> Status:
    """Show all frontends, one a row."""
    await call.output.pages(call.control.frontends, frontend_table())
    return Status.OK


async def show_frontend(call: Call) -> Status:
    """Show one frontend with its pools."""
    view = await call.control.frontend(call.text("frontend"))
    await call.output.view(view, frontend_lines(view, aligned=call.output.aligned))
    return Status.OK


async def show_backends(call: Call) -> Status:
    """Show all backends, one a row."""
    await call.output.pages(call.control.backends, backend_table())
    return Status.OK


async def show_backend(call: Call) -> Status:
    """Show one backend with its history."""
    view = await call.control.backend(call.text("backend"))
    await call.output.view(view, backend_lines(view))
    return Status.OK


async def show_healthchecks(call: Call) -> Status:
    """Show all healthchecks, one a row."""
    await call.output.pages(call.control.healthchecks, healthcheck_table())
    return Status.OK


async def show_healthcheck(call: Call) -> Status:
    """Show one healthcheck."""
    view = await call.control.healthcheck(call.text("healthcheck"))
    await call.output.view(view, healthcheck_lines(view))
    return Status.OK


async def show_checker(call: Call) -> Status:
    """Show how the checker itself does."""
    view = await call.control.checker()
    await call.output.view(view, checker_lines(view))
    return Status.OK


async def show_vpp_info(call: Call) -> Status:
    """Show what the connected VPP says of itself."""
    view = await call.control.vpp_info()
    await call.output.view(view, vpp_info_lines(view))
    return Status.OK


async def show_vpp_lb_state(call: Call) -> Status:
    """Show what VPP's load balancer holds."""

    def opening(page: Mapping[str, Any]) -> str:
        return f'{{"conf": {json_text(page["conf"])}, "vips": ['

    def rows(vips: Any) -> Any:
        return vip_lines(vips, aligned=call.output.aligned)

    await call.output.pages(call.control.vpp_lb_state, rows, opening=opening, closing="]}", head=conf_lines)
    return Status.OK


async def show_vpp_lb_plan(call: Call) -> Status:
    """Show what a sync would do now."""

    def opening(page: Mapping[str, Any]) -> str:
        return f'{{"conf": {json_text(page["conf"])}, "waiting": {page["waiting"]}, "vips": ['

    await call.output.pages(call.control.vpp_lb_plan, change_lines, opening=opening, closing="]}", head=plan_head)
    return Status.OK


async def show_vpp_lb_counters(call: Call) -> Status:
    """Show what VPP has counted for each VIP, one a row."""
    await call.output.pages(call.control.vpp_lb_counters, vip_counter_table())
    return Status.OK


async def show_vpp_lb_backends(call: Call) -> Status:
    """Show what VPP has sent to each backend, one a row."""
    await call.output.pages(call.control.vpp_backend_counters, server_counter_table())
    return Status.OK


async def show_sessions(call: Call) -> Status:
    """Show who is connected."""
    views = await call.control.sessions()
    await call.output.view(views, session_table()(views))
    return Status.OK


async def show_history(call: Call) -> Status:
    """Show what was typed in this session."""
    history = list(call.environment.history())
    await call.output.view(history, (line(cell(text)) for text in history))
    return Status.OK
