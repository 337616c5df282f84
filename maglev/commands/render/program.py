"""Views of the program itself as lines of text: its build, its checker, its sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.render.lines import Cell, Line, Style, cell, label, line, state_cell
from maglev.commands.render.views import TextTable, age_text, ago, duration_text, fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.checker_views import CheckerView
    from maglev.model.session_views import SessionView
    from maglev.model.views import VersionView


def version_lines(view: VersionView) -> Iterator[Line]:
    """Yield the running build."""
    pairs = [("version", view["version"]), ("commit", view["commit"]), ("build-date", view["build_date"])]
    pairs += [("host", view["host"])] if view.get("host") else []  # an older daemon does not say
    return fields(pairs, indent=0)


def checker_lines(view: CheckerView) -> Iterator[Line]:
    """Yield the state of the checker itself."""
    lag = view["lag"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in view["discarded"].items())
    yield from fields(
        [
            ("backends", view["backends"]),
            ("probes", view["probes"]),
            ("discarded", reasons or "none"),
            ("overdue", duration_text(view["overdue"])),
            ("without-evidence", view["without_evidence"]),
            ("oldest-evidence", f"{duration_text(round(view['oldest_evidence'], 1))} ago"),
            ("lag", f"{duration_text(lag['worst'])} at worst in the last minute"),
            ("lag-p50", _bound_text(lag["p50"])),
            ("lag-p99", _bound_text(lag["p99"])),
            ("workers", len(view["workers"]) or "none"),
            *([("waiting", view["waiting"])] if view["workers"] else []),
        ],
        indent=0,
    )
    for blind in view["blind"]:
        name = f"{blind['scope']} {blind['name']}".rstrip()
        told = f"{blind['backends']} of {blind['total']} backends are doubted, for "
        told += f"{duration_text(blind['ends_in'])} at most"
        yield line(label("blind"), " ", cell(name, Style.HEADING), " ", cell(told))
    for each in view["workers"]:
        yield line(label(f"worker {each['worker']}"), " ", state_cell(each["state"]))
        yield from fields(
            [
                ("pid", each["pid"]),
                ("in-flight", each["in_flight"]),
                ("queued", each["queued"]),
                ("restarts", each["restarts"]),
            ]
        )


def _bound_text(bound: float | None) -> str:
    """Return the upper bound of a bucket; None for one that has none."""
    return "more than all buckets" if bound is None else f"up to {duration_text(bound)}"


def session_table() -> TextTable[SessionView]:
    """Return the table of ``show sessions``."""
    return TextTable(_session_row, "name", "role", "front-end", "from", "since", "idle")


def _session_row(view: SessionView) -> tuple[Cell, ...]:
    return (
        cell(view["name"]),
        cell(view["role"]),
        cell(view["front_end"]),
        cell(view["origin"]),
        cell(ago(view, "since"), right=True),
        cell(age_text(view["idle"]), right=True),
    )
