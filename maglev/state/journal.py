"""The event log of the board, and its subscribers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Unpack

import attrs

from maglev.state.records import Records
from maglev.state.subscribers import Subscribers

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.config import Config
    from maglev.model.events import Event, Noted
    from maglev.state.subscribers import Callbacks

EVENT_LOG_LENGTH: Final = 10_000
"""Events kept: enough for a minute of a bad day. A reader that falls further behind is sent a gap marker."""


class Journal(Records):
    """What the board keeps, with a log of what happened to it.

    Attributes:
        events: The latest events, oldest first.
        seq: Position of the last event in the log.
    """

    def __init__(self, wall: Callable[[], float], config: Config, now: Callable[[], float]) -> None:
        """Create it without any object or event.

        Args:
            wall: Returns the wall-clock time in seconds since the epoch, for display.
            config: A valid configuration.
            now: Returns the seconds of a monotonic clock.
        """
        super().__init__(config, now)
        self._wall = wall
        self._subscribers = Subscribers()
        self._tell, self._later = self._subscribers.tell, self._subscribers.later
        self.events: deque[Event] = deque(maxlen=EVENT_LOG_LENGTH)
        self.seq = 0

    def subscribe(self, **callbacks: Unpack[Callbacks]) -> None:
        """Register callbacks; each is called after a change of its kind is in place.

        An exception raised by a callback is logged; the others are still called.

        Args:
            callbacks: By the kind of change, as `Callbacks` says.
        """
        self._subscribers.add(**callbacks)

    def age(self, at: float) -> float:
        """Return how many seconds ago a wall-clock time was."""
        return self._wall() - at

    def note(self, topic: str, kind: Callable[..., Event], *what: object) -> None:
        """Enter an event into the log, made of its place, of what follows, and of the time; tell a topic of it."""
        self._happened(topic, kind, *what, self._wall())
        self._tell()

    def enter(self, event: Noted) -> None:
        """Enter what was done into the event log, with its place and its time, and tell it."""
        self.seq += 1
        event = attrs.evolve(event, seq=self.seq, at=self._wall())
        self.events.append(event)
        self._later("noted", event)
        self._tell()

    def _happened(self, topic: str, kind: Callable[..., Event], *what: object) -> None:
        """Add an event to the log, and tell it next."""
        self.seq += 1
        event = kind(self.seq, *what)
        self.events.append(event)
        self._later(topic, event)
