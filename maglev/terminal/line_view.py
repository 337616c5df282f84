"""Displays the line being typed in one row of the screen, which scrolls sideways.

A line that wraps over several rows can't be redrawn safely: the position of the cursor after a character in the last
column differs between terminals, and the content of the rows above is unknown after a resize.

Only what has changed is sent, and with the cursor at the end of the line, nothing follows its text: programs that read
a prompt (expect, Paramiko, Netmiko) find it at the end of what they received, and what they type comes back as typed.

On a dumb terminal, a line with the cursor at its end is shown whole, and wraps as it may: nothing but text is sent.
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

_FEW: Final = 4
"""Columns to the left for which backspaces are shorter than, or as short as, a control sequence."""


class LineView:
    """Draws a prompt and a line, in a row that is empty at first, with the cursor in its first column.

    Attributes:
        columns: Of the terminal. The last one stays empty: a character there may wrap.
        looked_at: Characters that all drawing has looked at.
    """

    def __init__(self, columns: int, *, dumb: bool = False) -> None:
        """Begin with nothing drawn.

        Args:
            columns: Of the terminal, at least 1.
            dumb: Whether it knows no escape sequences: then blanks erase, and drawing again moves the cursor.
        """
        self.columns = max(columns, MIN_COLUMNS)
        self.looked_at = 0
        self._dumb = dumb
        self._row = ""
        self._column = 0
        self._start = 0

    def prompt_width(self, prompt: str) -> int:
        """Return the columns before the line."""
        return text_width(self._prompt(prompt))

    def resize(self, columns: int) -> str:
        """Go on with another width; return what removes the line as it was drawn.

        A terminal that has become narrower has wrapped the row, and the cursor is in one of the rows that it is now.
        """
        self.columns = max(columns, MIN_COLUMNS)
        above = self._column // self.columns
        self.new_row()
        if self._dumb:
            return "\n"
        return (f"\x1b[{above}A" if above else "") + "\r\x1b[J"

    def new_row(self) -> None:
        """Record that the cursor has gone to an empty row."""
        self._row = ""
        self._column = 0

    def reset(self) -> None:
        """Begin another line in an empty row: it is not scrolled yet."""
        self._start = 0
        self.new_row()

    def draw(self, prompt: str, text: str, cursor: int) -> str:
        """Return what turns the row as it was drawn into one that shows the line."""
        # Of the text, the width of all and that up to the cursor are counted.
        self.looked_at += len(prompt) + 2 * len(text) + len(self._row)
        shown = self._prompt(prompt)
        if self._dumb and cursor == len(text):
            return self._draw_dumb(shown + text, text_width(shown + text))
        room = max(self.columns - 1 - text_width(shown), 1)
        self._scroll(text, cursor, room)
        piece, before = self._piece(text, cursor, room)
        column = text_width(shown) + before
        return (self._draw_dumb if self._dumb else self._draw)(shown + piece, column)

    def erase(self) -> str:
        """Return what removes the row of the line."""
        width = text_width(self._row)
        self.new_row()
        if not self._dumb:
            return f"\r{CLEAR_TO_END}"
        return f"\r{' ' * width}\r" if width < self.columns else "\n"

    def _draw(self, row: str, column: int) -> str:
        same = _common(self._row, row)
        parts = []
        if row != self._row:
            parts.append(_move(self._column, text_width(row[:same])))
            # Before the text, so that nothing follows it.
            parts.append(CLEAR_TO_END if same < len(self._row) else "")
            parts.append(row[same:])
            self._column = text_width(row)
        parts.append(_move(self._column, column))
        self._row, self._column = row, column
        return "".join(parts)

    def _draw_dumb(self, row: str, column: int) -> str:
        """Return what shows a row with the cursor in a column, without escape sequences."""
        old, at = self._row, self._column
        self._row, self._column = row, column
        width, old_width = text_width(row), text_width(old)
        if row.startswith(old) and (at, column) == (old_width, width):
            return row[len(old) :]
        begin = "\r" if old_width < self.columns else "\n"
        blanks = " " * (old_width - width) if begin == "\r" else ""
        if not blanks and column == width:
            return f"{begin}{row}"
        left = passed = 0
        while left < len(row) and (passed < column or not char_width(row[left])):
            passed += char_width(row[left])
            left += 1
        return f"{begin}{row}{blanks}\r{row[:left]}"

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


def _common(old: str, new: str) -> int:
    """Return the length of what two rows begin with; a character and what combines with it are not parted."""
    same = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        same += 1
    while same and not all(char_width(char) for char in (*old[same : same + 1], *new[same : same + 1])):
        same -= 1
    return same


def _move(start: int, end: int) -> str:
    """Return what moves the cursor between two columns of its row."""
    if end == start:
        return ""
    if end > start:
        return f"\x1b[{end - start}C"
    if end == 0:
        return "\r"
    return "\b" * (start - end) if start - end <= _FEW else f"\x1b[{start - end}D"
