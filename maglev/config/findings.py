"""Collects the problems found in a file, and in those that it includes, by all stages of checking it."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from maglev.config.spelling import Spelling
from maglev.model.problem import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Collection


_FURTHER: Final = 1 << 25
"""Where the lines of included files begin: beyond those of any file, which is at most 16 MiB."""


class SourcePosition(Protocol):
    """Anything with a line and a column, such as a node."""

    @property
    def line(self) -> int:
        """Counted from 1."""

    @property
    def column(self) -> int:
        """Counted from 1."""


class Findings:
    """Collects the problems of a file, and of those that it includes."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._files: list[tuple[int, str]] = [(0, "")]
        self._lines = 0
        self._spelling = Spelling()
        self.valid = True
        """Whether there are no errors so far, of either class."""

    def begin_file(self, name: str, line_feeds: int) -> int:
        """Begin with an included file; return how many lines come before its own.

        Args:
            name: For people; printable.
            line_feeds: How many it has.
        """
        first = max(self._lines, _FURTHER)
        self._lines = first + line_feeds + 1
        self._files.append((first, name))
        return first

    def where(self, line: int) -> str:
        """Return a line for people: ``line 3``, or ``line 3 of sites/a.yaml`` for one of an included file."""
        first, name = self._file_of(line)
        return f"line {line - first}{name and f' of {name}'}"

    def _file_of(self, line: int) -> tuple[int, str]:
        return self._files[bisect.bisect_left(self._files, line, key=lambda each: each[0]) - 1] if line else (0, "")

    def parse(self, path: str, text: str, at: SourcePosition) -> None:
        """Add an error of class PARSE: YAML syntax, an unknown key, a wrong type."""
        self._add(ProblemKind.PARSE, path, text, at)

    def semantic(self, path: str, text: str, at: SourcePosition) -> None:
        """Add an error of class SEMANTIC: everything else."""
        self._add(ProblemKind.SEMANTIC, path, text, at)

    def warning(self, path: str, text: str, at: SourcePosition) -> None:
        """Add a warning."""
        self._problems.append(Problem(ProblemKind.WARNING, path, text, at.line, at.column))

    def closest(self, word: str, candidates: Collection[str]) -> str | None:
        """Return the candidate that was probably meant, if any (see `Spelling.closest`)."""
        return self._spelling.closest(word, candidates)

    def hint(self, word: str, candidates: Collection[str]) -> str:
        """Return ``; did you mean 'x'?`` to append to a text, or an empty string."""
        meant = self.closest(word, candidates)
        return f"; did you mean {meant!r}?" if meant else ""

    def in_file_order(self) -> tuple[Problem, ...]:
        """Return all problems, sorted by place; those of one place in the order in which they were found."""
        ordered = sorted(self._problems, key=lambda problem: (problem.line, problem.column))
        if len(self._files) == 1:
            return tuple(ordered)
        return tuple(map(self._placed, ordered))

    def _placed(self, problem: Problem) -> Problem:
        first, name = self._file_of(problem.line)
        return attrs.evolve(problem, line=problem.line - first, file=name)

    def _add(self, kind: ProblemKind, path: str, text: str, at: SourcePosition) -> None:
        self.valid = False
        self._problems.append(Problem(kind, path, text, at.line, at.column))
