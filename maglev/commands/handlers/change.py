"""``set``: changes of single objects, at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maglev.commands.environment import ExitStatus
from maglev.commands.lines import Line, Style, cell, label, line
from maglev.commands.render import change

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from maglev.commands.nodes import Invocation


async def pause_backend(call: Invocation) -> ExitStatus:
    """Stop the probes of a backend."""
    return await _change_state(call, call.control.pause_backend(call.text("backend")))


async def resume_backend(call: Invocation) -> ExitStatus:
    """Probe a backend again."""
    return await _change_state(call, call.control.resume_backend(call.text("backend")))


async def enable_backend(call: Invocation) -> ExitStatus:
    """Put a backend into service."""
    return await _change_state(call, call.control.enable_backend(call.text("backend")))


async def disable_backend(call: Invocation) -> ExitStatus:
    """Take a backend out of service."""
    return await _change_state(call, call.control.disable_backend(call.text("backend")))


async def _change_state(call: Invocation, verb: Awaitable[Mapping[str, Any]]) -> ExitStatus:
    view = await verb
    await call.output.view(view, [_state_line(view)])
    return ExitStatus.OK


def _state_line(view: Mapping[str, Any]) -> Line:
    same = " (no change)" if view["from"] == view["to"] else ""
    return line(label("backend"), " ", cell(view["backend"], Style.HEADING), " ", *change(view), same)


async def set_weight(call: Invocation) -> ExitStatus:
    """Set the weight of a backend in a pool."""
    frontend, pool, backend = (call.text(key) for key in ("frontend", "pool", "backend"))
    view = await call.control.set_weight(frontend, pool, backend, call.number("weight"))
    await call.output.view(view, [_weight_line(view)])
    return ExitStatus.OK


def _weight_line(view: Mapping[str, Any]) -> Line:
    names = [piece for key in ("frontend", "pool", "backend") for piece in (label(key), " ", cell(view[key]), " ")]
    same = " (no change)" if view["from"] == view["to"] else ""
    return line(*names, label("weight"), " ", cell(view["from"]), " -> ", cell(view["to"]), same)
