"""Views of backends as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.commands.render.lines import Cell, Line, Style, cell, label, line, state_cell
from maglev.commands.render.views import (
    NOTHING,
    TextTable,
    address_text,
    ago,
    change,
    duration_text,
    fields,
    override_text,
    yes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.model.health_views import AgentView, CheckView, HealthView, ResultView
    from maglev.model.override_views import DrainView
    from maglev.model.views import BackendView


def backend_table() -> TextTable[BackendView]:
    """Return the table of ``show backends``."""
    return TextTable(
        _backend_row, "backend", "address", "state", "health", "healthcheck", "last-result", "since", "order"
    )


def _backend_row(view: BackendView) -> tuple[Cell, ...]:
    last, transitions = view["last_result"], view["transitions"]
    return (
        cell(view["name"]),
        cell(address_text(view["address"])),
        state_cell(view["state"]),
        cell(_health_text(view["health"]), right=True),
        cell(_names(view) or NOTHING),
        cell(last["code"] if last else NOTHING),
        cell(ago(transitions[0], "at") if transitions else NOTHING, right=True),
        cell(NOTHING if view["override"] is None else f"{view['override']['value']} by {view['override']['who']}"),
    )


def _health_text(health: HealthView) -> str:
    return f"{health['value']}/{health['rise'] + health['fall'] - 1}"


def _names(view: BackendView) -> str | None:
    return "+".join(each["healthcheck"] for each in view["checks"]) or view["healthcheck"]


def _checks_text(view: BackendView) -> str:
    """Return how a backend is checked."""
    if view["checks"]:
        return f"{_names(view)}, {view['health']['rise']} of {len(view['checks'])} required"
    return view["healthcheck"] or "- (static)"


def _check_text(view: CheckView) -> str:
    """Return what one of several checks says."""
    health = view["health"]
    counter = f"health {_health_text(health)} rise {health['rise']} fall {health['fall']}"
    return " ".join(filter(None, [view["healthcheck"], view["state"], counter, _result_text(view["last_result"])]))


def _agent_text(view: AgentView) -> str:
    """Return what an agent says."""
    heard = f"{'asked since' if view['says'] == 'unknown' else 'heard'} {duration_text(view['age'])} ago"
    return ", ".join(filter(None, [f"{view['healthcheck']} {view['says']}", heard, _result_text(view["last_result"])]))


def backend_lines(view: BackendView) -> Iterator[Line]:
    """Yield one backend with its history."""
    health = view["health"]
    yield line(label("backend"), " ", cell(view["name"], Style.HEADING))
    yield from fields(
        [
            ("address", address_text(view["address"])),
            ("state", state_cell(view["state"])),
            ("enabled", yes(view["enabled"])),
            ("healthcheck", _checks_text(view)),
            ("health", f"{_health_text(health)} rise {health['rise']} fall {health['fall']}"),
            ("last-result", _result_text(view["last_result"])),
            *(("check", _check_text(each)) for each in view["checks"]),
            *([("agent", _agent_text(agent))] if (agent := view.get("agent")) else []),
            *([("override", override_text(view["override"]))] if view["override"] else []),
            *([("drain", drain_text(view["drain"]))] if view["drain"] else []),
            *(("frontend", name) for name in view["frontends"] or [NOTHING]),
        ]
    )
    if view["transitions"]:
        yield line("  ", label("transitions"))
        for each in view["transitions"]:
            yield line("    ", each["at"], " ", *change(each, each["code"], each["detail"]))


def drain_text(view: DrainView) -> str:
    """Return how a drain is going."""
    flows = [] if view["flows"] is None else [f"{view['flows']} flow{'s' * (view['flows'] != 1)}"]
    goal = [f"until there are {view['goal']}"] if view["goal"] and view["phase"] == "draining" else []
    left = view["times_out_in"]
    limit = [] if left is None else [f"times out in {duration_text(round(left))}"]
    then = [f"then {view['then']}"] if view["then"] and view["phase"] == "draining" else []
    return ", ".join(
        [f"{view['phase']} {''.join(flows)}".rstrip(), *goal, *limit, *then, *filter(None, [view["detail"]])]
    )


def _result_text(result: ResultView | None) -> str | None:
    if result is None:
        return None
    return " ".join(filter(None, [result["code"], f"in {duration_text(result['duration'])}", result["detail"]]))
