"""Commands without a person at a prompt: one of the command line, or the lines of a script."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from maglev.commands.environment import ExitStatus
from maglev.commands.session import CommandSession
from maglev.maglevc.streams import Outlet, Script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from maglev.interfaces import IControl

COMMENTS: Final = ("!", "#")
"""What lines of a script begin with that are for the reader only, as in the SSH console."""


class BatchEnvironment:
    """The surroundings of commands whose output goes to standard output; `maglev.commands.environment.Environment`.

    Attributes:
        colour: Whether output may contain colours.
        closed: Whether a command asked to end.
    """

    prompt_width: Final = None

    def __init__(self, reactor: Any, *, colour: bool | None) -> None:
        """Use the standard streams.

        Args:
            reactor: The reactor.
            colour: Whether to use colours; None does on a terminal.
        """
        self.terminal = sys.stdout.isatty()
        self.colour = self.terminal if colour is None else colour
        self.closed = False
        self._outlet = Outlet(reactor, sys.stdout.fileno())

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return columns()

    def write(self, text: str) -> None:
        """Write to standard output."""
        self._outlet.write(text)

    def write_error(self, text: str) -> None:
        """Write to standard error."""
        complain(text)

    def drain(self) -> Awaitable[None]:
        """Wait for whoever reads."""
        return self._outlet.drain()

    def set_stop_on_key(self, on: bool) -> None:  # noqa: FBT001
        """^C ends the command, whatever it is."""

    def set_monitor(self, on: bool) -> None:  # noqa: FBT001
        """There is no line being typed; commands know that and refuse."""

    def set_length(self, rows: int) -> None:
        """Nothing is ever held back here."""

    def history(self) -> Sequence[str]:
        """Nothing was typed."""
        return ()

    def close(self) -> None:
        """End after this command."""
        self.closed = True


def columns() -> int:
    """Return the columns of the terminal, or of none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except OSError:
        return 80


def complain(text: str) -> None:
    """Write to standard error, whoever reads it."""
    with contextlib.suppress(OSError):  # there is nowhere left to say it
        os.write(sys.stderr.fileno(), text.encode("utf-8", "backslashreplace"))


async def run_command(control: IControl, environment: BatchEnvironment, command: str) -> ExitStatus:
    """Run one command; return its status."""
    return await CommandSession(control, environment).run(command)


async def run_script(control: IControl, environment: BatchEnvironment, script: Script) -> ExitStatus:
    """Run the lines of a script; return the status of the last that failed, or `ExitStatus.OK`."""
    session = CommandSession(control, environment)
    status = ExitStatus.OK
    while not environment.closed and (line := await script.next()) is not None:
        if line.strip() and not line.lstrip().startswith(COMMENTS):
            status = await session.run(line) or status
    return status
