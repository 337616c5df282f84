"""``sync``: repairing VPP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.language.environment import ExitStatus
from maglev.commands.render.vpp import write_lines

if TYPE_CHECKING:
    from maglev.commands.language.nodes import Invocation


async def sync_vpp_lb_state(call: Invocation) -> ExitStatus:
    """Read VPP back and repair it, all or one frontend."""
    frontend = call.arguments.get("frontend")
    view = await call.control.sync_vpp(None if frontend is None else str(frontend))
    await call.output.view(view, write_lines(view["writes"]))
    return ExitStatus.OK
