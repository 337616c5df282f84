"""The shapes of what operators have ordered at run time, and of how it goes; see `maglev.model.views`."""

from __future__ import annotations

from typing import Annotated, TypedDict


class OverrideView(TypedDict):
    """What an operator has ordered at run time that differs from the file."""

    backend: Annotated[str | None, "Name of the backend; None for a frontend or an announcement."]
    frontend: Annotated[str | None, "Name of the frontend, for it or for a weight in it; None otherwise."]
    pool: Annotated[str | None, "Name of the pool, for a weight; None otherwise."]
    address: Annotated[str | None, "The address, for an announcement; None otherwise."]
    value: Annotated[str, "What holds: ``drain``, ``pause``, ``disable``, ``enable``, a weight, ``off`` or ``on``."]
    file: Annotated[str, "What the file says: ``enable``, ``disable``, a weight, or ``on``."]
    who: Annotated[str, "Name of the user who ordered it."]
    origin: Annotated[str, "Where the session came from."]
    reason: Annotated[str, "Why, in the words of the user; may be empty."]
    since: Annotated[str, "When it was ordered."]
    age: Annotated[float, "Seconds since then."]
    until: Annotated[str | None, "When it ends by itself; None if it does not."]
    ends_in: Annotated[float | None, "Seconds until then; None if it does not end by itself."]


class KeptView(TypedDict):
    """How long a change holds that was made by a command."""

    until: Annotated[str | None, "When it ends by itself; None if it does not."]
    not_kept: Annotated[str, "Why a restart would forget it, although it is in force; empty if a restart would not."]


class DrainView(TypedDict):
    """How a drain with a goal is going."""

    backend: Annotated[str, "Name of the backend."]
    phase: Annotated[str, "``draining``, ``drained``, ``timed-out``, ``unconfirmed``, or ``ended`` by another order."]
    flows: Annotated[int | None, "Its flows in VPP, in all its frontends; None if VPP could not be asked."]
    goal: Annotated[int, "Flows that it may still have when it counts as drained."]
    times_out_in: Annotated[float | None, "Seconds until it times out; None if it does not, and at its end."]
    then: Annotated[str | None, "``disable`` if it is disabled once it is drained; None otherwise."]
    detail: Annotated[str, "What there is to say of it, for a person; may be empty."]
