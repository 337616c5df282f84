"""Lines of output: text with named styles, and columns that line up regardless of colours.

Text contains no escape sequences until `Line.painted` adds the colours, so widths are those of the text. All text goes
through `clean` first, so that text from outside can't contain any either.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.model.text import DETAIL_LIMIT, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Style(enum.StrEnum):
    """The role of a piece of text; `COLOURS` defines its look."""

    PLAIN = "plain"
    HEADING = "heading"
    LABEL = "label"
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    DRAINING = "draining"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"


COLOURS: Final = {
    Style.HEADING: "1",
    Style.LABEL: "34",
    Style.UP: "32",
    Style.DOWN: "31",
    Style.UNKNOWN: "33",
    Style.DRAINING: "36",
    Style.PAUSED: "36",
    Style.DISABLED: "35",
    Style.REMOVED: "90",
}
"""Parameters of SGR (ECMA-48 8.3.117): the eight colours that every terminal has, and bold."""


def clean(value: object) -> str:
    """Return a value as printable ASCII of bounded length."""
    text = str(value)
    # Nearly everything is: names, addresses, numbers.
    return text if len(text) <= DETAIL_LIMIT and text.isascii() and text.isprintable() else printable(text)


class Cell(NamedTuple):
    """A piece of text of one style.

    Attributes:
        text: Printable ASCII: use `cell`.
        style: What it is.
        right: Whether it is aligned to the right of its column.
    """

    text: str
    style: Style = Style.PLAIN
    right: bool = False

    @property
    def painted(self) -> str:
        """The text with its colour."""
        code = COLOURS.get(self.style)
        return self.text if code is None or not self.text else f"\x1b[{code}m{self.text}\x1b[0m"


def cell(value: object, style: Style = Style.PLAIN, *, right: bool = False) -> Cell:
    """Return any value as a cell."""
    return Cell(clean(value), style, right)


def label(text: str) -> Cell:
    """Return a word that labels the next value."""
    return Cell(text, Style.LABEL)


def state_cell(state: object) -> Cell:
    """Return a state in its colour."""
    text = clean(state)
    return Cell(text, Style(text) if text in _STATES else Style.PLAIN)


_STATES: Final = frozenset(
    {Style.UP, Style.DOWN, Style.UNKNOWN, Style.DRAINING, Style.PAUSED, Style.DISABLED, Style.REMOVED},
)


class Line(NamedTuple):
    """One line of output.

    Attributes:
        cells: Its pieces, with all blanks between them.
        heading: Whether it names the columns below it, and is left out when lines are counted.
    """

    cells: tuple[Cell, ...]
    heading: bool = False

    @property
    def plain(self) -> str:
        """The text without colours."""
        return "".join(each.text for each in self.cells)

    @property
    def painted(self) -> str:
        """The text with colours."""
        return "".join(each.painted for each in self.cells)


def line(*pieces: Cell | str) -> Line:
    """Return pieces, which bring their own blanks, as one line."""
    return Line(tuple(piece if isinstance(piece, Cell) else Cell(clean(piece)) for piece in pieces))


class Columns:
    """Rows of cells, lined up.

    Rows may come in batches (pages of a long list). A column is as wide as the widest cell so far: a later batch can
    only widen it. The last cell of a row is never padded.
    """

    def __init__(self, *, indent: int = 0, gap: int = 2, padded: bool = True, widths: Sequence[int] = ()) -> None:
        """Start with minimum widths.

        Args:
            indent: Blanks before each row.
            gap: Blanks between two columns.
            padded: False only separates the cells.
            widths: Minimum widths of the first columns.
        """
        self._indent = " " * indent
        self._gap = " " * gap
        self._padded = padded
        self._widths = list(widths)

    def rows(self, rows: Iterable[Sequence[Cell]], *, heading: bool = False) -> Iterator[Line]:
        """Yield a batch of rows as lines."""
        batch = list(rows)
        if self._padded:
            self._widen(batch)
        for row in batch:
            yield Line(tuple(self._row(row)), heading)

    def _widen(self, batch: Sequence[Sequence[Cell]]) -> None:
        for row in batch:
            self._widths.extend([0] * (len(row) - len(self._widths)))
            for index, each in enumerate(row):
                self._widths[index] = max(self._widths[index], len(each.text))

    def _row(self, row: Sequence[Cell]) -> Iterator[Cell]:
        last = max((index for index, each in enumerate(row) if each.text), default=-1)
        blanks = self._indent
        for index, each in enumerate(row[: last + 1]):
            pad = " " * (self._widths[index] - len(each.text)) if self._padded else ""
            if each.right:
                blanks += pad
                pad = ""
            if blanks:
                yield Cell(blanks)
            yield each
            blanks = pad + self._gap
