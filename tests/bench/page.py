"""Writes the figures into docs/performance.rst: ``python -m tests.bench.page [FIGURES]``.

FIGURES is the output of ``python -m tests.bench``; it replaces the committed docs/performance.json, which is the
default. The text of the page is written by hand, except between ``.. made: NAME`` and ``.. made end``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.drawing import draw
from tests.bench.figures import Figure, plain
from tests.bench.table import HEADINGS, rows, rst_table
from tests.bench.targets import TARGETS

DOCS = Path(__file__).parents[2] / "docs"
FIGURES = DOCS / "performance.json"
PAGE = DOCS / "performance.rst"
WIDTHS = (30, 14, 18, 8, 10, 10, 10)
CURVE = (
    "offered (/s)",
    "achieved (/s)",
    "CPU",
    "lag p50 (ms)",
    "lag p99 (ms)",
    "Jain",
    "each got",
    "discarded",
    "failed",
    "called down",
    "slowest answer (ms)",
)
KINDS = ("http", "tcp")
_MADE = re.compile(r"(\.\. made: (\S+)\n\n).*?(\.\. made end\n)", re.DOTALL)


def figures_of(document: Mapping[str, Any]) -> list[Figure]:
    """Return all figures of a run."""
    return [Figure.from_json(each) for part in document["measurements"] for each in part["figures"]]


def spread(figures: Iterable[Figure]) -> str:
    """Return the smallest and largest run of each figure that was measured several times, and the notes."""
    lines: list[list[str]] = []
    for each in figures:
        if each.missing:
            continue
        runs = {} if each.key.startswith("overload-") else each.samples
        cells = [_range(runs.get(whose, ()), each.unit) for whose in ("ours", "peer")]
        if any(cells) or each.note:
            lines.append([each.title, *cells, each.note])
    return rst_table(("measure", "ours", "peer", "note"), lines, (35, 20, 20, 25))


def _range(runs: Sequence[float], unit: str) -> str:
    return f"{plain(min(runs))} .. {plain(max(runs), unit)}" if len(runs) > 1 else ""


def curve(columns: Mapping[str, Sequence[float]]) -> str:
    """Return the table of an overload curve."""
    lines = []
    for values in zip(*columns.values(), strict=True):
        at = dict(zip(columns, values, strict=True))
        lines.append(
            (
                f"{at['offered']:,.0f}",
                f"{at['achieved']:,.0f}",
                f"{at['cpu']:.0%}",
                f"{1e3 * at['lag_p50']:g}",
                f"{1e3 * at['lag_p99']:g}",
                f"{at['jain']:.4f}",
                f"{at['fewest']:.0f}-{at['most']:.0f}",
                f"{at['discarded']:.0f}",
                f"{at['failed']:.0f}",
                f"{at['downs']:.0f}",
                f"{1e3 * at['slowest']:.0f}",
            )
        )
    return rst_table(CURVE, lines, (11, 11, 7, 9, 9, 9, 11, 9, 7, 8, 9))


def machine(document: Mapping[str, Any]) -> str:
    """Return the machine's properties and its load before each measurement."""
    loads = [part["load-before"][0] for part in document["measurements"]]
    lines = [(name, str(value)) for name, value in document["machine"].items()]
    if loads:
        lines.append(("load before each measurement", f"{min(loads):g} .. {max(loads):g}"))
    return rst_table((), lines, (30, 70))


def parts(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the generated parts of the page, by name."""
    figures = figures_of(document)
    curves = {each.key.removeprefix("overload-"): each for each in figures if each.key.startswith("overload-")}
    return {
        "machine": machine(document),
        **({"table": rst_table(HEADINGS, rows(figures, TARGETS), WIDTHS)} if figures else {}),
        **({"spread": spread(figures)} if figures else {}),
        **{f"overload-{kind}": curve(curves[kind].samples) for kind in KINDS if kind in curves},
    }


def fill(page: str, made: Mapping[str, str]) -> str:
    """Return the page with its generated parts replaced; a part without figures becomes "Not measured."."""
    return _MADE.sub(lambda match: f"{match[1]}{made.get(match[2], 'Not measured.').rstrip()}\n\n{match[3]}", page)


def pictures(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures, by file name."""
    return {
        f"{each.key}.svg": draw(f"{each.key.removeprefix('overload-').upper()} probes, one core", each.samples)
        for each in figures_of(document)
        if each.key.startswith("overload-")
    }


def main() -> None:
    """Write the page."""
    if sys.argv[1:]:
        FIGURES.write_text(Path(sys.argv[1]).read_text())
    document = json.loads(FIGURES.read_text())
    PAGE.write_text(fill(PAGE.read_text(), parts(document)))
    for name, picture in pictures(document).items():
        (DOCS / name).write_text(picture)


if __name__ == "__main__":
    main()
