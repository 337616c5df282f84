"""One session with the command tree, independent of its transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs
from twisted.internet.defer import CancelledError

from maglev.commands.language.environment import ExitStatus
from maglev.commands.session import CommandSession
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.commands.language.environment import Environment
    from maglev.interfaces import IControl
    from maglev.runtime.cooperator import WorkQueue


class ISessionEntry(Protocol):
    """A session in the register of sessions."""

    def touch(self) -> None:
        """Record that the session did something."""

    def remove(self) -> None:
        """Take it out of the register; harmless if it is out already."""


@attrs.frozen
class SessionContext:
    """The context of a session.

    Attributes:
        clock: A monotonic clock.
        work: The queue in which the session takes turns.
        control: The verbs.
        entry: The session in the register; None if there is no register.
        idle_timeout: Seconds without a key pressed while nothing runs; 0 is for ever.
        greeting: Lines to show to a person before the first prompt.
        host: Name of the machine that is served, for the prompt; empty if it is not known.
    """

    clock: IReactorTime
    work: WorkQueue
    control: IControl
    entry: ISessionEntry | None = None
    idle_timeout: float = 0.0
    greeting: tuple[str, ...] = ()
    host: str = ""


class IdleTimer:
    """Tells when no key has been pressed for a while."""

    def __init__(self, clock: IReactorTime, timeout: float, expired: Callable[[], None]) -> None:
        """Create a timer that does not run.

        Args:
            clock: A monotonic clock.
            timeout: Seconds; 0 is for ever.
            expired: Called when they are over.
        """
        self._clock = clock
        self._timeout = timeout
        self._expired = expired
        self._call: IDelayedCall | None = None
        self._stopped = False

    def restart(self) -> None:
        """Begin to wait for the next key, unless stopped."""
        if self._stopped:
            return
        if self._call is not None and self._call.active():
            self._call.reset(self._timeout)
        elif self._timeout:
            self._call = self._clock.callLater(self._timeout, self._expired)

    def stop(self) -> None:
        """Wait no more, for good."""
        self._stopped = True
        if self._call is not None and self._call.active():
            self._call.cancel()


class Session:
    """One session: its verbs, its commands, its place in the register.

    Attributes:
        control: The verbs.
        commands: The command tree.
    """

    _log = EventLogger()

    def __init__(self, context: SessionContext, environment: Environment) -> None:
        self.control = context.control
        self.commands = CommandSession(context.control, environment)
        self._environment = environment
        self._entry = context.entry
        self._over = False

    def touch(self) -> None:
        """Record that the person did something."""
        if self._entry is not None:
            self._entry.touch()

    async def run(self, line: str) -> ExitStatus:
        """Run a line; an exception is a bug, and ends only this command.

        Raises:
            CancelledError: The command was cancelled.
        """
        try:
            return await self.commands.run(line)
        except CancelledError:
            raise
        except Exception:  # noqa: BLE001  # whatever it is: logged, and told
            self._log.failure("terminal-command-failed", caller=str(self.control.caller), line=line)
            self._environment.write_error("% Internal error; see the log\n")
            return ExitStatus.FAILED

    def end(self) -> None:
        """End the session; harmless if it has ended."""
        if not self._over:
            self._over = True
            if self._entry is not None:
                self._entry.remove()
