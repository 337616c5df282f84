"""A terminal in memory: what a person would see. It knows the sequences that the console may use, and no other."""

from __future__ import annotations

import re
import unicodedata

_SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class ScreenDouble:
    """Rows of characters, and a cursor. An unknown control character or sequence (such as a full reset) is an error."""

    def __init__(self, columns=80, rows=24):
        self.columns = columns
        self.height = rows
        self.rows = [""]
        self.row = 0
        self.column = 0
        self.bells = 0
        self.paste = False
        self._pending = ""

    def feed(self, data: bytes) -> None:
        text = self._pending + data.decode()
        self._pending = ""
        place = 0
        while place < len(text):
            char = text[place]
            if char == "\x1b":
                match = _SEQUENCE.match(text, place)
                assert match, f"an unknown escape sequence: {text[place : place + 8]!r}"
                self._sequence(match[1], match[2], match[3])
                place = match.end()
                continue
            self._char(char)
            place += 1

    def _sequence(self, private, numbers, final):
        number = int(numbers or 0) if ";" not in numbers else 0
        if private:
            assert numbers + final in {"2004h", "2004l"}, f"an unknown mode: {numbers}{final}"
            self.paste = final == "h"
        elif final == "K":
            self.rows[self.row] = self.rows[self.row][: self._index()]
        elif final == "C":
            self.column = min(self.column + number, self.columns - 1)
        elif final == "D":
            self.column = max(self.column - number, 0)
        elif final == "A":
            self.row = max(self.row - number, 0)
        elif final == "H":
            self.row = self.column = 0
        elif final == "J":
            if number == 2:
                self.rows = [""]
                self.row = 0
            else:
                self.rows[self.row] = self.rows[self.row][: self._index()]
                del self.rows[self.row + 1 :]
        else:
            assert final == "m", f"an unknown sequence: {numbers}{final}"

    def _char(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row += 1
            if self.row == len(self.rows):
                self.rows.append("")
        elif char == "\b":
            self.column = max(self.column - 1, 0)
        elif char == "\a":
            self.bells += 1
        else:
            assert char.isprintable(), f"an unknown control character: {char!r}"
            self._put(char)

    def _put(self, char):
        width = 0 if unicodedata.category(char) == "Mn" else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if width and self.column + width > self.columns:
            self._char("\r")
            self._char("\n")
        line = self.rows[self.row]
        index = self._index()
        if width == 0:
            self.rows[self.row] = line[:index] + char + line[index:]
            return
        end = self._index(self.column + width)
        self.rows[self.row] = line[:index].ljust(index) + char + line[end:]
        self.column += width

    def _index(self, column=None):
        """Return the place in the row's text of a column."""
        column = self.column if column is None else column
        line = self.rows[self.row]
        used = 0
        for index, char in enumerate(line):
            if used >= column and unicodedata.category(char) != "Mn":
                return index
            used += 0 if unicodedata.category(char) == "Mn" else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if used < column:
            self.rows[self.row] = line + " " * (column - used)
        return len(self.rows[self.row])

    @property
    def text(self):
        """All rows, without blanks at their ends."""
        return "\n".join(row.rstrip() for row in self.rows)

    @property
    def last(self):
        """The row of the cursor."""
        return self.rows[self.row].rstrip()
