"""What an agent says of its server: the words of HAProxy's ``agent-check``, and what they leave behind. No I/O.

An answer is one line that ends with CR or LF. Blanks, tabs and commas separate its words; ``#`` at the beginning of a
word begins a description. Of the words of one kind the last one counts, and a kind that an answer leaves out stays as
it was: an agent that said ``drain`` undoes it with ``ready``, one that said ``down`` with ``up``.

Source: HAProxy's configuration manual (``agent-check``) and its ``check.c`` (``tcpcheck_agent_expect``), with two
differences: ``up`` raises nothing, and more than 100 % is 100 %, as an agent can only lower what the checks say.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

LINE_LIMIT: Final = 4096
"""Bytes of an answer: the words are short, and what follows ``#`` is shown in part only."""

WHOLE: Final = 100
"""Percent of a weight that take nothing away."""

DOWN_WORDS: Final = ("down", "fail", "stopped")
"""Each means that the server is not to be used; which one is for people."""

ORDER_WORDS: Final = ("drain", "maint")
"""Each means that an administrator wants the server out; ``ready`` undoes them."""

_KINDS: Final[Mapping[str, re.Pattern[str]]] = {
    "operating": re.compile("up|" + "|".join(DOWN_WORDS)),
    "order": re.compile("ready|" + "|".join(ORDER_WORDS)),
    "percent": re.compile(r"[0-9]{1,9}%"),
    "limit": re.compile(r"maxconn:[0-9]{1,9}"),
}
_SEPARATORS: Final = re.compile(rb"[ \t,]+")
_SHARP: Final = re.compile(rb"(?:\A|(?<=[ \t,]))#")


class AgentWord(NamedTuple):
    """What holds of all that an agent has said.

    Attributes:
        down: ``down``, ``fail`` or ``stopped``; empty while it says none of them.
        order: ``drain`` or ``maint``; empty while it says neither.
        percent: How much of its weight the server is to have, 0..100.
    """

    down: str = ""
    order: str = ""
    percent: int = WHOLE

    @property
    def kind(self) -> tuple[str, str, int]:
        """What is worth telling of it: not each step between 1 and 99 %."""
        return self.down, self.order, self.percent if self.percent in {0, WHOLE} else 1

    def __str__(self) -> str:
        percent = f"{self.percent}%" if self.percent < WHOLE else ""
        return " ".join(filter(None, (self.down, self.order, percent))) or "up"


NEUTRAL: Final = AgentWord()
"""It takes nothing away: what an agent that says ``up ready 100%`` leaves, and one that has been silent for long."""


class AgentAnswer(NamedTuple):
    """One line of an agent.

    Attributes:
        operating: ``up``, ``down``, ``fail`` or ``stopped``; empty if it says none of them.
        order: ``ready``, ``drain`` or ``maint``; likewise.
        percent: Such as ``50%``; likewise.
        limit: Such as ``maxconn:30``, which has no meaning for VPP; likewise.
        description: What comes after ``#``; printable.
        unknown: The first word that is not understood, printable; empty if all are.
    """

    operating: str = ""
    order: str = ""
    percent: str = ""
    limit: str = ""
    description: str = ""
    unknown: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words that are understood."""
        return tuple(filter(None, self[:4]))

    @property
    def is_down(self) -> bool:
        """Whether it takes the server down."""
        return self.operating in DOWN_WORDS

    def after(self, word: AgentWord) -> AgentWord:
        """Return what holds after this answer."""
        if self.operating:
            word = word._replace(down=self.operating if self.is_down else "")
        if self.order:
            word = word._replace(order=self.order if self.order in ORDER_WORDS else "")
        if self.percent:
            word = word._replace(percent=min(int(self.percent[:-1]), WHOLE))
        return word

    def __str__(self) -> str:
        ignored = f"ignored: {self.unknown}" if self.unknown else ""
        remarks = "; ".join(filter(None, (self.description, ignored)))
        return printable(" ".join([*self.words, *([f"#{remarks}"] if remarks else [])]))


def answer_of(line: bytes) -> AgentAnswer:
    """Return what a line, without its end, says. The text of an answer, as a line, has the same words."""
    found: dict[str, str] = {}
    unknown = ""
    said, description = _parts(line)
    for raw in _SEPARATORS.split(said):
        word = raw.decode("latin-1").lower()
        kind = next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(word)), None)
        if kind is not None:
            found[kind] = word
        elif word and not unknown:
            unknown = excerpt(word)
    return AgentAnswer(**found, description=description, unknown=unknown)


def _parts(line: bytes) -> tuple[bytes, str]:
    """Return the words of a line, and its description, which begins with ``#`` where a word could begin."""
    found = _SHARP.search(line)
    if found is None:
        return line, ""
    return line[: found.start()], printable(line[found.end() :].strip(b" \t").decode("latin-1"))


def weight_of(word: AgentWord, configured: int) -> int:
    """Return the part of a configured weight that an agent leaves: at least 1, unless one of the two is 0."""
    if not configured or not word.percent:
        return 0
    return max((configured * word.percent + WHOLE // 2) // WHOLE, 1)
