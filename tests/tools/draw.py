"""Draws ``docs/monitoring/dashboard.svg``: ``python -m tests.tools.draw``.

The panels and their places are those of ``dashboard.json``, the values those that `tests.tools.record` has kept of a
run of the demonstration. The same two files always give the same picture, byte by byte.
"""

from __future__ import annotations

import json
from html import escape

from tests.tools.dashboard import FILE as DASHBOARD
from tests.tools.record import FILE as DATA

FILE = DASHBOARD.with_name("dashboard.svg")

COLUMN, LINE, GAP = 50, 26, 6
"""Pixels of a column and of a line of Grafana's grid, and between panels."""

COLORS = {
    "green": "#3f9c4a",
    "yellow": "#c99700",
    "red": "#d13b3b",
    "blue": "#3274d9",
    "purple": "#a352cc",
    "text": "#8a8f98",
}
LINES = ("#3274d9", "#d9822b", "#3f9c4a", "#a352cc", "#d13b3b", "#0f9b9b", "#8a6d3b", "#d147a3", "#5b6770", "#7a9a01")

PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "µ"))
UNITS = {"short": "", "s": "s", "ops": "/s", "cps": "/s", "pps": "p/s", "bps": "b/s"}

LABELS = 64
"""Pixels left of a chart, for its labels."""

MOST = 12
"""Names under a chart."""


def shown(value, unit):
    """Return a number as people read it."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    few = PREFIXES[:3] if unit == "short" else PREFIXES
    factor, prefix = next((each for each in few if abs(value) >= each[0]), (1, ""))
    return f"{value / factor:.3g} {prefix}{UNITS[unit]}".strip()


def ceiling(value):
    """Return the round number from which on there is room for a value."""
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 <= value:
        power *= 10
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= value)


def text(x, y, words, size=11, color="#3b4252", anchor="start", weight="normal"):
    """Return a line of text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def box(x, y, width, height, fill, stroke="none"):
    """Return a rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" stroke="{stroke}"/>'


class Area:
    """Where a panel is, in pixels."""

    def __init__(self, place, top):
        self.x, self.y = place["x"] * COLUMN + GAP, place["y"] * LINE + GAP + top
        self.width, self.height = place["w"] * COLUMN - GAP, place["h"] * LINE - GAP


def flat(queries):
    """Return the series of all queries of a panel, with something to show."""
    return [each for query in queries for each in query["series"] if any(value is not None for value in each["values"])]


def mapping(defaults, value):
    """Return the text and colour that a value is mapped to; None if it is not."""
    for each in defaults.get("mappings", ()):
        found = each["options"].get(str(int(value)))
        if found is not None:
            return found["text"], COLORS[found["color"]]
    return None


def stat(panel, area, queries):
    """Yield one number."""
    defaults = panel["fieldConfig"]["defaults"]
    value = flat(queries)[0]["values"][-1]
    reached = [each for each in defaults["thresholds"]["steps"] if each["value"] is None or value >= each["value"]]
    words, color = mapping(defaults, value) or (shown(value, defaults["unit"]), COLORS[reached[-1]["color"]])
    size = 30 if len(words) < 8 else 20
    yield text(area.x + area.width / 2, area.y + area.height * 0.72, words, size, color, "middle", "bold")


def table(panel, area, queries):
    """Yield a line for each series."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    rows = flat(queries)
    if not rows:
        yield text(area.x + area.width / 2, area.y + area.height / 2, "No data", 13, COLORS["text"], "middle")
    for index, each in enumerate(rows[:MOST]):
        yield text(area.x + 12, area.y + 44 + 16 * index, f"{each['legend']}   {shown(each['values'][-1], unit)}")


def spells(values):
    """Yield (first, end, value) of each run of one value."""
    begin = 0
    for index in range(1, len(values) + 1):
        if index == len(values) or values[index] != values[begin]:
            if values[begin] is not None:
                yield begin, index, values[begin]
            begin = index


def timeline(panel, area, queries):
    """Yield a bar for each series, in the colours of its states."""
    rows = sorted(flat(queries), key=lambda each: each["legend"])
    left, width = area.x + LABELS, area.width - LABELS - 10
    height = min((area.height - 62) / len(rows), 40)
    for index, each in enumerate(rows):
        top = area.y + 30 + index * height
        yield text(left - 6, top + height / 2 + 4, each["legend"], anchor="end")
        step = width / len(each["values"])
        for begin, end, value in spells(each["values"]):
            color = mapping(panel["fieldConfig"]["defaults"], value)[1]
            yield box(left + begin * step, top + height * 0.1, (end - begin) * step, height * 0.8, color)
    names = [each for part in panel["fieldConfig"]["defaults"]["mappings"] for each in part["options"].values()]
    yield from legends(area, [(each["text"], COLORS[each["color"]]) for each in names])


