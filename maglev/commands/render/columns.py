"""Rows of cells that line up, and what becomes of them in a window that is too narrow.

A table that does not fit is narrowed step by step, as one whole, and only as far as it has to be: one blank instead of
two between its columns, then its last column clipped, then left out if it is a mere comment. Then the first column
shrinks, and a name that is too long for it gets a line of its own. If even that is not enough, each row is shown as a
paragraph of names and values. Nothing else is ever clipped: the name of a backend that can't be read is worth nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from maglev.commands.render.lines import Cell, Line, Style, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

WIDE_LAST: Final = 16
"""Fewest characters of a clipped last column while two blanks are between columns."""

LEAST_LAST: Final = 10
"""Fewest characters that a last column is clipped to."""

LEAST_KEY: Final = 12
"""Fewest characters that the first column shrinks to: most names fit."""

CUT: Final = "..."
"""Ends a text that was clipped."""


@attrs.frozen
class _Narrow:
    """How a table is narrowed.

    Attributes:
        widths: Of its columns.
        gap: Blanks between two columns.
    """

    widths: tuple[int, ...]
    gap: int

    def room(self) -> int:
        """Return the columns that it takes."""
        return sum(self.widths) + self.gap * (len(self.widths) - 1)


@attrs.frozen
class TableLayout:
    """The widths of columns at one moment.

    Attributes:
        widths: Of the columns.
        names: Of the columns.
        comment: Whether the last column is a comment, which may be left out.
        clipped: Whether the last column may be clipped: no number may.
    """

    widths: tuple[int, ...]
    names: tuple[Cell, ...]
    comment: bool
    clipped: bool

    def narrowed(self, row: Sequence[Cell], heading: bool, width: int) -> Sequence[Line]:  # noqa: FBT001
        """Return the lines that show a row in a window of so many columns."""
        narrow = self._narrow(width)
        if narrow is None:
            return () if heading else tuple(self._paragraph(row, width))
        *cells, last = row[: len(narrow.widths)]
        cells.append(_clip(last, narrow.widths[-1]))
        if len(cells[0].text) <= narrow.widths[0]:
            return (_joined(cells, narrow.widths, narrow.gap, heading=heading),)
        below = [Cell(""), *cells[1:]]
        return (Line((cells[0],), heading), _joined(below, narrow.widths, narrow.gap, heading=heading))

    def _narrow(self, width: int) -> _Narrow | None:
        for each in self._attempts(width):
            if each.room() <= width:
                return each
        return None

    def _attempts(self, width: int) -> Iterator[_Narrow]:
        """Yield narrower and narrower tables."""
        key, *rest = self.widths
        yield _Narrow(self.widths, 2)
        if self.clipped:
            yield self._clipped(self.widths, 2, width, WIDE_LAST)
        yield _Narrow(self.widths, 1)
        if self.clipped:
            yield self._clipped(self.widths, 1, width, LEAST_LAST)
        if self.comment:
            yield _Narrow(self.widths[:-1], 1)
            rest = rest[:-1]
        elif self.clipped:
            rest[-1] = min(rest[-1], LEAST_LAST)
        room = width - _Narrow((0, *rest), 1).room()
        yield _Narrow((min(max(room, LEAST_KEY), key), *rest), 1)

    def _clipped(self, widths: tuple[int, ...], gap: int, width: int, least: int) -> _Narrow:
        *others, last = widths
        room = width - _Narrow((*others, 0), gap).room()
        return _Narrow((*others, min(max(room, least), last)), gap)

    def _paragraph(self, row: Sequence[Cell], width: int) -> Iterator[Line]:
        """Yield a row as names and values, each pair on one line if it fits."""
        yield from wrapped(Line((row[0],)), width)
        cells, room = [Cell(" ")], width - 1
        for name, each in zip(self.names[1:], row[1:], strict=False):
            need = len(name.text) + len(each.text) + 2
            if need > room and len(cells) > 1:
                yield from wrapped(Line((*cells,)), width, 4)
                cells, room = [Cell("   ")], width - 3
            cells += [Cell(" "), name._replace(style=Style.LABEL), Cell(" "), each]
            room -= need
        yield from wrapped(Line((*cells,)), width, 4)


def _clip(each: Cell, width: int) -> Cell:
    return each if len(each.text) <= width else each._replace(text=each.text[: width - len(CUT)].rstrip() + CUT)


def _joined(row: Sequence[Cell], widths: Sequence[int], gap: int, *, heading: bool = False, indent: int = 0) -> Line:
    return Line(tuple(_spaced(row, widths, gap, indent)), heading)


def _spaced(row: Sequence[Cell], widths: Sequence[int], gap: int, indent: int) -> Iterator[Cell]:
    last = max((index for index, each in enumerate(row) if each.text), default=-1)
    blanks = " " * indent
    for index, each in enumerate(row[: last + 1]):
        pad = " " * max(widths[index] - len(each.text), 0)
        if each.right:
            blanks += pad
            pad = ""
        if blanks:
            yield Cell(blanks)
        yield each
        blanks = pad + " " * gap


class Columns:
    """Rows of cells, lined up.

    Rows may come in batches (pages of a long list). A column is as wide as the widest cell so far: a later batch can
    only widen it. The last cell of a row is never padded. A row that does not fit is broken between words.
    """

    def __init__(self, *, indent: int = 0, gap: int = 2, padded: bool = True) -> None:
        """Start with no width.

        Args:
            indent: Blanks before each row.
            gap: Blanks between two columns.
            padded: False only separates the cells.
        """
        self._indent = indent
        self._gap = gap
        self._padded = padded
        self._widths: list[int] = []

    def rows(self, rows: Iterable[Sequence[Cell]]) -> Iterator[Line]:
        """Yield a batch of rows as lines."""
        for row in self.widened(rows):
            yield _joined(row, self.widths, self._gap, indent=self._indent)

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths so far."""
        return tuple(self._widths)

    def widened(self, rows: Iterable[Sequence[Cell]]) -> Sequence[Sequence[Cell]]:
        """Return a batch of rows, after making room for all their cells."""
        batch = list(rows)
        for row in batch:
            self._widths.extend([0] * (len(row) - len(self._widths)))
            for index, each in enumerate(row):
                if self._padded:
                    self._widths[index] = max(self._widths[index], len(each.text))
        return batch


class Grid:
    """The columns of a table with names, which fits into any window."""

    def __init__(self, names: Sequence[str], *, comment: bool = False) -> None:
        """Start with the widths of the names.

        Args:
            names: Of the columns; the first is what a row is about.
            comment: Whether the last column may be left out in a narrow window.
        """
        self._names = tuple(Cell(name, Style.HEADING) for name in names)
        self._comment = comment
        self._columns = Columns()

    def rows(self, rows: Iterable[Sequence[Cell]], *, named: bool) -> Iterator[Line]:
        """Yield a batch of rows as lines, below the names if they are asked for."""
        names, *batch = self._columns.widened([self._names, *rows])
        if not batch:
            return
        widths = self._columns.widths
        layout = TableLayout(widths, self._names, self._comment, clipped=not batch[0][-1].right)
        if named:
            yield self._row(layout, names, heading=True)
        for row in batch:
            yield self._row(layout, row)

    def _row(self, layout: TableLayout, row: Sequence[Cell], *, heading: bool = False) -> Line:
        line = _joined(row, layout.widths, 2, heading=heading)
        return line._replace(narrowed=partial(layout.narrowed, row, heading))
