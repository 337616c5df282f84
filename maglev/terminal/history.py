"""The history of lines typed in one session."""

from __future__ import annotations

from collections import deque

from maglev.terminal.limits import HISTORY, HISTORY_TEXT


class History:
    """The lines, oldest first, and the current position while browsing.

    Attributes:
        looked_at: Characters that all searches have looked at.
    """

    def __init__(self) -> None:
        self.looked_at = 0
        self._lines: deque[str] = deque()
        self._size = 0
        self._place = 0
        self._draft = ""

    @property
    def lines(self) -> list[str]:
        """All lines, oldest first."""
        return list(self._lines)

    def add(self, line: str) -> None:
        """Add a line, unless it is empty or the same as the previous one; stop browsing."""
        if line.strip() and (not self._lines or self._lines[-1] != line):
            self._lines.append(line)
            self._size += len(line)
            while len(self._lines) > HISTORY or self._size > HISTORY_TEXT:
                self._size -= len(self._lines.popleft())
        self._place = len(self._lines)
        self._draft = ""

    def rewind(self) -> None:
        """Stop browsing."""
        self._place = len(self._lines)

    def older(self, current: str) -> str | None:
        """Return the line before the present one, or None at the oldest.

        Args:
            current: The line being edited, kept as the draft to come back to.
        """
        if self._place == 0:
            return None
        if self._place == len(self._lines):
            self._draft = current
        self._place -= 1
        return self._lines[self._place]

    def newer(self) -> str | None:
        """Return the line after the present one, the draft after the newest, or None there."""
        if self._place >= len(self._lines):
            return None
        self._place += 1
        return self._draft if self._place == len(self._lines) else self._lines[self._place]

    def search(self, text: str, before: int | None = None) -> int | None:
        """Return the index of the newest line that contains a text.

        Args:
            text: The text to find.
            before: Consider only lines older than the one at this index.
        """
        start = len(self._lines) if before is None else before
        for index in range(start - 1, -1, -1):
            # A line costs something even if it is short.
            self.looked_at += len(self._lines[index]) + 1
            if text in self._lines[index]:
                return index
        return None

    def go_to(self, index: int) -> str:
        """Go to a line, and return it."""
        self._place = index
        return self._lines[index]
