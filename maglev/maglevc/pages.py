"""``--More--``: lets output through a page at a time. No screen, no waiting; lines in, lines out."""

from __future__ import annotations

import re
from collections import deque
from typing import Final

MORE: Final = "--More--"

QUIT: Final = frozenset({"q", "Q", "c-c", "c-d"})
LINE: Final = frozenset({"c-m", "c-j", "c-n", "down", "j"})
ALL: Final = frozenset({"a", "G"})

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


class Pages:
    """Holds back what does not fit on a page."""

    def __init__(self) -> None:
        self._held: deque[str] = deque()
        self._length = 0
        self._left: float = 0

    @property
    def waiting(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def begin(self, length: int) -> None:
        """Begin with the output of another command.

        Args:
            length: Rows of a page; 0 holds nothing back.
        """
        self._held.clear()
        self._length = length
        self._turn()

    def take(self, text: str) -> None:
        r"""Take output: whole lines, each ending with ``\n``."""
        self._held.extend(text.splitlines(keepends=True))

    def lines(self, columns: int) -> list[str]:
        """Return the lines that may be shown now, on a terminal so many columns wide."""
        shown = []
        while self._held and self._left > 0:
            line = self._held.popleft()
            shown.append(line)
            # A line that is longer than the terminal is wide takes several rows.
            self._left -= max(1, -(-(len(_COLOUR.sub("", line)) - 1) // max(columns, 1)))
        return shown

    def press(self, key: str) -> bool:
        """Obey a key, by its name in prompt_toolkit; return False if the reader has seen enough."""
        if key in QUIT:
            self._held.clear()
            return False
        if key in LINE:
            self._left = 1
        elif key in ALL:
            self._left = float("inf")
        else:
            self._turn()
        return True

    def _turn(self) -> None:
        # The last row is for the prompt.
        self._left = max(self._length - 1, 1) if self._length else float("inf")
