"""The tunnel to the VIPs of backends: a tun device that takes the packets of probes, and sends them on in GRE.

Theory of operation. A probe by way of a VIP connects to the VIP with an ordinary socket. Its mark makes the kernel
route what it sends into a tun device that belongs to us (a rule and a table of their own: nobody else's packets to the
VIP are touched). We read each packet there, find by its source port to which backend it goes, put the headers before it
that VPP would put there (`gre`), and send it from a raw socket. The backend answers straight to our own address, from
where the kernel gives it to the socket. So every prober works as it is.

A tun device that is persistent and belongs to the daemon's user takes no privilege to be used; the raw socket and the
mark take ``CAP_NET_RAW`` (the latter since Linux 5.17). The device, its rule and its table are made beforehand by
somebody who may (``vpp-maglev-tunnel.service``). Each process has a device of its own, as it only knows its own ports.

The sockets choose their port when they are bound, and not when they connect, so that it is known before the first
packet. A probe's last packet, the reset, may come out when the probe is over. So a port belongs to the backend until
that backend has had two others.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from select import EPOLLIN
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from maglev.healthcheck.probers.faults import ProbeError, bind_fault, send_fault
from maglev.healthcheck.probers.gre import Encapsulation, key_for, key_of
from maglev.healthcheck.probers.tun import attach, is_running, why_unusable
from maglev.model.result import LocalFault
from maglev.model.text import printable
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import SocketType

    from twisted.internet.interfaces import IReactorTime

    from maglev.healthcheck.probers.connection import Readiness
    from maglev.healthcheck.probers.sockets import Destination, SocketAddress, SocketOpener
    from maglev.model.result import Outcome

RETRY: Final = 1.0
"""Seconds until the device is tried again: 1,000 probes ask each second, and trying takes 20 microseconds."""

BURST: Final = 64
"""Packets sent on before the other probes have their turn: a millisecond."""

PACKET: Final = 65535

PORTS_KEPT: Final = 2
"""Source ports that belong to a backend: that of the probe under way, and that of the one before, which may linger."""

# asm-generic/socket.h
_SO_MARK: Final = 36
_RAW: Final = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_KINDS: Final[Mapping[int, int]] = {socket.SOCK_STREAM: socket.IPPROTO_TCP, socket.SOCK_DGRAM: socket.IPPROTO_UDP}
_SOCK_FLAGS: Final = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_REPORT_ERRORS: Final[Mapping[int, tuple[int, int]]] = {
    socket.AF_INET: (socket.IPPROTO_IP, getattr(socket, "IP_RECVERR", 11)),
    socket.AF_INET6: (socket.IPPROTO_IPV6, getattr(socket, "IPV6_RECVERR", 25)),
}

NO_MARK: Final = LocalFault("tunnel", "a mark takes CAP_NET_RAW on Linux 5.17 and later, before that CAP_NET_ADMIN")


class Flow:
    """The packets of one prober to one backend.

    Attributes:
        seen: How many have come out of the device since the probe began.
        error: The error number of the last one that could not be sent on; 0 if there is none.
        opened: Whether there was a socket for the probe.
    """

    __slots__ = ("__weakref__", "_family", "_no_socket", "_outer", "_to", "error", "keys", "opened", "seen")

    def __init__(self, source: str, backend: str) -> None:
        """Prepare.

        Args:
            source: Source of the outer packets.
            backend: Where they go; of the same family.
        """
        self._outer = Encapsulation(source, backend)
        self._family = socket.AF_INET6 if ":" in backend else socket.AF_INET
        self._to: SocketAddress = (backend, 0, 0, 0) if ":" in backend else (backend, 0)
        self.keys: deque[bytes] = deque()
        self._no_socket: Outcome | None = None
        self.seen = 0
        self.error = 0
        self.opened = False

    def begin(self) -> None:
        """Forget what the last probe has sent."""
        self.seen = self.error = 0
        self.opened = False
        self._no_socket = None

    def send(self, tunnel: Tunnel, packet: bytes) -> None:
        """Send a packet on."""
        self.seen += 1
        try:
            tunnel.raw_socket(self._family).sendto(self._outer.wrap(packet), self._to)
        except OSError as error:
            self.error = error.errno or errno.EIO
        except ProbeError as error:
            self._no_socket = error.outcome

    def fault(self) -> Outcome | None:
        """Return why packets could not be sent on, if they could not."""
        if self.error:
            return send_fault(self.error, from_source=False)
        return self._no_socket


class Tunnel:
    """One tun device, its reader, and the raw sockets.

    Attributes:
        device: Its name.
        mark: The mark of packets that are routed into it.
        strays: Packets that came out of it and were nobody's, such as those by which a kernel looks for IPv6 routers.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, poller: Readiness, opener: SocketOpener, device: str, mark: int) -> None:
        """Prepare; the device is opened when it is first needed.

        Args:
            clock: A monotonic clock.
            poller: Waits for packets.
            opener: Opens sockets, and the device, where the probes belong.
            device: Name of the device.
            mark: The mark of packets that are routed into it.
        """
        self._clock = clock
        self._poller = poller
        self._opener = opener
        self._descriptor = -1
        self._namespace: tuple[int, int] | None = None
        self._raw: dict[int, SocketType] = {}
        self._flows: WeakValueDictionary[bytes, Flow] = WeakValueDictionary()  # a prober takes its flow with it
        self._runs = False
        self._fault: LocalFault | None = None
        self._retry_at = 0.0
        self._opened = 0.0
        self._told = ""
        self._crashes = 0
        self.device = device
        self.mark = mark
        self.strays = 0

    # The device

    def fault(self) -> LocalFault | None:
        """Return why nothing can be sent by way of it, after an attempt to open it if it is not open."""
        if self._descriptor >= 0 and self._opener.namespace_identity() != self._namespace:
            self._lose("another network namespace")
        if self._runs:
            return None
        now = self._clock.seconds()
        if self._descriptor >= 0 or self._fault is None or now >= self._retry_at:
            self._retry_at = now + RETRY
            self._fault = None
            self._try(now)
            self._tell(now)
        return self._fault

    def _try(self, now: float) -> None:
        try:
            if self._descriptor < 0:
                self._open()
                self._opened = now
            # For a moment after it was opened, the kernel drops what is sent.
            self._runs = self._opener.call(is_running, self.device)
        except ProbeError as error:
            self._fault = LocalFault(getattr(error.outcome, "reason", "tunnel"), error.outcome.detail)
        except OSError as error:
            self._close()
            self._fault = LocalFault("tunnel", why_unusable(self.device, error))
        else:
            if not self._runs:
                self._fault = LocalFault("tunnel", f"{self.device} is not up")

    def _tell(self, now: float) -> None:
        """Log that it works, or why it does not, once; to come up, it may take a moment."""
        if self._fault is None:
            self._told = ""
            self._log.info("tunnel-open", device=self.device, mark=hex(self.mark))
        elif self._fault.detail != self._told and (self._descriptor < 0 or now >= self._opened + RETRY):
            self._told = self._fault.detail
            self._log.error("tunnel-unusable", device=self.device, reason=self._told)

    def _open(self) -> None:
        self._namespace = self._opener.namespace_identity()
        self._descriptor = self._opener.call(attach, self.device)
        self._poller.watch(self._descriptor, EPOLLIN, self)

    def _lose(self, reason: str) -> None:
        self._close()
        self._log.warn("tunnel-lost", device=self.device, reason=reason)

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        self._runs = False
        if descriptor >= 0:
            self._poller.forget(descriptor)
            os.close(descriptor)
        for raw in self._raw.values():
            raw.close()
        self._raw.clear()

    def close(self) -> None:
        """Let go of the device."""
        self._close()
        self._flows.clear()

    # Packets

    def ready(self, events: int = EPOLLIN) -> bool:  # noqa: ARG002  # whatever it is, read tells
        """Send on what has come out of the device, up to a bound; return whether there was anything."""
        for count in range(BURST):
            if self._descriptor < 0:
                return count > 0
            try:
                packet = os.read(self._descriptor, PACKET)
            except BlockingIOError:
                return count > 0
            except OSError as error:
                self._lose(printable(os.strerror(error.errno or 0)))
                return True
            flow = self._flows.get(key_of(packet))
            if flow is None:
                self.strays += 1
            else:
                flow.send(self, packet)
        return True

    def crash(self) -> None:
        """Go on: the packet that raised, which is logged, is gone."""
        self._crashes += 1

    def assign(self, flow: Flow, key: bytes) -> None:
        """Let a port belong to a flow; the packets that wait still go where they belong."""
        self.ready()
        if len(flow.keys) == PORTS_KEPT:
            former = flow.keys.popleft()
            if self._flows.get(former) is flow:
                del self._flows[former]
        flow.keys.append(key)
        flow.opened = True
        self._flows[key] = flow

    def raw_socket(self, family: int) -> SocketType:
        """Return the socket that sends packets of a family, with all their headers.

        Raises:
            ProbeError: None could be had.
        """
        raw = self._raw.get(family)
        if raw is None:
            # IPPROTO_RAW: we write the IP header (raw(7), ipv6(7)), and receive nothing.
            raw = self._raw[family] = self._opener.open(family, _RAW, socket.IPPROTO_RAW)
        return raw


