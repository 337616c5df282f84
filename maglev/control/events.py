"""Subscriptions to events, each with a bounded queue: a slow reader misses events, which a gap marks.

A slow reader never delays the daemon or other readers.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import ILogObserver, LogLevel
from zope.interface import implementer

from maglev.control.event_views import event_view
from maglev.interfaces import ISubscription
from maglev.model.events import DrainEvent, OverrideEvent, PeerEvent, WeightEvent
from maglev.model.moments import moment
from maglev.runtime.logs.render import fields_of, name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from twisted.logger import LogEvent, LogPublisher

    from maglev.model.event_views import EventView, LogEventView, SnapshotView
    from maglev.model.events import (
        AgentEvent,
        AnnouncementEvent,
        BackendEvent,
        BlindnessEvent,
        CheckEvent,
        Event,
        FrontendEvent,
        GuardEvent,
        Noted,
        SinkEvent,
    )
    from maglev.state.board import Board

QUEUE_LENGTH: Final = 1000
"""Length of a queue: a pool of hundreds of backends may go down at once."""

BATCH: Final = 100
"""Maximum number of events handed out at a time."""

LEVELS: Final = ("debug", "info", "warn", "error", "critical")


def _is_of_backends(event: Noted) -> bool:
    """Return whether an event is for those who see backends."""
    if isinstance(event, OverrideEvent):
        return event.override.target.is_state
    return not isinstance(event, WeightEvent | PeerEvent)


def _is_of_frontends(event: Noted) -> bool:
    """Return whether an event is for those who see frontends."""
    if isinstance(event, OverrideEvent):
        return not event.override.target.is_state
    return not isinstance(event, DrainEvent)


@implementer(ISubscription)
class Subscription:
    """One subscriber's stream of events.

    The snapshot is taken object by object while it is read. A change made meanwhile is in the queue, and also in the
    snapshot if its object is read later; an event is already included if its ``seq`` is not above that of the object's
    snapshot.
    """

    def __init__(
        self, event_hub: EventHub, snapshot: Iterator[SnapshotView], *, log: str | None, backend: bool, frontend: bool
    ) -> None:
        self.log_level = None if log is None else LogLevel.levelWithName(log)
        self.backend = backend
        self.frontend = frontend
        self._event_hub = event_hub
        self._snapshot = snapshot
        self._queue: deque[EventView] = deque()
        self._missed = 0
        self._waiting: Deferred[list[EventView]] | None = None
        self._closed = False

    def next(self) -> Deferred[list[EventView]]:
        """Wait for events and return some; an empty list after the end of the subscription.

        Raises:
            RuntimeError: Another call is waiting already.
        """
        if self._waiting is not None:
            message = "another call is already waiting for the next events"
            raise RuntimeError(message)
        batch = self._take()
        if batch or self._closed:
            return succeed(batch)
        self._waiting = Deferred(self._cancelled)
        return self._waiting

    def close(self) -> None:
        """End the subscription."""
        self._closed = True
        self._event_hub.forget(self)
        self._queue.clear()
        self._snapshot = iter(())
        self._missed = 0
        self._hand_out()

    def offer(self, view: EventView) -> None:
        """Queue an event, or count it as missed."""
        if len(self._queue) >= QUEUE_LENGTH:
            self._missed += 1
            return
        if self._missed:
            self._queue.append({"type": "gap", "missed": self._missed})
            self._missed = 0
        self._queue.append(view)
        self._hand_out()

    def _hand_out(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(self._take())

    def _take(self) -> list[EventView]:
        batch: list[EventView] = list(islice(self._snapshot, BATCH))
        while self._queue and len(batch) < BATCH:
            batch.append(self._queue.popleft())
        if self._missed and not self._queue and len(batch) < BATCH:
            batch.append({"type": "gap", "missed": self._missed})
            self._missed = 0
        return batch

    def _cancelled(self, _: Deferred[list[EventView]]) -> None:
        self._waiting = None


@implementer(ILogObserver)
class EventHub:
    """Feeds all subscriptions from the board and the log."""

    def __init__(
        self,
        board: Board,
        publisher: LogPublisher,
        announcements: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """Subscribe to the board; the log is observed only while there are subscriptions to it.

        Args:
            board: The source of events.
            publisher: The source of log lines.
            announcements: Returns the states of announced addresses, for snapshots.
        """
        self._announcements = announcements
        self._board = board
        self._publisher = publisher
        self._watches: set[Subscription] = set()
        self._observing = False
        board.subscribe(
            backend_changed=self._backend_changed,
            check_changed=self._backend_changed,
            agent_changed=self._backend_changed,
            frontend_changed=self._frontend_changed,
            noted=self._noted,
            guard_changed=self._frontend_changed,
            blindness_changed=self._backend_changed,
            announcement_changed=self._frontend_changed,
        )

    def __len__(self) -> int:
        """Return the number of subscriptions."""
        return len(self._watches)

    def watch(self, *, log: str | None, backend: bool, frontend: bool) -> Subscription:
        """Return a new subscription, which begins with a snapshot."""
        parts: list[Iterable[SnapshotView]] = [self._snapshot_backends()] if backend else []
        parts += [self._snapshot_frontends(), self._snapshot_announcements()] if frontend else []
        made = Subscription(self, chain.from_iterable(parts), log=log, backend=backend, frontend=frontend)
        self._watches.add(made)
        self._observe_log()
        return made

    def forget(self, watch: Subscription) -> None:
        """Remove a subscription."""
        self._watches.discard(watch)
        self._observe_log()

    def close(self) -> None:
        """End all subscriptions."""
        for watch in tuple(self._watches):
            watch.close()

    # Sources

    def _backend_changed(self, event: BackendEvent | CheckEvent | AgentEvent | BlindnessEvent) -> None:
        self._offer(event, backends=True)

    def _frontend_changed(self, event: FrontendEvent | GuardEvent | AnnouncementEvent | SinkEvent) -> None:
        self._offer(event, frontends=True)

    def _noted(self, event: Noted) -> None:
        self._offer(event, backends=_is_of_backends(event), frontends=_is_of_frontends(event))

    def _offer(self, event: Event, *, backends: bool = False, frontends: bool = False) -> None:
        """Offer an event to those who see backends, or frontends, or either."""
        if not self._watches:
            return
        view = event_view(event)
        for watch in tuple(self._watches):
            if (watch.backend and backends) or (watch.frontend and frontends):
                watch.offer(view)

    def __call__(self, event: LogEvent) -> None:
        """Offer a log event to the subscriptions whose level it reaches."""
        level = event["log_level"]
        interested = [each for each in self._watches if each.log_level is not None and level >= each.log_level]
        if interested:
            view: LogEventView = {
                "type": "log",
                "at": moment(event["log_time"]),
                "level": level.name,
                "event": name_of(event),
                "fields": fields_of(event),
            }
            for watch in interested:
                watch.offer(view)

    def _observe_log(self) -> None:
        wanted = any(watch.log_level is not None for watch in self._watches)
        if wanted and not self._observing:
            self._publisher.addObserver(self)
        elif self._observing and not wanted:
            self._publisher.removeObserver(self)
        self._observing = wanted

    def _snapshot_backends(self) -> Iterator[SnapshotView]:
        for status in list(self._board.backends.values()):
            yield self._snapshot("backend", status.name, str(status.state))

    def _snapshot_frontends(self) -> Iterator[SnapshotView]:
        for name, status in list(self._board.frontends.items()):
            yield self._snapshot("frontend", name, str(status.state))

    def _snapshot_announcements(self) -> Iterator[SnapshotView]:
        for address, state in self._announcements().items():
            yield self._snapshot("announcement", address, str(state))

    def _snapshot(self, kind: str, name: str, state: str) -> SnapshotView:
        return {"type": "snapshot", "kind": kind, "name": name, "state": state, "seq": self._board.seq}
