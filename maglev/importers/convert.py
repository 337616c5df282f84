"""The entry point: converts a file of another program into the text of ours, remarks, and an exit status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from maglev.config.load import load_text
from maglev.importers.draft.fitting import fit, shown
from maglev.importers.draft.source import read_lines
from maglev.importers.draft.writing import BLANK, written
from maglev.importers.haproxy.importer import import_haproxy
from maglev.importers.keepalived.importer import import_keepalived
from maglev.model.errors import ConfigError
from maglev.model.problem import ProblemKind
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.importers.draft.fitting import Fitted
    from maglev.importers.draft.model import Draft
    from maglev.model.problem import Problem

PROGRAMS: Final = {"haproxy": "HAProxy", "keepalived": "keepalived"}


@attrs.frozen
class Converted:
    """The result of a conversion.

    Attributes:
        text: The configuration; empty if the file could not be converted.
        remarks: Remarks for a person, one line each.
        status: 0 if the text is valid; 1 if the file can't be read or parsed; 2 if something must be filled in.
    """

    text: str
    remarks: tuple[str, ...]
    status: int


def convert(program: str, path: str) -> Converted:
    """Convert a file.

    Args:
        program: ``haproxy`` or ``keepalived``.
        path: Its configuration.
    """
    name = printable(path)
    try:
        draft = _draft(program, Path(path))
    except ConfigError as error:
        return Converted("", tuple(f"{name}: {problem}" for problem in error.problems), 1)
    fitted = fit(draft)
    text = written(fitted, draft.check_notes, PROGRAMS[program], Path(path).name)
    return Converted(text, *_judged(text, fitted, name))


def _draft(program: str, path: Path) -> Draft:
    return import_haproxy(read_lines(path)) if program == "haproxy" else import_keepalived(path)


def _judged(text: str, fitted: Fitted, name: str) -> tuple[tuple[str, ...], int]:
    """Check a text as a file of ours; return remarks and the exit status."""
    problems: Sequence[Problem]
    try:
        problems = load_text(text).warnings
    except ConfigError as error:
        problems = error.problems
    lines = text.split("\n")
    remarks = [f"output {_remark(problem, lines, fitted)}" for problem in problems]
    errors = sum(problem.kind is not ProblemKind.WARNING for problem in problems)
    counts = (
        _count(len(fitted.frontends), "frontend"),
        _count(len(fitted.backends), "backend"),
        _count(len(fitted.healthchecks), "healthcheck"),
    )
    left = f"{_count(len(fitted.leftovers), 'line')} without an equivalent listed at the end"
    verdict = f"{_count(errors, 'value')} to fill in before it is valid" if errors else "valid; replace VPP's addresses"
    return (*remarks, f"{name}: imported: {', '.join(counts)}; {left}; {verdict}"), 2 if errors else 0


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _remark(problem: Problem, lines: Sequence[str], fitted: Fitted) -> str:
    """Return a problem as a remark: what to fill in, and where it comes from."""
    if problem.line and BLANK in lines[problem.line - 1]:
        return f"line {problem.line}: {problem.path}: fill in ({_origin(problem.path, fitted)})"
    return str(problem)


def _origin(path: str, fitted: Fitted) -> str:
    """Return where the object of a blank comes from."""
    _, table, rest = path.split(".", 2)
    name = rest.rpartition(".")[0]
    origin = fitted.backends[name].origin if table == "backends" else fitted.frontends[name].origin
    return f"{origin.place}: {shown(origin.text)}"
