"""Lists of words for a person: with their help, or in columns."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from maglev.commands.lines import Cell, Style, cell, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.commands.choices import Choice
    from maglev.commands.lines import Line

NARROW: Final = 40
"""Columns below which a width is not believed (a terminal may say 0), or not worth the trouble."""

DEFAULT_WIDTH: Final = 80

LEAST_HELP: Final = 20
"""Columns that help needs at least to be broken into lines."""


def guarded(width: int) -> int:
    """Return a width that one can work with."""
    return width if width >= NARROW else DEFAULT_WIDTH


def choice_lines(choices: Sequence[Choice], width: int) -> Iterator[Line]:
    """Yield words with their help behind them, in two columns, and words without help in many."""
    helped = [choice for choice in choices if choice.help]
    longest = max((len(choice.word) for choice in helped), default=0)
    space = guarded(width) - longest - 5  # two blanks at each side of the word, and the last column stays free
    for choice in helped:
        texts = textwrap.wrap(choice.help, max(space, LEAST_HELP))
        yield line("  ", cell(choice.word, Style.HEADING), " " * (longest - len(choice.word) + 2), texts[0])
        for text in texts[1:]:
            yield line(" " * (longest + 4), text)
    yield from name_lines([cell(choice.word) for choice in choices if not choice.help], width)


def name_lines(names: Sequence[Cell], width: int) -> Iterator[Line]:
    """Yield words in as many columns as there is space for, the next one below the one before."""
    if not names:
        return
    step = max(len(name.text) for name in names) + 2
    count = max((guarded(width) - 3) // step, 1)
    rows = -(-len(names) // count)
    for row in range(rows):
        cells = names[row::rows]
        yield line("  ", *(name._replace(text=name.text.ljust(step)) for name in cells[:-1]), cells[-1])
