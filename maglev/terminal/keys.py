"""Decodes bytes from a terminal into keys: UTF-8, control characters, escape sequences, pasted text.

Unknown keys are dropped silently: nobody can fill the log or garble the screen by typing.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SEQUENCE_LIMIT: Final = 32
"""Characters of a control sequence: the longest known ones (reports of the mouse) have 12."""

_STRING_LIMIT: Final = 4096
"""Characters of an answer of the terminal (OSC, DCS) that are skipped while waiting for its end."""

_FINALS: Final = {"A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "M": "enter"}
_TILDES: Final = {
    "1": "home",
    "3": "delete",
    "4": "end",
    "5": "page-up",
    "6": "page-down",
    "7": "home",
    "8": "end",
    "200": "paste-begin",
    "201": "paste-end",
}
_CONTROLS: Final = {"\x08": "backspace", "\t": "tab", "\n": "enter", "\r": "enter", "\x7f": "backspace"}


class Key(NamedTuple):
    """One key.

    Attributes:
        name: ``text``, ``enter``, ``tab``, ``backspace``, ``delete``, ``up``, ``down``, ``left``, ``right``, ``home``,
            ``end``, ``page-up``, ``page-down``, ``ctrl-a`` and so on, or with ALT in front: ``alt-b``.
        text: The character of ``text``; printable.
        pasted: Whether the terminal says that it was pasted, not typed.
    """

    name: str
    text: str = ""
    pasted: bool = False


class KeyDecoder:
    """Turns bytes into keys, however they are cut."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("ignore")
        self._state: Callable[[str], Iterator[Key]] = self._ground
        self._sequence = ""
        self._skipped = 0
        self._pasting = False
        self._after_return = False

    def feed(self, data: bytes) -> Iterator[Key]:
        """Yield the keys that these bytes complete."""
        for char in self._text.decode(data):
            yield from self._state(char)

    def _ground(self, char: str) -> Iterator[Key]:
        after_return, self._after_return = self._after_return, char == "\r"
        if char == "\x1b":
            self._state = self._escape
        elif char in _CONTROLS:
            # CR LF is one key: pasted text of other systems has both.
            if not (char == "\n" and after_return):
                yield self._control(char)
        elif char < " ":
            if char and not self._pasting:
                yield Key(f"ctrl-{chr(ord(char) + 96)}")
        elif _shows(char):
            yield Key("text", char, self._pasting)

    def _control(self, char: str) -> Key:
        name = _CONTROLS[char]
        if self._pasting and name == "tab":
            return Key("text", " ", True)
        return Key(name, "", self._pasting)

    def _escape(self, char: str) -> Iterator[Key]:
        self._state = self._ground
        if char == "[":
            self._sequence = ""
            self._state = self._csi
        elif char == "O":
            self._state = self._ss3
        elif char in "]P^_X":
            self._skipped = 0
            self._state = self._string
        elif char == "\x1b":
            self._state = self._escape
        elif char in _CONTROLS:
            yield Key(f"alt-{_CONTROLS[char]}")
        elif _shows(char) and not self._pasting:
            yield Key(f"alt-{char.lower()}")

    def _ss3(self, char: str) -> Iterator[Key]:
        self._state = self._ground
        if char in _FINALS:
            yield Key(_FINALS[char])

    def _csi(self, char: str) -> Iterator[Key]:
        if "@" <= char <= "~":
            self._state = self._ground
            yield from self._finish(self._sequence, char)
        elif " " <= char <= "?" and len(self._sequence) < _SEQUENCE_LIMIT:
            self._sequence += char
        else:
            self._state = self._ground

    def _finish(self, parameters: str, final: str) -> Iterator[Key]:
        number, _, modifier = parameters.partition(";")
        name = _TILDES.get(number, "") if final == "~" else _FINALS.get(final, "")
        if name in {"paste-begin", "paste-end"}:
            self._pasting = name == "paste-begin"
            self._after_return = False
        elif name and not self._pasting:
            # ALT (3) or CTRL (5) with an arrow: a word at a time.
            yield Key(f"alt-{name}" if modifier in {"3", "5"} else name)

    def _string(self, char: str) -> Iterator[Key]:
        self._skipped += 1
        if char == "\x1b":
            self._state = self._string_end
        elif char == "\x07" or self._skipped > _STRING_LIMIT:
            self._state = self._ground
        yield from ()

    def _string_end(self, _: str) -> Iterator[Key]:
        self._state = self._ground
        yield from ()


def _shows(char: str) -> bool:
    """Return whether a character may be on a line: no controls, no C1, nothing that turns the text around."""
    return char.isprintable()
