"""Views of frontends, backends and healthchecks as lines of text.

Words and values are easy to search for: every value of one object follows its name on one line, and lists have one row
for each object. Everything is made lazily, so that an object with thousands of parts is written in slices.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from maglev.commands.render.columns import Columns, Grid
from maglev.commands.render.lines import Cell, Line, Style, cell, clean, label, line, state_cell, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from maglev.model.override_views import OverrideView
    from maglev.model.views import (
        ChangeView,
        DepartingView,
        FrontendView,
        HealthcheckView,
        MemberView,
        PageView,
        PoolView,
    )

Row = TypeVar("Row")

NOTHING: Final = "-"
"""Shown in place of a missing value, so that columns can be counted."""

BATCH: Final = 100
"""Number of rows of one object that are aligned together."""


def duration_text(seconds: float) -> str:
    """Return a duration as in the configuration: ``1.25ms``, ``500ms``, ``2s``, ``1m30s``, ``2h``."""
    milliseconds = round(seconds * 1000, 2)
    if not 0 < milliseconds < 1000:
        whole, milliseconds = divmod(round(seconds * 1000), 1000)
        minutes, rest = divmod(whole, 60)
        hours, minutes = divmod(minutes, 60)
        terms = [(hours, "h"), (minutes, "m"), (rest + milliseconds / 1000, "s")]
        return "".join(f"{value:.5g}{unit}" for value, unit in terms if value) or "0s"
    return f"{milliseconds:g}ms"


def age_text(seconds: float) -> str:
    """Return how long something has lasted, in its two largest units: ``42s``, ``3m12s``, ``5h7m``, ``12d3h``."""
    whole = max(round(seconds), 0)
    if whole < 3600:
        return duration_text(whole)
    hours, minutes = divmod(whole // 60, 60)
    days, left = divmod(hours, 24)
    terms = ((days, "d"), (left, "h")) if days else ((hours, "h"), (minutes, "m"))
    return "".join(f"{value}{unit}" for value, unit in terms if value)


def ago(view: Mapping[str, object], moment: str) -> str:
    """Return how long ago a moment of a view was; an older daemon tells only when."""
    age = view.get("age")
    return age_text(age) if isinstance(age, float) else str(view[moment])


def yes(value: object) -> str:
    """Return ``yes`` or ``no``, or what stands for a missing value."""
    return NOTHING if value is None else "yes" if value else "no"


def address_text(prefix: object) -> str:
    """Return an address or a prefix without the mask of a single host."""
    text = str(prefix)
    address, _, length = text.partition("/")
    return address if length == ("128" if ":" in address else "32") else text


def fields(pairs: Iterable[tuple[str, Cell | object]], *, indent: int = 2) -> Iterator[Line]:
    """Yield names and values, one pair per line, with the values aligned."""
    columns = Columns(indent=indent)
    rows = [(label(name), value if isinstance(value, Cell) else cell(_shown(value))) for name, value in pairs]
    for each in columns.rows(rows):
        yield each._replace(narrowed=partial(wrapped, each, hang=indent + columns.widths[0] + 2))


def _shown(value: object) -> object:
    return NOTHING if value is None or value == "" else value


class TextTable(Generic[Row]):
    """A list with a row for each view, page by page, below the names of its columns.

    A list without rows has no heading either.
    """

    def __init__(self, row: Callable[[Row], Sequence[Cell]], *names: str, comment: bool = False) -> None:
        self._row = row
        self._grid = Grid(names, comment=comment)
        self._named = False

    def page(self, page: PageView[Row]) -> Iterator[Line]:
        """Yield the lines of one page."""
        return self(page["rows"])

    def __call__(self, views: Sequence[Row]) -> Iterator[Line]:
        """Yield the lines of some rows."""
        named, self._named = not self._named, self._named or bool(views)
        return self._grid.rows(map(self._row, views), named=named)


def frontend_table() -> TextTable[FrontendView]:
    """Return the table of ``show frontends``."""
    names = ("frontend", "address", "protocol", "port", "state", "pool", "up", "differs", "description")
    return TextTable(_frontend_row, *names, comment=True)


def _frontend_row(view: FrontendView) -> tuple[Cell, ...]:
    serving = view["state"] != "down"  # while it is unknown, a pool serves with the weights that VPP had
    active = [pool for pool in view["pools"] if pool["active"] and serving]
    states = [each["state"] for pool in active for each in pool["backends"]]
    return (
        cell(view["name"]),
        cell(address_text(view["address"])),
        cell(view["protocol"]),
        cell(view["port"] or NOTHING, right=True),
        state_cell(view["state"]),
        cell(active[0]["name"] if active else NOTHING),
        cell(f"{states.count('up')}/{len(states)}" if active else NOTHING, right=True),
        cell(_differing(view)),
        cell(view["description"]),
    )


def _differing(view: FrontendView) -> str:
    """Return what of a frontend is not as in the file."""
    weights = sum(each["weight"] != each["file_weight"] for pool in view["pools"] for each in pool["backends"])
    disabled = [] if view["enabled"] else ["disabled"]
    return ", ".join([*disabled, *([f"{weights} weight{'s' * (weights > 1)}"] if weights else [])]) or NOTHING


def frontend_lines(view: FrontendView, *, aligned: bool) -> Iterator[Line]:
    """Yield one frontend with its pools and their backends."""
    yield line(label("frontend"), " ", cell(view["name"], Style.HEADING))
    yield from fields(
        [
            ("description", view["description"]),
            ("address", address_text(view["address"])),
            ("protocol", view["protocol"]),
            ("port", view["port"] or NOTHING),
            ("state", state_cell(view["state"])),
            ("src-ip-sticky", yes(view["src_ip_sticky"])),
            ("flush-on-down", yes(view["flush_on_down"])),
            *([("override", override_text(view["override"]))] if view["override"] else []),
            *([("weights", view["weights"])] if view["weights"] != "as-written" else []),
            *([("when-none-eligible", view["when_none_eligible"])] if view["when_none_eligible"] != "down" else []),
            *([("failback-delay", f"{view['failback_delay']:g}s")] if view["failback_delay"] else []),
            *([("held", view["held"])] if view["held"] else []),
        ]
    )
    scaled = view["weights"] != "as-written"
    for pool in view["pools"]:
        yield from _pool_lines(pool, scaled=scaled, aligned=aligned)
    if view["departing"]:
        yield line("  ", label("departing"))
        yield from phrases((_departing_row(each, scaled=scaled) for each in view["departing"]), aligned=aligned)


def _departing_row(server: DepartingView, *, scaled: bool) -> tuple[Cell, ...]:
    return (
        cell(server["address"]),
        label("weight"),
        cell(server["weight"]),
        *((label("programmed"), cell(server["programmed_weight"])) if scaled else ()),
        label("leaves-in"),
        cell(f"{server['leaves_in']:.1f}s"),
    )


def _pool_lines(pool: PoolView, *, scaled: bool, aligned: bool) -> Iterator[Line]:
    notes = [" [active]"] if pool["active"] else []
    if pool["min_up"] != "1":
        notes.append(f" [min-up {pool['min_up']}, {pool['in_service']} in service]")
    if pool["fails_back_in"] is not None:
        notes.append(f" [eligible for {pool['eligible_for']:g}s, fails back in {pool['fails_back_in']:g}s]")
    yield line("  ", label("pool"), " ", cell(pool["name"], Style.HEADING), "".join(notes))
    yield from phrases((_member_row(member, scaled=scaled) for member in pool["backends"]), aligned=aligned)


_MARKS: Final = {"guarded": "[held]", "doubted": "[doubted]", "nolb": "[nolb]"} | {
    reason: f"[{reason}]" for reason in ("agent-weight", "agent-down", "agent-drain", "agent-maint")
}
"""Reasons for a weight that are shown beside it."""


def _member_row(member: MemberView, *, scaled: bool) -> tuple[Cell, ...]:
    state = member["state"]
    notes = [] if state == "up" else [f"[{state}]"]
    if member["reason"] in _MARKS:
        notes.append(_MARKS[member["reason"]])
    if member["file_weight"] != member["weight"]:
        notes.append(f"[file {member['file_weight']}]")
    return (
        cell(member["name"]),
        label("weight"),
        cell(member["weight"]),
        label("effective"),
        cell(member["effective_weight"]),
        *((label("programmed"), cell(member["programmed_weight"])) if scaled else ()),
        state_cell(state)._replace(text=clean(" ".join(notes))),
    )


def phrases(rows: Iterable[Sequence[Cell]], *, aligned: bool) -> Iterator[Line]:
    """Yield rows of words and values, a batch at a time."""
    columns = Columns(indent=4, gap=1, padded=aligned)
    batch: list[Sequence[Cell]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield from columns.rows(batch)
            batch = []
    yield from columns.rows(batch)


def override_text(view: OverrideView) -> str:
    """Return who ordered something for a backend, why, and for how long."""
    left = "" if view["ends_in"] is None else f", ends in {duration_text(round(view['ends_in']))}"
    reason = f": {view['reason']}" if view["reason"] else ""
    return f"{view['value']} by {view['who']} since {view['since']}{left}{reason}"


def change(view: ChangeView, *causes: str) -> tuple[Cell | str, ...]:
    """Return a change of state, and what caused it if that is known, as pieces of a line."""
    cause = " ".join(filter(None, causes))
    return (state_cell(view["from"]), " -> ", state_cell(view["to"]), *((" ", cell(cause)) if cause else ()))


def healthcheck_table() -> TextTable[HealthcheckView]:
    """Return the table of ``show healthchecks``."""
    return TextTable(_healthcheck_row, "healthcheck", "type", "port", "interval", "timeout", "rise", "fall", "backends")


def _healthcheck_row(view: HealthcheckView) -> tuple[Cell, ...]:
    return (
        cell(view["name"]),
        cell(view["type"]),
        cell(view["port"] or NOTHING, right=True),
        cell(duration_text(view["interval"]), right=True),
        cell(duration_text(view["timeout"]), right=True),
        cell(view["rise"], right=True),
        cell(view["fall"], right=True),
        cell(view["backends"], right=True),
    )


def healthcheck_lines(view: HealthcheckView) -> Iterator[Line]:
    """Yield one healthcheck."""
    yield line(label("healthcheck"), " ", cell(view["name"], Style.HEADING))
    yield from fields(
        [
            ("type", view["type"]),
            ("port", view["port"]),
            ("interval", duration_text(view["interval"])),
            ("fast-interval", duration_text(view["fast_interval"])),
            ("down-interval", duration_text(view["down_interval"])),
            ("timeout", duration_text(view["timeout"])),
            ("rise", view["rise"]),
            ("fall", view["fall"]),
            ("probe-ipv4-src", view["probe_ipv4_src"]),
            ("probe-ipv6-src", view["probe_ipv6_src"]),
            ("via", view["via"]),
            *((key.replace("_", "-"), _param_text(value)) for key, value in view["params"].items()),
            ("backends", view["backends"]),
        ]
    )


def _param_text(value: object) -> object:
    if isinstance(value, bool):
        return yes(value)
    if isinstance(value, float):
        return duration_text(value)
    return (", ".join(map(str, value)) or None) if isinstance(value, list) else value
