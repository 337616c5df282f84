"""Views of DNS names as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.render.lines import Line, Style, cell, label, line
from maglev.commands.render.views import NOTHING, duration_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.name_views import DnsNameView


_STYLES: Final = {"resolved": Style.UP, "failing": Style.DOWN, "unresolved": Style.DOWN}


def name_lines(view: DnsNameView) -> Iterator[Line]:
    """Yield the lines of one name: how its lookups go, then its addresses."""
    yield line(
        cell(view["name"], Style.HEADING),
        " ",
        cell(view["dns_name"]),
        " ",
        cell(view["family"]),
        " ",
        cell(view["state"], _STYLES.get(view["state"], Style.PLAIN)),
        " ",
        label("age"),
        " ",
        cell(_seconds(view["age"])),
        " ",
        label("next-in"),
        " ",
        cell(_seconds(view["next_in"])),
        " ",
        label("backends"),
        " ",
        cell(f"{len(view['addresses'])} of {view['most']}"),
    )
    if view["problem"]:
        failures = "" if view["failures"] == 1 else f" ({view['failures']} times)"
        yield line("  ", label("failed"), " ", cell(view["problem"]), failures)
    for each in view["addresses"]:
        missing = f" missing from {each['missing']} answers" if each["missing"] else ""
        yield line("  ", cell(each["backend"]), " ", label("address"), " ", cell(each["address"]), missing)
    for refused in view["refused"]:
        yield line("  ", label("refused"), " ", cell(refused))
    for waiting in view["waiting"]:
        yield line("  ", label("waiting"), " ", cell(waiting), " has no room: raise dns-max")


def _seconds(seconds: float | None) -> str:
    return NOTHING if seconds is None else duration_text(round(seconds))
