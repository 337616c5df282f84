"""The ICMP socket that all backends of one family share.

One socket for all, because every raw socket receives every reply: with one per backend, a thousand backends would wake
up a thousand sockets each time. A reply is matched in full, by identifier, sequence number, payload and source address;
replies that are late, doubled, cut short, or somebody else's match nothing.

Two kinds of socket do it. A *ping socket* (``SOCK_DGRAM``) needs no capability but a group in
``net.ipv4.ping_group_range``; the kernel chooses the identifier, and delivers only replies that bear it. Else a raw
socket needs ``CAP_NET_RAW``; it shows everything, so a filter keeps out whatever is neither a reply nor an error.
Errors (destination unreachable) come as messages to a raw socket, and through the error queue of a ping socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
import struct
from select import EPOLLERR, EPOLLIN
from typing import TYPE_CHECKING, Any, Final, Protocol

from maglev.healthcheck.probers import echo
from maglev.healthcheck.probers.faults import SOURCE_NOT_USABLE, ProbeError, local_fault
from maglev.model.result import Code, LocalFault, Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.healthcheck.probers.connection import Readiness
    from maglev.healthcheck.probers.sockets import Destination, SocketAddress, SocketOpener
    from maglev.model.result import Outcome

RECEIVE_BUFFER: Final = 4 << 20
"""Bytes: ten thousand replies of one moment, with the kernel's own overhead, while the reactor is busy elsewhere."""

BATCH: Final = 256
"""Messages read before the other probes have their turn."""

MESSAGE_SIZE: Final = 2048
"""More than our own reply with the longest IP header; whatever is longer is not ours."""

SEQUENCES: Final = 1 << 16

# Linux numbers that the socket module does not have: linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h,
# asm-generic/socket.h.
_IP_PKTINFO: Final = 8
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_SO_RCVBUFFORCE: Final = 33
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1
_ICMP6_FILTER: Final = 1
_SOCK_FLAGS: Final = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_ORIGINS: Final = frozenset({2, 3})
"""``SO_EE_ORIGIN_ICMP`` and ``SO_EE_ORIGIN_ICMP6`` (linux/errqueue.h): an error that came over the network."""

_PROTOCOLS: Final[Mapping[int, int]] = {
    socket.AF_INET: socket.IPPROTO_ICMP,
    socket.AF_INET6: socket.IPPROTO_ICMPV6,
}

PAYLOADS: Final = 256
"""Random payloads made at a time."""

NOT_PERMITTED: Final = LocalFault(
    "permission", "icmp needs CAP_NET_RAW, or one of the daemon's groups in net.ipv4.ping_group_range"
)
NO_SEQUENCE: Final = LocalFault("ports", "too many pending echo requests: no free sequence number")

Ancillary = list[tuple[int, int, bytes]]


class EchoWaiter(Protocol):
    """Waits for the reply to one echo request."""

    def replied(self) -> None:
        """The reply came."""

    def unreachable(self, reason: str) -> None:
        """An error message came instead."""


class EchoRequest:
    """An echo request under way."""

    __slots__ = ("address", "payload", "waiting")

    def __init__(self, address: str, payload: bytes, waiting: EchoWaiter) -> None:
        self.address = address
        self.payload = payload
        self.waiting = waiting


