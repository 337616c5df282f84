"""Words of a line of HAProxy's configuration: quotes, escapes and variables (its configuration manual, chapter 2.2).

Variables are those that the file itself sets (``setenv``, ``presetenv``); the environment of the running HAProxy is not
known here. An unknown variable stays as it is written, which is noticed where its value is needed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", " ": " ", "\\": "\\", "#": "#", '"': '"', "'": "'", "$": "$"}
_HEX: Final = re.compile(r"x([0-9a-fA-F]{2})")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?:-([^}]*))?(?:\[\*\])?\}|([A-Za-z_]\w*))")


class QuoteError(ValueError):
    """A quote that was opened and never closed."""


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Return text with the variables in it replaced, as far as they are known or have a default."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1] or match[3], match[2])
        return match[0] if found is None else found

    return _VARIABLE.sub(value, text)


def is_known(text: str) -> bool:
    """Return whether all variables in a text are known."""
    return _VARIABLE.search(text) is None


class _Splitter:
    """Splits one line."""

    def __init__(self, line: str, variables: Mapping[str, str]) -> None:
        self._line = line
        self._variables = variables
        self._at = 0
        self._word: list[str] | None = None
        self._words: list[str] = []

    def words(self) -> list[str]:
        """Return the words."""
        while self._at < len(self._line) and self._line[self._at] != "#":
            self._step(self._line[self._at])
        self._end_word()
        return self._words

    def _step(self, char: str) -> None:
        if char in " \t":
            self._at += 1
            self._end_word()
        elif char == "\\":
            self._add(self._escape())
        elif char == "'":
            self._add(self._until(char))
        elif char == '"':
            self._add(self._weak())
        else:
            self._at += 1
            self._add(char)

    def _add(self, text: str) -> None:
        if self._word is None:
            self._word = []
        self._word.append(text)

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append("".join(self._word))
            self._word = None

    def _until(self, quote: str) -> str:
        """Read a part in single quotes, literally."""
        end = self._line.find(quote, self._at + 1)
        if end < 0:
            raise QuoteError("unclosed quote")
        inside, self._at = self._line[self._at + 1 : end], end + 1
        return inside

    def _escape(self) -> str:
        """Read a backslash and what follows; a backslash that escapes nothing stands for itself."""
        rest = self._line[self._at + 1 :]
        match = _HEX.match(rest)
        if match is not None:
            self._at += 4
            return chr(int(match[1], 16))
        self._at += 2 if rest[:1] in _ESCAPES else 1
        return _ESCAPES.get(rest[:1], "\\")

    def _weak(self) -> str:
        """Read a part in double quotes, with its escapes and variables."""
        made = []
        self._at += 1
        while (char := self._line[self._at : self._at + 1]) != '"':
            if not char:
                raise QuoteError("unclosed quote")
            if char == "\\":
                made.append(self._escape())
            elif char == "$" and (match := _VARIABLE.match(self._line, self._at)) is not None:
                made.append(expanded(match[0], self._variables))
                self._at = match.end()
            else:
                made.append(char)
                self._at += 1
        self._at += 1
        return "".join(made)


def words_of(line: str, variables: Mapping[str, str]) -> list[str]:
    """Return the words of a line; none for an empty one or a comment.

    Raises:
        QuoteError: A quote is not closed.
    """
    return _Splitter(line, variables).words()
