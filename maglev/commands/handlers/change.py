"""``set``: changes of single objects, at run time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.language.environment import ExitStatus
from maglev.commands.render.lines import Line, Style, cell, label, line, state_cell
from maglev.commands.render.views import change

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from maglev.commands.language.arguments import Value
    from maglev.commands.language.nodes import Handler, Invocation
    from maglev.interfaces import IControl
    from maglev.model.views import BackendChangeView, KeptView, WeightChangeView

    StateVerb = Callable[..., Awaitable[BackendChangeView]]


def change_state(verb: Callable[[IControl], StateVerb]) -> Handler:
    """Return the handler of a command that changes the state of a backend.

    Args:
        verb: Returns the verb of a control.
    """

    async def handler(call: Invocation) -> ExitStatus:
        view = await verb(call.control)(call.text("backend"), **_remarks(call))
        await call.output.view(view, [_state_line(view)])
        return _kept(call, view)

    return handler


def _remarks(call: Invocation) -> dict[str, Value]:
    """Return what was said besides what to do; an older daemon is not asked for what was not said."""
    said: dict[str, Value] = {key: call.arguments[key] for key in ("duration", "reason") if key in call.arguments}
    return said | ({"force": True} if "force" in call.arguments else {})


def _kept(call: Invocation, view: KeptView) -> ExitStatus:
    """Report a change that is in force and would not survive a restart."""
    problem = view["not_kept"]
    return call.refuse(f"In force, but not kept over a restart: {problem}") if problem else ExitStatus.OK


def _state_line(view: BackendChangeView) -> Line:
    same = " (no change)" if view["from"] == view["to"] else ""
    return line(label("backend"), " ", cell(view["backend"], Style.HEADING), " ", *change(view), same, _until(view))


def _until(view: KeptView) -> str:
    return f" until {view['until']}" if view["until"] else ""


async def clear_override(call: Invocation) -> ExitStatus:
    """Let a backend, or its weight in a pool, be as the file says."""
    names = {key: call.text(key) for key in ("frontend", "pool") if key in call.arguments}
    view = await call.control.clear_override(call.text("backend"), **names)
    cleared = line(
        cell(view["object"], Style.HEADING), " ", cell(view["from"]), " -> ", cell(view["to"]), " (the file)"
    )
    await call.output.view(view, [cleared])
    return _kept(call, view)


def set_announce(*, on: bool) -> Handler:
    """Return the handler of a command that keeps an address withdrawn, or lets it be announced."""

    async def handler(call: Invocation) -> ExitStatus:
        view = await call.control.set_announce(call.text("address"), on, **_remarks(call))  # type: ignore[arg-type]
        same = " (no change)" if view["from"] == view["to"] else ""
        ordered = line(
            label("announce"),
            " ",
            cell(view["address"], Style.HEADING),
            " ",
            *change(view),
            same,
            _until(view),
            "; it is ",
            state_cell(view["state"]),
        )
        await call.output.view(view, [ordered])
        return _kept(call, view)

    return handler


async def set_weight(call: Invocation) -> ExitStatus:
    """Set the weight of a backend in a pool."""
    frontend, pool, backend = (call.text(key) for key in ("frontend", "pool", "backend"))
    view = await call.control.set_weight(frontend, pool, backend, call.number("weight"), **_remarks(call))  # type: ignore[arg-type]
    await call.output.view(view, _weight_lines(view))
    return _kept(call, view)


def _weight_lines(view: WeightChangeView) -> Iterator[Line]:
    named = (("frontend", view["frontend"]), ("pool", view["pool"]), ("backend", view["backend"]))
    names = [piece for word, name in named for piece in (label(word), " ", cell(name), " ")]
    same = " (no change)" if view["from"] == view["to"] else ""
    yield line(*names, label("weight"), " ", cell(view["from"]), " -> ", cell(view["to"]), same, _until(view))
    if view["programmed"]:
        told = ", ".join(
            f"{weight} is programmed as {after} instead of {before}" for weight, before, after in view["programmed"]
        )
        moved = "" if view["moved"] is None else f"; {100 * view['moved']:.1f}% of new flows move"
        yield line("the scale changes: weight ", told, moved)
