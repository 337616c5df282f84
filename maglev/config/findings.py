"""Collects the problems found in one file by all stages of checking it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from maglev.config.spelling import Spelling
from maglev.model.problem import Problem, ProblemKind

if TYPE_CHECKING:
    from collections.abc import Collection


class SourcePosition(Protocol):
    """Anything with a line and a column, such as a node."""

    @property
    def line(self) -> int:
        """Counted from 1."""

    @property
    def column(self) -> int:
        """Counted from 1."""


class Findings:
    """Collects the problems of one file."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._spelling = Spelling()
        self.valid = True
        """Whether there are no errors so far, of either class."""

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
        return tuple(sorted(self._problems, key=lambda problem: (problem.line, problem.column)))

    def _add(self, kind: ProblemKind, path: str, text: str, at: SourcePosition) -> None:
        self.valid = False
        self._problems.append(Problem(kind, path, text, at.line, at.column))
