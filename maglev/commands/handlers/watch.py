"""``watch``: events as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.language.environment import ExitStatus
from maglev.commands.render.events import event_line

if TYPE_CHECKING:
    from maglev.commands.language.arguments import Value
    from maglev.commands.language.nodes import Invocation
    from maglev.interfaces import ISubscription


async def watch_events(call: Invocation) -> ExitStatus:
    """Show events until the requested number is reached, or until the command is cancelled."""
    arguments = call.arguments
    # Without any of the three words: the states, which is what most people want to see.
    states = not {"log", "backend", "frontend"} & set(arguments)
    log = arguments.get("log")
    watch = await call.control.watch(
        log=None if log is None else str(log),
        backend=states or "backend" in arguments,
        frontend=states or "frontend" in arguments,
    )
    call.environment.set_stop_on_key(True)
    try:
        return await _show(call, watch, arguments.get("num"))
    finally:
        watch.close()
        call.environment.set_stop_on_key(False)


async def _show(call: Invocation, watch: ISubscription, num: Value | None) -> ExitStatus:
    left = None if num is None else int(num)
    # Programs that read events want one object per line, and should not have to ask for it.
    as_json = call.output.json or not call.environment.terminal
    while left is None or left > 0:
        events = (await watch.next())[:left]
        if not events:
            return call.refuse("The event stream has ended")
        if as_json:
            await call.output.json_rows(events)
        else:
            await call.output.lines(map(event_line, events))
        left = None if left is None else left - len(events)
    return ExitStatus.OK
