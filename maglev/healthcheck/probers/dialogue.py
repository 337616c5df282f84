"""Conversations over TCP: what is said, what has to be answered, and how they end. No I/O.

A dialogue is driven by `maglev.healthcheck.probers.talk.TalkProbe`. What is bounded, and why; each bound falls between
two bytes, wherever the pieces end that the kernel delivers:

* what is looked at for one step: 16 KiB, several times the longest greeting;
* what is received in all: 64 KiB;
* how often a pattern is searched in a growing answer: with each of 256 pieces, and after that each time that the
  answer has grown by an eighth. A backend that sends byte by byte would otherwise have 16 KiB searched 16,384 times.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, Protocol

import attrs
import re2

from maglev.model.result import Code
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.model.check_params import AnswerPattern, ProbeStep

STEP_LIMIT: Final = 1 << 14
TALK_LIMIT: Final = 1 << 16
EAGER_SEARCHES: Final = 256
"""Pieces of an answer after each of which it is searched."""

Verdict = tuple[Code, str]

NO_ANSWER: Final = "no answer"


class Parting(enum.Enum):
    """How the connection ends after the verdict."""

    RESET = "now"
    WAIT = "when the backend closes"
    HALF_CLOSE = "when the backend closes, which it does when our side is closed"


class Dialogue(Protocol):
    """A conversation over one connection.

    Attributes:
        verdict: The verdict, once there is one; it never changes.
        parting: How to end the connection after that.
    """

    verdict: Verdict | None
    parting: Parting

    def begin(self) -> bytes:
        """Return what to say first; empty if the backend speaks first."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the backend; return what to say now. None of them can make it raise."""

    def progress(self) -> str:
        """Return what is missing, for a probe whose time is up."""

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came before the connection ended; ``how`` says how it ended."""


def received(data: bytes | bytearray) -> str:
    """Return what came, for a detail."""
    return f'received "{excerpt(bytes(data[:400]).decode("latin-1"))}"' if data else NO_ANSWER


class BytesFinder:
    """Finds bytes in an answer."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.label = f'"{excerpt(text.decode("latin-1"))}"'

    def find(self, answer: bytes) -> tuple[int, int] | None:
        """Return where it begins and ends."""
        start = answer.find(self._text)
        return None if start < 0 else (start, start + len(self._text))


class RegexpFinder:
    """Finds a match of a pattern in an answer, byte by byte: protocols are not all UTF-8."""

    def __init__(self, regexp: str) -> None:
        options = re2.Options()
        options.log_errors = False  # RE2 would write to our standard error
        options.encoding = re2.Options.Encoding.LATIN1
        self._pattern = re2.compile(regexp.encode(), options)
        self.label = f'regexp "{excerpt(regexp)}"'

    def find(self, answer: bytes) -> tuple[int, int] | None:
        """Return where the leftmost match begins and ends."""
        found = self._pattern.search(answer)
        return None if found is None else (found.start(), found.end())


Finder = BytesFinder | RegexpFinder


def finder_of(pattern: AnswerPattern) -> Finder:
    """Return what finds the pattern in an answer.

    Raises:
        re2.error: The pattern is not valid.
    """
    return BytesFinder(pattern.text) if pattern.text is not None else RegexpFinder(pattern.regexp or "")


@attrs.frozen
class AwaitedAnswer:
    """An answer to wait for, with what is said before it.

    Attributes:
        before: What to say first; empty if the backend speaks.
        wanted: What has to come.
        unwanted: What must not come before that; None for nothing.
        label: The step, for details.
    """

    before: bytes
    wanted: Finder
    unwanted: Finder | None
    label: str

    @property
    def said(self) -> bool:
        """Whether anything is said first; what came before that does not answer it."""
        return bool(self.before)


@attrs.frozen
class Script:
    """The steps of a healthcheck, ready to be used many times.

    Attributes:
        answers: The answers to wait for.
        farewell: What is said after the last one.
    """

    answers: tuple[AwaitedAnswer, ...]
    farewell: bytes

    @classmethod
    def of(cls, steps: Sequence[ProbeStep]) -> Script:
        """Return the script of these steps, of which one at least expects something.

        Raises:
            re2.error: A pattern is not valid.
        """
        answers = []
        say = b""
        for number, step in enumerate(steps, 1):
            if step.expect is None:
                say += step.send or b""
                continue
            wanted = finder_of(step.expect)
            unwanted = None if step.reject is None else RegexpFinder(step.reject)
            answers.append(AwaitedAnswer(say, wanted, unwanted, f"step {number} (expect {wanted.label})"))
            say = b""
        return cls(tuple(answers), say)


class StepsDialogue:
    """The steps of a healthcheck: passes when the last expected answer has come."""

    def __init__(self, script: Script) -> None:
        self.verdict: Verdict | None = None
        self.parting = Parting.WAIT if script.farewell else Parting.RESET
        self._script = script
        self._position = 0
        self._total = 0
        self._answer = bytearray()
        self._pieces = 0
        self._searched = 0

    def begin(self) -> bytes:
        """Return what to say first (`Dialogue.begin`)."""
        return self._script.answers[0].before

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the backend (`Dialogue.feed`)."""
        say = b""
        self._pieces += 1
        while data and self.verdict is None:
            room = min(STEP_LIMIT - len(self._answer), TALK_LIMIT - self._total)
            taken, data = data[:room], data[room:]
            self._total += len(taken)
            self._answer += taken
            say += self._advance(at_limit=len(taken) == room)
        return say

    def _advance(self, *, at_limit: bool) -> bytes:
        """Take the steps whose answers are there; return what to say."""
        say = b""
        while self.verdict is None and self._find(at_limit=at_limit):
            self._position += 1
            if self._position == len(self._script.answers):
                self.verdict = Code.L7OK, ""
                return say + self._script.farewell
            say += self._now.before
            if self._now.said:
                self._answer.clear()
            self._pieces = self._searched = 0
        if self.verdict is None and (len(self._answer) >= STEP_LIMIT or self._total >= TALK_LIMIT):
            self._fail(Code.L7RSP, f"{self._now.label}: not in the first {len(self._answer)} bytes")
        return say

    def _find(self, *, at_limit: bool) -> bool:
        """Return whether the answer to the present step is there, and take it; the rest may be the next one."""
        size = len(self._answer)
        if self._pieces > EAGER_SEARCHES and size < self._searched + (self._searched >> 3) and not at_limit:
            return False
        self._searched = size
        answer = bytes(self._answer)
        step = self._now
        wanted = step.wanted.find(answer)
        unwanted = None if step.unwanted is None else step.unwanted.find(answer)
        if unwanted is not None and (wanted is None or unwanted[0] < wanted[0]):
            self._fail(Code.L7STS, f"{step.label}: {received(answer[unwanted[0] :])}")
            return False
        if wanted is None:
            return False
        del self._answer[: wanted[1]]
        return True

    @property
    def _now(self) -> AwaitedAnswer:
        return self._script.answers[self._position]

    def _fail(self, code: Code, detail: str) -> None:
        self.verdict = code, printable(detail)
        self.parting = Parting.RESET

    def progress(self) -> str:
        """Return what is missing (`Dialogue.progress`)."""
        return printable(f"{self._now.label}: {received(self._answer)}")

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came (`Dialogue.end`)."""
        self._pieces = 0
        self._advance(at_limit=True)
        if self.verdict is None:
            self._fail(Code.L7RSP, f"{self._now.label}: {how}, {received(self._answer)}")
        return self.verdict or (Code.L7RSP, how)
