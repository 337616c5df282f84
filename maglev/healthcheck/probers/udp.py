"""Probes over UDP: one datagram, and one time limit for the answer.

Each probe has a socket of its own, connected to the backend. So the kernel lets nothing in that is from another address
or port, hands over the ICMP errors that are about this very datagram, and picks a new source port at random, which
a forger has to guess. Nothing is sent again: a lost datagram is what ``fall`` is for.
"""

from __future__ import annotations

from select import EPOLLIN
from typing import TYPE_CHECKING, Final, Protocol

from maglev.healthcheck.probers.base import Prober
from maglev.healthcheck.probers.connection import TO_ITSELF
from maglev.healthcheck.probers.dialogue import NO_ANSWER, finder_of, received
from maglev.healthcheck.probers.faults import THEIRS_AT_ONCE, ProbeError, connect_outcome, send_fault, setup_fault
from maglev.model.result import Code

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from maglev.healthcheck.probers.base import PathFault
    from maglev.healthcheck.probers.connection import Readiness
    from maglev.healthcheck.probers.deadlines import Deadlines
    from maglev.healthcheck.probers.dialogue import Verdict
    from maglev.healthcheck.probers.sockets import Destination
    from maglev.model.check_params import UdpParams

DATAGRAM: Final = 4096
"""Bytes of a datagram that are looked at."""

LOOKS: Final = 8
"""Datagrams read for a probe whose time is up, at most."""


class DatagramExchange(Protocol):
    """What is sent, and what may come back.

    Attributes:
        payload: The datagram to send.
    """

    @property
    def payload(self) -> bytes:
        """The datagram to send."""

    def take(self, datagram: bytes) -> Verdict | None:
        """Return the verdict on a datagram; None waits for another one."""

    def silence(self) -> Verdict:
        """Return what it means that nothing else has come in time."""


class DatagramOpener(Protocol):
    """Opens the socket (`maglev.healthcheck.probers.sockets.SocketOpener`)."""

    def open_datagram(self, destination: Destination) -> socket.SocketType:
        """Return a new non-blocking socket, or raise `ProbeError`."""


class PlainExchange:
    """What a healthcheck of type udp sends and expects; one for all its probes."""

    __slots__ = ("__weakref__", "_finder", "payload")

    def __init__(self, params: UdpParams) -> None:
        """Prepare.

        Raises:
            re2.error: The pattern is not valid.
        """
        self.payload = params.payload
        self._finder = None if params.expect is None else finder_of(params.expect)

    def __call__(self) -> PlainExchange:
        """Return the exchange for a probe: this one, as it remembers nothing."""
        return self

    def take(self, datagram: bytes) -> Verdict | None:
        """Return the verdict on a datagram."""
        if self._finder is None or self._finder.find(datagram) is not None:
            return Code.L7OK, ""
        return Code.L7RSP, f"answer does not match {self._finder.label}: {received(datagram)}"

    def silence(self) -> Verdict:
        """Return what silence means: without an expectation, that nobody said no."""
        return (Code.L4OK, "no ICMP error") if self._finder is None else (Code.L7TOUT, NO_ANSWER)


class UdpProber(Prober):
    """Probes a backend with one datagram each time."""

    __slots__ = ("_descriptor", "_destination", "_exchange", "_new_exchange", "_opener", "_poller", "_socket")

    def __init__(
        self,
        deadlines: Deadlines,
        poller: Readiness,
        opener: DatagramOpener,
        destination: Destination,
        new_exchange: Callable[[], DatagramExchange],
        path_fault: PathFault | None = None,
    ) -> None:
        """Prepare the prober of one backend.

        Args:
            deadlines: Keeps the deadlines of all probes that have as much time as this one's.
            poller: Waits for the sockets.
            opener: Opens them where the probes belong.
            destination: Where to.
            new_exchange: Returns what a probe says.
            path_fault: As in `Prober`.
        """
        super().__init__(deadlines, path_fault)
        self._poller = poller
        self._opener = opener
        self._destination = destination
        self._new_exchange = new_exchange
        self._exchange: DatagramExchange | None = None
        self._socket: socket.SocketType | None = None
        self._descriptor = -1

    def conclude(self, code: Code, detail: str = "") -> None:
        """End the probe; silence only passes if an error could have come."""
        fault = self._path_fault() if code is Code.L4OK and self._path_fault is not None else None
        if fault is not None:
            self._finish(fault)
        else:
            super().conclude(code, detail)

    def ready(self, events: int = EPOLLIN) -> bool:  # noqa: ARG002  # whatever it is, recv tells
        """Take a datagram or an error; return whether there was one."""
        if self._socket is None or self._exchange is None:
            return False
        try:
            datagram = self._socket.recv(DATAGRAM)
        except BlockingIOError:
            return False
        except OSError as error:
            self.conclude_with(connect_outcome(error.errno or 0))
            return True
        verdict = self._exchange.take(datagram)
        if verdict is not None:
            self.conclude(*verdict)
        return True

    def _begin(self) -> None:
        exchange = self._exchange = self._new_exchange()
        try:
            self._socket = datagrams = self._opener.open_datagram(self._destination)
        except ProbeError as error:
            self.conclude_with(error.outcome)
            return
        self._descriptor = datagrams.fileno()
        number = datagrams.connect_ex(self._destination.address)
        if number:
            self.conclude_with(connect_outcome(number, at_once=True))
            return
        if datagrams.getsockname()[:2] == self._destination.address[:2]:
            self.conclude_with(TO_ITSELF)
            return
        try:
            datagrams.send(exchange.payload)
        except OSError as error:
            self._not_sent(error.errno or 0)
            return
        try:
            self._poller.watch(self._descriptor, EPOLLIN, self)
        except OSError as error:
            self.conclude_with(setup_fault(error.errno or 0))

    def _not_sent(self, number: int) -> None:
        if number in THEIRS_AT_ONCE:
            self.conclude(Code.L4CON, THEIRS_AT_ONCE[number])
        else:
            self.conclude_with(send_fault(number, from_source=self._destination.source is not None))

    def _look_again(self) -> None:
        for _ in range(LOOKS):
            if not self.ready():
                return

    def _timeout_verdict(self) -> tuple[Code, str]:
        return (Code.L7TOUT, NO_ANSWER) if self._exchange is None else self._exchange.silence()

    def _drop(self) -> None:
        datagrams, self._socket, self._exchange = self._socket, None, None
        if datagrams is not None:
            self._poller.forget(self._descriptor)
            datagrams.close()
