"""The lines typed before in one session."""

from __future__ import annotations

from collections import deque

from maglev.terminal.limits import HISTORY


class History:
    """Lines, oldest first, and the place at which somebody leafs through them."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=HISTORY)
        self._place = 0
        self._draft = ""

    @property
    def lines(self) -> list[str]:
        """All lines, oldest first."""
        return list(self._lines)

    def add(self, line: str) -> None:
        """Remember a line, unless it is empty or the same as the one before; end leafing."""
        if line.strip() and (not self._lines or self._lines[-1] != line):
            self._lines.append(line)
        self._place = len(self._lines)
        self._draft = ""

    def rewind(self) -> None:
        """End leafing."""
        self._place = len(self._lines)

    def older(self, current: str) -> str | None:
        """Return the line before the present one, or None at the oldest.

        Args:
            current: What is being edited: kept as the draft to come back to.
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
            text: What to look for.
            before: Only lines older than the one of this index.
        """
        start = len(self._lines) if before is None else before
        return next((index for index in range(start - 1, -1, -1) if text in self._lines[index]), None)

    def go_to(self, index: int) -> str:
        """Leaf to a line, and return it."""
        self._place = index
        return self._lines[index]
