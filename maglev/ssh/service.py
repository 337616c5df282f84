"""The SSH console as a service: its host key, its listener, and the factory of its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory

from maglev.model.caller import Role
from maglev.model.version import VERSION
from maglev.runtime.listening import listening
from maglev.runtime.logs.logger import EventLogger
from maglev.ssh.connection_limiter import ConnectionLimiter
from maglev.ssh.console import Console
from maglev.ssh.hostkey import host_key
from maglev.ssh.keyfile import fingerprint
from maglev.ssh.keyring import KeyRing
from maglev.ssh.limits import Limits
from maglev.ssh.logins import Logins
from maglev.ssh.transport import ConsoleTransport
from maglev.terminal.prompt import greeting_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.application.service import IService
    from twisted.conch.ssh.keys import Key
    from twisted.internet.interfaces import IAddress, IReactorTime

    from maglev.interfaces import IControl
    from maglev.model.caller import Caller
    from maglev.runtime.admission import Descriptors
    from maglev.runtime.cooperator import WorkQueue
    from maglev.ssh.channel import SessionChannel
    from maglev.ssh.console import ISessionRegister
    from maglev.terminal.stream import IRunner, Opening


FAREWELL: Final = 1.0
"""Seconds that clients have to disconnect when maglevd stops, which it does within 2 s."""


class SshFactory(Factory[Any]):
    """Creates the connections of one console, and holds their shared context."""

    noisy = False

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        limiter: ConnectionLimiter,
        key: Key,
        keyring: KeyRing,
        console: Console,
    ) -> None:
        """Create a factory without connections.

        Args:
            clock: A monotonic clock.
            limits: Bounds on the duration of connections, and on what each may have.
            limiter: Admits connections.
            key: The host key.
            keyring: The authorized keys.
            console: The shared context of sessions.
        """
        self.clock = clock
        self.work = console.work
        self.limits = limits
        self.keyring = keyring
        self.logins = console.logins
        self.limiter = limiter
        self.connections: set[ConsoleTransport] = set()
        self._empty: Deferred[None] | None = None
        # Conch looks for the host key under these names.
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
        """End all connections, with a farewell message for clients that read it in time."""
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
        """Return the runner of a channel."""
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
        descriptors: Descriptors,
        *,
        limits: Limits | None = None,
        host_name: str = "",
    ) -> None:
        """Create the service; files are read when it starts.

        Args:
            reactor: The reactor, whose clock must be monotonic.
            work: The queue in which sessions do their work in turns.
            description: Of the listener (`maglev.runtime.listening`).
            state_dir: Directory of the host key; created if it does not exist.
            operator_keys: Path of the file with the keys of operators, who may do everything.
            viewer_keys: The same for viewers, who may only read.
            control_for: Returns the verbs bound to a caller.
            register: The register of sessions.
            descriptors: The descriptors of the process.
            limits: The limits of the console; None for the defaults.
            host_name: Name of this machine, for the greeting and the prompt.
        """
        self.logins = Logins()
        self._reactor = reactor
        self._description = description
        self._state_dir = state_dir
        self._limits = limits or Limits()
        self._limiter = ConnectionLimiter(self._limits, descriptors)
        self._keyring = KeyRing({Role.OPERATOR: operator_keys, Role.VIEWER: viewer_keys})
        greeting = greeting_of(VERSION, host_name)
        idle = self._limits.idle_timeout
        self._console = Console(reactor, work, idle, control_for, register, self.logins, greeting, host_name)
        self._factory: SshFactory | None = None
        self._listener: IService | None = None

    def privilegedStartService(self) -> None:
        """Start listening, while the process still has the privileges for it.

        Raises:
            StartError: The host key can't be read or created.
            CannotListenError: The address is taken.
        """
        self._listen()

    def startService(self) -> None:
        """Start listening, unless already started; raises the same as `privilegedStartService`."""
        self._listen()
        Service.startService(self)

    def stopService(self) -> Deferred[None] | None:
        """Stop listening, and end all sessions."""
        Service.stopService(self)
        listener, self._listener = self._listener, None
        if listener is None or self._factory is None:
            return None
        return Deferred.fromCoroutine(self._stop(listener, self._factory))

    async def _stop(self, listener: IService, factory: SshFactory) -> None:
        await maybeDeferred(listener.stopService)
        await factory.close()

    def _listen(self) -> None:
        if self._listener is None:
            key = host_key(self._state_dir)
            self._factory = SshFactory(self._reactor, self._limits, self._limiter, key, self._keyring, self._console)
            self._keyring.refresh()
            listener = listening(self._reactor, self._description, self._factory)
            listener.privilegedStartService()
            listener.startService()
            self._listener = listener
            self._log.info("ssh-start", address=self._description, host_key=fingerprint(key))
