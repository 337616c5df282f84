"""What all sessions of the console share, and what each of them is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs
from twisted.internet.defer import CancelledError

from maglev.commands.environment import ExitStatus
from maglev.commands.session import CommandSession
from maglev.runtime.logs.logger import EventLogger
from maglev.ssh.batch import BatchRunner
from maglev.ssh.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from maglev.commands.environment import Environment
    from maglev.interfaces import IControl
    from maglev.model.caller import Caller
    from maglev.ssh.channel import IRunner, Opening, SessionChannel
    from maglev.ssh.logins import Logins
    from maglev.ssh.turns import Turns


class ISessionEntry(Protocol):
    """A session in the register of sessions."""

    def touch(self) -> None:
        """Take note that the session did something."""

    def remove(self) -> None:
        """Take it out of the register; harmless if it is out already."""


class ISessionRegister(Protocol):
    """Who is connected, over all front ends (`maglev.control.sessions.Sessions`)."""

    def add(self, caller: Caller, front_end: str) -> ISessionEntry:
        """Enter a new session."""


@attrs.frozen
class Console:
    """What the sessions share.

    Attributes:
        clock: A monotonic clock.
        turns: Gives each session its turn.
        idle_timeout: Seconds without a key pressed while nothing runs; 0 is for ever.
        control_for: Returns the verbs for somebody.
        register: Where sessions are entered.
        logins: Counts them.
        greeting: What this is: program, version and host.
    """

    clock: IReactorTime
    turns: Turns
    idle_timeout: float
    control_for: Callable[[Caller], IControl]
    register: ISessionRegister
    logins: Logins
    greeting: str

    def open(self, channel: SessionChannel, opening: Opening) -> IRunner:
        """Return what runs in a channel: a person at a prompt, or commands without one."""
        if opening.command is None and opening.window is not None:
            return Terminal(self, channel, opening, opening.window)
        return BatchRunner(self, channel, opening)

    def begin(self, caller: Caller, environment: Environment) -> Session:
        """Begin a session."""
        self.logins.sessions += 1
        return Session(self, self.control_for(caller), environment, self.register.add(caller, "ssh"))


class Session:
    """One session: its verbs, its commands, its place in the register.

    Attributes:
        control: The verbs.
        commands: The command tree.
    """

    _log = EventLogger()

    def __init__(self, console: Console, control: IControl, environment: Environment, entry: ISessionEntry) -> None:
        self.control = control
        self.commands = CommandSession(control, environment)
        self._environment = environment
        self._console = console
        self._entry = entry
        self._over = False

    def touch(self) -> None:
        """Take note that somebody is there."""
        self._entry.touch()

    async def run(self, line: str) -> ExitStatus:
        """Run a line; what it raises is a bug, and harms only this command.

        Raises:
            CancelledError: Somebody did not want to wait for its end.
        """
        try:
            return await self.commands.run(line)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001  # whatever it is: logged, and told
            self._log.failure("ssh-command-failed", caller=str(self.control.caller), line=line)
            self._environment.write_error("% Internal error; the log has more about it\n")
            return ExitStatus.FAILED

    def end(self) -> None:
        """End the session; harmless if it has ended."""
        if not self._over:
            self._over = True
            self._entry.remove()
            self._console.logins.sessions -= 1
