"""A problem in a configuration file, and its place."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from maglev.model.views import ProblemView


class ProblemKind(enum.StrEnum):
    """The severity and class of a problem; `maglevd --check` exits with 1 on PARSE, 2 on SEMANTIC, else 0."""

    PARSE = "parse"
    SEMANTIC = "semantic"
    WARNING = "warning"


@attrs.frozen
class Problem:
    """An error or a warning about one place in the file.

    Attributes:
        kind: Its class.
        path: The key, such as ``maglev.frontends.web.pools[0].backends.www1``; empty for the file as a whole.
        text: What is wrong, for a person, without the place.
        line: Line in the file, counted from 1; 0 when there is no place.
        column: Column in the line, counted from 1; 0 when there is no place.
        file: Name of the included file, printable; empty for the file itself.
    """

    kind: ProblemKind
    path: str
    text: str
    line: int = 0
    column: int = 0
    file: str = ""

    def __str__(self) -> str:
        place = f"{self.file}: " if self.file else ""
        place += f"line {self.line}, column {self.column}: " if self.line else ""
        path = f"{self.path}: " if self.path else ""
        return f"{place}{self.kind}{' error' if self.kind is not ProblemKind.WARNING else ''}: {path}{self.text}"


def problem_view(problem: Problem) -> ProblemView:
    """Return something that is wrong with the configuration file."""
    return {
        "kind": str(problem.kind),
        "path": problem.path,
        "text": problem.text,
        "line": problem.line,
        "column": problem.column,
        "file": problem.file,
    }
