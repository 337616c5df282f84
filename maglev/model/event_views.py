"""The shapes of events: what a subscription yields, ``watch events`` shows as JSON and Perspective Broker sends.

Each has a ``type``. A reader must accept types that it does not know, because a newer daemon may have more.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from maglev.model.views import ChangeView


class SnapshotView(TypedDict):
    """The state of an object when the watch began; there is one for each object, before all other events."""

    type: Annotated[Literal["snapshot"], "``snapshot``."]
    kind: Annotated[str, "``backend``, ``frontend`` or ``announcement``."]
    name: Annotated[str, "Name of the object; for an announcement, the address."]
    state: Annotated[str, "Its state."]
    seq: Annotated[int, "Position in the event log; later events have higher ones."]


class BackendEventView(ChangeView):
    """A backend changed its state."""

    type: Annotated[Literal["backend"], "``backend``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    backend: Annotated[str, "Name of the backend."]
    address: Annotated[str, "Address of the backend."]
    code: Annotated[str, "Cause, as in the transitions of a backend."]
    detail: Annotated[str, "What happened, for a person; may be empty."]
    healthcheck: Annotated[str, "The check whose result caused it, if the backend has several; else empty."]


class CheckEventView(ChangeView):
    """One of several checks of a backend went up or down, whether or not the backend did; for those who see them."""

    type: Annotated[Literal["check"], "``check``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    backend: Annotated[str, "Name of the backend."]
    healthcheck: Annotated[str, "Name of the healthcheck."]
    state: Annotated[str, "State of the backend, after that."]
    code: Annotated[str, "Code of the probe."]
    detail: Annotated[str, "What happened, for a person; may be empty."]


class AgentEventView(TypedDict):
    """The agent of a backend says something else than before, or is not heard any longer; for those who see them."""

    type: Annotated[Literal["agent"], "``agent``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    backend: Annotated[str, "Name of the backend."]
    healthcheck: Annotated[str, "Name of the healthcheck that asks the agent."]
    before: Annotated[str, "What it said before, such as ``drain 50%``; ``up``, ``unknown`` or ``silent``."]
    now: Annotated[str, "What it says now."]
    code: Annotated[str, "Code of the probe."]
    detail: Annotated[str, "The answer, or why there is none."]


class FrontendEventView(ChangeView):
    """A frontend changed its state."""

    type: Annotated[Literal["frontend"], "``frontend``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    frontend: Annotated[str, "Name of the frontend."]


class OverrideEventView(TypedDict):
    """An override was made or has ended; sent to those who see the backends, or the frontends for a weight."""

    type: Annotated[Literal["override"], "``override``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    action: Annotated[str, "``set``, ``cleared`` (by a user), ``expired``, or ``dropped`` (the file is newer)."]
    object: Annotated[str, "The backend, or the weight, in words."]
    value: Annotated[str, "What was ordered: ``drain``, ``pause``, ``disable``, ``enable``, or a weight."]
    file: Annotated[str, "What the file says: ``enable``, ``disable``, or a weight."]
    who: Annotated[str, "Name of the user; empty if maglevd did it by itself."]
    origin: Annotated[str, "Where the session came from; empty if maglevd did it by itself."]
    reason: Annotated[str, "Why; may be empty."]
    until: Annotated[str | None, "When it ends by itself; None if it does not."]


class GuardEventView(TypedDict):
    """The guard of a frontend began to keep backends in service although they are down, or ceased to."""

    type: Annotated[Literal["guard"], "``guard``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    frontend: Annotated[str, "Name of the frontend."]
    kept: Annotated[list[str], "Names of the backends that it began to keep."]
    released: Annotated[list[str], "Names of those that it keeps no longer."]
    held: Annotated[int, "Number of those that it keeps now."]


class BlindnessEventView(TypedDict):
    """Doubt about the checks has begun or ended, since many backends went down together."""

    type: Annotated[Literal["blindness"], "``blindness``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    scope: Annotated[str, "What they have in common: ``healthcheck``, ``path`` or ``all``."]
    name: Annotated[str, "Name of the healthcheck, or the family and the source address; empty for all."]
    blind: Annotated[bool, "Whether it has begun."]
    backends: Annotated[int, "Number of backends that are doubted, or were at the end."]
    total: Annotated[int, "Number of backends that were in service."]
    why: Annotated[str, "``share``; or why it has ended: ``recovered``, ``canary``, ``hold`` or ``config``."]


WeightEventChange = TypedDict(
    "WeightEventChange", {"from": Annotated[int, "Weight before."], "to": Annotated[int, "Weight now."]}
)


class WeightEventView(WeightEventChange):
    """A weight was changed, by a user or because an override has ended; for those who see the frontends."""

    type: Annotated[Literal["weight"], "``weight``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    frontend: Annotated[str, "Name of the frontend."]
    pool: Annotated[str, "Name of the pool."]
    backend: Annotated[str, "Name of the backend."]
    who: Annotated[str, "Name of the user; empty if maglevd did it by itself."]
    origin: Annotated[str, "Where the session came from; empty if maglevd did it by itself."]
    reason: Annotated[str, "Why; may be empty."]


class ReloadEventView(TypedDict):
    """The file was put in force or refused; for those who see backends or frontends."""

    type: Annotated[Literal["reload"], "``reload``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    applied: Annotated[bool, "Whether the file was put in force."]
    generation: Annotated[int, "Number of the configuration in force."]
    problems: Annotated[int, "Number of problems for which it was refused."]
    ended: Annotated[list[str], "The overrides that it ended, in words."]
    who: Annotated[str, "Name of the user; empty for a signal."]
    origin: Annotated[str, "Where the session came from, or the signal."]


class DrainEventView(TypedDict):
    """A drain began, went on or came to its end; for those who see the backends."""

    type: Annotated[Literal["drain"], "``drain``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    backend: Annotated[str, "Name of the backend."]
    phase: Annotated[str, "``draining``, ``drained``, ``timed-out``, ``unconfirmed``, or ``ended`` by another order."]
    flows: Annotated[int | None, "Its flows in VPP; None if that is not known."]
    detail: Annotated[str, "What there is to say of it, for a person; may be empty."]
    who: Annotated[str, "Name of the user who ordered the drain."]
    origin: Annotated[str, "Where the session came from."]


class AuditEventView(TypedDict):
    """Somebody changed something, or tried to; only in the recent log."""

    type: Annotated[Literal["audit"], "``audit``."]
    at: Annotated[str, "When it happened."]
    who: Annotated[str, "Name of the user."]
    role: Annotated[str, "``viewer`` or ``operator``."]
    origin: Annotated[str, "Where the session came from."]
    action: Annotated[str, "What was done."]
    object: Annotated[str, "To what."]
    result: Annotated[str, "What came of it, in words that may change."]
    reason: Annotated[str, "Why; may be empty."]


class LogEventView(TypedDict):
    """A line of the daemon's log; only if it was asked for."""

    type: Annotated[Literal["log"], "``log``."]
    at: Annotated[str, "When it happened."]
    level: Annotated[str, "``debug``, ``info``, ``warn``, ``error`` or ``critical``."]
    event: Annotated[str, "Name of the event."]
    fields: Annotated[dict[str, str | float | bool | None], "Its fields."]


