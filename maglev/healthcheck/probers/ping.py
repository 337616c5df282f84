"""The ICMP sockets that all backends of one family share.

They are shared because every raw socket receives every reply: with one per backend, a thousand backends would wake up a
thousand sockets each time. A reply is matched in full, by identifier, sequence number, payload and source address;
replies that are late, doubled, cut short, or somebody else's match nothing.

One socket does for all while its send buffer has room. Requests to hosts on the link that do not answer ARP stay in it
for seconds, and many of those must not keep the others waiting: a request that does not fit goes over a further socket,
opened when first needed (`echo_socket`).

Firewalls and NAT on the way keep state for the addresses and the identifier. Each request renews it, also when it has
become wrong because the path has changed: then requests of the same identifier would be lost for good, where those of
any other pass. So a backend that does not answer is asked with a new identifier next time, one that it was not asked
with before: a few that take turns would keep each other's state alive if the way was wrong for so long that each of
them was used. A raw socket just writes it into the request; a ping socket has an identifier of its own (Linux,
``ping_get_port`` in ``net/ipv4/ping.c``), so there is another socket, for all backends that fail at that time.
"""

from __future__ import annotations

import errno
import os
import random
import socket
from bisect import insort
from typing import TYPE_CHECKING, Final, Protocol

from maglev.healthcheck.probers import echo
from maglev.healthcheck.probers.echo_socket import EchoSocket
from maglev.healthcheck.probers.faults import ProbeError, send_fault
from maglev.model.result import LocalFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.healthcheck.probers.connection import Readiness
    from maglev.healthcheck.probers.echo_socket import Ancillary
    from maglev.healthcheck.probers.sockets import Destination, SocketOpener

SEQUENCES: Final = 1 << 16

MOST_SOCKETS: Final = 64
"""Sockets per family: with the smallest of buffers they hold as many requests as a thousand dead hosts on the link let
wait in ten seconds."""

KEPT: Final = 16
"""Variants with a ping socket, at most; a backend that was asked over an older one is asked over the oldest of these.
It need not be one socket for each time at which a backend has failed."""

VARIANT_TIME: Final = 1.0
"""Seconds until there may be another variant, so that a thousand dead backends do not mean a thousand sockets."""

LOOKS: Final = 8
"""Batches read for a probe whose time is up, at most."""

_IP_PKTINFO: Final = 8

PAYLOADS: Final = 256
"""Random payloads made at a time."""

NO_SEQUENCE: Final = LocalFault("ports", "too many pending echo requests: no free sequence number")
NO_ROOM: Final = LocalFault("memory", "the send buffers of the icmp sockets are full")


class EchoWaiter(Protocol):
    """Waits for the reply to one echo request."""

    def replied(self) -> None:
        """The reply came."""

    def unreachable(self, reason: str) -> None:
        """An error message came instead."""


class EchoRequest:
    """An echo request under way."""

    __slots__ = ("address", "payload", "variant", "waiting")

    def __init__(self, address: str, variant: int, payload: bytes, waiting: EchoWaiter) -> None:
        self.address = address
        self.variant = variant
        self.payload = payload
        self.waiting = waiting


