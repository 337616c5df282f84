"""One ICMP socket of the kernel: how it is opened, filled without waiting, and emptied.

Two kinds of socket do it. A *ping socket* (``SOCK_DGRAM``) needs no capability but a group in
``net.ipv4.ping_group_range``; the kernel chooses the identifier, and delivers only replies that bear it. Else a raw
socket needs ``CAP_NET_RAW``; it shows everything, so a filter keeps out whatever is neither a reply nor an error.
Errors (destination unreachable) come as messages to a raw socket, and through the error queue of a ping socket.

Two things of a socket are shared by all who send over it. The send buffer holds each packet until it has left, which
takes three seconds for a host on the link that does not answer ARP; when it is full, `EchoSocket.send` says so. And an
error that came over the network fails the next call, whatever that is about; so it is read, given to whom it names, and
the call made again.
"""

from __future__ import annotations

import errno
import socket
import struct
from select import EPOLLERR, EPOLLIN
from typing import TYPE_CHECKING, Any, Final, Protocol

from maglev.healthcheck.probers import echo
from maglev.healthcheck.probers.faults import ProbeError, setup_fault
from maglev.model.result import LocalFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maglev.healthcheck.probers.connection import Readiness
    from maglev.healthcheck.probers.sockets import SocketAddress, SocketOpener

RECEIVE_BUFFER: Final = 4 << 20
"""Bytes: ten thousand replies of one moment, with the kernel's own overhead, while the reactor is busy elsewhere."""

SEND_BUFFER: Final = 4 << 20
"""Bytes, which the kernel doubles: ten thousand requests that wait for an ARP answer which does not come. Without
``CAP_NET_ADMIN`` it is what ``net.core.wmem_max`` allows, some hundreds."""

BATCH: Final = 256
"""Messages read before the other probes have their turn."""

MESSAGE_SIZE: Final = 2048
"""More than our own reply with the longest IP header; whatever is longer is not ours."""

TRIES: Final = 8
"""Times that a request is sent while errors of other requests keep coming: most are out of the way after one."""

# Linux numbers that the socket module does not have: linux/in.h, linux/in6.h, linux/icmp.h, linux/icmpv6.h,
# asm-generic/socket.h, linux/sock_diag.h.
_IP_RECVERR: Final = 11
_IPV6_RECVERR: Final = 25
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_SO_MEMINFO: Final = 55
_MEMINFO: Final = struct.Struct("=4I")  # the first four: received, receive buffer, to be sent, send buffer
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

NOT_PERMITTED: Final = LocalFault(
    "permission", "icmp needs CAP_NET_RAW, or one of the daemon's groups in net.ipv4.ping_group_range"
)

Ancillary = list[tuple[int, int, bytes]]


class EchoReader(Protocol):
    """Receives what comes in."""

    def take(self, packet: bytes, sender: str, *, raw: bool) -> None:
        """A message came; with its IPv4 header if the socket is raw."""

    def take_error(self, error: echo.Unreachable) -> None:
        """An entry of the error queue quotes an echo request."""


