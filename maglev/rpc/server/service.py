"""The service: listens, admits a limited number of clients, and disconnects them when it stops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import ServerFactory

from maglev.model.errors import StartError
from maglev.rpc.server.client_limiter import ClientLimiter
from maglev.rpc.server.counters import CallCounters
from maglev.rpc.server.disconnects import Disconnects
from maglev.rpc.server.login import Login
from maglev.rpc.server.peer import ClientBroker
from maglev.rpc.server.perspective import Perspective
from maglev.rpc.server.pushing import EventBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime

    from maglev.control.sessions import Sessions
    from maglev.interfaces import IControl
    from maglev.model.caller import Caller
    from maglev.rpc.server.identity import Identities
    from maglev.runtime.admission import Descriptors
    from maglev.runtime.cooperator import WorkQueue

FRONT_END: Final = "pb"


class PbListener(Protocol):
    """A listener; see `maglev.rpc.server.listening`."""

    def listen(self, factory: ServerFactory) -> IListeningPort:
        """Start listening; raises `StartError` if that fails."""

    def stopped(self) -> None:
        """Clean up after the port is closed."""


class PbService(Service):
    """The control interface over Perspective Broker.

    Attributes:
        factory: Makes the protocols of connections.
        calls: Calls so far.
        drops: Connections that were ended by the server.
        limiter: Admits clients, and counts them.
    """

    def __init__(
        self,
        clock: IReactorTime,
        work: WorkQueue,
        control_for: Callable[[Caller], IControl],
        sessions: Sessions,
        identities: Identities,
        listeners: Sequence[PbListener],
        descriptors: Descriptors,
    ) -> None:
        """Create the service; nothing happens before it starts.

        Args:
            clock: Measures deadlines and durations.
            work: The queue in which clients' calls are read, and events pushed, in turns.
            control_for: Returns the verbs bound to a caller.
            sessions: The register of sessions.
            identities: Identifies clients.
            listeners: The listeners.
            descriptors: Those of the process.
        """
        self.factory: ServerFactory = _Clients(self)
        self.calls = CallCounters()
        self.drops = Disconnects(clock)
        self.limiter = ClientLimiter(identities, descriptors)
        self._clock = clock
        self._control_for = control_for
        self._sessions = sessions
        self._identities = identities
        self._listeners = listeners
        self._work = work
        self._encoder = EventBytes()
        self._ports: list[tuple[PbListener, IListeningPort]] = []
        self._brokers: set[ClientBroker] = set()

    def startService(self) -> None:
        """Start listening.

        Raises:
            StartError: A listener can't be started; then none is.
        """
        try:
            for listener in self._listeners:
                self._ports.append((listener, listener.listen(self.factory)))
        except StartError:
            self._close_ports()
            raise
        Service.startService(self)

    def stopService(self) -> Deferred[None]:
        """Stop listening, and disconnect all clients."""
        Service.stopService(self)
        for broker in tuple(self._brokers):
            broker.end()
        return self._close_ports()

    def _close_ports(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._stop_listening())

    async def _stop_listening(self) -> None:
        ports, self._ports = self._ports, []
        await gatherResults([stopping for _, port in ports if (stopping := port.stopListening()) is not None])
        for listener, _ in ports:
            listener.stopped()

    def build(self) -> ClientBroker:
        """Return the broker of a client that is connecting."""
        broker = ClientBroker(self._clock, self._work, self._admit, self.drops)
        broker.setNameForLocal("root", Login(broker, self._identities, self.limiter, self._perspective_for))
        return broker

    def _admit(self, broker: ClientBroker) -> bool:
        if not self.limiter.arrive(broker):
            return False
        self._brokers.add(broker)
        broker.notifyOnDisconnect(lambda: self._gone(broker))
        return True

    def _gone(self, broker: ClientBroker) -> None:
        self._brokers.discard(broker)
        self.limiter.leave(broker)

    def _perspective_for(self, caller: Caller) -> Perspective:
        entry = self._sessions.add(caller, FRONT_END)
        return Perspective(
            self._clock,
            self._control_for(caller),
            entry,
            calls=self.calls,
            work=self._work,
            encoder=self._encoder,
        )


class _Clients(ServerFactory):
    """The factory of protocols that Twisted requires."""

    noisy = False
    unsafeTracebacks = False

    def __init__(self, service: PbService) -> None:
        self._service = service

    def buildProtocol(self, _: IAddress | None) -> ClientBroker:  # type: ignore[override]  # a broker is a protocol
        broker = self._service.build()
        broker.factory = self  # type: ignore[assignment]  # Twisted has it untyped
        return broker

    def clientConnectionMade(self, broker: ClientBroker) -> None:
        """The handshake is done; the login follows."""
