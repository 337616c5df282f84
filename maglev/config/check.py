"""The report and exit status of ``maglevd --check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.config.load import load_file
from maglev.model.errors import ConfigError
from maglev.model.problem import ProblemKind
from maglev.model.text import printable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from maglev.model.config import Config
    from maglev.model.problem import Problem


def exit_code(problems: Sequence[Problem]) -> int:
    """Return the exit status: 0 for no errors (warnings or not), 1 for any parse error, 2 for semantic errors only."""
    kinds = {problem.kind for problem in problems}
    if ProblemKind.PARSE in kinds:
        return 1
    return 2 if ProblemKind.SEMANTIC in kinds else 0


def described(path: str | os.PathLike[str], problems: Sequence[Problem]) -> list[str]:
    """Return a line for each problem of a file."""
    name = printable(str(path))
    return [str(problem) if problem.file else f"{name}: {problem}" for problem in problems]


def report(
    path: str | os.PathLike[str], look: Callable[[Config], Iterable[Problem]] = lambda _config: ()
) -> tuple[list[str], int]:
    """Return the report about a file, a line for each problem and one for the verdict, and the exit status.

    Args:
        path: The file.
        look: Returns warnings about this machine, for a valid configuration.
    """
    problems: Sequence[Problem]
    names = 0
    try:
        loaded = load_file(path)
    except ConfigError as error:
        problems = error.problems
    else:
        problems, names = (*loaded.warnings, *look(loaded.config)), len(loaded.config.names)
    verdict = f"{printable(str(path))}: {_verdict(problems)}"
    verdict += f"; {_count(names, 'DNS name')} not resolved here" if names else ""
    return [*described(path, problems), verdict], exit_code(problems)


def _verdict(problems: Sequence[Problem]) -> str:
    warnings = sum(problem.kind is ProblemKind.WARNING for problem in problems)
    errors = len(problems) - warnings
    counts = [_count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number]
    return ", ".join(["not valid" if errors else "valid", *counts])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
