"""Writes the figures into docs/performance.rst: ``python -m tests.bench.page [FIGURES]``.

Without FIGURES (as ``python -m tests.bench`` wrote them) it makes the page from those that are committed beside it. The
text of the page is written by hand; what stands between two comments ``.. made: NAME`` and ``.. made end`` is not.
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
    "offered",
    "achieved",
    "CPU",
    "lag p50",
    "lag p99",
    "Jain",
    "each got",
    "discarded",
    "failed",
    "called down",
    "slowest answer",
)
KINDS = ("http", "tcp")
_MADE = re.compile(r"(\.\. made: (\S+)\n\n).*?(\.\. made end\n)", re.DOTALL)


def figures_of(document: Mapping[str, Any]) -> list[Figure]:
    """Return all figures of a run."""
    return [Figure.from_json(each) for part in document["measurements"] for each in part["figures"]]


def notes(figures: Iterable[Figure]) -> str:
    """Return the notes as a list."""
    return "".join(f"* {each.title}: {each.note}.\n" for each in figures if each.note and not each.missing)


def spread(figures: Iterable[Figure]) -> str:
    """Return the smallest and largest run of each figure that has several."""
    lines: list[list[str]] = []
    for each in figures:
        if each.key.startswith("overload-"):
            continue
        cells = [each.title]
        for whose in ("ours", "peer"):
            runs = each.samples.get(whose, ())
            cells.append(f"{plain(min(runs), each.unit)} .. {plain(max(runs), each.unit)}" if len(runs) > 1 else "")
        if any(cells[1:]):
            lines.append(cells)
    return rst_table(("measure", "ours", "peer"), lines, (50, 25, 25)) if lines else "There was one of each.\n"


def curve(columns: Mapping[str, Sequence[float]]) -> str:
    """Return the table of an overload curve."""
    lines = []
    for values in zip(*columns.values(), strict=True):
        at = dict(zip(columns, values, strict=True))
        lines.append(
            (
                f"{at['offered']:,.0f} /s",
                f"{at['achieved']:,.0f} /s",
                f"{at['cpu']:.0%}",
                f"{1e3 * at['lag_p50']:g} ms",
                f"{1e3 * at['lag_p99']:g} ms",
                f"{at['jain']:.4f}",
                f"{at['fewest']:.0f} .. {at['most']:.0f}",
                f"{at['discarded']:.0f}",
                f"{at['failed']:.0f}",
                f"{at['downs']:.0f}",
                f"{1e3 * at['slowest']:.0f} ms",
            )
        )
    return rst_table(CURVE, lines, (11, 11, 7, 9, 9, 9, 11, 9, 7, 8, 9))


def machine(document: Mapping[str, Any]) -> str:
    """Return what it was measured on, and how busy that was."""
    loads = [part["load-before"][0] for part in document["measurements"]]
    lines = [(name, str(value)) for name, value in document["machine"].items()]
    if loads:
        lines.append(("load before each measurement", f"{min(loads):g} .. {max(loads):g}"))
    return rst_table(("", ""), lines, (30, 70)).replace("   :header-rows: 1\n", "").replace("   * -\n     -\n", "")


def parts(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the made parts of the page, by name."""
    figures = figures_of(document)
    curves = {each.key.removeprefix("overload-"): each for each in figures if each.key.startswith("overload-")}
    return {
        "machine": machine(document),
        **({"table": rst_table(HEADINGS, rows(figures, TARGETS), WIDTHS)} if figures else {}),
        "notes": notes(figures),
        "spread": spread(figures),
        **{f"overload-{kind}": curve(curves[kind].samples) for kind in KINDS if kind in curves},
    }


def fill(page: str, made: Mapping[str, str]) -> str:
    """Return the page with its made parts made anew; one that was not measured says so."""
    return _MADE.sub(lambda match: f"{match[1]}{made.get(match[2], 'Not measured.').rstrip()}\n\n{match[3]}", page)


def pictures(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures, by file name."""
    return {
        f"{each.key}.svg": draw(f"{each.key.removeprefix('overload-').upper()} probes, one core", each.samples)
        for each in figures_of(document)
        if each.key.startswith("overload-")
    }


def main() -> None:
    """Make the page."""
    if sys.argv[1:]:
        FIGURES.write_text(Path(sys.argv[1]).read_text())
    document = json.loads(FIGURES.read_text())
    PAGE.write_text(fill(PAGE.read_text(), parts(document)))
    for name, picture in pictures(document).items():
        (DOCS / name).write_text(picture)


if __name__ == "__main__":
    main()
