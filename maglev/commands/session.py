"""A session with the command tree, without a terminal: lines in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.language.choices import Choice, Completion, choice_lines, guarded
from maglev.commands.language.complete import complete, explain
from maglev.commands.language.environment import ExitStatus
from maglev.commands.language.faults import IncompleteLineError, UsageError
from maglev.commands.language.nodes import Invocation, TreePosition
from maglev.commands.language.output import Output
from maglev.commands.language.parse import parse
from maglev.commands.language.unknown import unknown_name
from maglev.commands.render.events import event_line
from maglev.commands.render.lines import clean, fitted, line
from maglev.commands.tree import ROOT
from maglev.model.errors import MaglevError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maglev.commands.language.complete import Candidate
    from maglev.commands.language.environment import Environment
    from maglev.commands.language.parse import ParsedLine
    from maglev.commands.render.lines import Line
    from maglev.interfaces import IControl
    from maglev.model.event_views import EventView

BEFORE: Final = 40
AFTER: Final = 20
"""Characters of a long line that are shown before and after the place of a mistake."""


class CommandSession:
    """Runs, completes and explains lines.

    One line runs at a time. Text that it returns or writes consists of whole lines of printable ASCII and, if the
    environment says so, colours.
    """

    def __init__(self, control: IControl, environment: Environment, root: TreePosition = ROOT) -> None:
        self._control = control
        self._environment = environment
        self._root = root

    async def run(self, line: str) -> ExitStatus:
        """Run one line; its output goes to the environment.

        To stop it, cancel what it awaits; the exception is passed on after cleaning up, as a bug is. A `MaglevError` is
        written as an error.
        """
        if self._asks(line):
            return await self._answer(line.rstrip()[:-1])
        statement = self.statement(line)
        if isinstance(statement, ExitStatus):
            return statement
        output = Output(self._environment, statement.filters)
        call = Invocation(self._control, self._environment, output, statement.arguments, self._root)
        try:
            status = await statement.command.handler(call)
            await output.finish()
        except NotFoundError as error:
            unknown = await unknown_name(statement.names, self._control, str(error))
            self._environment.write_error(_error_text(error) if unknown is None else self._usage_text(line, unknown))
            return ExitStatus.FAILED
        except MaglevError as error:
            self._environment.write_error(_error_text(error))
            return ExitStatus.FAILED
        return status

    def statement(self, line: str) -> ParsedLine | ExitStatus:
        """Return what a line says; the exit status if that is nothing, or a mistake, which is written as an error."""
        try:
            return parse(line, self._root) or ExitStatus.OK
        except UsageError as error:
            self._environment.write_error(self._usage_text(line, error))
            return ExitStatus.USAGE

    def _asks(self, line: str) -> bool:
        """Return whether a line ends in ``?`` as at a prompt, where that is a key: in a shell or script it is typed."""
        if self._environment.prompt_width is not None or not line.rstrip().endswith("?") or "|" in line:
            return False
        try:
            parse(line, self._root)
        except UsageError:
            return True
        return False  # it is a reason, or a comment

    async def _answer(self, line: str) -> ExitStatus:
        """Write what can come next."""
        try:
            offered = await explain(line, len(line), self._root, self._control)
        except UsageError as error:
            self._environment.write_error(self._usage_text(line, error))
            return ExitStatus.USAGE
        except MaglevError as error:
            self._environment.write_error(_error_text(error))
            return ExitStatus.FAILED
        self._environment.write(self._offered_text(offered))
        await self._environment.drain()
        return ExitStatus.OK

    async def complete(self, line: str, cursor: int) -> Completion:
        """Return the answer to TAB; without choices if there are none, whatever the reason."""
        try:
            return await complete(line, cursor, self._root, self._control)
        except MaglevError:
            return Completion(cursor)

    async def help(self, line: str, cursor: int) -> str:
        """Return the answer to ``?``: what can come next, or what is wrong up to there."""
        try:
            offered = await explain(line, cursor, self._root, self._control)
        except UsageError as error:
            return self._usage_text(line[: max(cursor, 0)], error)
        except MaglevError as error:
            return _error_text(error)
        return self._offered_text(offered)

    def _offered_text(self, offered: Candidate) -> str:
        return self.listing((*offered.choices, *offered.names), more=offered.more)

    def listing(self, choices: Sequence[Choice], *, more: bool = False) -> str:
        """Return choices as a list."""
        rest = [line("  ... and more")] if more else []
        return self._text((*choice_lines(choices, self._environment.width), *rest))

    def event_text(self, event: EventView) -> str:
        """Return an event as ``terminal monitor`` shows it: as one line if that fits."""
        return self._text(fitted(event_line(event), guarded(self._environment.width)))

    def _text(self, lines: Iterable[Line]) -> str:
        colour = self._environment.colour
        return "".join(f"{each.painted if colour else each.plain}\n" for each in lines)

    def _usage_text(self, typed: str, error: UsageError) -> str:
        if isinstance(error, IncompleteLineError):
            return _error_text(error)
        return "\n".join((*self._caret(typed, error.column), _error_text(error)))

    def _caret(self, typed: str, column: int) -> Sequence[str]:
        """Return a ``^`` below the mistake, and above it a copy of the line unless the screen shows it as typed."""
        prompt, width = self._environment.prompt_width, guarded(self._environment.width)
        if prompt is not None and typed.isascii() and typed.isprintable() and prompt + len(typed) < width:
            return [" " * (prompt + column) + "^"]
        start, end = max(column - BEFORE, 0), column + AFTER
        before = ("..." if start else "") + _escaped(typed[start:column])
        after = _escaped(typed[column:end]) + ("..." if end < len(typed) else "")
        return [before + after, " " * len(before) + "^"]


def _escaped(text: str) -> str:
    return "".join(clean(char) for char in text)


def _error_text(error: MaglevError) -> str:
    return "".join(f"% {clean(text)}\n" for text in str(error).splitlines() or [type(error).__name__])
