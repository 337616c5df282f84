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


def event_text(event: Mapping[str, Any]) -> str | None:
    """Return an event of the daemon as a line; None if it is none for the timeline."""
    write = _TEXTS.get(event.get("type", ""))
    return None if write is None else " ".join(write(event).split())


def backends_in(event: Mapping[str, Any]) -> set[str]:
    """Return the names of the backends and frontends that an event is about; empty for what concerns all."""
    return {event[key] for key in ("backend", "frontend") if event.get(key)}


def _backend(event: Mapping[str, Any]) -> str:
    detail = f" {event['detail']}" if event["detail"] else ""
    return f"backend {event['backend']} {event['from']} -> {event['to']} ({event['code']}{detail})"


def _check(event: Mapping[str, Any]) -> str:
    detail = f" {event['detail']}" if event["detail"] else ""
    change = f"{event['from']} -> {event['to']} ({event['code']}{detail})"
    return f"check {event['healthcheck']} of backend {event['backend']} {change}"


def _frontend(event: Mapping[str, Any]) -> str:
    return f"frontend {event['frontend']} {event['from']} -> {event['to']}"


def _override(event: Mapping[str, Any]) -> str:
    return f"override {event['action']}: {event['object']} {event['value']}{_by(event)}"


def _weight(event: Mapping[str, Any]) -> str:
    where = f"{event['backend']} in {event['frontend']}/{event['pool']}"
    return f"weight of {where} {event['from']} -> {event['to']}{_by(event)}"


def _guard(event: Mapping[str, Any]) -> str:
    return f"frontend {event['frontend']} holds {event['held']} backends that are down"


def _blindness(event: Mapping[str, Any]) -> str:
    state = "in doubt" if event["blind"] else "believed again"
    return f"checks {state} ({event['scope']} {event['name']}): {event['why']}"


def _reload(event: Mapping[str, Any]) -> str:
    if event["applied"]:
        return f"configuration {event['generation']} in force{_by(event)}"
    return f"configuration refused: {event['problems']} problems{_by(event)}"


def _drain(event: Mapping[str, Any]) -> str:
    return f"backend {event['backend']} {event['phase']}: {event['detail']}{_by(event)}"


def _announcement(event: Mapping[str, Any]) -> str:
    return f"address {event['address']} {event['from']} -> {event['to']}: {event['why']}"


def _gap(event: Mapping[str, Any]) -> str:
    return f"{event['missed']} events are missing here"


def _by(event: Mapping[str, Any]) -> str:
    return f" by {event['who']}" if event.get("who") else ""


_TEXTS: Final = {
    "backend": _backend,
    "check": _check,
    "frontend": _frontend,
    "override": _override,
    "weight": _weight,
    "guard": _guard,
    "blindness": _blindness,
    "reload": _reload,
    "drain": _drain,
    "announcement": _announcement,
    "gap": _gap,
}
