"""The shapes of explanations: why a weight is what it is; see `maglev.model.views`."""

from __future__ import annotations

from typing import Annotated, TypedDict


class StepView(TypedDict):
    """A step of a decision."""

    step: Annotated[str, "The step, in one word, such as ``health`` or ``pool``."]
    text: Annotated[str, "What came out of it, for a person."]


LastChangeView = TypedDict(
    "LastChangeView",
    {
        "at": Annotated[str, "When it happened."],
        "from": Annotated[int, "Weight before, 0..100."],
        "to": Annotated[int, "Weight after, 0..100."],
        "step": Annotated[
            str,
            "Which step made the difference: ``health``, ``order``, ``blindness``, ``pool``, ``guard``, "
            "``frontend`` or ``weight``.",
        ],
        "text": Annotated[str, "The same, for a person."],
    },
)


class ExplainedWeightView(TypedDict):
    """Why a backend has its weight in a frontend."""

    frontend: Annotated[str, "Name of the frontend."]
    backend: Annotated[str, "Name of the backend."]
    reason: Annotated[str, "Why, in one word; the words are in :doc:`health`."]
    effective_weight: Annotated[int, "Weight that it should have now, 0..100."]
    programmed_weight: Annotated[int, "That weight as VPP is told."]
    vpp_weight: Annotated[int | None, "What VPP is known to hold; None if it does not have it, or is not connected."]
    steps: Annotated[list[StepView], "The steps of the decision, in order."]
    changed: Annotated[LastChangeView | None, "Why it is not as it was before; None if it never was otherwise."]


class ExplainedAnnouncementView(TypedDict):
    """Why the address of a frontend is announced, or is not."""

    address: Annotated[str, "The address."]
    state: Annotated[str, "``announced``, ``withdrawn``, or ``undecided``: as before the start of maglevd."]
    since: Annotated[str, "When this state began; for ``undecided``, when maglevd started."]
    changes_in: Annotated[float | None, "Seconds after which it changes if nothing else does; None if it does not."]
    steps: Annotated[list[StepView], "The steps of the decision, in order, up to the receivers of announcements."]


class FrontendExplanationView(TypedDict):
    """Why a frontend serves as it does."""

    name: Annotated[str, "Name of the frontend."]
    state: Annotated[str, "Its state."]
    steps: Annotated[
        list[StepView], "What there is to know of each pool, which one is active, the guard, and servers that leave."
    ]
    backends: Annotated[list[ExplainedWeightView], "Its backends."]
    announcement: Annotated[
        ExplainedAnnouncementView | None, "Its address; None if that is not under ``announce`` in the file."
    ]


class BackendExplanationView(TypedDict):
    """Why a backend has its weights."""

    name: Annotated[str, "Name of the backend."]
    state: Annotated[str, "Its state."]
    steps: Annotated[list[StepView], "What is the same in every frontend."]
    frontends: Annotated[list[ExplainedWeightView], "Why it has its weight in each frontend."]
