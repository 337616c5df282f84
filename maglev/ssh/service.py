"""The SSH console as a service: its host key, its listener, and what all of its connections share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import Service
from twisted.application.strports import service as listening
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory

from maglev.model.caller import Role
from maglev.model.version import VERSION
from maglev.runtime.logs.logger import EventLogger
from maglev.ssh.connection_limiter import ConnectionLimiter
from maglev.ssh.console import Console
from maglev.ssh.hostkey import host_key
from maglev.ssh.keyfile import fingerprint
from maglev.ssh.keyring import KeyRing
from maglev.ssh.limits import Limits
from maglev.ssh.logins import Logins
from maglev.ssh.transport import ConsoleTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.application.service import IService
    from twisted.conch.ssh.keys import Key
    from twisted.internet.interfaces import IAddress, IReactorTime

    from maglev.interfaces import IControl
    from maglev.model.caller import Caller
    from maglev.runtime.cooperator import WorkQueue
    from maglev.ssh.channel import SessionChannel
    from maglev.ssh.console import ISessionRegister
    from maglev.terminal.stream import IRunner, Opening


FAREWELL: Final = 1.0
"""Seconds that clients have to take their leave when maglevd stops, which it does within 2 s."""


class SshFactory(Factory[Any]):
    """What the connections of one console share; makes them."""

    noisy = False

    def __init__(self, clock: IReactorTime, limits: Limits, key: Key, keyring: KeyRing, console: Console) -> None:
        """Prepare to make connections.

        Args:
            clock: A monotonic clock.
            limits: How many there may be, and how long.
            key: The host key.
            keyring: Who may log in.
            console: What sessions share.
        """
        self.clock = clock
        self.work = console.work
        self.limits = limits
        self.keyring = keyring
        self.logins = console.logins
        self.limiter = ConnectionLimiter(limits)
        self.connections: set[ConsoleTransport] = set()
        self._empty: Deferred[None] | None = None
        # By these names Conch looks for the host key.
        self.publicKeys = {key.sshType(): key.public()}
        self.privateKeys = {key.sshType(): key}
        self._console = console

    def buildProtocol(self, addr: IAddress | None) -> ConsoleTransport:  # noqa: ARG002  # Twisted's signature
        """Return a connection."""
        return ConsoleTransport(self)

    def gone(self, connection: ConsoleTransport) -> None:
        """Forget a lost connection."""
        self.connections.discard(connection)
        if self._empty is not None and not self.connections:
            empty, self._empty = self._empty, None
            empty.callback(None)

    async def close(self) -> None:
        """End all connections, with a word of farewell for those who read it in time."""
        if not self.connections:
            return
        empty = self._empty = Deferred()
        cut = self.clock.callLater(FAREWELL, self._cut)
        for connection in tuple(self.connections):
            connection.dismiss("maglevd is stopping")
        await empty
        if cut.active():
            cut.cancel()

    def _cut(self) -> None:
        for connection in tuple(self.connections):
            connection.abort()

    def open_channel(self, channel: SessionChannel, opening: Opening) -> IRunner:
        """Return what runs in a channel."""
        return self._console.open(channel, opening)


class SshService(Service):
    """The SSH console.

    Attributes:
        logins: Counts logins and sessions; see `maglev.metrics.ssh.SshCollector`.
    """

    _log = EventLogger()

    def __init__(
        self,
        reactor: Any,
        work: WorkQueue,
        description: str,
        state_dir: str,
        operator_keys: str,
        viewer_keys: str,
        control_for: Callable[[Caller], IControl],
        register: ISessionRegister,
        *,
        limits: Limits | None = None,
        host_name: str = "",
    ) -> None:
        """Prepare to listen; the files are read when it starts.

        Args:
            reactor: The reactor, whose clock must be monotonic.
            work: Where what sessions do is done in turns.
            description: Where to listen, as an endpoint description of Twisted.
            state_dir: Where the host key is kept; made if it is not there.
            operator_keys: Path of the file with the keys of those who may do everything.
            viewer_keys: The same for those who may only look.
            control_for: Returns the verbs for somebody.
            register: Where sessions are entered.
            limits: Bounds, where they differ from the usual ones.
            host_name: Of this machine, for the greeting.
        """
        self.logins = Logins()
        self._reactor = reactor
        self._description = description
        self._state_dir = state_dir
        self._limits = limits or Limits()
        self._keyring = KeyRing({Role.OPERATOR: operator_keys, Role.VIEWER: viewer_keys})
        greeting = f"maglevd {VERSION}" + (f" on {host_name}" if host_name else "")
        idle = self._limits.idle_timeout
        self._console = Console(reactor, work, idle, control_for, register, self.logins, greeting)
        self._house: SshFactory | None = None
        self._listener: IService | None = None

    def privilegedStartService(self) -> None:
        """Listen, while there are still privileges for it.

        Raises:
            StartError: The host key can't be had.
            CannotListenError: The address is taken.
        """
        self._listen()

    def startService(self) -> None:
        """Listen, if that has not begun; raises what `privilegedStartService` raises."""
        self._listen()
        Service.startService(self)

    def stopService(self) -> Deferred[None] | None:
        """Listen no more, and end all sessions."""
        Service.stopService(self)
        listener, self._listener = self._listener, None
        if listener is None or self._house is None:
            return None
        return Deferred.fromCoroutine(self._stop(listener, self._house))

    async def _stop(self, listener: IService, house: SshFactory) -> None:
        await maybeDeferred(listener.stopService)
        await house.close()

    def _listen(self) -> None:
        if self._listener is None:
            key = host_key(self._state_dir)
            self._house = SshFactory(self._reactor, self._limits, key, self._keyring, self._console)
            self._keyring.refresh()
            listener = cast("IService", listening(self._description, self._house, self._reactor))
            listener.privilegedStartService()
            listener.startService()
            self._listener = listener
            self._log.info("ssh-start", address=self._description, host_key=fingerprint(key))
