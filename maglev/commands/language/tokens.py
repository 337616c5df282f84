r"""Splits a line into words with their columns.

Words are separated by blanks. A word, or a part of it, may be put in double or single quotes to have blanks or ``|`` in
it; inside them, a backslash before the closing quote makes it literal, and any other backslash stands for itself, so
that regular expressions need no doubling. ``|`` begins a filter; the expression of a filter may contain it, as in
``up|down``, if no blank comes before it.
"""

from __future__ import annotations

from typing import Final

import attrs

from maglev.commands.language.faults import UsageError

LINE_LIMIT: Final = 4096
"""Maximum line length in characters. The longest command with four names of 63 characters has some 320; the rest is
for regular expressions only."""

WORD_LIMIT: Final = 64
"""Maximum number of words in a line: the longest command has 12, and each filter a few."""

BLANKS: Final = " \t\r\n"
QUOTES: Final = "\"'"


@attrs.frozen
class Token:
    """A word of the line.

    Attributes:
        text: The word without its quotes.
        start: Column of its first character, counted from 0.
        end: Column after its last character.
        closed: False if its quote is never closed.
    """

    text: str
    start: int
    end: int
    closed: bool = True


@attrs.frozen
class PipeSegment:
    """A command, or one filter after it.

    Attributes:
        words: Its words.
        start: Column at which it begins: 0, or the one after its ``|``.
        end: Column at which it ends: that of the next ``|``, or the end of the line.
    """

    words: tuple[Token, ...]
    start: int
    end: int


def split(line: str) -> tuple[PipeSegment, ...]:
    """Return the command of a line and its filters.

    Raises:
        UsageError: The line is longer, or has more words, than any line needs.
    """
    if len(line) > LINE_LIMIT:
        raise UsageError(LINE_LIMIT, f"The line is too long: at most {LINE_LIMIT} characters")
    segments: list[PipeSegment] = []
    words: list[Token] = []
    start = column = count = 0
    while column < len(line):
        if line[column] in BLANKS:
            column += 1
        elif line[column] == "|":
            segments.append(PipeSegment(tuple(words), start, column))
            words = []
            column = start = column + 1
        else:
            words.append(_word(line, column, bars=bool(segments and words)))
            column = words[-1].end
            count += 1
            if count > WORD_LIMIT:
                raise UsageError(words[-1].start, f"The line is too long: at most {WORD_LIMIT} words")
    return (*segments, PipeSegment(tuple(words), start, len(line)))


def _word(line: str, start: int, *, bars: bool) -> Token:
    """Read one word; ``bars`` says whether it may contain ``|``."""
    text: list[str] = []
    quote = ""
    column = start
    while column < len(line):
        char = line[column]
        if quote:
            if char == quote:
                quote = ""
            elif char == "\\" and line[column + 1 : column + 2] == quote:
                text.append(quote)
                column += 1
            else:
                text.append(char)
        elif char in QUOTES:
            quote = char
        elif char in BLANKS or (char == "|" and not bars):
            break
        else:
            text.append(char)
        column += 1
    return Token("".join(text), start, column, not quote)


def folded(segment: PipeSegment) -> PipeSegment:
    """Return a filter whose expression is one word: several words are one text, with a blank between them."""
    if len(segment.words) <= 2:
        return segment
    first, *expression = segment.words
    text = " ".join(word.text for word in expression)
    closed = all(word.closed for word in expression)
    return attrs.evolve(segment, words=(first, Token(text, expression[0].start, expression[-1].end, closed)))
