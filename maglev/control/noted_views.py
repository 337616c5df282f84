"""Views of what was noted on the board: orders, weights, reloads and drains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.control.views import until_of
from maglev.model.moments import moment

if TYPE_CHECKING:
    from maglev.model.event_views import (
        DrainEventView,
        NameEventView,
        OverrideEventView,
        PeerEventView,
        ReloadEventView,
        WeightEventView,
    )
    from maglev.model.events import DrainEvent, NameEvent, OverrideEvent, PeerEvent, ReloadEvent, WeightEvent


def override_event_view(event: OverrideEvent) -> OverrideEventView:
    """Return that an operator ordered something, or an order ended."""
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


def weight_event_view(event: WeightEvent) -> WeightEventView:
    """Return that a weight was changed."""
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


def reload_event_view(event: ReloadEvent) -> ReloadEventView:
    """Return that the file was put in force or refused."""
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


def drain_event_view(event: DrainEvent) -> DrainEventView:
    """Return that a drain began, went on or ended."""
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


def name_event_view(event: NameEvent) -> NameEventView:
    """Return what happened to the addresses of a DNS name."""
    return {
        "type": "name",
        "seq": event.seq,
        "at": moment(event.at),
        "name": event.name,
        "action": event.action,
        "added": list(event.added),
        "left": list(event.left),
        "refused": list(event.refused),
        "waiting": list(event.waiting),
        "detail": event.detail,
    }


def peer_event_view(event: PeerEvent) -> PeerEventView:
    """Return that a balancer agrees, differs or is silent."""
    return {
        "type": "peer",
        "seq": event.seq,
        "at": moment(event.at),
        "peer": event.peer,
        "state": event.state,
        "detail": event.detail,
    }
