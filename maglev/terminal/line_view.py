"""Displays the line being typed in one row of the screen, which scrolls sideways.

A line that wraps over several rows can't be redrawn safely: the position of the cursor after a character in the last
column differs between terminals, and the content of the rows above is unknown after a resize.
"""

from __future__ import annotations

from typing import Final

from maglev.terminal.width import char_width, text_width

MIN_TEXT: Final = 8
"""Columns of the line that are shown at least; a prompt that leaves less is cut."""

MIN_COLUMNS: Final = 4
"""A character with ``<`` and ``>`` beside it, and the column that stays empty. On a terminal that is still narrower,
rows wrap; nothing else happens."""

CLEAR_TO_END: Final = "\x1b[K"


class LineView:
    """Draws a prompt and a line.

    Attributes:
        columns: Of the terminal. The last one stays empty: a character there may wrap.
    """

    def __init__(self, columns: int, *, dumb: bool = False) -> None:
        """Begin with nothing drawn.

        Args:
            columns: Of the terminal, at least 1.
            dumb: Whether it knows no escape sequences: then blanks erase, and drawing again moves the cursor.
        """
        self.columns = max(columns, MIN_COLUMNS)
        self._dumb = dumb
        self._drawn = 0
        self._start = 0
        self._column = 0

    def prompt_width(self, prompt: str) -> int:
        """Return the columns before the line."""
        return text_width(self._prompt(prompt))

    def resize(self, columns: int) -> str:
        """Go on with another width; return what removes the line as it was drawn.

        A terminal that has become narrower has wrapped the row, and the cursor is in one of the rows that it is now.
        """
        self.columns = max(columns, MIN_COLUMNS)
        if self._dumb:
            self._drawn = 0
            return "\n"
        above = self._column // self.columns
        return (f"\x1b[{above}A" if above else "") + "\r\x1b[J"

    def reset(self) -> None:
        """Forget how far the line was scrolled: another one begins."""
        self._start = 0
        self._drawn = 0

    def draw(self, prompt: str, text: str, cursor: int) -> str:
        """Return what shows the line, wherever the cursor is in its row."""
        shown = self._prompt(prompt)
        room = max(self.columns - 1 - text_width(shown), 1)
        self._scroll(text, cursor, room)
        piece, before = self._piece(text, cursor, room)
        column = self._column = text_width(shown) + before
        if self._dumb:
            return self._draw_dumb(shown + piece, column)
        back = f"\r\x1b[{column}C" if column else "\r"
        return f"\r{shown}{piece}{CLEAR_TO_END}{back}"

    def erase(self) -> str:
        """Return what removes the row of the line."""
        if self._dumb:
            blanks, self._drawn = " " * self._drawn, 0
            return f"\r{blanks}\r"
        return f"\r{CLEAR_TO_END}"

    def _draw_dumb(self, row: str, column: int) -> str:
        """Return what shows a row with the cursor in a column, without escape sequences."""
        blanks = " " * (self._drawn - text_width(row))
        self._drawn = text_width(row)
        if not blanks and column == self._drawn:
            return f"\r{row}"
        left = 0
        while left < len(row) and text_width(row[:left]) < column:
            left += 1
        return f"\r{row}{blanks}\r{row[:left]}"

    def _prompt(self, prompt: str) -> str:
        room = self.columns - 1 - MIN_TEXT
        return prompt if text_width(prompt) <= room else ""

    def _scroll(self, text: str, cursor: int, room: int) -> None:
        """Choose the first character to be shown, so that the cursor is seen, and something on either side of it."""
        if text_width(text) <= room:
            self._start = 0
            return
        margin = max(min(room // 4, 20), 2)
        if cursor <= self._start:
            self._start = _back(text, cursor, margin)
        elif text_width(text[self._start : cursor]) > room - 2:
            self._start = _back(text, cursor, room - 1 - margin)

    def _piece(self, text: str, cursor: int, room: int) -> tuple[str, int]:
        """Return the part of the line that is shown, and the columns of it before the cursor.

        ``<`` and ``>`` stand for what is cut off at either side.
        """
        piece = "<" if self._start else ""
        used = before = len(piece)
        # The character at the start gives its place to the mark.
        first = self._start + 1 if self._start else 0
        for index, char in enumerate(text[first:], first):
            if index == cursor:
                before = used
            width = char_width(char)
            last = index == len(text) - 1
            if used + width > (room if last else room - 1):
                return piece + ">", before
            piece += char
            used += width
        return piece, used if cursor >= len(text) else before


def _back(text: str, cursor: int, columns: int) -> int:
    """Return the place so many columns to the left of the cursor."""
    place = cursor
    while place and columns > 0:
        place -= 1
        columns -= char_width(text[place])
    return place
