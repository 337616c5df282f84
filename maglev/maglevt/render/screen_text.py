"""The screen: what fits a window, line by line, each line as pieces with a style.

From the top: how the test is going; a line for each VIP; the figures of the chosen one; its last minutes on an axis;
what happened last; the keys. Lines are clipped at the width, never wrapped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.maglevt.measure.promises import PromiseEnd, duration, percent
from maglev.maglevt.measure.strip import marks
from maglev.maglevt.measure.timeline import DAEMON
from maglev.maglevt.render.summary import answer_text, failure_text, latency_text, rate_kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.maglevt.measure.timeline import TimelineEntry
    from maglev.maglevt.measure.vip_statistics import VipStatistics
    from maglev.maglevt.render.summary import ReportedTest

Piece = tuple[str, str]
"""A style (empty, ``bad``, ``good``, ``doubt``, ``head``, ``chosen`` or ``dim``) and text."""

Line = list[Piece]

SPAN: Final = 120.0
"""Seconds of the axis."""

_COLUMNS: Final = "{:<{name}} {:>8} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8}"

_KEYS: Final = "q quit   up/down choose a VIP"

_NAME: Final = 16


def screen(test: ReportedTest, daemon: str, chosen: int, columns: int, rows: int) -> list[Line]:
    """Return the lines of a window.

    Args:
        test: The test.
        daemon: What to say of the connection to the daemon.
        chosen: Index of the chosen VIP.
        columns: Width of the window.
        rows: Its height.
    """
    lines: list[Line] = [[("head", _heading(test, daemon))]]
    if not test.figures:
        return _clipped([*lines, [("doubt", "no VIP to test")]], columns)
    lines += _table(test, chosen, max(3, rows // 3))
    lines.append([])
    lines += _details(test, test.figures[chosen], columns)
    lines.append([])
    left = rows - len(lines) - 1
    lines += [_entry(test, entry) for entry in list(test.timeline)[-left:]] if left > 0 else []
    lines += [[] for _ in range(rows - 1 - len(lines))]
    return _clipped([*lines[: rows - 1], [("dim", _KEYS)]], columns)


def _heading(test: ReportedTest, daemon: str) -> str:
    seconds = int(test.now - test.begun)
    elapsed = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    rate = f"{test.figures[0].rate:g}/s each" if test.figures else ""
    words = ["maglevt", elapsed, f"{len(test.figures)} VIPs", rate, f"maglevd: {daemon}" if daemon else ""]
    return "  ".join(word for word in words if word)


def _table(test: ReportedTest, chosen: int, rows: int) -> list[Line]:
    """Return a line for each VIP, or for those around the chosen one."""
    head = _COLUMNS.format("VIP", "requests", "failed", "p50", "p99", "max", "outage", "now", name=_NAME)
    first = max(0, min(chosen - rows // 2, len(test.figures) - rows))
    shown = test.figures[first : first + rows]
    lines = [[("dim", head)]]
    for index, figures in enumerate(shown, first):
        lines.append(_row(figures, chosen=index == chosen))
    if len(shown) < len(test.figures):
        lines.append([("dim", f"{len(shown)} of {len(test.figures)} shown")])
    return lines


def _row(figures: VipStatistics, *, chosen: bool) -> Line:
    name = figures.name if len(figures.name) <= _NAME else figures.name[: _NAME - 1] + "~"
    longest = figures.outages.longest
    text = _COLUMNS.format(
        name,
        _number(figures.total),
        percent(figures.failed / figures.total).replace(" ", "") if figures.failed else "0",
        _latency(figures, 0.5),
        _latency(figures, 0.99),
        duration(figures.latencies.largest).replace(" ", "") if figures.latencies.count else "-",
        duration(longest.seconds).replace(" ", "") if longest is not None else "-",
        "",
        name=_NAME,
    ).rstrip()
    style, word = now_word(figures)
    # The last column has a colour and a shape of its own.
    return [("chosen" if chosen else "", text), (style, f"{word:>9}")]


def now_word(figures: VipStatistics) -> Piece:
    """Return how a VIP is doing now, with its style."""
    if figures.outages.current is not None:
        return "bad", "FAILS"
    if not rate_kept(figures):
        return "doubt", "rate?"
    return ("good", "ok") if figures.good else ("doubt", "?")


def _details(test: ReportedTest, figures: VipStatistics, columns: int) -> list[Line]:
    width = columns - 12
    begin = max(test.begun, test.now - SPAN)
    axis = marks(figures.strip.counts(test.now - SPAN, test.now, width))
    lines: list[Line] = [
        [("head", f"{figures.name} {test.where.get(figures.name, '')}")],
        [("dim", "latency   "), ("", latency_text(figures))],
    ]
    if figures.failures:
        lines.append([("dim", "failures  "), ("bad", failure_text(figures))])
    if names := answer_text(figures, 4):
        lines.append([("dim", "answers   "), ("", names)])
    if figures.shares.weights is not None and names:
        result = figures.shares.test()
        style = {True: "good", False: "bad", None: "doubt"}[result.follows]
        lines.append([("dim", "shares    "), (style, result.text)])
    for each in test.judgements:
        if each.vip == figures.name:
            style = {PromiseEnd.KEPT: "good", PromiseEnd.BROKEN: "bad", PromiseEnd.UNTESTED: "doubt"}[each.verdict]
            label = f"{each.promise:<9} "
            lines.append([("dim", label), (style, f"{each.verdict.value}: {each.text}")])
    lines.append([("dim", "last 2 min"), ("dim", "|"), *_coloured(axis), ("dim", "|")])
    events = [entry for entry in test.timeline if entry.source == DAEMON and entry.at >= begin]
    if events:
        lines.append([("dim", "events    "), ("dim", "|"), ("", _places(events, test.now - SPAN, width)), ("dim", "|")])
    return lines


def _coloured(axis: str) -> Line:
    """Return an axis, the characters of failures in their colour."""
    styles = {".": "good", "x": "bad", "+": "bad", "?": "doubt", " ": ""}
    pieces: Line = []
    for mark in axis:
        style = styles[mark]
        if pieces and pieces[-1][0] == style:
            pieces[-1] = style, pieces[-1][1] + mark
        else:
            pieces.append((style, mark))
    return pieces


def _places(events: Sequence[TimelineEntry], begin: float, width: int) -> str:
    places = {min(width - 1, max(0, int((event.at - begin) / SPAN * width))) for event in events}
    return "".join("^" if place in places else " " for place in range(width))


def _entry(test: ReportedTest, entry: TimelineEntry) -> Line:
    style = "bad" if entry.bad else ""
    return [("dim", f"{test.clock(entry.at)} "), (style, f"{entry.vip or entry.source}: {entry.text}")]


def _number(count: int) -> str:
    return str(count) if count < 100_000 else f"{count / 1000:.0f}k" if count < 100_000_000 else f"{count / 1e6:.0f}M"


def _latency(figures: VipStatistics, share: float) -> str:
    value = figures.latencies.quantile(share)
    return "-" if value is None else duration(value).replace(" ", "")


def _clipped(lines: Sequence[Line], columns: int) -> list[Line]:
    return [_clip(line, columns) for line in lines]


def _clip(line: Line, columns: int) -> Line:
    """Cut a line at the width; a mark says that something is missing."""
    if sum(len(text) for _, text in line) <= columns:
        return line
    left = columns - 1
    pieces: Line = []
    for style, text in line:
        if left <= 0:
            break
        pieces.append((style, text[:left]))
        left -= len(text)
    return [*pieces, ("dim", ">")]
