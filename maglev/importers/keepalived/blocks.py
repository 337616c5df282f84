"""A file of keepalived as statements and blocks, with the files that it includes (keepalived.conf(5))."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.model import Note
from maglev.importers.draft.source import read_lines, refusal
from maglev.model.errors import ConfigError
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_LIMIT: Final = 32
"""Maximum nesting of blocks; keepalived's own are five deep."""

FILE_LIMIT: Final = 256
"""Maximum number of included files in total."""

LINES_LIMIT: Final = 200_000
"""Maximum number of lines of all files together."""

INCLUDE_LIMIT: Final = 16
"""Maximum depth of includes, so that a loop is only an error."""

LENGTH_LIMIT: Final = 65_536
"""Maximum length of a line after variables are expanded, because they may double each other."""

_INCLUDES: Final = frozenset({"include", "includea", "includeb", "includem", "includer", "includew"})
_DEFINITION: Final = re.compile(r"\$(\w+)\s*=")
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(")|([!#])|([{}])(?!\S)|((?:\$\{\w+\}|[^\s"])+)')


@attrs.define(eq=False)
class KeepalivedStatement:
    """One statement.

    Attributes:
        place: Where it is, such as ``line 12``.
        words: At least one.
        text: Its line, as written.
        block: What is in its braces; None without.
    """

    place: str
    words: tuple[str, ...]
    text: str
    block: list[KeepalivedStatement] | None = None

    @property
    def keyword(self) -> str:
        """Its first word."""
        return self.words[0]

    @property
    def value(self) -> str:
        """Its second word; empty if there is none."""
        return self.words[1] if len(self.words) > 1 else ""

    @property
    def inside(self) -> list[KeepalivedStatement]:
        """What is in its braces."""
        return self.block or []

    def notes(self) -> Iterator[Note]:
        """Yield the statement, and everything in it, as notes."""
        yield Note(self.place, self.text)
        for each in self.inside:
            yield from each.notes()


@attrs.define
class Tree:
    """A file, with those that it includes.

    Attributes:
        notes: What could not be kept of the way in which it is written.
    """

    statements: list[KeepalivedStatement] = attrs.field(factory=list)
    notes: list[Note] = attrs.field(factory=list)


def parse(path: Path) -> Tree:
    """Return the statements of a file.

    Raises:
        ConfigError: It can't be read, or is not a configuration of keepalived.
    """
    parser = _Parser()
    parser.read(path, "")
    parser.end()
    return parser.tree


class _Parser:
    """Builds the tree; blocks may begin in one file and end in another."""

    def __init__(self) -> None:
        self.tree = Tree()
        self._open: list[tuple[int, list[KeepalivedStatement]]] = [(0, self.tree.statements)]
        self._variables: dict[str, str] = {}
        self._files = 0
        self._lines = 0
        self._line = 0
        self._name = ""
        self._outer: list[int] = []

    def read(self, path: Path, name: str) -> None:
        """Read a file; ``name`` identifies it in places, and is empty for the first one.

        Raises:
            ConfigError: It can't be read, or is not a configuration of keepalived.
        """
        try:
            lines = read_lines(path)
        except ConfigError as error:
            if not self._outer:
                raise
            problem = error.problems[0]
            raise refusal(f"{path.name}: {problem.text}, line {problem.line}", self._outer[0]) from error
        self._name = name
        self._lines += len(lines)
        if self._lines > LINES_LIMIT:
            raise self._refusal(f"there are more than {LINES_LIMIT} lines")
        number = 0
        while number < len(lines):
            self._line = number + 1
            text = lines[number].strip()
            number += 1
            definition = _DEFINITION.match(text)
            if definition is not None:
                while text.endswith("\\") and number < len(lines):
                    text = f"{text[:-1].rstrip()} {lines[number].strip()}"
                    number += 1
                self._variables[definition[1]] = self._expanded(text.partition("=")[2].strip())
            else:
                self._take(text, f"{name}line {self._line}", path)

    def end(self) -> None:
        """Check that all blocks have ended.

        Raises:
            ConfigError: One has not.
        """
        if len(self._open) > 1:
            raise refusal("unclosed block", self._open[-1][0])

    def _refusal(self, text: str) -> ConfigError:
        """Return the error of the present line; of a file that is included, with the line that includes it."""
        if self._outer:
            return refusal(f"{self._name}line {self._line}: {text}", self._outer[0])
        return refusal(text, self._line)

    def _expanded(self, text: str) -> str:
        made = _VARIABLE.sub(lambda match: self._variables.get(match[1] or match[2], match[0]), text)
        if len(made) > LENGTH_LIMIT:
            raise self._refusal("too long after variables are expanded")
        return made

    def _take(self, text: str, place: str, path: Path) -> None:
        words: list[str] = []
        for word, brace in self._words(text):
            if not brace:
                words.append(word)
                continue
            self._add(words, text, place, path)
            words = []
            if word == "{":
                self._begin(text)
            else:
                self._finish()
        self._add(words, text, place, path)

    def _words(self, text: str) -> Iterator[tuple[str, bool]]:
        """Yield words, and whether each is a brace."""
        for match in _WORD.finditer(self._expanded(text)):
            if match[3]:
                return
            if match[2]:
                raise self._refusal("unclosed quote")
            if match[4]:
                yield match[4], True
            elif match[1] is not None:
                yield match[1].replace('\\"', '"'), False
            else:
                yield from self._parted(match[5])

    def _parted(self, word: str) -> Iterator[tuple[str, bool]]:
        """Yield a word, and the brace that may be at its end."""
        if word.endswith("{"):
            yield word[:-1], False
            yield "{", True
        else:
            yield word, False

    def _add(self, words: list[str], text: str, place: str, path: Path) -> None:
        if not words:
            return
        if words[0].startswith("@"):
            self.tree.notes.append(Note(place, f"imported regardless of the condition: {text}"))
            del words[0]
        if not words:
            return
        if words[0] in _INCLUDES and len(words) > 1:
            self._include(words[1], Note(place, text), path)
        else:
            self._open[-1][1].append(KeepalivedStatement(place, tuple(words), text))

    def _include(self, pattern: str, note: Note, path: Path) -> None:
        folder = Path("/") if pattern.startswith("/") else path.parent
        found = sorted(each for each in folder.glob(pattern.lstrip("/")) if each.is_file())
        if not found:
            self.tree.notes.append(Note(note.place, f"file not found: {note.text}"))
        self._files += len(found)
        if self._files > FILE_LIMIT or len(self._outer) == INCLUDE_LIMIT:
            raise self._refusal(f"too many include files (limits: {FILE_LIMIT} files, {INCLUDE_LIMIT} levels)")
        name, line = self._name, self._line
        self._outer.append(line)
        for each in found:
            self.read(each, f"{each.name}, ")
        self._outer.pop()
        self._name, self._line = name, line

    def _begin(self, text: str) -> None:
        siblings = self._open[-1][1]
        if not siblings or siblings[-1].block is not None:
            raise self._refusal(f"block without a name: {printable(text)}")
        if len(self._open) > DEPTH_LIMIT:
            raise self._refusal(f"blocks are nested deeper than {DEPTH_LIMIT} levels")
        siblings[-1].block = []
        self._open.append((self._line, siblings[-1].block))

    def _finish(self) -> None:
        if len(self._open) == 1:
            raise self._refusal("unexpected end of a block")
        self._open.pop()
