"""The input line on the screen: an editor and its view, with the answers to TAB and ``?``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maglev.model.caller import Role
from maglev.terminal.editor import LineEditor, Outcome
from maglev.terminal.history import History
from maglev.terminal.line_view import LineView
from maglev.terminal.screen import CLEAR_SCREEN, word_columns

if TYPE_CHECKING:
    from maglev.commands.language.choices import Completion
    from maglev.terminal.keys import Key
    from maglev.terminal.screen import Screen


HOST_LENGTH: Final = 32
"""Most characters of a host in the prompt: the line being typed needs the rest of the window."""

_HOST: Final = re.compile(r"[A-Za-z0-9_-]+")


def prompt_of(host: str, role: Role) -> str:
    """Return the prompt for a role, without any escape sequence: programs look for it at the end of what they read.

    Args:
        host: Name of the machine, with or without its domain; ``maglev`` stands for one that is not known.
        role: Of the user: ``#`` is for operators.
    """
    found = _HOST.match(host)
    name = found[0][:HOST_LENGTH] if found else "maglev"
    return f"{name}{'#' if role is Role.OPERATOR else '>'} "


def greeting_of(version: str, host: str) -> str:
    """Return what greets a person: which maglevd answers, and on which machine if that is known."""
    return f"maglevd {version}{f' on {host}' if host else ''}"


class Prompt:
    """Shows one input line after another, and keeps the screen in step with the editor.

    Attributes:
        history: The lines typed before.
        drawn: Whether the line is on the screen, in its last row.
    """

    def __init__(self, screen: Screen, text: str, columns: int, *, dumb: bool = False) -> None:
        """Begin with an empty line, which is not drawn yet.

        Args:
            screen: Where it is seen.
            text: What stands before the line.
            columns: Of the terminal, at least 1.
            dumb: Whether the terminal knows no escape sequences.
        """
        self.history = History()
        self.drawn = False
        self._screen = screen
        self._text = text
        self._editor = LineEditor(self.history)
        self._view = LineView(columns, dumb=dumb)
        self._dumb = dumb
        self._changed = False

    @property
    def width(self) -> int:
        """Columns before the line."""
        return self._view.prompt_width(self._text)

    @property
    def line(self) -> str:
        """The line being typed."""
        return self._editor.buffer.text

    @property
    def cursor(self) -> int:
        """The place in it."""
        return self._editor.buffer.cursor

    @property
    def looked_at(self) -> int:
        """Characters that all keys and all drawing have looked at."""
        return self._editor.buffer.looked_at + self.history.looked_at + self._view.looked_at

    def press(self, key: Key) -> Outcome:
        """Handle a key; return what it asks for beyond editing the line."""
        outcome = self._editor.press(key)
        self._changed = True
        if outcome is Outcome.BELL:
            self._screen.ring()
        elif outcome is Outcome.CLEAR:
            self._screen.put("\n" if self._dumb else CLEAR_SCREEN)
            self._view.new_row()
        return outcome

    def draw(self) -> None:
        """Draw what has changed in the line."""
        buffer = self._editor.buffer
        self._screen.put(self._view.draw(self._editor.prompt or self._text, buffer.text, buffer.cursor))
        self.drawn = True
        self._changed = False

    def refresh(self) -> None:
        """Draw the line unless it is on the screen already."""
        if self._changed or not self.drawn:
            self.draw()

    def erase(self) -> None:
        """Erase the line, so that its row can show something else."""
        if self.drawn:
            self._screen.put(self._view.erase())
            self.drawn = False

    def leave(self, mark: str = "") -> None:
        """Leave the line as it is on the screen, and go to the next row.

        Args:
            mark: What to put at the cursor, such as ``^C``.
        """
        self.draw()
        self._screen.put(f"{mark}\n")
        self._view.new_row()
        self.drawn = False

    def take(self) -> str:
        """Return the finished line, and begin another."""
        self.leave()
        self._view.reset()
        return self._editor.take_line()

    def give_up(self) -> None:
        """Begin another line instead of this one."""
        self.leave("^C")
        self._view.reset()
        self._editor.give_up_line()

    def resize(self, columns: int) -> None:
        """Draw for another width.

        Args:
            columns: Of the terminal, at least 1.
        """
        wiped = self._view.resize(columns)
        if self.drawn:
            self._screen.put(wiped)
            self.draw()

    def complete(self, completion: Completion) -> None:
        """Insert what TAB has found, or list the choices."""
        if completion.insert:
            self._editor.buffer.insert(completion.insert)
        elif completion.choices:
            words = [choice.word for choice in completion.choices]
            self.leave()
            self._screen.show([*word_columns(words, self._view.columns), *(["..."] if completion.more else [])])
        else:
            self._screen.ring()
        self._changed = True

    def help(self, text: str) -> None:
        """Show the answer to ``?``; the line stays as it is."""
        self.leave("?")
        self._screen.show(text.splitlines())