class PingSocket:
    """Sends echo requests for all backends of a family, and tells each its reply."""

    def __init__(
        self,
        poller: Readiness,
        opener: SocketOpener,
        family: int,
        seconds: Callable[[], float],
        behind: Callable[..., None] = lambda _who, *, really: None,  # noqa: ARG005
    ) -> None:
        """Prepare; a socket is opened when it is first needed.

        Args:
            poller: Waits for the sockets.
            opener: Opens them where the probes belong.
            family: ``AF_INET`` or ``AF_INET6``.
            seconds: Returns the time.
            behind: Learns whether answers wait to be read (`maglev.healthcheck.lag.LagMonitor.behind`).
        """
        self._poller = poller
        self._opener = opener
        self._family = family
        self._seconds = seconds
        self._behind = behind
        self._newest = 0
        self._renewed = seconds() - VARIANT_TIME
        self._variants: list[int] = []  # those with a ping socket, the oldest first
        self._sockets: list[EchoSocket] = []
        self._roomy = 0  # the position of the socket that had room last
        self._namespace: tuple[int, int] | None = None
        self._identifier = random.randrange(1 << 16)
        self._sequence = random.randrange(SEQUENCES)
        self._sent: dict[int, EchoRequest] = {}
        self._payloads: list[bytes] = []

    def send(self, destination: Destination, ancillary: Ancillary, waiting: EchoWaiter, variant: int = 0) -> int:
        """Send an echo request and return its sequence number; `forget` it when it is over.

        Args:
            destination: Where to.
            ancillary: See `ancillary_for`.
            waiting: Gets the answer.
            variant: Which identifier to use, from `next_variant`.

        Raises:
            ProbeError: It could not be sent.
        """
        self._heed_namespace()
        sequence = self._free_sequence()
        payload = self._fresh_payload()
        variant = self._variant_at_hand(variant)
        message = echo.request(self._family, self._identifier_of(variant), sequence, payload)
        number = self._transmit(message, ancillary, destination, variant)
        if number:
            fault = NO_ROOM if number == errno.EAGAIN else send_fault(number, from_source=bool(ancillary))
            raise ProbeError(fault)
        self._sent[sequence] = EchoRequest(destination.address[0], variant, payload, waiting)
        return sequence

    def forget(self, sequence: int) -> None:
        """The request is over: whatever still comes for it is late."""
        self._sent.pop(sequence, None)

    def next_variant(self) -> int:
        """Return the variant for a backend that did not answer; it has not been asked that way for `VARIANT_TIME`."""
        now = self._seconds()
        if now - self._renewed >= VARIANT_TIME:
            self._renewed = now
            self._newest += 1
        return self._newest

    def look_again(self) -> None:
        """Read what has come, for a probe whose time is up."""
        for echo_socket in tuple(self._sockets):
            for _ in range(LOOKS):
                if not echo_socket.ready():
                    break

    def close(self) -> None:
        """Close the sockets; the next request opens another one."""
        sockets, self._sockets = self._sockets, []
        self._roomy = 0
        for echo_socket in sockets:
            echo_socket.close()

    # Sending

    def _heed_namespace(self) -> None:
        namespace = self._opener.namespace_identity()
        if self._sockets and namespace != self._namespace:
            self.close()  # the namespace was recreated under its name, and the sockets are still in the old one
        self._namespace = namespace

    def _transmit(self, message: bytes, ancillary: Ancillary, destination: Destination, variant: int) -> int:
        """Send over the first socket with room and the right identifier; return 0 or the error number."""
        sockets = self._sockets  # a call that reads an error may close them, and so replace the list
        count, full = len(sockets), False
        for step in range(count):
            position = (self._roomy + step) % count
            if not (sockets[position].raw or sockets[position].variant == variant):
                continue
            number = sockets[position].send(message, ancillary, destination.address)
            if number != errno.EAGAIN:
                self._roomy = position
                return number
            full = True
        if full and count >= MOST_SOCKETS:
            return errno.EAGAIN
        another = EchoSocket(
            self._poller, self._opener, self._family, self, self._behind, deaf=any(each.raw for each in self._sockets)
        )
        another.variant = variant
        self._sockets.append(another)
        self._roomy = count
        if not another.raw and variant not in self._variants:
            insort(self._variants, variant)
            self._close_old()
        return another.send(message, ancillary, destination.address)

    def _identifier_of(self, variant: int) -> int:
        """Return the identifier that a raw socket writes; a ping socket writes its own."""
        return (self._identifier + variant) % SEQUENCES

    def _variant_at_hand(self, variant: int) -> int:
        """Return the variant itself, or the oldest that is kept if it is older."""
        return max(variant, self._variants[0]) if self._variants else variant

    def _close_old(self) -> None:
        """Close the ping sockets of old variants over which no reply is awaited."""
        del self._variants[:-KEPT]
        awaited = {sent.variant for sent in self._sent.values()}
        old = [
            each
            for each in self._sockets
            if not each.raw and each.variant < self._variants[0] and each.variant not in awaited
        ]
        for each in old:
            self._sockets.remove(each)
            each.close()

    def _fresh_payload(self) -> bytes:
        if not self._payloads:
            # One system call for many.
            random_bytes = os.urandom(PAYLOADS * echo.PAYLOAD_LENGTH)
            steps = range(0, len(random_bytes), echo.PAYLOAD_LENGTH)
            self._payloads = [random_bytes[step : step + echo.PAYLOAD_LENGTH] for step in steps]
        return self._payloads.pop()

    def _free_sequence(self) -> int:
        for _ in range(SEQUENCES):
            self._sequence = (self._sequence + 1) % SEQUENCES
            if self._sequence not in self._sent:
                return self._sequence
        raise ProbeError(NO_SEQUENCE)

    # Receiving

    def take(self, packet: bytes, sender: str, *, raw: bool) -> None:
        """A message came (`EchoReader.take`)."""
        message = echo.strip_ipv4_header(packet) if raw and self._family == socket.AF_INET else packet
        found = echo.read(self._family, message)
        sent = None if found is None else self._sent.get(found.sequence)
        if found is None or sent is None or (raw and found.identifier != self._identifier_of(sent.variant)):
            return
        if isinstance(found, echo.Unreachable):
            self.take_error(found)
            return
        if found.payload == sent.payload and sender == sent.address:
            del self._sent[found.sequence]
            sent.waiting.replied()

    def take_error(self, error: echo.Unreachable) -> None:
        """An error quotes an echo request: it belongs to the one to that destination with that payload, or to none."""
        sent = self._sent.get(error.sequence)
        if sent is None or error.target != sent.address:
            return
        if sent.payload.startswith(error.payload[: echo.PAYLOAD_LENGTH]):
            del self._sent[error.sequence]
            sent.waiting.unreachable(error.reason)


def ancillary_for(destination: Destination) -> Ancillary:
    """Return the ancillary data (``in_pktinfo``, ``in6_pktinfo``) that makes requests leave from the source address."""
    if destination.source is None:
        return []
    packed = socket.inet_pton(destination.family, destination.source[0])
    if destination.family == socket.AF_INET6:
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed + bytes(4))]
    return [(socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + packed + bytes(4))]
