"""A file of HAProxy as sections of lines of words (its configuration manual, chapters 2 and 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from maglev.importers.draft.model import Note, words_in
from maglev.importers.draft.source import refusal
from maglev.importers.haproxy.words import QuoteError, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECTIONS: Final = words_in(
    "acme backend cache crt-store defaults dynamic-update fcgi-app frontend global healthcheck http-errors "
    "listen log-forward log-profile mailers peers program resolvers ring traces userlist"
)
PROXIES: Final = frozenset({"backend", "frontend", "listen"})


@attrs.frozen
class ConfigLine:
    """One line.

    Attributes:
        number: Counted from 1.
        words: At least one.
        text: As written.
    """

    number: int
    words: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return f"line {self.number}"

    @property
    def note(self) -> Note:
        """The line itself, as a note."""
        return Note(self.place, self.text.strip())


@attrs.define(eq=False)
class HaproxySection:
    """A section, and the defaults that hold for it.

    Attributes:
        head: The line that begins it.
    """

    head: ConfigLine
    defaults: HaproxySection | None
    lines: list[ConfigLine] = attrs.field(factory=list)

    @property
    def kind(self) -> str:
        """Its keyword."""
        return self.head.words[0]

    @property
    def name(self) -> str:
        """Its name; empty if it has none."""
        words = self.head.words
        return words[1] if len(words) > 1 and words[1] != "from" else ""


@attrs.define
class File:
    """A file.

    Attributes:
        variables: The environment variables that it sets.
        strays: Directives between the lines.
    """

    sections: list[HaproxySection] = attrs.field(factory=list)
    variables: dict[str, str] = attrs.field(factory=dict)
    strays: list[ConfigLine] = attrs.field(factory=list)


def parse(texts: Sequence[str]) -> File:
    """Return the sections of a file.

    Raises:
        ConfigError: It is not a configuration of HAProxy.
    """
    file = File()
    for line in _lines(texts, file):
        if line.words[0].startswith("."):
            file.strays.append(line)
        elif line.words[0] in SECTIONS:
            file.sections.append(HaproxySection(line, _defaults_of(line, file.sections)))
        elif not file.sections:
            raise refusal("not an HAProxy configuration: expected a section such as global first", line.number)
        else:
            file.sections[-1].lines.append(line)
            _learn(file, line)
    if not file.sections:
        raise refusal("not an HAProxy configuration: it has no section")
    return file


def _lines(texts: Sequence[str], file: File) -> Iterator[ConfigLine]:
    for number, text in enumerate(texts, 1):
        try:
            words = words_of(text, file.variables)
        except QuoteError as error:
            raise refusal(str(error), number) from error
        if words:
            yield ConfigLine(number, tuple(words), text)


def _learn(file: File, line: ConfigLine) -> None:
    """Record a variable that the section global sets."""
    if file.sections[-1].kind == "global" and line.words[0] in {"setenv", "presetenv"} and len(line.words) == 3:
        file.variables[line.words[1]] = line.words[2]


def _defaults_of(head: ConfigLine, before: Sequence[HaproxySection]) -> HaproxySection | None:
    """Return the defaults of a new section: those that it names, else the latest."""
    if head.words[0] not in PROXIES | {"defaults"}:
        return None
    known = [section for section in before if section.kind == "defaults"]
    if "from" in head.words[:-1]:
        named = head.words[head.words.index("from") + 1]
        return next((section for section in reversed(known) if section.name == named), None)
    return known[-1] if known and head.words[0] != "defaults" else None
