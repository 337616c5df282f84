"""Drains, with and without waiting for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.handlers.change import host_lines, host_status, kept, remarks, state_lines
from maglev.commands.language.environment import ExitStatus
from maglev.commands.render.backends import drain_text
from maglev.commands.render.lines import Style, cell, label, line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.commands.language.nodes import Invocation
    from maglev.commands.render.lines import Line
    from maglev.model.override_views import DrainView

_WAITED: Final = "draining"
"""The phase of a drain that goes on; every other one is an end."""


async def drain_backend(call: Invocation) -> ExitStatus:
    """Drain a backend; with ``wait``, until it is drained or it is known that it will not be."""
    view = await call.control.drain_backend(call.text("backend"), **remarks(call))  # type: ignore[arg-type]
    if "wait" not in call.arguments or not call.output.json:
        await call.output.view(view, state_lines(view))
    status = kept(call, view)
    if "wait" not in call.arguments:
        return status
    ends = await _wait(call, [view["backend"]])
    if call.output.json:
        await call.output.view({**view, "drain": ends[0]}, ())
    return _worst(status, _outcome(call, ends))


async def drain_host(call: Invocation) -> ExitStatus:
    """Drain all backends of an address; with ``wait``, until each is drained or it is known that it will not be."""
    view = await call.control.set_host(call.text("address"), "drain", **remarks(call))  # type: ignore[arg-type]
    if "wait" not in call.arguments or not call.output.json:
        await call.output.view(view, host_lines(view))
    status = host_status(call, view)
    if "wait" not in call.arguments:
        return status
    ends = await _wait(call, [each["backend"] for each in view["results"] if each["change"] is not None])
    if call.output.json:
        await call.output.view({**view, "drains": ends}, ())
    return _worst(status, _outcome(call, ends))


async def _wait(call: Invocation, backends: Sequence[str]) -> list[DrainView]:
    """Show how drains are going until each is at its end; return the ends."""
    ends = []
    for name in backends:
        shown = ""
        while True:
            view = await call.control.drain_progress(name)
            text = drain_text({**view, "times_out_in": None})
            if text != shown and not call.output.json:
                await call.output.lines([_progress(view, text)])
            shown = text
            if view["phase"] != _WAITED:
                break
        ends.append(view)
    return ends


def _progress(view: DrainView, text: str) -> Line:
    return line(label("backend"), " ", cell(view["backend"], Style.HEADING), " ", cell(text))


def _outcome(call: Invocation, ends: Sequence[DrainView]) -> ExitStatus:
    status = ExitStatus.OK
    for view in ends:
        if view["phase"] != "drained":
            status = call.refuse(f"backend {view['backend']} is not drained: {_why(view)}")
    return status


def _why(view: DrainView) -> str:
    if view["phase"] == "timed-out":
        return f"it has {view['flows']} flows, and its time is up"
    return view["detail"] or view["phase"]


def _worst(*statuses: ExitStatus) -> ExitStatus:
    return max(statuses)