class EchoSocket:
    """A socket for echo requests, open from the beginning.

    Attributes:
        raw: Whether it is a raw socket.
        variant: Which of the identifiers its own stands for, if it is not; see `maglev.healthcheck.probers.ping`.
    """

    def __init__(
        self,
        poller: Readiness,
        opener: SocketOpener,
        family: int,
        reader: EchoReader,
        behind: Callable[..., None],
        *,
        deaf: bool = False,
    ) -> None:
        """Open it.

        Args:
            poller: Waits for it.
            opener: Opens it where the probes belong.
            family: ``AF_INET`` or ``AF_INET6``.
            reader: Is told what comes in.
            behind: Learns whether more waits than one look takes (`maglev.healthcheck.lag.LagMonitor.behind`).
            deaf: Whether another raw socket receives everything already, so that this one, if raw, need not.

        Raises:
            ProbeError: None could be had.
        """
        self._poller = poller
        self._opener = opener
        self._family = family
        self._reader = reader
        self._behind = behind
        self._socket: socket.SocketType | None = None
        self.raw = False
        self.variant = 0
        echo_socket = self._open_either()
        try:
            self._prepare(echo_socket, deaf=deaf)
            poller.watch(echo_socket.fileno(), EPOLLIN, self)
        except OSError as error:
            echo_socket.close()
            raise ProbeError(setup_fault(error.errno or 0)) from error
        self._socket = echo_socket

    def close(self) -> None:
        """Close it."""
        echo_socket, self._socket = self._socket, None
        if echo_socket is not None:
            self._poller.forget(echo_socket.fileno())
            self._behind(self, really=False)
            echo_socket.close()

    def crash(self) -> None:
        """Carry on: the message that it was about is read, and the socket serves many others."""

    def send(self, message: bytes, ancillary: Ancillary, address: SocketAddress) -> int:
        """Send a message; return 0, ``EAGAIN`` if the send buffer is full, or the number of an error of this call."""
        number = 0
        for attempt in range(TRIES):
            echo_socket = self._socket
            if echo_socket is None:
                return errno.EBADF  # an error that was read on the way made somebody close it
            try:
                if ancillary:
                    echo_socket.sendmsg([message], ancillary, 0, address)
                else:
                    echo_socket.sendto(message, address)
            except OSError as error:
                number = error.errno or errno.EIO
            else:
                return 0
            if number == errno.EAGAIN or (number == errno.ENOBUFS and _is_full(echo_socket)):
                return errno.EAGAIN
            if not self._read_errors() and attempt:
                break  # no error of another request was in the way
        return number

    def ready(self, events: int = EPOLLIN | EPOLLERR) -> bool:
        """Read what came, a batch at most; return whether there may be more."""
        if events & EPOLLERR:
            self._read_errors()
        more = self._read_batch()
        self._behind(self, really=more)
        return more

    def _read_batch(self) -> bool:
        for _ in range(BATCH):
            if self._socket is None:
                return False
            try:
                packet, sender = self._socket.recvfrom(MESSAGE_SIZE)
            except BlockingIOError:
                return False
            except OSError:
                continue  # a pending error of the socket as a whole; reading it has cleared it
            self._reader.take(packet, sender[0], raw=self.raw)
        return True

    def _read_errors(self) -> bool:
        """Empty the error queue, a batch at most; return whether there was any error."""
        found = False
        for _ in range(BATCH):
            if self._socket is None:
                return found
            try:
                quoted, ancillary, _flags, target = self._socket.recvmsg(MESSAGE_SIZE, 512, socket.MSG_ERRQUEUE)
            except OSError:  # the queue is empty
                break
            found = True
            code = _network_error_code(self._family, ancillary)
            error = None if code is None else echo.read_quoted(self._family, code, target[0], quoted)
            if error is not None:
                self._reader.take_error(error)
        if self._socket is not None:
            pending = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # and so cleared
            found = found or bool(pending)
        return found

    # Opening

    def _open_either(self) -> socket.SocketType:
        protocol = _PROTOCOLS[self._family]
        try:
            ping = self._opener.open(self._family, socket.SOCK_DGRAM | _SOCK_FLAGS, protocol)
        except ProbeError as error:
            if not _is_refusal(error):
                raise
        else:
            self.raw = False
            return ping
        try:
            ping = self._opener.open(self._family, socket.SOCK_RAW | _SOCK_FLAGS, protocol)
        except ProbeError as error:
            raise ProbeError(NOT_PERMITTED if _is_refusal(error) else error.outcome) from error
        self.raw = True
        return ping

    def _prepare(self, ping: socket.SocketType, *, deaf: bool) -> None:
        _set_buffer(ping, _SO_RCVBUFFORCE, socket.SO_RCVBUF, RECEIVE_BUFFER)
        _set_buffer(ping, _SO_SNDBUFFORCE, socket.SO_SNDBUF, SEND_BUFFER)
        if self.raw:
            ping.setsockopt(*_filter(self._family, deaf=deaf))
        elif self._family == socket.AF_INET:
            ping.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            ping.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)


def _set_buffer(echo_socket: socket.SocketType, force: int, ask: int, size: int) -> None:
    try:
        echo_socket.setsockopt(socket.SOL_SOCKET, force, size)
    except PermissionError:
        echo_socket.setsockopt(socket.SOL_SOCKET, ask, size)  # capped by net.core.rmem_max, wmem_max


def _is_full(echo_socket: socket.SocketType) -> bool:
    """Return whether the send buffer is why there is "no buffer space": the table of neighbours may be full as well."""
    memory = echo_socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    _received, _receive_buffer, waiting, send_buffer = _MEMINFO.unpack(memory)
    return bool(waiting >= send_buffer)


def _filter(family: int, *, deaf: bool) -> tuple[int, int, bytes]:
    """Return the socket option that lets a raw socket see replies and errors only, or nothing.

    A set bit blocks a type.
    """
    kinds = echo.KINDS[family]
    passed = 0 if deaf else (1 << kinds.reply) | (1 << kinds.unreachable)
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
