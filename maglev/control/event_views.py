"""Builds the views of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.control.announce_views import announcement_event_view
from maglev.control.noted_views import noted_view
from maglev.model.events import AnnouncementEvent, BackendEvent, BlindnessEvent, FrontendEvent, GuardEvent, SinkEvent
from maglev.model.moments import moment

if TYPE_CHECKING:
    from maglev.model.event_views import (
        BackendEventView,
        BlindnessEventView,
        EventView,
        GuardEventView,
    )
    from maglev.model.events import Event


def event_view(event: Event) -> EventView:
    """Return an entry of the event log."""
    if isinstance(event, BackendEvent):
        return _backend_event_view(event)
    if isinstance(event, GuardEvent):
        return _guard_event_view(event)
    if isinstance(event, AnnouncementEvent | SinkEvent):
        return announcement_event_view(event)
    if isinstance(event, BlindnessEvent):
        return _blindness_event_view(event)
    if not isinstance(event, FrontendEvent):
        return noted_view(event)
    return {
        "type": "frontend",
        "seq": event.seq,
        "at": moment(event.at),
        "frontend": event.frontend,
        "from": str(event.old),
        "to": str(event.new),
    }


def _guard_event_view(event: GuardEvent) -> GuardEventView:
    return {
        "type": "guard",
        "seq": event.seq,
        "at": moment(event.at),
        "frontend": event.frontend,
        "kept": list(event.kept),
        "released": list(event.released),
        "held": event.held,
    }


def _blindness_event_view(event: BlindnessEvent) -> BlindnessEventView:
    return {
        "type": "blindness",
        "seq": event.seq,
        "at": moment(event.at),
        "scope": event.scope,
        "name": event.name,
        "blind": event.blind,
        "backends": event.backends,
        "total": event.total,
        "why": event.why,
    }


def _backend_event_view(event: BackendEvent) -> BackendEventView:
    transition = event.transition
    return {
        "type": "backend",
        "seq": event.seq,
        "at": moment(transition.at),
        "backend": event.backend,
        "address": event.address,
        "from": str(transition.old),
        "to": str(transition.new),
        "code": str(transition.code),
        "detail": transition.detail,
    }
