"""The shapes of events: what a subscription yields, ``watch events`` shows as JSON and Perspective Broker sends.

Each has a ``type``. A reader must accept types that it does not know, because a newer daemon may have more.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from maglev.model.views import ChangeView


class SnapshotView(TypedDict):
    """The state of an object when the watch began; there is one for each object, before all other events."""

    type: Annotated[Literal["snapshot"], "``snapshot``."]
    kind: Annotated[str, "``backend`` or ``frontend``."]
    name: Annotated[str, "Name of the object."]
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


class FrontendEventView(ChangeView):
    """A frontend changed its state."""

    type: Annotated[Literal["frontend"], "``frontend``."]
    seq: Annotated[int, "Position in the event log."]
    at: Annotated[str, "When it happened."]
    frontend: Annotated[str, "Name of the frontend."]


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


EventView = SnapshotView | BackendEventView | FrontendEventView | LogEventView | GapView
