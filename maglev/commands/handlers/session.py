"""The session itself: help, the terminal, and the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.commands.language.environment import ExitStatus
from maglev.commands.language.nodes import summaries
from maglev.commands.render.lines import Style, cell, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.commands.language.nodes import Invocation
    from maglev.commands.render.lines import Line
    from maglev.model.session_views import WebLoginView

SHORT: Final = 28
"""Longest command, in characters, that has its help beside it; longer ones have it below."""


async def show_help(call: Invocation) -> ExitStatus:
    """List all commands."""
    found = [(summary.syntax, summary.help) for summary in summaries(call.root)]
    views = [{"command": syntax, "help": text} for syntax, text in found]
    await call.output.view(views, _help_lines(found))
    return ExitStatus.OK


def _help_lines(found: Sequence[tuple[str, str]]) -> Iterator[Line]:
    short = max(len(syntax) for syntax, _ in found if len(syntax) <= SHORT)
    for syntax, text in found:
        if len(syntax) <= short:
            yield line(cell(syntax, Style.HEADING), " " * (short - len(syntax) + 2), text)
        else:
            yield line(cell(syntax, Style.HEADING))
            yield line(" " * (short + 2), text)


async def close(call: Invocation) -> ExitStatus:
    """End the session."""
    call.environment.close()
    return ExitStatus.OK


async def web_login(call: Invocation) -> ExitStatus:
    """Print a link to the live page."""
    view = await call.control.web_login()
    await call.output.view(view, _link_lines(view))
    return ExitStatus.OK


def _link_lines(view: WebLoginView) -> Iterator[Line]:
    yield line(cell(view["url"]))
    yield line(f"It works once, within {view['expires_in']:.0f} s, and opens the live page as you.")


async def monitor(call: Invocation) -> ExitStatus:
    """Show events above the line being typed."""
    return _set_monitor(call, on=True)


async def no_monitor(call: Invocation) -> ExitStatus:
    """Stop showing events above the line being typed."""
    return _set_monitor(call, on=False)


def _set_monitor(call: Invocation, *, on: bool) -> ExitStatus:
    if call.environment.prompt_width is None:
        return call.refuse("This session has no prompt to show events above; use watch events")
    call.environment.set_monitor(on)
    return ExitStatus.OK


async def set_width(call: Invocation) -> ExitStatus:
    """Set the columns into which lines have to fit."""
    call.environment.set_width(call.number("columns"))
    return ExitStatus.OK


async def set_length(call: Invocation) -> ExitStatus:
    """Set the number of lines after which output stops."""
    call.environment.set_length(call.number("rows"))
    return ExitStatus.OK
