"""The line being typed: text, cursor, and operations on them. No keys, no screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.terminal.limits import LINE_LENGTH
from maglev.terminal.width import char_width

if TYPE_CHECKING:
    from collections.abc import Callable


class LineBuffer:
    """A line of bounded length.

    The cursor is before a character that takes columns, or at the end: never inside of a group that is displayed as one
    character, such as a letter and its combining accent.

    Attributes:
        text: The line.
        cursor: Index into it, from 0 to its length.
        killed: The text cut last, for `yank`.
        looked_at: Characters that all searches for a place have passed.
    """

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self.killed = ""
        self.looked_at = 0

    def __len__(self) -> int:
        return len(self.text)

    def set(self, text: str) -> None:
        """Replace the line; the cursor goes to its end."""
        self.text = text[:LINE_LENGTH]
        self.cursor = len(self.text)

    def insert(self, text: str) -> bool:
        """Insert text at the cursor; return whether there was room for it."""
        if len(self.text) + len(text) > LINE_LENGTH:
            return False
        self.text = self.text[: self.cursor] + text + self.text[self.cursor :]
        self.cursor += len(text)
        return True

    # Where the cursor goes

    def left(self) -> int:
        """Return the place one character to the left."""
        place = max(self.cursor - 1, 0)
        while place and not char_width(self.text[place]):
            place -= 1
        return self._found(place)

    def right(self) -> int:
        """Return the place one character to the right."""
        place = min(self.cursor + 1, len(self.text))
        while place < len(self.text) and not char_width(self.text[place]):
            place += 1
        return self._found(place)

    def word_left(self) -> int:
        """Return the beginning of the word before the cursor; words are letters and digits."""
        return self._found(self._back(self._back(self.cursor, _separates), _belongs))

    def word_right(self) -> int:
        """Return the end of the word after the cursor."""
        return self._found(self._forth(self._forth(self.cursor, _separates), _belongs))

    def blank_left(self) -> int:
        """Return the beginning of the word before the cursor; words are what blanks separate."""
        before = self.text[: self.cursor].rstrip()
        words = before.rsplit(maxsplit=1)
        return self._found(len(before) - len(words[-1]) if words else 0)

    def _found(self, place: int) -> int:
        self.looked_at += abs(place - self.cursor)
        return place

    def _back(self, place: int, matches: Callable[[str], bool]) -> int:
        while place and matches(self.text[place - 1]):
            place -= 1
        return place

    def _forth(self, place: int, matches: Callable[[str], bool]) -> int:
        while place < len(self.text) and matches(self.text[place]):
            place += 1
        return place

    # What happens to the text

    def delete(self, place: int) -> None:
        """Delete between the cursor and a place."""
        start, end = sorted((self.cursor, place))
        self.text = self.text[:start] + self.text[end:]
        self.cursor = start

    def kill(self, place: int) -> None:
        """Delete between the cursor and a place, and keep it."""
        start, end = sorted((self.cursor, place))
        if start < end:
            self.killed = self.text[start:end]
        self.delete(place)

    def yank(self) -> bool:
        """Insert the text cut last; return whether there was room for it."""
        return self.insert(self.killed)

    def transpose(self) -> bool:
        """Exchange the characters before and at the cursor, as emacs does; return whether there are two."""
        place = min(self.cursor, len(self.text) - 1)
        if place < 1:
            return False
        one, other = self.text[place - 1], self.text[place]
        self.text = self.text[: place - 1] + other + one + self.text[place + 1 :]
        self.cursor = place + 1
        return True


def _belongs(char: str) -> bool:
    return char.isalnum() or not char_width(char)


def _separates(char: str) -> bool:
    return not _belongs(char)
