"""The pager (``--More--``): releases output a page at a time. No screen, no waiting; lines in, lines out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from maglev.terminal.width import text_width

if TYPE_CHECKING:
    from maglev.terminal.keys import Key

MORE: Final = "--More--"
KEYS: Final = "--More-- (space: page, enter: line, a: all, /text: go to, q: quit)"

_PAGE_KEYS: Final = frozenset({"page-down", "ctrl-f", "ctrl-v", "right"})
_LINE_KEYS: Final = frozenset({"enter", "down", "ctrl-n", "ctrl-e"})
_QUIT_KEYS: Final = frozenset({"ctrl-c", "ctrl-d", "ctrl-z"})
_SEARCH_LIMIT: Final = 60


class Pager:
    """Holds back output that does not fit on a page.

    Attributes:
        prompt: The text to show while it waits.
        quit: Whether the reader has seen enough.
        looked_at: Characters of output that were shown or skipped.
    """

    def __init__(self) -> None:
        self._held: deque[str] = deque()
        self._length = 0
        self._left: float = 0
        self._search: str | None = None
        self._until = ""
        self.prompt = MORE
        self.quit = False
        self.looked_at = 0

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
        self._search = None
        self._until = ""
        self.quit = False
        self.resize(length)
        self._turn()

    def resize(self, length: int) -> None:
        """Go on with another length."""
        self._length = length

    def take(self, text: str) -> None:
        r"""Take output: whole lines, each ending with ``\n``."""
        self._held.extend(text.split("\n")[:-1] if text.endswith("\n") else text.split("\n"))

    def lines(self, columns: int) -> list[str]:
        """Return the lines that may be shown now.

        Args:
            columns: Of the terminal, at least 1: a longer line takes several rows.
        """
        shown = []
        while self._held and self._left > 0:
            line = self._held.popleft()
            self.looked_at += len(line) + 1
            if self._until and self._until not in line:
                continue
            self._until = ""
            shown.append(line)
            self._left -= max(1, -(-text_width(line) // columns))
        return shown

    def press(self, key: Key) -> None:
        """Obey a key."""
        self.prompt = MORE
        if self._search is not None:
            self._search_key(key, self._search)
        elif key.name in _QUIT_KEYS or key.text in {"q", "Q"}:
            self._held.clear()
            self.quit = True
        elif key.name in _PAGE_KEYS or key.text in {" ", "f"}:
            self._turn()
        elif key.name in _LINE_KEYS or key.text == "j":
            self._left = 1
        elif key.text in {"a", "G"}:
            self._left = float("inf")
        elif key.text == "/":
            self._search = ""
            self.prompt = "/"
        else:
            self.prompt = KEYS

    def _search_key(self, key: Key, search: str) -> None:
        if key.name == "text":
            self._search = (search + key.text)[:_SEARCH_LIMIT]
        elif key.name == "backspace" and search:
            self._search = search[:-1]
        else:
            self._search = None
            if key.name == "enter":
                self._until = search
                self._turn()
        if self._search is not None:
            self.prompt = f"/{self._search}"

    def _turn(self) -> None:
        # The last row is for the prompt.
        self._left = max(self._length - 1, 1) if self._length else float("inf")
