"""``watch``: events as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.cli.environment import Status
from maglev.cli.render_events import event_line

if TYPE_CHECKING:
    from maglev.cli.nodes import Call, Value
    from maglev.interfaces import IWatch


async def watch_events(call: Call) -> Status:
    """Show events until there were enough, or until the command is cancelled."""
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


async def _show(call: Call, watch: IWatch, num: Value | None) -> Status:
    left = None if num is None else int(num)
    # Programs that read events want one object a line, and should not have to ask for it.
    as_json = call.output.json or not call.environment.terminal
    while left is None or left > 0:
        events = (await watch.next())[:left]
        if not events:
            return call.refuse("The stream of events has ended")
        if as_json:
            await call.output.json_rows(events)
        else:
            await call.output.lines(map(event_line, events))
        left = None if left is None else left - len(events)
    return Status.OK
