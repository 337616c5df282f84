"""The probers of everything that is probed over a TCP connection, without TLS and with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from maglev.healthcheck.probers.base import Prober
from maglev.model.result import PASSES, TIMEOUTS, Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IProtocol

    from maglev.healthcheck.probers.base import Conclude, PathFault
    from maglev.healthcheck.probers.connection import ConnectionKeeper, ConnectionOwner
    from maglev.healthcheck.probers.deadlines import Deadlines
    from maglev.healthcheck.probers.probe import Probe
    from maglev.healthcheck.probers.resumption import Resumption
    from maglev.healthcheck.probers.trust import Identity


class OneShot(Protocol):
    """A connection for one probe (`maglev.healthcheck.probers.connection.Connection`)."""

    def open(self) -> None:
        """Begin to connect."""

    def ready(self) -> object:
        """Go on as far as the kernel lets us."""

    def linger(self, keeper: ConnectionKeeper) -> None:
        """Carry on without the owner."""

    def abortConnection(self) -> None:
        """Close with a reset, now."""


_CONNECT_TIMEOUT: Final = (Code.L4TOUT, "no connection in time")


class LingeringConnection:
    """A connection whose probe has its verdict, while the backend still writes its answer.

    It is read, up to a bound, until the answer ends, and for at most as long as a probe may take. It ends when the next
    probe of the backend lingers, so that there are at most two connections to it; not when that one begins, as the
    backend may be slow just then.
    """

    __slots__ = ("_connection", "_deadlines")

    def __init__(self, connection: OneShot, deadlines: Deadlines) -> None:
        self._connection = connection
        self._deadlines = deadlines
        deadlines.begin(self)
        connection.linger(self)

    def expire(self) -> None:
        """Time is up (`maglev.healthcheck.probers.deadlines.HasDeadline`)."""
        self._connection.abortConnection()

    def closed(self) -> None:
        """It was closed (`maglev.healthcheck.probers.connection.ConnectionKeeper`)."""
        self._deadlines.end(self)


class StreamProber(Prober):
    """Probes a backend over a new connection each time."""

    __slots__ = ("_connection", "_lingering", "_new_connection", "_new_probe", "_probe")

    def __init__(
        self,
        deadlines: Deadlines,
        new_connection: Callable[[ConnectionOwner], OneShot],
        new_probe: Callable[[Conclude], Probe],
        path_fault: PathFault | None = None,
    ) -> None:
        """Prepare the prober of one backend.

        Args:
            deadlines: Keeps the deadlines of all probes that have as much time as this one's.
            new_connection: Returns a connection to the backend, not yet opened.
            new_probe: Returns the protocol for a connection.
            path_fault: As in `Prober`.
        """
        super().__init__(deadlines, path_fault)
        self._new_connection = new_connection
        self._new_probe = new_probe
        self._connection: OneShot | None = None
        self._lingering: LingeringConnection | None = None
        self._probe: Probe | None = None

    def cancel(self) -> None:
        """Abort the probe under way, if any, and the connection that the last one left open."""
        super().cancel()
        self._end_lingering()

    def build_protocol(self) -> IProtocol:
        """Return the protocol of the connection that was just made."""
        self._probe = probe = self._new_probe(self.conclude)
        return probe

    def _begin(self) -> None:
        # Kept before it is opened: connecting can conclude the probe at once.
        self._connection = connection = self._new_connection(self)
        connection.open()

    def _look_again(self) -> None:
        if self._connection is not None:
            self._connection.ready()

    def _timeout_verdict(self) -> tuple[Code, str]:
        return _CONNECT_TIMEOUT if self._probe is None else self._probe.timeout_verdict()

    def _drop(self) -> None:
        connection, probe = self._connection, self._probe
        self._connection = self._probe = None
        if connection is None:
            return
        if probe is not None and probe.unfinished:
            self._end_lingering()
            self._lingering = LingeringConnection(connection, self._deadlines)
        else:
            connection.abortConnection()

    def _end_lingering(self) -> None:
        lingering, self._lingering = self._lingering, None
        if lingering is not None:
            lingering.expire()


class TlsProber(StreamProber):
    """Also remembers the backend's certificate and its TLS session between two probes."""

    __slots__ = ("_identity", "_resumption")

    def __init__(
        self,
        deadlines: Deadlines,
        new_connection: Callable[[ConnectionOwner], OneShot],
        new_probe: Callable[[Conclude], Probe],
        identity: Identity,
        resumption: Resumption | None = None,
        path_fault: PathFault | None = None,
    ) -> None:
        """Prepare the prober of one backend.

        Args:
            deadlines: Keeps the deadlines of all probes that have as much time as this one's.
            new_connection: Returns a connection to the backend, not yet opened.
            new_probe: Returns the protocol for a connection.
            identity: Learns about the certificates that the backend shows.
            resumption: Holds the TLS session; None if none is to be resumed.
            path_fault: As in `Prober`.
        """
        super().__init__(deadlines, new_connection, new_probe, path_fault)
        self._identity = identity
        self._resumption = resumption

    @property
    def certificate_expiry(self) -> float | None:
        """When the certificate that the backend showed last expires, in seconds since the epoch; None if unknown."""
        return self._identity.expiry

    def conclude(self, code: Code, detail: str = "") -> None:
        """End the probe with what was found out about the backend."""
        if self._resumption is not None and code not in PASSES and code not in TIMEOUTS:
            self._resumption.drop()
        super().conclude(code, detail)

    def _begin(self) -> None:
        if self._resumption is not None:
            self._resumption.begin()
        super()._begin()
