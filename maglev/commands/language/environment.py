"""The environment that a front end provides to a command session: output, and other services for commands."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence


class ExitStatus(enum.IntEnum):
    """The result of a line, and the exit status of a one-shot command."""

    OK = 0
    """The command succeeded."""

    FAILED = 1
    """The command was refused, or it failed."""

    USAGE = 2
    """The line is invalid."""


class Environment(Protocol):
    """The surroundings of one command session. Attributes may change at any time (a window is resized)."""

    @property
    def prompt_width(self) -> int | None:
        """Columns before the line on the screen, where a person types at a prompt; None where there is no prompt.

        With a prompt, the ``^`` of a mistake is written right below the line that was typed; without one (a one-shot
        command, a script), the line is written again above it. Commands that only make sense at a prompt
        (``terminal monitor``) are refused without one.
        """

    @property
    def terminal(self) -> bool:
        """Whether a person reads the output on a terminal. If not, events are written as JSON, one per line."""

    @property
    def colour(self) -> bool:
        """Whether output may contain colours (SGR sequences). Nothing else that is not printable is ever written."""

    @property
    def width(self) -> int:
        """Columns of the terminal; any number, even 0: the session guards itself."""

    def write(self, text: str) -> None:
        r"""Take some output: whole lines, each ending with ``\n``. Not called again before `drain` has returned."""

    def write_error(self, text: str) -> None:
        r"""Take error messages: whole lines, each ending with ``\n``."""

    def drain(self) -> Awaitable[None]:
        """Wait until more output may come; called after each `write`, and now and then in long work without output.

        This is where a slow reader, or a person at ``--More--``, holds a command back. It must let the event loop have
        a turn even when nothing has to be waited for. A reader who has seen enough cancels the command.
        """

    def set_stop_on_key(self, on: bool) -> None:  # noqa: FBT001  # a switch
        """From now on any key cancels the command (on), or only ^C does (off). Switched on and off by ``watch``."""

    def set_monitor(self, on: bool) -> None:  # noqa: FBT001
        """Start or stop showing events above the line being typed (``terminal monitor``)."""

    def set_length(self, rows: int) -> None:
        """Stop after so many lines with ``--More--`` (``terminal length``); 0 means never."""

    def set_width(self, columns: int) -> None:
        """Assume a terminal of so many columns (``terminal width``); 0 goes back to those of the window."""

    def history(self) -> Sequence[str]:
        """Return the lines typed before, oldest first."""

    def close(self) -> None:
        """End the session after this command (``quit``, ``exit``)."""