class TunnelOpener:
    """Opens the sockets of one prober, whose packets go to one backend by way of the tunnel.

    Attributes:
        flow: Its packets.
    """

    __slots__ = ("_backend", "_opener", "_source", "_tunnel", "flow")

    def __init__(self, tunnel: Tunnel, opener: SocketOpener, backend: Destination, flow: Flow) -> None:
        """Prepare.

        Args:
            tunnel: The tunnel.
            opener: Opens sockets where the probes belong.
            backend: The backend itself.
            flow: Its packets.
        """
        self._tunnel = tunnel
        self._opener = opener
        self._backend = backend
        self._source: SocketAddress | None = None
        self.flow = flow

    def open_stream(self, destination: Destination) -> SocketType:
        """Return a new non-blocking TCP socket, ready to connect by way of the tunnel.

        Raises:
            ProbeError: None could be had.
        """
        return self._open(destination, socket.SOCK_STREAM)

    def open_datagram(self, destination: Destination) -> SocketType:
        """Return a new non-blocking UDP socket, ready to connect by way of the tunnel.

        Raises:
            ProbeError: None could be had.
        """
        return self._open(destination, socket.SOCK_DGRAM)

    def forget_source(self) -> None:
        """Find out again from which address to probe."""
        self._source = None

    def _open(self, destination: Destination, kind: int) -> SocketType:
        source = destination.source or self._source or self._own_address(destination)
        opened = self._opener.open(destination.family, kind | _SOCK_FLAGS)
        try:
            self._prepare(opened, destination, kind, source)
        except OSError as error:
            opened.close()
            raise ProbeError(bind_fault(error.errno or 0)) from error
        except ProbeError:
            opened.close()
            raise
        return opened

    def _prepare(self, opened: SocketType, destination: Destination, kind: int, source: SocketAddress) -> None:
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_MARK, self._tunnel.mark)
        except PermissionError as error:
            raise ProbeError(NO_MARK) from error
        if kind == socket.SOCK_DGRAM:
            opened.setsockopt(*_REPORT_ERRORS[destination.family], 1)
        opened.bind(source)
        address, port = opened.getsockname()[:2]
        self._tunnel.assign(self.flow, key_for(_KINDS[kind], address, destination.address[0], port))

    def _own_address(self, destination: Destination) -> SocketAddress:
        """Return the address from which this machine talks to the backend, so that the backend can answer to it.

        Raises:
            ProbeError: There is none.
        """
        towards = self._backend if self._backend.family == destination.family else destination
        asking = self._opener.open(towards.family, socket.SOCK_DGRAM | _SOCK_FLAGS)
        try:
            asking.connect((towards.address[0], 9))  # sends nothing
            found = asking.getsockname()[0]
        except OSError as error:
            raise ProbeError(send_fault(error.errno or 0, from_source=False)) from error
        finally:
            asking.close()
        self._source = (found, 0, 0, 0) if ":" in found else (found, 0)
        return self._source