def legends(area, names):
    """Yield the names under a chart, as many as there is room for."""
    x, y = area.x + 12, area.y + area.height - 10
    for name, color in names[:MOST]:
        width = 28 + 6.6 * len(name)
        if x + width > area.x + area.width:
            yield text(x, y, "…")
            return
        yield box(x, y - 8, 10, 8, color)
        yield text(x + 14, y, name)
        x += width


def stacked(rows):
    """Return the values of each series on top of those before."""
    below = [0.0] * len(rows[0]["values"])
    piled = []
    for each in rows:
        below = [low + (value or 0.0) for low, value in zip(below, each["values"], strict=True)]
        piled.append({**each, "values": below})
    return piled


def path(values, place):
    """Return a line through the values that are there."""
    words, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        x, y = place(index, value)
        words.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return " ".join(words)


def chart(panel, area, queries):
    """Yield lines over time."""
    defaults = panel["fieldConfig"]["defaults"]
    rows = sorted(flat(queries), key=lambda each: each["legend"])
    if not rows:
        yield text(area.x + area.width / 2, area.y + area.height / 2, "No data", 13, COLORS["text"], "middle")
        return
    is_stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    rows = stacked(rows) if is_stacked else rows
    top = ceiling(max(value for each in rows for value in each["values"] if value is not None) or 1)
    left, width = area.x + LABELS, area.width - LABELS - 12
    high, height = area.y + 34, area.height - 70
    last = len(rows[0]["values"]) - 1

    def place(index, value):
        return left + width * index / last, high + height * (1 - value / top)

    for share in (0, 0.5, 1):
        y = high + height * (1 - share)
        yield f'<path d="M{left:.1f} {y:.1f} H{left + width:.1f}" stroke="#e3e6ea"/>'
        yield text(left - 6, y + 4, shown(top * share, defaults["unit"]), 10, COLORS["text"], "end")
    colored = list(zip(rows, (LINES[index % len(LINES)] for index in range(len(rows))), strict=True))
    for each, color in reversed(colored):
        line = path(each["values"], place)
        if is_stacked:
            foot = f" L{place(last, 0)[0]:.1f} {high + height:.1f} L{left:.1f} {high + height:.1f} Z"
            yield f'<path d="{line}{foot}" fill="{color}" fill-opacity="0.75"/>'
        yield f'<path d="{line}" fill="none" stroke="{color}" stroke-width="1.4"/>'
    yield from legends(area, [(each["legend"], color) for each, color in colored])


KINDS = {"stat": stat, "table": table, "state-timeline": timeline, "timeseries": chart}


def drawn(model, data):
    """Return the picture of a dashboard with these values."""
    top = 34
    places = [panel["gridPos"] for panel in model["panels"]]
    width = 24 * COLUMN + GAP
    height = max(place["y"] + place["h"] for place in places) * LINE + top + GAP
    title = f"{model['title']}: {model['description']}"
    about = f"The demonstration for {data['seconds']} seconds: web servers were stopped and started."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(about)}</desc>",
        box(0, 0, width, height, "#f4f5f6"),
        text(GAP + 4, 24, title, 16, weight="bold"),
        text(width - GAP - 4, 24, about, 11, COLORS["text"], "end"),
    ]
    for panel in model["panels"]:
        area = Area(panel["gridPos"], top)
        if panel["type"] == "row":
            lines.append(text(area.x + 4, area.y + 16, f"▾ {panel['title']}", 13, weight="bold"))
            continue
        lines.append(box(area.x, area.y, area.width, area.height, "#ffffff", "#dcdfe3"))
        lines.append(text(area.x + 10, area.y + 19, panel["title"], 12, weight="bold"))
        lines += KINDS[panel["type"]](panel, area, data["panels"][str(panel["id"])])
    return "\n".join([*lines, "</svg>", ""])


def picture():
    """Return the file."""
    return drawn(json.loads(DASHBOARD.read_text()), json.loads(DATA.read_text()))


if __name__ == "__main__":
    FILE.write_text(picture())
