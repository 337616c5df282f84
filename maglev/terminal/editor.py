"""Line editing with emacs keys: keys in, a line and an outcome out. No bytes, no screen, no session."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from maglev.terminal.limits import LINE_LENGTH
from maglev.terminal.line_buffer import LineBuffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.terminal.history import History
    from maglev.terminal.keys import Key


class Outcome(enum.Enum):
    """The outcome of a key, apart from the change of the line."""

    NONE = enum.auto()
    BELL = enum.auto()
    """The key can't be handled."""
    LINE = enum.auto()
    """The line is finished."""
    INTERRUPT = enum.auto()
    """The line is discarded."""
    LOGOUT = enum.auto()
    """The session is to end."""
    COMPLETE = enum.auto()
    HELP = enum.auto()
    CLEAR = enum.auto()
    """The screen is to be redrawn."""


class LineEditor:
    """Edits one line after the other.

    Attributes:
        buffer: The line.
    """

    def __init__(self, history: History) -> None:
        self.buffer = LineBuffer()
        self._history = history
        self._literal = False
        self._search: _Search | None = None
        self._keys: dict[str, Callable[[], Outcome]] = {
            "enter": lambda: Outcome.LINE,
            "tab": lambda: Outcome.COMPLETE,
            "backspace": lambda: self._delete(self.buffer.left()),
            "delete": lambda: self._delete(self.buffer.right()),
            "ctrl-a": lambda: self._move(0),
            "ctrl-b": lambda: self._move(self.buffer.left()),
            "ctrl-c": lambda: Outcome.INTERRUPT,
            "ctrl-d": self._delete_or_leave,
            "ctrl-e": lambda: self._move(len(self.buffer)),
            "ctrl-f": lambda: self._move(self.buffer.right()),
            "ctrl-k": lambda: self._kill(len(self.buffer)),
            "ctrl-l": lambda: Outcome.CLEAR,
            "ctrl-n": self._newer,
            "ctrl-p": self._older,
            "ctrl-r": self._begin_search,
            "ctrl-t": lambda: _bell_unless(self.buffer.transpose()),
            "ctrl-u": lambda: self._kill(0),
            "ctrl-v": self._quote,
            "ctrl-w": lambda: self._kill(self.buffer.blank_left()),
            "ctrl-y": lambda: _bell_unless(self.buffer.yank()),
            "alt-b": lambda: self._move(self.buffer.word_left()),
            "alt-f": lambda: self._move(self.buffer.word_right()),
            "alt-d": lambda: self._kill(self.buffer.word_right()),
            "alt-backspace": lambda: self._kill(self.buffer.word_left()),
        }
        for name, same in {
            "left": "ctrl-b",
            "right": "ctrl-f",
            "up": "ctrl-p",
            "down": "ctrl-n",
            "home": "ctrl-a",
            "end": "ctrl-e",
            "alt-left": "alt-b",
            "alt-right": "alt-f",
            "alt-delete": "alt-d",
        }.items():
            self._keys[name] = self._keys[same]

    @property
    def prompt(self) -> str:
        """The text to show in place of the usual prompt, or an empty text."""
        return "" if self._search is None else f"(search)'{self._search.text}': "

    def press(self, key: Key) -> Outcome:
        """Obey a key."""
        if self._search is not None and self._search_key(key, self._search):
            return Outcome.NONE
        return self._obey(key)

    def take_line(self) -> str:
        """Return the finished line, add it to the history, and begin another."""
        line = self.buffer.text
        self._history.add(line)
        self.buffer.set("")
        return line

    def give_up_line(self) -> None:
        """Begin another line."""
        self._history.rewind()
        self.buffer.set("")

    def _obey(self, key: Key) -> Outcome:
        literal, self._literal = self._literal, False
        if key.name == "text":
            if key.text == "?" and not literal and not key.pasted:
                return Outcome.HELP
            return _bell_unless(self.buffer.insert(key.text))
        action = self._keys.get(key.name)
        return Outcome.BELL if action is None else action()

    def _quote(self) -> Outcome:
        self._literal = True
        return Outcome.NONE

    def _move(self, place: int) -> Outcome:
        self.buffer.cursor = place
        return Outcome.NONE

    def _delete(self, place: int) -> Outcome:
        if place == self.buffer.cursor:
            return Outcome.BELL
        self.buffer.delete(place)
        return Outcome.NONE

    def _kill(self, place: int) -> Outcome:
        self.buffer.kill(place)
        return Outcome.NONE

    def _delete_or_leave(self) -> Outcome:
        return self._delete(self.buffer.right()) if self.buffer.text else Outcome.LOGOUT

    # History

    def _older(self) -> Outcome:
        return self._recall(self._history.older(self.buffer.text))

    def _newer(self) -> Outcome:
        return self._recall(self._history.newer())

    def _recall(self, line: str | None) -> Outcome:
        if line is None:
            return Outcome.BELL
        self.buffer.set(line)
        return Outcome.NONE

    def _begin_search(self) -> Outcome:
        self._search = _Search(self.buffer.text)
        return Outcome.NONE

    def _search_key(self, key: Key, search: _Search) -> bool:
        """Handle a key while searching; return whether that was all, else it is handled as usual."""
        if key.name == "text":
            self._look_for(search.text + key.text, search, older=False)
        elif key.name == "backspace":
            self._look_for(search.text[:-1], search, older=False)
        elif key.name == "ctrl-r":
            self._look_for(search.text, search, older=True)
        else:
            self._search = None
            if key.name in {"ctrl-c", "ctrl-g"}:
                self._history.rewind()
                self.buffer.set(search.before)
                return True
            return False
        return True

    def _look_for(self, text: str, search: _Search, *, older: bool) -> None:
        # No line contains a longer text.
        search.text = text[:LINE_LENGTH]
        before = None
        if search.found is not None:
            before = search.found if older else search.found + 1
        found = self._history.search(search.text, before) if search.text else None
        if found is not None:
            search.found = found
            self.buffer.set(self._history.go_to(found))


class _Search:
    """A search through the history: the text, the line before it began, and its position."""

    def __init__(self, before: str) -> None:
        self.before = before
        self.text = ""
        self.found: int | None = None


def _bell_unless(done: bool) -> Outcome:  # noqa: FBT001  # a verdict
    return Outcome.NONE if done else Outcome.BELL
