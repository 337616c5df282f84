"""Events as lines of text: what ``watch events`` and ``terminal monitor`` show, and what stands in timelines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from maglev.commands.render.lines import Cell, Line, Style, cell, label, line, state_cell
from maglev.commands.render.views import change

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maglev.model.event_views import (
        AgentEventView,
        AnnouncementEventView,
        AuditEventView,
        BackendEventView,
        BlindnessEventView,
        CheckEventView,
        DrainEventView,
        EventView,
        FrontendEventView,
        GapView,
        GuardEventView,
        LogEventView,
        NameEventView,
        OverrideEventView,
        PeerEventView,
        ReloadEventView,
        SinkEventView,
        SnapshotView,
        WeightEventView,
    )


def event_line(event: EventView) -> Line:
    """Return one event as a line with its time, even one of an unknown type."""
    words = _words(event)
    known = event["type"] in _LINES and "at" in event
    return words._replace(cells=(cell(event["at"]), Cell(" "), *words.cells)) if known else words  # type: ignore[typeddict-item]


def event_text(event: EventView) -> str:
    """Return one event as text without its time."""
    return _words(event).plain


def _words(event: EventView) -> Line:
    in_words: Callable[[Any], Line] = _LINES.get(event["type"], _unknown)
    return in_words(event)


def _backend(event: BackendEventView) -> Line:
    what = (label("backend"), " ", cell(event["backend"], Style.HEADING), " ", cell(event["address"]))
    return line(*what, " ", *change(event, event["code"], event["detail"]))


def _check(event: CheckEventView) -> Line:
    what = (label("check"), " ", cell(event["healthcheck"], Style.HEADING), " of ", cell(event["backend"]))
    causes = event["code"], event["detail"], f"({event['backend']} is {event['state']})"
    return line(*what, " ", *change(event, *causes))


def _agent(event: AgentEventView) -> Line:
    what = (label("agent"), " ", cell(event["healthcheck"], Style.HEADING), " of ", cell(event["backend"]))
    told = f"{event['before']} -> {event['now']} {event['code']} {event['detail']}".rstrip()
    return line(cell(event["at"]), " ", *what, " ", cell(told))


def _frontend(event: FrontendEventView) -> Line:
    what = (label("frontend"), " ", cell(event["frontend"], Style.HEADING))
    return line(*what, " ", *change(event))


def _override(event: OverrideEventView) -> Line:
    origin = f" ({event['origin']})" if event.get("origin") else ""
    by = f" by {event['who']}{origin}" if event["who"] else ""
    until = f" until {event['until']}" if event["until"] and event["action"] == "set" else ""
    reason = f": {event['reason']}" if event["reason"] else ""
    what = (label("override"), " ", cell(event["object"], Style.HEADING), " ", cell(event["value"]))
    return line(*what, " ", cell(event["action"]), cell(f"{by}{until}{reason}"))


def _guard(event: GuardEventView) -> Line:
    what = (label("guard"), " ", cell(event["frontend"], Style.HEADING), " ")
    names = [(word, ", ".join(event[key])) for word, key in (("keeps", "kept"), ("releases", "released")) if event[key]]  # type: ignore[literal-required]
    told = "; ".join(f"{word} {text}" for word, text in names)
    return line(*what, cell(told), cell(f" ({event['held']} held)"))


def _blindness(event: BlindnessEventView) -> Line:
    what = (label("blindness"), " ", cell(f"{event['scope']} {event['name']}".rstrip(), Style.HEADING), " ")
    told = f"{event['backends']} of {event['total']} backends "
    told += "are doubted" if event["blind"] else f"were doubted until now ({event['why']})"
    return line(*what, cell(told))


def _announcement(event: AnnouncementEventView) -> Line:
    what = (label("announcement"), " ", cell(event["prefix"], Style.HEADING))
    return line(*what, " ", *change(event), ": ", cell(event["why"]))


def _sink(event: SinkEventView) -> Line:
    what = (label("sink"), " ", cell(event["sink"], Style.HEADING))
    return line(*what, " ", cell(event["problem"] or "reached again"))


def _by(event: DrainEventView | ReloadEventView | WeightEventView) -> str:
    """Return who did it, and from where."""
    who = " ".join(filter(None, [event["who"], f"({event['origin']})" if event["origin"] else ""]))
    return f" by {who}" if who else ""


def _weight(event: WeightEventView) -> Line:
    names = " ".join(f"{key} {event[key]}" for key in ("frontend", "pool", "backend"))
    reason = f": {event['reason']}" if event["reason"] else ""
    moved = (cell(event["from"]), " -> ", cell(event["to"]))
    return line(label("weight"), " ", cell(names), " ", *moved, cell(f"{_by(event)}{reason}"))


def _reload(event: ReloadEventView) -> Line:
    if not event["applied"]:
        what = f"refused, {event['problems']} problems"
    else:
        what = f"applied, generation {event['generation']}" + "".join(f"; {each}" for each in event["ended"])
    return line(label("reload"), " ", cell(f"{what}{_by(event)}"))


def _drain(event: DrainEventView) -> Line:
    flows = "" if event["flows"] is None else f", {event['flows']} flow{'s' * (event['flows'] != 1)}"
    detail = f": {event['detail']}" if event["detail"] else ""
    what = (label("drain"), " ", cell(event["backend"], Style.HEADING), " ", cell(event["phase"]))
    return line(*what, cell(f"{flows}{detail}{_by(event)}"))


def _peer(event: PeerEventView) -> Line:
    detail = f": {event['detail']}" if event["detail"] else ""
    what = (label("peer"), " ", cell(event["peer"], Style.HEADING), " ", cell(f"{event['state']}{detail}"))
    return line(*what)


def _name(event: NameEventView) -> Line:
    lists = (("added", event["added"]), ("left", event["left"]), ("refused", event["refused"]))
    what = [f"{word}: {', '.join(each)}" for word, each in (*lists, ("no room for", event["waiting"])) if each]
    detail = "".join(f"; {each}" for each in (*what, *filter(None, [event["detail"]])))
    heading = (label("name"), " ", cell(event["name"], Style.HEADING), " ", cell(f"{event['action']}{detail}"))
    return line(*heading)


def _audit(event: AuditEventView) -> Line:
    reason = f": {event['reason']}" if event["reason"] else ""
    what = (label("audit"), " ", cell(event["action"]), " ", cell(event["object"], Style.HEADING))
    who = f" by {event['who']} ({event['origin']})"
    return line(*what, " ", cell(f"{event['result']}{who}{reason}"))


def _log(event: LogEventView) -> Line:
    fields = [
        piece for name, value in event["fields"].items() for piece in (" ", cell(name, Style.LABEL), "=", cell(value))
    ]
    return line(label("log"), " ", cell(event["level"]), " ", cell(event["event"]), *fields)


def _snapshot(event: SnapshotView) -> Line:
    name = cell(event["name"], Style.HEADING)
    return line(label("snapshot"), " ", cell(event["kind"]), " ", name, " ", state_cell(event["state"]))


def _gap(event: GapView) -> Line:
    return line(
        label("gap"), " ", cell(event["missed"]), " events were missed here: they came faster than they were read"
    )


def _unknown(event: EventView) -> Line:
    # A newer daemon may have more types than this program: show what there is.
    return line(cell(dict(event)))


_LINES: Final[Mapping[str, Callable[[Any], Line]]] = {
    "backend": _backend,
    "check": _check,
    "agent": _agent,
    "frontend": _frontend,
    "override": _override,
    "guard": _guard,
    "blindness": _blindness,
    "announcement": _announcement,
    "sink": _sink,
    "weight": _weight,
    "reload": _reload,
    "drain": _drain,
    "peer": _peer,
    "name": _name,
    "audit": _audit,
    "log": _log,
    "snapshot": _snapshot,
    "gap": _gap,
}
