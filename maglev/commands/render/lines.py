"""Lines of output: text with named styles, and how a line fits into a window.

Text contains no escape sequences until `Line.painted` adds the colours, so widths are those of the text. All text goes
through `clean` first, so that text from outside can't contain any either.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.model.text import DETAIL_LIMIT, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


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
        narrowed: Returns the lines that take its place in a window of so many columns; None if it is to be broken
            between words.
    """

    cells: tuple[Cell, ...]
    heading: bool = False
    narrowed: Callable[[int], Sequence[Line]] | None = None

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


def whole(text: str) -> Line:
    """Return text that is already safe as a line that is never broken: JSON, YAML, a link to be copied."""
    cells = (Cell(text),)
    return Line(cells, narrowed=lambda _: (Line(cells),))


def fitted(each: Line, width: int | None) -> Sequence[Line]:
    """Return the lines that show a line in a window.

    Args:
        each: The line.
        width: Columns of the window; None if there is none, and nothing is broken or clipped.
    """
    if width is None:
        return (each,)
    if each.narrowed is not None:
        return each.narrowed(width)
    return wrapped(each, width)


def wrapped(each: Line, width: int, hang: int | None = None) -> Sequence[Line]:
    """Return a line broken between words. A word that is longer than the window is broken too: nothing is lost.

    Args:
        each: The line.
        width: Columns of the window, at least 4.
        hang: Blanks before all lines but the first; two more than before the first if not given.
    """
    text = each.plain
    if len(text) <= width:
        return (each,)
    indent = len(text) - len(text.lstrip(" "))
    margin = min(indent + 2 if hang is None else hang, width // 2)
    lines, start, left = [], 0, width
    while len(text) - start > left:
        end = text.rfind(" ", max(start, indent) + 1, start + left + 1)
        if end < 0:
            end = start + left
        lines.append(_sliced(each.cells, start, end))
        start = end + len(text[end:]) - len(text[end:].lstrip(" "))
        left = width - margin
    if start < len(text):
        lines.append(_sliced(each.cells, start, len(text)))
    blanks = (Cell(" " * margin),)
    return (Line(lines[0]), *(Line(blanks + cells) for cells in lines[1:]))


def _sliced(cells: Sequence[Cell], start: int, end: int) -> tuple[Cell, ...]:
    """Return what is between two columns, without blanks at its end."""
    pieces, column = [], 0
    for each in cells:
        text = each.text[max(start - column, 0) : max(end - column, 0)]
        column += len(each.text)
        if text:
            pieces.append(each._replace(text=text))
    while pieces and not pieces[-1].text.strip(" "):
        pieces.pop()
    return (*pieces[:-1], *(each._replace(text=each.text.rstrip(" ")) for each in pieces[-1:]))