class GapView(TypedDict):
    """Events are missing here, because they were read too slowly."""

    type: Annotated[Literal["gap"], "``gap``."]
    missed: Annotated[int, "Number of events."]


class AnnouncementEventView(ChangeView):
    """An address was announced or withdrawn; sent to those who see the frontends."""

    type: Annotated[Literal["announcement"], "``announcement``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    address: Annotated[str, "The address."]
    prefix: Annotated[str, "The route: the address with ``/32`` or ``/128``."]
    why: Annotated[str, "The reason, for a person."]


class SinkEventView(TypedDict):
    """BIRD or a hook can't be reached, or refuses, or works again; sent to those who see the frontends."""

    type: Annotated[Literal["sink"], "``sink``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    sink: Annotated[str, "``bird``, or ``hook`` and its name."]
    problem: Annotated[str, "Why not, for a person; empty if it works again."]


class PeerEventView(TypedDict):
    """Another balancer agrees, differs, or can't be confirmed; sent to those who see the frontends."""

    type: Annotated[Literal["peer"], "``peer``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    peer: Annotated[str, "Name of the balancer, as in ``--peers``."]
    state: Annotated[str, "``agrees``, ``differs``, ``nothing-shared`` or ``lost``."]
    detail: Annotated[str, "What differs, or why nothing is known; empty if it agrees."]


class NameEventView(TypedDict):
    """Something happened to the addresses of a DNS name."""

    type: Annotated[Literal["name"], "``name``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    name: Annotated[str, "Its name in the file."]
    action: Annotated[
        str,
        "``changed``; ``refused`` (some addresses can't be used), ``failed`` (the first failure in a row) or "
        "``recovered``.",
    ]
    added: Annotated[list[str], "Backends that are new, with their addresses."]
    left: Annotated[list[str], "Backends that left, with their addresses."]
    refused: Annotated[list[str], "Addresses that can't be used, each with the reason."]
    waiting: Annotated[list[str], "Addresses that wait for room."]
    detail: Annotated[str, "Why the lookup failed; empty if it did not."]


NotedView = OverrideEventView | WeightEventView | ReloadEventView | DrainEventView | PeerEventView | NameEventView
_Board = (
    BackendEventView
    | CheckEventView
    | AgentEventView
    | FrontendEventView
    | GuardEventView
    | BlindnessEventView
    | NotedView
)
_Announced = AnnouncementEventView | SinkEventView
EventView = SnapshotView | _Board | _Announced | LogEventView | GapView | AuditEventView
