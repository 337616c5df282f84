"""The object that an identified client calls: the verbs of the control interface, and subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred

from maglev.model.errors import ArgumentError, LimitError, LocalError, MaglevError
from maglev.rpc.server.counters import UNKNOWN
from maglev.rpc.server.exported import Exported
from maglev.rpc.server.pushing import Push
from maglev.rpc.wire import METHODS, OWN, WireError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from twisted.internet.interfaces import IReactorTime
    from twisted.spread.pb import RemoteReference

    from maglev.control.sessions import SessionEntry
    from maglev.interfaces import IControl, ISubscription
    from maglev.rpc.server.counters import CallCounters
    from maglev.rpc.server.pushing import EventBytes
    from maglev.rpc.wire import Method
    from maglev.runtime.cooperator import WorkQueue

MAX_WATCHES: Final = 4
"""Maximum number of subscriptions of a connection: two programs that show events, and some to spare."""

PAGE_VALUES: Final = 3000
"""Maximum number of values on a page, unless a single row has more: three milliseconds of encoding, a few dozen KiB."""

MAX_STEP: Final = 8
"""Rows added to a page at a time; a page may exceed its maximum by that many."""

RESULTS: Final = (((LocalError, WireError), "refused"), (MaglevError, "failed"), (CancelledError, "lost"))
"""The results under which failed calls are counted; any other exception is a bug."""


class Perspective(Exported):
    """The control interface as one client sees it."""

    def __init__(
        self,
        clock: IReactorTime,
        control: IControl,
        entry: SessionEntry,
        *,
        calls: CallCounters,
        work: WorkQueue,
        encoder: EventBytes,
    ) -> None:
        """Create the object for one client.

        Args:
            clock: Measures durations.
            control: The verbs, bound to the client.
            entry: The client's entry in the register of sessions.
            calls: Counts calls.
            work: The queue in which subscriptions wait for their turns.
            encoder: Encodes events, for all clients.
        """
        self._clock = clock
        self._control = control
        self._counters = calls
        self._work = work
        self._encoder = encoder
        self._entry = entry
        self._reading: set[Deferred[Any]] = set()
        self._watches: dict[int, Push] = {}
        self._watch_number = 0
        self._beginning = 0
        self.closed = False

    def close(self) -> None:
        """End the subscriptions of a client that is gone, and its calls that change nothing."""
        self.closed = True
        self._entry.remove()
        for push in tuple(self._watches.values()):
            push.close()
        for call in tuple(self._reading):
            call.cancel()

    async def receive(self, message: str, args: list[Any], kwargs: dict[Any, Any]) -> Any:
        """Answer a call, and count it."""
        method = METHODS.get(message)
        began, result = self._clock.seconds(), "error"
        try:
            answer = await self._call(message, method, args, kwargs)
            result = "ok"
        except Exception as error:
            result = next((name for kinds, name in RESULTS if isinstance(error, kinds)), "error")
            raise
        finally:
            self._counters.count(UNKNOWN if method is None else message, result, self._clock.seconds() - began)
        return answer

    async def _call(self, message: str, method: Method | None, args: list[Any], kwargs: dict[Any, Any]) -> Any:
        if method is None:
            raise ArgumentError("unknown method")
        arguments = method.bind(args, kwargs)
        if message != "ping":
            self._entry.touch()
        if message in OWN:
            return await getattr(self, f"_{message}")(**arguments)
        if method.paged:
            return await self._while_connected(self._page(message, **arguments))
        call = getattr(self._control, message)(**arguments)
        return await (call if method.changes else self._while_connected(call))

    async def _while_connected(self, call: Awaitable[Any]) -> Any:
        """Wait for a call that is cancelled when the client disconnects."""
        reading = Deferred.fromCoroutine(_awaited(call))
        self._reading.add(reading)
        try:
            return await reading
        finally:
            self._reading.discard(reading)

    async def _page(self, message: str, after: str, limit: int) -> dict[str, Any]:
        """Return a page of as many rows as requested, or as fit; it is composed of small ones."""
        rows: list[Any] = []
        first: dict[str, Any] = {}
        room, step = PAGE_VALUES, 1
        while True:
            page = await getattr(self._control, message)(after, step)
            first = first or page
            rows += page["rows"]
            room -= sum(map(_count, page["rows"]))
            after = page["next"]
            if after is None or room <= 0 or len(rows) >= limit:
                return {**first, "rows": rows, "next": after}
            # As many as will fit if they are like those so far; the next ones may be larger.
            step = min(limit - len(rows), MAX_STEP, max(1, room * len(rows) // (PAGE_VALUES - room)))

    # Own methods

    async def _ping(self) -> None:
        """Answer."""

    async def _whoami(self) -> dict[str, str]:
        caller = self._control.caller
        return {"name": caller.name, "role": str(caller.role), "origin": caller.origin}

    async def _watch(self, watcher: RemoteReference, **filters: Any) -> int:
        if len(self._watches) + self._beginning >= MAX_WATCHES:
            message = f"too many subscriptions: at most {MAX_WATCHES} per connection"
            raise LimitError(message)
        self._beginning += 1
        try:
            watch: ISubscription = await self._control.watch(**filters)
        finally:
            self._beginning -= 1
        if self.closed:
            watch.close()
            raise LimitError("the connection is gone")
        self._watch_number += 1
        number = self._watch_number
        push = Push(self._clock, self._work, self._encoder, watch, watcher)
        self._watches[number] = push
        push.start(lambda: self._watches.pop(number, None))
        return number

    async def _unwatch(self, watch: int) -> None:
        push = self._watches.get(watch)
        if push is not None:
            push.close()


async def _awaited(call: Awaitable[Any]) -> Any:
    return await call


def _count(value: object) -> int:
    """Return the number of values within a value, itself included."""
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_count, value))
    return 1