class PingSocket:
    """Sends echo requests for all backends of a family, and tells each its reply."""

    def __init__(self, poller: Readiness, opener: SocketOpener, family: int) -> None:
        """Prepare; the socket is opened when it is first needed.

        Args:
            poller: Waits for the socket.
            opener: Opens it where the probes belong.
            family: ``AF_INET`` or ``AF_INET6``.
        """
        self._poller = poller
        self._opener = opener
        self._family = family
        self._socket: socket.SocketType | None = None
        self._raw = False
        self._namespace: tuple[int, int] | None = None
        self._identifier = random.randrange(1 << 16)
        self._sequence = random.randrange(SEQUENCES)
        self._sent: dict[int, EchoRequest] = {}
        self._payloads: list[bytes] = []

    def send(self, destination: Destination, ancillary: Ancillary, waiting: EchoWaiter) -> int:
        """Send an echo request and return its sequence number; `forget` it when it is over.

        Raises:
            ProbeError: It could not be sent.
        """
        ping = self._usable_socket()
        sequence = self._free_sequence()
        payload = self._fresh_payload()
        message = echo.request(self._family, self._identifier, sequence, payload)
        number = self._transmit(ping, message, ancillary, destination)
        if number:
            raise ProbeError(self._send_outcome(number, destination))
        self._sent[sequence] = EchoRequest(destination.address[0], payload, waiting)
        return sequence

    def forget(self, sequence: int) -> None:
        """The request is over: whatever still comes for it is late."""
        self._sent.pop(sequence, None)

    def ready(self, events: int = EPOLLIN | EPOLLERR) -> bool:
        """Read what came, a batch at most; return whether there may be more."""
        if events & EPOLLERR:
            self._read_errors()
        for _ in range(BATCH):
            ping = self._socket
            if ping is None:
                return False
            try:
                packet, sender = ping.recvfrom(MESSAGE_SIZE)
            except BlockingIOError:
                return False
            except OSError:
                continue  # a pending error of the socket as a whole; reading it has cleared it
            self._take(packet, sender[0])
        return True

    def crash(self) -> None:
        """Carry on: the message that it was about is read, and the socket serves many others."""

    def close(self) -> None:
        """Close the socket; the next request opens another one."""
        ping, self._socket = self._socket, None
        if ping is not None:
            self._poller.forget(ping.fileno())
            ping.close()

    # Opening

    def _usable_socket(self) -> socket.SocketType:
        namespace = self._opener.namespace_identity()
        if self._socket is not None and namespace != self._namespace:
            self.close()  # the namespace was recreated under its name, and the socket is still in the old one
        if self._socket is None:
            self._namespace = namespace
            self._socket = self._open()
        return self._socket

    def _open(self) -> socket.SocketType:
        ping = self._open_either()
        try:
            self._prepare(ping)
            self._poller.watch(ping.fileno(), EPOLLIN, self)
        except OSError as error:
            ping.close()
            number = error.errno or 0
            raise ProbeError(local_fault(number) or LocalFault("unsupported", os.strerror(number))) from error
        return ping

    def _open_either(self) -> socket.SocketType:
        protocol = _PROTOCOLS[self._family]
        try:
            ping = self._opener.open(self._family, socket.SOCK_DGRAM | _SOCK_FLAGS, protocol)
        except ProbeError as error:
            if not _is_refusal(error):
                raise
        else:
            self._raw = False
            return ping
        try:
            ping = self._opener.open(self._family, socket.SOCK_RAW | _SOCK_FLAGS, protocol)
        except ProbeError as error:
            raise ProbeError(NOT_PERMITTED if _is_refusal(error) else error.outcome) from error
        self._raw = True
        return ping

    def _prepare(self, ping: socket.SocketType) -> None:
        try:
            ping.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
        except PermissionError:
            ping.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # capped by net.core.rmem_max
        if self._raw:
            ping.setsockopt(*_filter(self._family))
        elif self._family == socket.AF_INET:
            ping.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            ping.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)

    # Sending

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

    def _transmit(self, ping: socket.SocketType, message: bytes, ancillary: Ancillary, destination: Destination) -> int:
        """Send; return 0 or the error number.

        A second try, because the first may report what happened to an earlier request of somebody else: an error that
        came over the network stays with the socket until some call returns it.
        """
        number = 0
        for _ in range(2):
            try:
                if ancillary:
                    ping.sendmsg([message], ancillary, 0, destination.address)
                else:
                    ping.sendto(message, destination.address)
            except OSError as error:
                number = error.errno or errno.EIO
            else:
                return 0
        return number

    def _send_outcome(self, number: int, destination: Destination) -> Outcome:
        """Return what it means that a request could not be sent."""
        fault = local_fault(number)
        if fault is not None:
            return fault
        if number == errno.EAGAIN:
            return LocalFault("memory", "the send buffer of the icmp socket is full")
        if destination.source is not None and not self._is_ours(destination.source):
            return Result(Code.L4CON, SOURCE_NOT_USABLE)
        return Result(Code.L4CON, os.strerror(number))

    def _is_ours(self, source: SocketAddress) -> bool:
        """Return whether a source address is usable: sendmsg() calls an address that is not ours "unreachable" too."""
        with contextlib.closing(self._opener.open(self._family, socket.SOCK_DGRAM | _SOCK_FLAGS)) as trial:
            try:
                trial.bind(source)
            except OSError:
                return False
        return True

    # Receiving

    def _take(self, packet: bytes, sender: str) -> None:
        message = echo.strip_ipv4_header(packet) if self._raw and self._family == socket.AF_INET else packet
        found = echo.read(self._family, message)
        if found is None or (self._raw and found.identifier != self._identifier):
            return
        sent = self._sent.get(found.sequence)
        if sent is None:
            return
        if isinstance(found, echo.Unreachable):
            self._take_error(sent, found)
        elif found.payload == sent.payload and sender == sent.address:
            del self._sent[found.sequence]
            sent.waiting.replied()

    def _take_error(self, sent: EchoRequest, error: echo.Unreachable) -> None:
        if error.target == sent.address and sent.payload.startswith(error.payload[: echo.PAYLOAD_LENGTH]):
            del self._sent[error.sequence]
            sent.waiting.unreachable(error.reason)

    def _read_errors(self) -> None:
        for _ in range(BATCH):
            if self._socket is None:
                return
            try:
                quoted, ancillary, _flags, target = self._socket.recvmsg(MESSAGE_SIZE, 512, socket.MSG_ERRQUEUE)
            except OSError:  # the queue is empty
                break
            code = _network_error_code(self._family, ancillary)
            found = None if code is None else echo.read_quoted(self._family, code, target[0], quoted)
            sent = None if found is None else self._sent.get(found.sequence)
            if sent is not None and found is not None:
                self._take_error(sent, found)
        if self._socket is not None:
            self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # and so cleared


