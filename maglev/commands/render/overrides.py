"""Views of overrides as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.render.lines import Cell, Line, cell, line
from maglev.commands.render.views import NOTHING, TextTable, age_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.override_views import OverrideView
    from maglev.model.views import OverridesView


def overrides_head(view: OverridesView) -> Iterator[Line]:
    """Yield what is wrong with the file of overrides, if anything is."""
    if view["damage"]:
        yield line("Damaged at the start, and set aside: ", cell(view["damage"]))
    if view["not_kept"]:
        yield line("Not kept over a restart: ", cell(view["not_kept"]))


def override_table() -> TextTable[OverrideView]:
    """Return the table of ``show overrides``."""
    names = ("backend", "frontend", "pool", "value", "file", "who", "age", "ends-in", "reason")
    return TextTable(_override_row, *names)


def _override_row(view: OverrideView) -> tuple[Cell, ...]:
    left = view["ends_in"]
    return (
        cell(view["backend"] or view["address"] or NOTHING),
        cell(view["frontend"] or NOTHING),
        cell(view["pool"] or NOTHING),
        cell(view["value"]),
        cell(view["file"]),
        cell(view["who"]),
        cell(age_text(view["age"]), right=True),
        cell(NOTHING if left is None else age_text(left), right=True),
        cell(view["reason"] or NOTHING),
    )
