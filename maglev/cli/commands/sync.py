"""``sync``: repairing VPP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.cli.environment import Status
from maglev.cli.render_vpp import write_lines

if TYPE_CHECKING:
    from maglev.cli.nodes import Call


async def sync_vpp_lb_state(call: Call) -> Status:
    """Read VPP back and repair it, all or one frontend."""
    frontend = call.arguments.get("frontend")
    view = await call.control.sync_vpp(None if frontend is None else str(frontend))
    await call.output.view(view, write_lines(view["writes"]))
    return Status.OK
