"""The answers to TAB and to ``?``: the possible continuations of a line, and how they are listed."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

import attrs

from maglev.commands.render.lines import Cell, Style, cell, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.commands.render.lines import Line


NARROW: Final = 40
"""Narrowest width that is believed, in columns: a terminal may report 0."""

DEFAULT_WIDTH: Final = 80

LEAST_HELP: Final = 20
"""Narrowest column of help, in characters; text is wrapped to at least this."""


@attrs.frozen
class Choice:
    """One possible continuation.

    Attributes:
        word: A word that can be typed, or a description in angle brackets such as ``<name>`` or ``<cr>``.
        help: What it is; empty for a live name.
    """

    word: str
    help: str = ""


@attrs.frozen
class Completion:
    """The answer to TAB.

    Attributes:
        start: Column of the line at which the word being typed begins.
        insert: What to put in at the cursor: the rest of what all choices have in common, and a space after a word that
            is finished; empty when there is nothing to add.
        choices: What the word can become, to be listed when there is nothing to insert.
        more: Whether there are more choices than these.
    """

    start: int
    insert: str = ""
    choices: tuple[Choice, ...] = ()
    more: bool = False


def guarded(width: int) -> int:
    """Return the width, or the default if it is implausible."""
    return width if width >= NARROW else DEFAULT_WIDTH


def choice_lines(choices: Sequence[Choice], width: int) -> Iterator[Line]:
    """Yield words with help in two columns, and words without help in as many as fit."""
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
    """Yield words in as many columns as fit, to be read downwards."""
    if not names:
        return
    step = max(len(name.text) for name in names) + 2
    count = max((guarded(width) - 3) // step, 1)
    rows = -(-len(names) // count)
    for row in range(rows):
        cells = names[row::rows]
        yield line("  ", *(name._replace(text=name.text.ljust(step)) for name in cells[:-1]), cells[-1])
