"""Where a probe goes, and the sockets that take it there."""

from __future__ import annotations

import socket
from socket import SocketType
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

import attrs

from maglev.healthcheck.probers.faults import ProbeError, bind_fault, socket_fault
from maglev.healthcheck.probers.netns import NetnsError
from maglev.model.addresses import family
from maglev.model.result import LocalFault
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from maglev.healthcheck.probers.netns import NetworkNamespace
    from maglev.model.config import Backend, Healthcheck

    P = ParamSpec("P")
    T = TypeVar("T")

_NONBLOCKING_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_NONBLOCKING_DATAGRAM: Final = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC

# Let ICMP errors be reported that a socket would otherwise not hear of, such as "host unreachable" (ip(7), ipv6(7)).
_REPORT_ERRORS: Final[Mapping[int, tuple[int, int]]] = {
    socket.AF_INET: (socket.IPPROTO_IP, getattr(socket, "IP_RECVERR", 11)),
    socket.AF_INET6: (socket.IPPROTO_IPV6, getattr(socket, "IPV6_RECVERR", 25)),
}

# Let bind() fix the address only, and connect() choose the port: one port then serves many backends, where a port
# chosen by bind() would serve none but this connection (ip(7)).
_BIND_ADDRESS_NO_PORT: Final = getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24)

SocketAddress = tuple[str, int] | tuple[str, int, int, int]


@attrs.frozen
class Destination:
    """Where the probes of one backend go, as the socket calls want it.

    Attributes:
        family: ``AF_INET`` or ``AF_INET6``.
        address: Socket address of the backend; port 0 for icmp.
        source: Socket address to probe from; None lets the kernel choose.
    """

    family: int
    address: SocketAddress
    source: SocketAddress | None = None

    @classmethod
    def of(cls, backend: Backend, healthcheck: Healthcheck) -> Destination:
        """Return the destination of a backend's probes."""
        ipv6 = family(backend.address) == 6
        source = healthcheck.probe_ipv6_src if ipv6 else healthcheck.probe_ipv4_src
        return cls(
            socket.AF_INET6 if ipv6 else socket.AF_INET,
            _socket_address(backend.address, healthcheck.l4_port or 0),
            None if source is None else _socket_address(source, 0),
        )

    @classmethod
    def at(cls, address: str) -> Destination:
        """Return an address without a port as a destination."""
        return cls(socket.AF_INET6 if family(address) == 6 else socket.AF_INET, _socket_address(address, 0))


def _socket_address(address: str, port: int) -> SocketAddress:
    return (address, port, 0, 0) if family(address) == 6 else (address, port)


class SocketOpener:
    """Opens sockets where the probes belong: in the daemon's own network namespace, or in a named one."""

    def __init__(self, namespace: NetworkNamespace | None = None) -> None:
        self._namespace = namespace

    def open(self, of_family: int, kind: int, protocol: int = 0) -> SocketType:
        """Return a new socket (`socket.SocketType`: the bare one, of which a probe needs no more).

        Raises:
            ProbeError: None could be had, for a reason of this machine.
        """
        try:
            return self.call(SocketType, of_family, kind, protocol)
        except OSError as error:
            raise ProbeError(socket_fault(error)) from error

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function where the probes belong, and return what it returns.

        Raises:
            ProbeError: There is no such place.
            OSError: What the function raised.
        """
        if self._namespace is None:
            return function(*args, **kwargs)
        try:
            return self._namespace.call(function, *args, **kwargs)
        except NetnsError as error:
            raise ProbeError(LocalFault("netns", printable(error.strerror or ""))) from error

    def open_stream(self, destination: Destination) -> SocketType:
        """Return a new non-blocking TCP socket, bound to the source address if there is one.

        Raises:
            ProbeError: None could be had, or the source address is not usable.
        """
        stream = self.open(destination.family, _NONBLOCKING_STREAM)
        if destination.source is not None:
            _bind(stream, destination.source)
        return stream

    def open_datagram(self, destination: Destination) -> SocketType:
        """Return a new non-blocking UDP socket, bound to the source address if there is one.

        Raises:
            ProbeError: None could be had, or the source address is not usable.
        """
        datagrams = self.open(destination.family, _NONBLOCKING_DATAGRAM)
        datagrams.setsockopt(*_REPORT_ERRORS[destination.family], 1)
        if destination.source is not None:
            _bind(datagrams, destination.source)
        return datagrams

    def namespace_identity(self) -> tuple[int, int] | None:
        """Return what tells the named namespace from a later one of that name; None for the daemon's own."""
        return None if self._namespace is None else self._namespace.identity()

    def close(self) -> None:
        """Give up the namespace; no socket can be opened any more."""
        if self._namespace is not None:
            self._namespace.close()


def _bind(stream: SocketType, source: SocketAddress) -> None:
    try:
        stream.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        stream.bind(source)
    except OSError as error:
        stream.close()
        raise ProbeError(bind_fault(error.errno or 0)) from error
