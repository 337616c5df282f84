"""The shapes of what the checks say of a backend."""

from __future__ import annotations

from typing import Annotated, TypedDict


class HealthView(TypedDict):
    """The health counter of a backend, which is up while ``value`` is at least ``rise``."""

    value: Annotated[int, "The counter, 0 to ``rise + fall - 1``."]
    rise: Annotated[int, "Successes that bring the backend from the bottom to up."]
    fall: Annotated[int, "Failures that bring the backend from the top to down."]


class ResultView(TypedDict):
    """The outcome of a probe."""

    ok: Annotated[bool, "Whether the probe succeeded."]
    layer: Annotated[str, "The layer that decided: ``L3``, ``L4``, ``L6`` or ``L7``."]
    code: Annotated[str, "Code of the outcome, such as ``L7OK`` or ``L4CON``."]
    detail: Annotated[str, "What happened, for a person; may be empty."]
    duration: Annotated[float, "Seconds that the probe took."]
    age: Annotated[float, "Seconds since it ended."]


class AgentView(TypedDict):
    """What the agent of a backend says."""

    healthcheck: Annotated[str, "Name of the healthcheck that asks it."]
    says: Annotated[str, "What holds, such as ``drain 50%``: ``up`` if nothing is lowered; ``unknown`` or ``silent``."]
    percent: Annotated[int, "How much of its weight the backend has by that, 0..100."]
    age: Annotated[float, "Seconds since it was heard; before that, since it has been asked."]
    hold: Annotated[float, "Seconds for which its last word holds when it is silent."]
    last_result: Annotated[ResultView | None, "Outcome of the last question; None before the first."]


class CheckView(TypedDict):
    """What one of several checks of a backend says."""

    healthcheck: Annotated[str, "Name of the healthcheck."]
    state: Annotated[str, "``unknown``, ``up`` or ``down``; or that of the backend, while it is not probed."]
    health: Annotated[HealthView, "Its own counter."]
    last_result: Annotated[ResultView | None, "Outcome of its last probe; None before the first."]
