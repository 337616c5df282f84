"""Explanations as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.render.lines import Line, Style, cell, label, line, state_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from maglev.model.explain_views import (
        BackendExplanationView,
        ExplainedAnnouncementView,
        ExplainedWeightView,
        FrontendExplanationView,
        StepView,
    )


def backend_explanation_lines(view: BackendExplanationView) -> Iterator[Line]:
    """Yield why a backend has its weights."""
    yield line(label("backend"), " ", cell(view["name"], Style.HEADING), " ", state_cell(view["state"]))
    yield from _steps(view["steps"])
    for each in view["frontends"]:
        yield from _weight("frontend", each["frontend"], each)


def frontend_explanation_lines(view: FrontendExplanationView) -> Iterator[Line]:
    """Yield why a frontend serves as it does."""
    yield line(label("frontend"), " ", cell(view["name"], Style.HEADING), " ", state_cell(view["state"]))
    yield from _steps(view["steps"])
    for each in view["backends"]:
        yield from _weight("backend", each["backend"], each)
    if view["announcement"] is not None:
        yield from _announcement(view["announcement"])


def _steps(steps: Iterable[StepView], indent: str = "  ") -> Iterator[Line]:
    for each in steps:
        yield line(indent, label(f"{each['step']:<8}"), " ", cell(each["text"]))


def _weight(noun: str, name: str, view: ExplainedWeightView) -> Iterator[Line]:
    yield line("  ", label(noun), " ", cell(name, Style.HEADING))
    yield from _steps(view["steps"], "    ")
    if view["changed"] is not None:
        change = view["changed"]
        told = f"{change['from']} -> {change['to']}: {change['text']}"
        yield line("    ", label("changed  "), cell(change["at"]), " ", cell(told))


def _announcement(view: ExplainedAnnouncementView) -> Iterator[Line]:
    yield line("  ", label("address"), " ", cell(view["address"], Style.HEADING), " ", state_cell(view["state"]))
    yield from _steps(view["steps"], "    ")
