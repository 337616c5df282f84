"""Figures as tables: for a terminal, and for a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from tests.bench.figures import Figure, Target, plain

HEADINGS = ("measure", "ours", "peer", "ratio", "at least", "aim", "verdict")


def row(figure: Figure, target: Target | None) -> tuple[str, ...]:
    """Return one line of the table, cell by cell."""
    if figure.missing:
        return (figure.title, f"not measured: {figure.missing}", *("",) * (len(HEADINGS) - 2))
    peer = f"{plain(figure.peer, figure.unit)} ({figure.peer_name})" if figure.peer is not None else ""
    unit = figure.unit if target is not None and target.of == "ours" else ""
    return (
        figure.title,
        plain(figure.ours, figure.unit),
        peer,
        plain(figure.ratio),
        plain(target.least, unit) if target and not math.isinf(target.least) else "",
        plain(target.aim, unit) if target else "",
        figure.verdict(target),
    )


def rows(figures: Iterable[Figure], targets: Mapping[str, Target]) -> list[tuple[str, ...]]:
    """Return the lines of the table, without the headings."""
    return [row(figure, targets.get(figure.key)) for figure in figures]


def text_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table for a terminal. A line with nothing but two cells may be as long as it is."""
    full = [headings, *(line for line in lines if any(line[2:]))]
    first = max(len(line[0]) for line in (headings, *lines))
    widths = [first, *(max(len(line[column]) for line in full) for column in range(1, len(headings)))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in (headings, *lines)
    )


def rst_table(headings: Sequence[str], lines: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """Return a table for a page, with one source line per row. It has no heading if `headings` is empty."""
    text = [".. csv-table::", "   :delim: ;", f"   :widths: {' '.join(map(str, widths))}"]
    if headings:
        text.append(f"   :header: {', '.join(_cell(heading, ',') for heading in headings)}")
    text.append("")
    for line in lines:
        cells = [_cell(cell, ";") for cell in line]
        text.append("  " + ";".join(f" {cell}" if cell else "" for cell in cells))
    return "\n".join(text) + "\n"


def _cell(text: str, delimiter: str) -> str:
    """Return a cell as CSV has it: quoted if it contains the delimiter or a quote."""
    quote = '"'
    return f"{quote}{text.replace(quote, 2 * quote)}{quote}" if delimiter in text or quote in text else text
