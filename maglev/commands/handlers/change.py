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
    from maglev.model.override_views import KeptView
    from maglev.model.views import BackendChangeView, FrontendChangeView, HostChangeView, ScaleView, WeightChangeView

    StateVerb = Callable[..., Awaitable[BackendChangeView]]
    FrontendVerb = Callable[..., Awaitable[FrontendChangeView]]


def change_state(verb: Callable[[IControl], StateVerb]) -> Handler:
    """Return the handler of a command that changes the state of a backend.

    Args:
        verb: Returns the verb of a control.
    """

    async def handler(call: Invocation) -> ExitStatus:
        view = await verb(call.control)(call.text("backend"), **remarks(call))
        await call.output.view(view, state_lines(view))
        return kept(call, view)

    return handler


def remarks(call: Invocation) -> dict[str, Value]:
    """Return what was said besides what to do; an older daemon is not asked for what was not said."""
    words = ("duration", "reason", "flows", "timeout")
    said: dict[str, Value] = {key: call.arguments[key] for key in words if key in call.arguments}
    return said | {key: True for key in ("force", "disable") if key in call.arguments}


def kept(call: Invocation, view: KeptView) -> ExitStatus:
    """Report a change that is in force and would not survive a restart."""
    problem = view["not_kept"]
    return call.refuse(f"In force, but not kept over a restart: {problem}") if problem else ExitStatus.OK


def state_lines(view: BackendChangeView) -> Iterator[Line]:
    """Yield a change of a backend's state, and the frontends that serve nothing because of it."""
    same = " (no change)" if view["from"] == view["to"] else ""
    yield line(label("backend"), " ", cell(view["backend"], Style.HEADING), " ", *change(view), same, _until(view))
    for name in view.get("unserved", ()):  # an older daemon does not say
        yield line(label("frontend"), " ", cell(name, Style.HEADING), " serves nothing now: this was its last backend")


async def set_host(call: Invocation) -> ExitStatus:
    """Order something for all backends of an address."""
    view = await call.control.set_host(call.text("address"), call.text("order"), **remarks(call))  # type: ignore[arg-type]
    await call.output.view(view, host_lines(view))
    return host_status(call, view)


async def clear_host(call: Invocation) -> ExitStatus:
    """Let all backends of an address be as the file says."""
    view = await call.control.set_host(call.text("address"), "clear", **remarks(call))  # type: ignore[arg-type]
    await call.output.view(view, host_lines(view))
    return host_status(call, view)


def host_lines(view: HostChangeView) -> Iterator[Line]:
    """Yield what became of an order for a host, backend by backend."""
    for each in view["results"]:
        if each["change"] is not None:
            yield from state_lines(each["change"])


def host_status(call: Invocation, view: HostChangeView) -> ExitStatus:
    """Report what was refused, and what a restart would forget."""
    status = ExitStatus.OK
    for each in view["results"]:
        if each["change"] is None:
            status = call.refuse(each["refused"])
        elif kept(call, each["change"]) is not ExitStatus.OK:
            status = ExitStatus.FAILED
    return status


def change_frontend(verb: Callable[[IControl], FrontendVerb]) -> Handler:
    """Return the handler of a command that takes a frontend out of service, or puts it back.

    Args:
        verb: Returns the verb of a control.
    """

    async def handler(call: Invocation) -> ExitStatus:
        view = await verb(call.control)(call.text("frontend"), **remarks(call))
        await call.output.view(view, [_frontend_line(view)])
        return kept(call, view)

    return handler


def _frontend_line(view: FrontendChangeView) -> Line:
    same = " (no change)" if view["from"] == view["to"] else ""
    return line(label("frontend"), " ", cell(view["frontend"], Style.HEADING), " ", *change(view), same, _until(view))


def _until(view: KeptView) -> str:
    return f" until {view['until']}" if view["until"] else ""


async def clear_override(call: Invocation) -> ExitStatus:
    """Let a backend, or its weight in a pool, be as the file says."""
    names = {key: call.text(key) for key in ("backend", "frontend", "pool") if key in call.arguments}
    view = await call.control.clear_override(**names, **remarks(call))  # type: ignore[arg-type]
    cleared = line(
        cell(view["object"], Style.HEADING), " ", cell(view["from"]), " -> ", cell(view["to"]), " (the file)"
    )
    await call.output.view(view, [cleared, *_scale_lines(view)])
    return kept(call, view)


def set_announce(*, on: bool) -> Handler:
    """Return the handler of a command that keeps an address withdrawn, or lets it be announced."""

    async def handler(call: Invocation) -> ExitStatus:
        view = await call.control.set_announce(call.text("address"), on, **remarks(call))  # type: ignore[arg-type]
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
        return kept(call, view)

    return handler


async def set_weight(call: Invocation) -> ExitStatus:
    """Set the weight of a backend in a pool."""
    frontend, pool, backend = (call.text(key) for key in ("frontend", "pool", "backend"))
    view = await call.control.set_weight(frontend, pool, backend, call.number("weight"), **remarks(call))  # type: ignore[arg-type]
    await call.output.view(view, _weight_lines(view))
    return kept(call, view)


def _weight_lines(view: WeightChangeView) -> Iterator[Line]:
    named = (("frontend", view["frontend"]), ("pool", view["pool"]), ("backend", view["backend"]))
    names = [piece for word, name in named for piece in (label(word), " ", cell(name), " ")]
    same = " (no change)" if view["from"] == view["to"] else ""
    yield line(*names, label("weight"), " ", cell(view["from"]), " -> ", cell(view["to"]), same, _until(view))
    yield from _scale_lines(view)


def _scale_lines(view: ScaleView) -> Iterator[Line]:
    if view.get("programmed"):  # an older daemon does not say it of the end of a weight
        told = ", ".join(
            f"{weight} is programmed as {after} instead of {before}" for weight, before, after in view["programmed"]
        )
        moved = "" if view["moved"] is None else f"; {100 * view['moved']:.1f}% of new flows move"
        yield line("the scale changes: weight ", told, moved)
