"""``watch``: events as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maglev.commands.language.environment import ExitStatus
from maglev.commands.render.events import event_line
from maglev.commands.render.lines import Style, cell, line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.commands.language.arguments import Value
    from maglev.commands.language.nodes import Invocation
    from maglev.interfaces import ISubscription
    from maglev.model.event_views import EventView

KINDS: Final = ("backend", "frontend")


async def watch_events(call: Invocation) -> ExitStatus:
    """Show events until the requested number is reached, or until the command is cancelled."""
    arguments = call.arguments
    # Without any of the three words: the states, which is what most people want to see.
    states = not {"log", *KINDS} & set(arguments)
    names = {kind: call.text(f"{kind}-name") for kind in KINDS if f"{kind}-name" in arguments}
    for kind, name in names.items():
        await getattr(call.control, kind)(name)  # raises if there is none
    log = arguments.get("log")
    watch = await call.control.watch(
        log=None if log is None else str(log),
        backend=states or "backend" in arguments,
        frontend=states or "frontend" in arguments,
    )
    call.environment.set_stop_on_key(True)
    try:
        return await _show(call, watch, names, arguments.get("num"))
    finally:
        watch.close()
        call.environment.set_stop_on_key(False)


async def _show(call: Invocation, watch: ISubscription, names: Mapping[str, str], num: Value | None) -> ExitStatus:
    left = None if num is None else int(num)
    # Programs that read events want one object per line, and should not have to ask for it.
    as_json = call.output.json or not call.environment.terminal
    if left is None and not as_json:
        await call.output.note(line(cell("Press any key to stop", Style.REMOVED)))
    while left is None or left > 0:
        events = await watch.next()
        if not events:
            return call.refuse("The event stream has ended")
        shown = [event for event in events if concerns(event, names)][:left]
        if as_json:
            await call.output.json_rows(shown)
        else:
            await call.output.lines(map(event_line, shown))
        left = None if left is None else left - len(shown)
    return ExitStatus.OK


def concerns(event: EventView, names: Mapping[str, str]) -> bool:
    """Return whether an event is to be shown.

    Args:
        event: The event.
        names: The only backend, and the only frontend, whose events are wanted, by ``backend`` and ``frontend``. What
            is about neither of the two is always wanted: a message of the log, a gap.
    """
    view: Mapping[str, Any] = event
    about = {view["kind"]: view["name"]} if view["type"] == "snapshot" else view
    told = [name == about[kind] for kind, name in names.items() if kind in about]
    return not told or any(told)
