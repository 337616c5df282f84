"""The simulator as tests and the demonstration hold it: a VPP that can be started, killed, frozen and told to fail."""

from __future__ import annotations

import os
import random
import socket
import time
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from maglev.vppsim.boot import FILLERS, ROUTES_TO, ROUTES_VIA, Boot, vip_name
from maglev.vppsim.connection import ApiFactory
from maglev.vppsim.faults import Faults
from maglev.vppsim.listener import UnixListener
from maglev.vppsim.release import Release
from maglev.vppsim.requests import Requests
from maglev.vppsim.show import COUNTERS, address_text
from maglev.vppsim.vip import ANY_PROTOCOL, SimVip, SimVipKey
from maglev.vppsim.writes import VipName, WriteLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twisted.internet.interfaces import IDelayedCall

FAREWELL: Final = 0.1
"""Seconds until a restart that was asked for by a client: its answer must be on its way, for a crash drops it."""


class Simulator:
    """A VPP with the lb plugin, as far as clients of its API and stats sockets can tell.

    Nothing listens before `start`. Without paths nothing listens at all, and the clock may be a fake one: clients are
    then made by ``simulator.factory.buildProtocol(None)``, and the counters read from ``simulator.boot.segment.fd``.

    Args:
        reactor: The clock; where there are paths, also the real reactor of the process.
        api_socket: Path of the API socket.
        stats_socket: Path of the stats socket.
        release: The VPP to play.
        seed: Where the message numbers come from; another one at each start, unless given.
        workers: Worker threads: rows of the counters besides that of the main thread.
        fillers: Entries of the stats directory that mean nothing.
        wall: Tells UNIX time.
        crashed: Called when VPP would have aborted, after everything is as a crash leaves it.

    Attributes:
        faults: What goes wrong; survives a restart.
        writes: What was changed, by all lives of this VPP.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: object,
        api_socket: str | None = None,
        stats_socket: str | None = None,
        *,
        release: Release = Release.WEIGHTED,
        seed: int | None = None,
        workers: int = 0,
        fillers: int = FILLERS,
        wall: Callable[[], float] = time.time,
        crashed: Callable[[], None] = lambda: None,
    ) -> None:
        # A reactor has many interfaces and no common type; each use below names the one that it needs.
        self._reactor: Any = reactor
        self.api_socket = api_socket
        self.stats_socket = stats_socket
        self._release = release
        self._random = random.Random(seed)
        self._workers = workers
        self._fillers = fillers
        self._wall = wall
        self._crashed = crashed
        self.faults = Faults()
        self.writes = WriteLog()
        self._pid = os.getpid()
        self._boot: Boot | None = None
        self._factory: ApiFactory | None = None
        self._listeners: list[UnixListener] = []
        self._waiting: list[socket.socket] = []
        self._calls: list[IDelayedCall] = []

    @property
    def running(self) -> bool:
        """Whether this VPP is alive."""
        return self._boot is not None

    @property
    def boot(self) -> Boot:
        """The present life.

        Raises:
            RuntimeError: It is not running.
        """
        if self._boot is None:
            message = "the simulated VPP is not running"
            raise RuntimeError(message)
        return self._boot

    @property
    def factory(self) -> ApiFactory:
        """The factory of API connections of the present life.

        Raises:
            RuntimeError: It is not running.
        """
        if self._factory is None:
            message = "the simulated VPP is not running"
            raise RuntimeError(message)
        return self._factory

    # Life and death.

    def start(self) -> None:
        """Start a new life, with empty state and other message numbers.

        Raises:
            OSError: A socket can't be made.
        """
        self._boot = Boot(
            self._reactor,
            self._random,
            self._release,
            pid=self._pid,
            boot_time=int(self._wall()),
            workers=self._workers,
            writes=self.writes,
            faults=self.faults,
            fillers=self._fillers,
        )
        self._pid += 1
        self._factory = ApiFactory(self._reactor, self._boot, Requests(self._boot, self), self._crash)
        try:
            self._listen()
        except OSError:
            self._end(remove=True)
            raise

    def kill(self) -> None:
        """Crash: all connections break, the sockets stay behind as files, and the counters freeze."""
        self._end(remove=False)

    def stop(self) -> Deferred[None]:
        """Stop cleanly: as `kill`, but the stats socket is removed. Fires when all connections are closed."""
        factory = self._factory
        self._end(remove=True)
        return factory.when_empty() if factory else succeed(None)

    def restart(self) -> None:
        """Crash and start again."""
        self.kill()
        self.start()

    def restart_soon(self) -> None:
        """Crash and start again, when what is being answered is out."""
        self._calls.append(self._reactor.callLater(FAREWELL, self.restart))

    def freeze(self, seconds: float | None = None) -> None:
        """Let the main loop stand still, for some seconds or until `thaw`."""
        self.faults.frozen = True
        if seconds is not None:
            self._calls.append(self._reactor.callLater(seconds, self.thaw))

    def thaw(self) -> None:
        """Let the main loop go on, with all that has come in meanwhile."""
        self.faults.frozen = False
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            self._hand_over(connection)
        if self._factory:
            for client in self._factory.clients:
                client.proceed()

    # What it holds, for assertions.

    def vips(self) -> Mapping[VipName, Mapping[str, int]]:
        """Return the weights of the servers in use, by VIP in use."""
        balancer = self.boot.balancer
        return {
            vip_name(vip.key): {address_text(server): weight for server, weight in balancer.weights_of(vip).items()}
            for vip in balancer.shown()
            if vip.used
        }

    def weights(self, prefix: str, protocol: int = ANY_PROTOCOL, port: int = 0) -> Mapping[str, int]:
        """Return the weights of the servers in use of one VIP, such as ``192.0.2.1/32``, 6, 443.

        Raises:
            KeyError: There is no such VIP.
        """
        return self.vips()[VipName(prefix, protocol, port)]

    # Traffic.

    def count(
        self,
        vip: VipName,
        *,
        existing: int = 0,
        first: int = 0,
        untracked: int = 0,
        no_server: int = 0,
        octets: int = 0,
    ) -> None:
        """Count packets to a VIP: on its own four counters, and all together on the route to its prefix.

        Raises:
            KeyError: There is no such VIP.
        """
        found = self._find(vip)
        segment = self.boot.segment
        for name, packets in zip(COUNTERS, (existing, first, untracked, no_server), strict=True):
            segment.count(name, found.index, packets)
        route = next(other.route for other in self.boot.balancer.shown() if _on_route(other, found))
        if route is not None:
            segment.count(ROUTES_TO, route.index, existing + first + untracked + no_server, octets)

    def count_server(self, address: str, packets: int, octets: int) -> None:
        """Count packets that were sent to an application server, by whatever VIP.

        Raises:
            KeyError: No VIP has such a server.
        """
        stored = _stored(address)
        for server in self.boot.balancer.servers:
            if server.address == stored:
                self.boot.segment.count(ROUTES_VIA, server.route.index, packets, octets)
                return
        raise KeyError(address)

    def carry(self, vip: VipName, sessions: int, *, packets: int = 10, octets: int = 500) -> None:
        """Let new sessions come in: each takes the next bucket, and so the server that owns it.

        Args:
            vip: Where they go.
            sessions: How many of them.
            packets: In each session.
            octets: In each packet, without the encapsulation.

        Raises:
            KeyError: There is no such VIP.
        """
        found = self._find(vip)
        balancer = self.boot.balancer
        buckets = balancer.buckets_of(found)
        if not buckets:
            self.count(vip, no_server=sessions * packets, octets=sessions * packets * octets)
            return
        self.count(vip, first=sessions, existing=sessions * (packets - 1), octets=sessions * packets * octets)
        overhead = 24 if found.type.has_ip4_servers else 44  # Outer IP and GRE headers.
        done = before = 0
        for index, owned in sorted(buckets.items()):
            done += owned
            share = sessions * done // found.table_length - before
            before += share
            server = balancer.servers[index]
            amounts = (share * packets, share * packets * (octets + overhead))
            self.boot.segment.count(ROUTES_VIA, server.route.index, *amounts)

    def stick(self, vip: VipName, address: str, flows: int) -> None:
        """Let so many flows stick to a server; while any do, it is not collected when it is deleted.

        Raises:
            KeyError: There is no such VIP, or it has no such server.
        """
        stored = _stored(address)
        for server in self.boot.balancer.servers_of(self._find(vip)):
            if server.address == stored:
                server.flows = flows
                return
        raise KeyError(address)

    # Implementation

    def _crash(self) -> None:
        self.kill()
        self._crashed()

    def _find(self, vip: VipName) -> SimVip:
        network = ip_interface(vip.prefix).network
        bits = 96 if network.version == 4 else 0
        key = SimVipKey(
            network.network_address.packed.rjust(16, b"\0"), network.prefixlen + bits, vip.protocol, vip.port
        )
        found = self.boot.balancer.find(key)
        if found is None:
            raise KeyError(vip)
        return found

    def _listen(self) -> None:
        if self.stats_socket:
            kind = socket.SOCK_SEQPACKET
            self._listeners.append(UnixListener(self._reactor, self.stats_socket, kind, self._hand_over))
        if self.api_socket:
            self._listeners.append(UnixListener(self._reactor, self.api_socket, socket.SOCK_STREAM, self._accept))

    def _accept(self, connection: socket.socket) -> None:
        with connection:
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, self._factory)

    def _hand_over(self, connection: socket.socket) -> None:
        """Give a reader the descriptor of the stats segment."""
        if self.faults.frozen:
            self._waiting.append(connection)
            return
        descriptor = self._boot.segment.fd if self._boot else None
        with connection:
            try:
                if descriptor is not None:
                    socket.send_fds(connection, [b""], [descriptor])
            except OSError as error:
                self._log.info("vppsim-stats-reader-gone", error=str(error))

    def _end(self, *, remove: bool) -> None:
        for call in self._calls:
            if call.active():
                call.cancel()
        self._calls.clear()
        for listener in self._listeners:
            listener.close(remove=remove and listener.path == self.stats_socket)
        self._listeners.clear()
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()
        if self._factory:
            for client in self._factory.clients:
                client.hang_up()
        if self._boot:
            self._boot.end()
        self._boot = self._factory = None
        self.faults.frozen = False


def _stored(address: str) -> bytes:
    return ip_address(address).packed.rjust(16, b"\0")


def _on_route(other: SimVip, vip: SimVip) -> bool:
    """Return whether a VIP is the one that holds the route of a prefix."""
    return other.used and other.route is not None and other.key[:2] == vip.key[:2]
