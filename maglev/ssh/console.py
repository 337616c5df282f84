"""The context shared by all sessions of the console, and the runner of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from maglev.terminal.batch import BatchRunner
from maglev.terminal.session import SessionContext
from maglev.terminal.shell import Shell

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from maglev.interfaces import IControl
    from maglev.model.caller import Caller
    from maglev.runtime.cooperator import WorkQueue
    from maglev.ssh.logins import Logins
    from maglev.terminal.session import ISessionEntry
    from maglev.terminal.stream import IRunner, IStream, Opening


class ISessionRegister(Protocol):
    """The register of sessions of all front ends (`maglev.control.sessions.Sessions`)."""

    def add(self, caller: Caller, front_end: str) -> ISessionEntry:
        """Register a new session."""


@attrs.frozen
class Console:
    """The context shared by all sessions.

    Attributes:
        clock: A monotonic clock.
        work: The queue in which sessions take turns.
        idle_timeout: Seconds without a key pressed while nothing runs; 0 is for ever.
        control_for: Returns the verbs bound to a caller.
        register: The register of sessions.
        logins: Counts logins and sessions.
        greeting: Program, version and host.
        host: Name of this machine.
    """

    clock: IReactorTime
    work: WorkQueue
    idle_timeout: float
    control_for: Callable[[Caller], IControl]
    register: ISessionRegister
    logins: Logins
    greeting: str
    host: str = ""

    def open(self, stream: IStream, opening: Opening) -> IRunner:
        """Return the runner of a channel: a shell for a person at a prompt, or commands without one."""
        caller = opening.caller
        context = SessionContext(
            self.clock,
            self.work,
            self.control_for(caller),
            CountedEntry(self.register.add(caller, "ssh"), self.logins),
            self.idle_timeout,
            (self.greeting, f"You are {caller.name} ({caller.role}). Type ? for help."),
            self.host,
        )
        if opening.command is None and opening.window is not None:
            return Shell(context, stream, opening)
        return BatchRunner(context, stream, opening)


class CountedEntry:
    """A session in the register that counts among the logins until it is removed, once."""

    def __init__(self, entry: ISessionEntry, logins: Logins) -> None:
        self._entry = entry
        self._logins = logins
        logins.sessions += 1

    def touch(self) -> None:
        """Record that the session did something."""
        self._entry.touch()

    def remove(self) -> None:
        """Remove it from the register."""
        self._entry.remove()
        self._logins.sessions -= 1
