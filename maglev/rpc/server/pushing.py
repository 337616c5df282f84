"""Pushes events to a watcher in batches, with a bounded number of unanswered ones.

The next events are fetched only when there is room for them. So the backlog of a slow client, or one that reads
nothing, builds up in the subscription, which drops events and reports how many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.spread.pb import DeadReferenceError

from maglev.rpc.basic import Encoded, encode, encode_list
from maglev.rpc.wire import ENDED, EVENTS
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure
    from twisted.spread.pb import RemoteReference

    from maglev.interfaces import ISubscription
    from maglev.model.event_views import EventView
    from maglev.runtime.cooperator import WorkQueue

WINDOW: Final = 2
"""Maximum number of unanswered batches: one that the client is processing, and one to go on with."""

FEW: Final = 50
"""Number of events below which a batch is followed by a pause, so that a thousand single events are not a thousand
messages."""

PAUSE: Final = 0.05
"""Length of that pause in seconds: too short to be seen, and at most twenty messages a second."""

MAX_BATCH: Final = 128 * 1024
"""Maximum size of a message in bytes; a hundred events have 30 KiB, but tracebacks in the log are larger."""

MAX_REMEMBERED: Final = 2048
"""Number of encoded events kept for other watchers: a couple of batches of every watcher."""


class EventBytes:
    """Encodes each event once for all watchers, which share the same unchanging dictionaries."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[EventView, bytes]] = {}

    def encode(self, event: EventView) -> bytes:
        """Return an event as bytes."""
        known = self._known.get(id(event))
        if known is not None:
            return known[1]
        data = encode(event)
        if "seq" in event and event["type"] != "snapshot":
            if len(self._known) >= MAX_REMEMBERED:
                del self._known[next(iter(self._known))]
            # The event is kept with its bytes, so that no other object can get its identity meanwhile.
            self._known[id(event)] = (event, data)
        return data


class Push:
    """Pushes the events of one subscription to one watcher."""

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        work: WorkQueue,
        encoder: EventBytes,
        watch: ISubscription,
        watcher: RemoteReference,
    ) -> None:
        """Create it; `start` begins to push.

        Args:
            clock: Measures pauses.
            work: The queue in which to wait for a turn.
            encoder: Encodes events.
            watch: The source of events.
            watcher: Their destination, an object of the client.
        """
        self._clock = clock
        self._work = work
        self._encoder = encoder
        self._watch = watch
        self._watcher = watcher
        self._under_way = 0
        self._room: Deferred[None] | None = None
        self._task: Deferred[None] | None = None

    def start(self, ended: Callable[[], object]) -> None:
        """Push until the subscription, the watcher or the connection ends; then call `ended`."""
        self._task = Deferred.fromCoroutine(self._run())
        self._task.addErrback(self._failed)
        self._task.addBoth(lambda _: ended())

    def close(self) -> None:
        """Stop."""
        self._watch.close()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        # The answer to the call that made the subscription goes first.
        await self._work.turn()
        try:
            while True:
                await self._wait_for_room()
                events = await self._watch.next()
                if not events:
                    break
                await self._work.turn()
                for batch in self._batches(events):
                    self._send(EVENTS, batch)
                if len(events) < FEW:
                    await deferLater(self._clock, PAUSE)
        finally:
            self._watch.close()
        self._send(ENDED)

    async def _wait_for_room(self) -> None:
        while self._under_way >= WINDOW:
            self._room = Deferred()
            await self._room

    def _batches(self, events: Sequence[EventView]) -> Iterator[Encoded]:
        batch: list[bytes] = []
        size = 0
        for event in events:
            data = self._encoder.encode(event)
            if batch and size + len(data) > MAX_BATCH:
                yield Encoded(encode_list(batch))
                batch, size = [], 0
            batch.append(data)
            size += len(data)
        yield Encoded(encode_list(batch))

    def _send(self, method: str, *arguments: Encoded) -> None:
        try:
            answer = self._watcher.callRemote(method, *arguments)
        except DeadReferenceError:  # raised at once, not through the Deferred, when the client is gone
            self._watch.close()
            return
        self._under_way += 1
        answer.addCallbacks(self._answered, self._refused)

    def _answered(self, _: object) -> None:
        self._under_way -= 1
        if self._room is not None and not self._room.called:
            self._room.callback(None)

    def _refused(self, _: Failure) -> None:
        """End the subscription, because the watcher or the connection failed."""
        self._watch.close()
        self._answered(None)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("pb-push-failed", failure=failure)
