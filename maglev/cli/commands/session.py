"""The session itself: help, the terminal, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.cli.environment import Status
from maglev.cli.lines import Columns, cell
from maglev.cli.summaries import summaries

if TYPE_CHECKING:
    from maglev.cli.nodes import Call


async def show_help(call: Call) -> Status:
    """List all commands."""
    found = [(summary.syntax, summary.help) for summary in summaries(call.root)]
    views = [{"command": syntax, "help": text} for syntax, text in found]
    await call.output.view(views, Columns().rows([(cell(syntax), cell(text)) for syntax, text in found]))
    return Status.OK


async def close(call: Call) -> Status:
    """End the session."""
    call.environment.close()
    return Status.OK


async def monitor(call: Call) -> Status:
    """Show events above the line that is being typed."""
    return _set_monitor(call, on=True)


async def no_monitor(call: Call) -> Status:
    """Show no more events above the line that is being typed."""
    return _set_monitor(call, on=False)


def _set_monitor(call: Call, *, on: bool) -> Status:
    if call.environment.prompt_width is None:
        return call.refuse("There is no prompt here for events to appear above; use watch events")
    call.environment.set_monitor(on)
    return Status.OK


async def set_length(call: Call) -> Status:
    """Set after how many lines output stops."""
    call.environment.set_length(call.number("rows"))
    return Status.OK