def ancillary_for(destination: Destination) -> Ancillary:
    """Return the ancillary data (``in_pktinfo``, ``in6_pktinfo``) that makes requests leave from the source address."""
    if destination.source is None:
        return []
    packed = socket.inet_pton(destination.family, destination.source[0])
    if destination.family == socket.AF_INET6:
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed + bytes(4))]
    return [(socket.IPPROTO_IP, _IP_PKTINFO, bytes(4) + packed + bytes(4))]


def _filter(family: int) -> tuple[int, int, bytes]:
    """Return the socket option that lets a raw socket see replies and errors only; a set bit blocks a type."""
    kinds = echo.KINDS[family]
    passed = (1 << kinds.reply) | (1 << kinds.unreachable)
    if family == socket.AF_INET:
        return _SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~passed & 0xFFFFFFFF)
    words = [(~passed >> shift) & 0xFFFFFFFF for shift in range(0, 256, 32)]
    return socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words)


def _network_error_code(family: int, ancillary: list[Any]) -> int | None:
    """Return the ICMP code in a ``sock_extended_err``; None unless it tells of an unreachable destination."""
    for _level, _kind, data in ancillary:
        if len(data) >= 16:
            _number, origin, kind, code = struct.unpack_from("=IBBB", data)
            if origin in _ORIGINS and kind == echo.KINDS[family].unreachable:
                return int(code)
    return None


def _is_refusal(error: ProbeError) -> bool:
    return isinstance(error.outcome, LocalFault) and error.outcome.reason == "permission"
