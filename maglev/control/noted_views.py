"""Views of what was noted on the board: orders, weights, reloads and drains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.control.views import until_of
from maglev.model.events import DrainEvent, OverrideEvent, WeightEvent
from maglev.model.moments import moment

if TYPE_CHECKING:
    from maglev.model.event_views import DrainEventView, NotedView, OverrideEventView, ReloadEventView, WeightEventView
    from maglev.model.events import Noted, ReloadEvent


def noted_view(event: Noted) -> NotedView:
    """Return what was noted."""
    if isinstance(event, OverrideEvent):
        return _override_view(event)
    if isinstance(event, WeightEvent):
        return _weight_view(event)
    return _drain_view(event) if isinstance(event, DrainEvent) else _reload_view(event)


def _override_view(event: OverrideEvent) -> OverrideEventView:
    override = event.override
    return {
        "type": "override",
        "seq": event.seq,
        "at": moment(event.at),
        "action": event.action,
        "object": str(override.target),
        "value": str(override.value),
        "file": str(override.base),
        "who": event.who,
        "origin": event.origin,
        "reason": event.reason,
        "until": until_of(override),
    }


def _weight_view(event: WeightEvent) -> WeightEventView:
    return {
        "type": "weight",
        "seq": event.seq,
        "at": moment(event.at),
        "frontend": event.frontend,
        "pool": event.pool,
        "backend": event.backend,
        "from": event.old,
        "to": event.new,
        "who": event.who,
        "origin": event.origin,
        "reason": event.reason,
    }


def _reload_view(event: ReloadEvent) -> ReloadEventView:
    return {
        "type": "reload",
        "seq": event.seq,
        "at": moment(event.at),
        "applied": event.applied,
        "generation": event.generation,
        "problems": event.problems,
        "ended": list(event.ended),
        "who": event.who,
        "origin": event.origin,
    }


def _drain_view(event: DrainEvent) -> DrainEventView:
    return {
        "type": "drain",
        "seq": event.seq,
        "at": moment(event.at),
        "backend": event.backend,
        "phase": str(event.phase),
        "flows": event.flows,
        "detail": event.detail,
        "who": event.who,
        "origin": event.origin,
    }
