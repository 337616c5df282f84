"""The timeline: what clients noticed and what the daemon did, on one axis.

The client's moments are those of our monotonic clock. The daemon's events bear its wall clock, which need not agree
with ours. They are placed by it as long as it does, to within `SKEW_LIMIT`, and by the moment at which they arrived
otherwise.
"""

from __future__ import annotations

import bisect
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import attrs

from maglev.commands.render.events import event_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ENTRIES_KEPT: Final = 1000

SKEW_LIMIT: Final = 1.0
"""Seconds: more than an event takes to arrive, and less than anybody's clock is off if nobody sets it."""

CLIENT: Final = "client"
DAEMON: Final = "maglevd"


@attrs.frozen
class TimelineEntry:
    """Something that happened.

    Attributes:
        at: When, by our monotonic clock.
        source: `CLIENT` or `DAEMON`.
        text: What; one printable line.
        vip: The VIP that it is about; empty for none, or several.
        bad: Whether clients suffer from it.
    """

    at: float
    source: str
    text: str
    vip: str = ""
    bad: bool = False


class Timeline:
    """The latest entries, by time.

    Attributes:
        dropped: Number of older ones.
    """

    def __init__(self) -> None:
        self._entries: list[TimelineEntry] = []
        self.dropped = 0

    def __iter__(self) -> Iterator[TimelineEntry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: TimelineEntry) -> None:
        """Put an entry in its place, after those of the same moment."""
        bisect.insort(self._entries, entry, key=lambda each: each.at)
        if len(self._entries) > ENTRIES_KEPT:
            del self._entries[0]
            self.dropped += 1


def placed(stamp: str, arrived_wall: float, arrived: float) -> float:
    """Return when an event happened, by our monotonic clock.

    Args:
        stamp: The daemon's time of it, ISO 8601 with a zone.
        arrived_wall: Our wall clock when it arrived, seconds since the epoch.
        arrived: Our monotonic clock then.
    """
    try:
        age = arrived_wall - datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return arrived
    return arrived - age if abs(age) <= SKEW_LIMIT else arrived


def event_words(event: Mapping[str, Any]) -> str | None:
    """Return an event of the daemon in the words of ``watch events``; None if it is none for the timeline."""
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in _SHOWN:
        return None
    try:
        return " ".join(event_text(event).split())  # type: ignore[arg-type]  # whatever a daemon has sent
    except (KeyError, TypeError):
        return f"{kind} event in a form that this version does not know"


def backends_in(event: Mapping[str, Any]) -> set[str]:
    """Return the names of the backends and frontends that an event is about; empty for what concerns all."""
    return {event[key] for key in ("backend", "frontend") if event.get(key)}


_SHOWN: Final = frozenset(
    {
        "announcement",
        "backend",
        "blindness",
        "check",
        "drain",
        "frontend",
        "gap",
        "guard",
        "override",
        "reload",
        "weight",
    }
)
"""The types of events that have to do with what clients notice."""
