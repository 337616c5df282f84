"""Views of announcements as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.render.lines import Cell, Line, Style, cell, label, line, state_cell
from maglev.commands.render.views import NOTHING, TextTable, ago, duration_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.announce_views import AnnouncementsView, AnnouncementView


def announcements_head(view: AnnouncementsView) -> Iterator[Line]:
    """Yield which receivers can't be reached, or that there is none."""
    if not view["sinks"]:
        yield line("Nothing receives announcements: neither BIRD nor a hook is configured")
    for sink in view["sinks"]:
        if sink["problem"]:
            yield line("Not reached: ", cell(sink["sink"], Style.HEADING), ": ", cell(sink["problem"]))


def announcement_table() -> TextTable[AnnouncementView]:
    """Return the table of ``show announcements``."""
    return TextTable(_announcement_row, "address", "state", "since", "changes-in", "why")


def _announcement_row(view: AnnouncementView) -> tuple[Cell, ...]:
    return (
        cell(view["address"], Style.HEADING),
        state_cell(view["state"]),
        cell(ago(view, "since"), right=True),
        cell(_changes_in(view), right=True),
        cell(view["why"]),
    )


def _changes_in(view: AnnouncementView) -> str:
    return NOTHING if view["changes_in"] is None else duration_text(round(view["changes_in"]))


def announcement_lines(view: AnnouncementView) -> Iterator[Line]:
    """Yield the lines of ``show announcements <address>``."""
    yield line(label("address"), " ", cell(view["address"], Style.HEADING), " ", state_cell(view["state"]))
    yield line("  ", label("why"), " ", cell(view["why"]))
    yield line("  ", label("since"), " ", cell(view["since"]))
    if view["changes_in"] is not None:
        yield line("  ", label("changes-in"), " ", cell(_changes_in(view)))
    yield line("  ", label("frontends"), " ", cell(view["needed"]), " of ", cell(" ".join(view["frontends"])))
    yield line("  ", label("min-up"), " ", cell(view["min_up"]))
    yield line("  ", label("after"), " ", cell(f"{view['after']:g}s"))
    yield line("  ", label("when-held"), " ", cell("yes" if view["when_held"] else "no"))
