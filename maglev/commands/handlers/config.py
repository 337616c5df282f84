"""``config``: the configuration file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.language.environment import ExitStatus
from maglev.commands.render.lines import Cell, Line, Style, cell, clean, line
from maglev.commands.render.vpp import difference_lines
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from maglev.commands.language.nodes import Invocation
    from maglev.model.views import ConfigCheckView, ConfigDiffView, ConfigLineView, PageView, ProblemView


async def check_config(call: Invocation) -> ExitStatus:
    """Check the file."""
    return await _report(call, await call.control.check_config(), "The file is valid", "The file is not valid")


async def diff_config(call: Invocation) -> ExitStatus:
    """Show what a reload of the file would do."""
    pages: list[ConfigDiffView] = []

    async def fetch(after: str, limit: int) -> ConfigDiffView:
        pages.append(await call.control.config_diff(after, limit))
        return pages[-1]

    def members(page: ConfigDiffView) -> Mapping[str, object]:
        return {"ok": page["ok"], "problems": page["problems"]}

    def head(page: ConfigDiffView) -> Iterator[Line]:
        yield from _problem_lines(page["problems"])
        if page["ok"] and not page["rows"]:
            yield line("The file matches the running configuration: a reload would change nothing")

    def rows(page: ConfigDiffView) -> Iterator[Line]:
        return difference_lines(page["rows"])

    await call.output.pages(fetch, rows, members=members, head=head)
    return ExitStatus.OK if pages[0]["ok"] else _refuse(call, pages[0], "The file is not valid")


async def show_configuration(call: Invocation) -> ExitStatus:
    """Show the configuration in force as YAML, or how the file differs from it."""
    compares = call.output.diff
    fetch = call.control.compare_configuration if compares else call.control.configuration

    def head(page: PageView[ConfigLineView]) -> Iterator[Line]:
        if not page["rows"]:
            yield line("The file says the same as the running configuration")

    def rows(page: PageView[ConfigLineView]) -> Iterator[Line]:
        return (_config_line(each, compares=compares) for each in page["rows"])

    await call.output.pages(fetch, rows, head=head)
    return ExitStatus.OK


def _config_line(view: ConfigLineView, *, compares: bool) -> Line:
    text = view["text"] if view["text"].isascii() and view["text"].isprintable() else printable(view["text"])
    style = _CHANGES.get(view["change"], Style.HEADING if text.startswith("@@") else Style.PLAIN)
    return Line((Cell(f"{clean(view['change']) or ' '}{text}" if compares else text, style),))


_CHANGES: Final = {"-": Style.DOWN, "+": Style.UP}


async def reload_config(call: Invocation) -> ExitStatus:
    """Put the file in force if it is valid."""
    bad = "The file is not valid: the running configuration stays in force"
    said = {"reason": call.text("reason")} if "reason" in call.arguments else {}  # an older daemon knows no reason
    view = await call.control.reload_config("now" in call.arguments, **said)
    return await _report(call, view, "The file is in force", bad)


async def _report(call: Invocation, view: ConfigCheckView, good: str, bad: str) -> ExitStatus:
    """Write what is wrong with the file as the output, and that it was refused as an error."""
    problems = view["problems"]
    verdict = [line(good)] if view["ok"] else []
    await call.output.view(view, [*_problem_lines(problems), *verdict])
    return ExitStatus.OK if view["ok"] else _refuse(call, view, bad)


def _refuse(call: Invocation, view: ConfigCheckView, bad: str) -> ExitStatus:
    errors = sum(problem["kind"] != "warning" for problem in view["problems"])
    return call.refuse(f"{bad}: {errors} error{'s' if errors != 1 else ''}")


def _problem_lines(problems: Sequence[ProblemView]) -> Iterator[Line]:
    for problem in problems:
        style, kind = _KINDS.get(problem["kind"], (Style.DOWN, problem["kind"]))
        place = f"{name}: " if (name := problem.get("file")) else ""  # an older daemon does not say
        place += f"line {problem['line']}, column {problem['column']}: " if problem["line"] else ""
        path = (cell(problem["path"]), ": ") if problem["path"] else ()
        yield line(cell(place), cell(kind, style), ": ", *path, cell(problem["text"]))


_KINDS: Final = {
    "parse": (Style.DOWN, "parse error"),
    "semantic": (Style.DOWN, "semantic error"),
    "warning": (Style.UNKNOWN, "warning"),
}
