"""Builds the views of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maglev.control.announce_views import announcement_event_view, sink_event_view
from maglev.control.noted_views import (
    drain_event_view,
    name_event_view,
    override_event_view,
    peer_event_view,
    reload_event_view,
    weight_event_view,
)
from maglev.model.events import (
    AgentEvent,
    AnnouncementEvent,
    BackendEvent,
    BlindnessEvent,
    CheckEvent,
    DrainEvent,
    FrontendEvent,
    GuardEvent,
    NameEvent,
    OverrideEvent,
    PeerEvent,
    ReloadEvent,
    SinkEvent,
    WeightEvent,
)
from maglev.model.moments import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maglev.model.event_views import (
        AgentEventView,
        BackendEventView,
        BlindnessEventView,
        CheckEventView,
        EventView,
        FrontendEventView,
        GuardEventView,
    )
    from maglev.model.events import Event


def event_view(event: Event) -> EventView:
    """Return an entry of the event log."""
    return _VIEWS[type(event)](event)


def _frontend_event_view(event: FrontendEvent) -> FrontendEventView:
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
        "healthcheck": transition.healthcheck,
    }


def _check_event_view(event: CheckEvent) -> CheckEventView:
    return {
        "type": "check",
        "seq": event.seq,
        "at": moment(event.at),
        "backend": event.backend,
        "healthcheck": event.healthcheck,
        "from": str(event.old),
        "to": str(event.new),
        "state": str(event.state),
        "code": event.code,
        "detail": event.detail,
    }


def _agent_event_view(event: AgentEvent) -> AgentEventView:
    return {
        "type": "agent",
        "seq": event.seq,
        "at": moment(event.at),
        "backend": event.backend,
        "healthcheck": event.healthcheck,
        "before": event.old,
        "now": event.new,
        "code": event.code,
        "detail": event.detail,
    }


_VIEWS: Final[Mapping[type, Callable[[Any], EventView]]] = {
    AgentEvent: _agent_event_view,
    AnnouncementEvent: announcement_event_view,
    BackendEvent: _backend_event_view,
    CheckEvent: _check_event_view,
    BlindnessEvent: _blindness_event_view,
    DrainEvent: drain_event_view,
    FrontendEvent: _frontend_event_view,
    GuardEvent: _guard_event_view,
    NameEvent: name_event_view,
    OverrideEvent: override_event_view,
    PeerEvent: peer_event_view,
    ReloadEvent: reload_event_view,
    SinkEvent: sink_event_view,
    WeightEvent: weight_event_view,
}
