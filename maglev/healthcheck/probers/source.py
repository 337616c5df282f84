"""Builds the prober of each backend, with all that its probes can share."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import attrs
from twisted.internet.interfaces import IReactorFDSet, IReactorTime

from maglev.healthcheck.probers.connection import SocketConnector
from maglev.healthcheck.probers.deadlines import DeadlinesByTimeout
from maglev.healthcheck.probers.dns_answer import DnsQuestion
from maglev.healthcheck.probers.expectation import Expectation
from maglev.healthcheck.probers.http import HttpProbes, request_for
from maglev.healthcheck.probers.http2 import ALPN, Http2Probes, grpc_request, http_request
from maglev.healthcheck.probers.icmp import IcmpProber
from maglev.healthcheck.probers.netns import NetworkNamespace
from maglev.healthcheck.probers.ping import PingSocket
from maglev.healthcheck.probers.poller import Poller
from maglev.healthcheck.probers.resumption import SEGMENT, Resumption
from maglev.healthcheck.probers.routes import Routes
from maglev.healthcheck.probers.sockets import Destination, SocketOpener
from maglev.healthcheck.probers.stream import StreamProber, TlsProber
from maglev.healthcheck.probers.talk import AgentProbes, DnsExchanges, DnsProbes, TalkProbes
from maglev.healthcheck.probers.tcp import TcpProbe
from maglev.healthcheck.probers.tls import TlsProbe
from maglev.healthcheck.probers.trust import Identity, TlsContexts
from maglev.healthcheck.probers.tunnel import Flow, Tunnel, TunnelOpener
from maglev.healthcheck.probers.udp import PlainExchange, UdpProber
from maglev.healthcheck.probers.via import AT_VIP, DIRECT, THROUGH, ViaProber
from maglev.model.config import CheckType

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.probers.base import Conclude, PathFault, Prober
    from maglev.healthcheck.probers.probe import Probe
    from maglev.healthcheck.probers.udp import DatagramExchange
    from maglev.interfaces import IProber
    from maglev.model.check_params import DnsParams, TalkParams, UdpParams, VipPath
    from maglev.model.config import Backend, Healthcheck, HttpParams

_FAMILIES: Final[tuple[int, ...]] = (socket.AF_INET, socket.AF_INET6)


class ProberSource:
    """Where the checker gets its probers from."""

    def __init__(
        self,
        reactor: object,
        lag: LagMonitor,
        netns: str | None = None,
        trust_root: str | None = None,
        seat: int = 0,
    ) -> None:
        """Prepare what all probers share.

        Args:
            reactor: Provides `IReactorTime`, monotonic, and `IReactorFDSet`.
            lag: Learns when answers wait to be read, and what timeouts there are.
            netns: Name of the network namespace that probes run in; None is the daemon's own.
            trust_root: Path of a PEM file with the authorities to trust; None for those of the system.
            seat: Which of the tunnels is ours: 0 for that of the daemon, from 1 on for those of workers.

        Raises:
            OSError: No descriptor could be had.
        """
        self._clock = IReactorTime(reactor)
        self._opener = SocketOpener(None if netns is None else NetworkNamespace(netns))
        self._routes = Routes(self._opener)
        self._seat = seat
        self._tunnels: dict[tuple[str, int], Tunnel] = {}
        self._poller = Poller(IReactorFDSet(reactor), self._clock, lag)
        self._contexts = TlsContexts(trust_root)
        self._expectations: WeakValueDictionary[HttpParams, Expectation] = WeakValueDictionary()
        self._probes: WeakValueDictionary[HttpParams, HttpProbes | Http2Probes] = WeakValueDictionary()
        self._talks: WeakValueDictionary[TalkParams, TalkProbes] = WeakValueDictionary()
        self._datagrams: WeakValueDictionary[UdpParams, PlainExchange] = WeakValueDictionary()
        self._questions: WeakValueDictionary[DnsParams, DnsQuestion] = WeakValueDictionary()
        self._deadlines = DeadlinesByTimeout(self._clock, lag)
        self._ping = {
            family: PingSocket(self._poller, self._opener, family, self._clock.seconds, lag.behind)
            for family in _FAMILIES
        }

    def prober_for(self, backend: Backend, healthcheck: Healthcheck) -> IProber:
        """Return a prober that will probe this backend, over and over.

        Raises:
            ValueError: The healthcheck contradicts itself; a checked configuration has none that does.
        """
        if healthcheck.path is not None:
            return self._via_prober(backend, healthcheck, healthcheck.path)
        destination = Destination.of(backend, healthcheck)
        path_fault = partial(self._routes.fault_towards, destination)
        return self._prober(backend, healthcheck, destination, self._opener, path_fault)

    def _prober(
        self,
        backend: Backend,
        healthcheck: Healthcheck,
        destination: Destination,
        opener: SocketOpener | TunnelOpener,
        path_fault: PathFault | None,
    ) -> Prober:
        deadlines = self._deadlines.after(healthcheck.timeout)
        if healthcheck.type is CheckType.ICMP:
            return IcmpProber(deadlines, self._ping[destination.family], destination, path_fault)
        exchange = self._exchanges_for(healthcheck)
        if exchange is not None:
            return UdpProber(deadlines, self._poller, opener, destination, exchange, path_fault)
        connect = SocketConnector(self._poller, opener, destination)
        probe = self._probes_above_tcp(backend, healthcheck)
        if healthcheck.tls is None:
            return StreamProber(deadlines, connect, probe or TcpProbe, path_fault)
        identity = Identity(backend, healthcheck)
        alpn = ALPN if healthcheck.grpc is not None or (healthcheck.http and healthcheck.http.http2) else b""
        context = self._contexts.context(healthcheck.tls, alpn)
        resumption = None
        if healthcheck.tls.resume:
            hello_limit = SEGMENT if healthcheck.tls.curves is None else None
            resumption = Resumption(self._clock, identity, hello_limit=hello_limit)
        over_tls = partial(
            TlsProbe, context=context, identity=identity, new_inner=probe, resumption=resumption, alpn=alpn
        )
        return TlsProber(deadlines, connect, over_tls, identity, resumption, path_fault)

    def _via_prober(self, backend: Backend, healthcheck: Healthcheck, path: VipPath) -> ViaProber:
        """Return a prober by way of a VIP, which is what is probed; the backend is only where packets go."""
        called = attrs.evolve(backend, address=path.vip)
        vip, there = Destination.of(called, healthcheck), Destination.of(backend, healthcheck)
        tunnel = self._tunnel_for(path)
        source = path.ipv6_source if there.family == socket.AF_INET6 else path.ipv4_source

        def opener() -> TunnelOpener:
            return TunnelOpener(tunnel, self._opener, there, Flow(source, backend.address))

        def controls() -> dict[str, Prober]:
            control = partial(self._control, healthcheck.timeout)
            made = {THROUGH: control(opener(), there), DIRECT: control(self._opener, there)}
            return {AT_VIP: control(opener(), vip), **made} if datagrams else made

        ours = opener()
        inner = self._prober(called, healthcheck, vip, ours, None)
        datagrams = isinstance(inner, UdpProber)
        halfway = self._deadlines.halfway(healthcheck.timeout)
        lost = partial(self._routes.fault_of_answers, vip, there)
        return ViaProber(inner, tunnel, ours, halfway, controls, lost, datagrams=datagrams)

    def _control(self, timeout: float, opener: SocketOpener | TunnelOpener, destination: Destination) -> Prober:
        connect = SocketConnector(self._poller, opener, destination)
        return StreamProber(self._deadlines.after(timeout), connect, TcpProbe)

    def _tunnel_for(self, path: VipPath) -> Tunnel:
        device, mark = f"{path.device}{self._seat}", path.mark + self._seat
        tunnel = self._tunnels.get((device, mark))
        if tunnel is None:
            tunnel = self._tunnels[device, mark] = Tunnel(self._clock, self._poller, self._opener, device, mark)
            tunnel.fault()  # it takes some milliseconds to be ready
        return tunnel

    def _probes_above_tcp(self, backend: Backend, healthcheck: Healthcheck) -> Callable[[Conclude], Probe] | None:
        """Return what makes the probe of the application; None when the connection is all that is probed."""
        if healthcheck.type is CheckType.TCP:
            return None if healthcheck.talk is None else self._talks_for(healthcheck.talk)
        if healthcheck.dns is not None:
            return DnsProbes(self._question_for(healthcheck.dns))
        if healthcheck.grpc is not None:
            return Http2Probes.of_grpc(grpc_request(backend, healthcheck, healthcheck.grpc))
        if healthcheck.agent is not None:
            return AgentProbes(healthcheck.agent)
        params = healthcheck.http
        if params is None:
            message = f"healthcheck {healthcheck.name} has no parameters for http"
            raise ValueError(message)
        # What is said to all backends alike, because it names the host, is kept once; otherwise what is expected of
        # them is, as a compiled pattern is large.
        probes = self._probes.get(params)
        if probes is None:
            expectation = self._expectation_of(params)
            if params.http2:
                probes = Http2Probes.of_http(http_request(backend, healthcheck, params), expectation)
            else:
                probes = HttpProbes(request_for(backend, healthcheck, params), expectation)
            if params.host:
                self._probes[params] = probes
        return probes

    def _exchanges_for(self, healthcheck: Healthcheck) -> Callable[[], DatagramExchange] | None:
        """Return what makes the exchanges of a probe over UDP; None for one that is over something else."""
        if healthcheck.dns is not None:
            return None if healthcheck.dns.tcp else DnsExchanges(self._question_for(healthcheck.dns))
        params = healthcheck.udp
        if params is None:
            return None
        exchange = self._datagrams.get(params)
        if exchange is None:
            exchange = self._datagrams[params] = PlainExchange(params)
        return exchange

    def _question_for(self, params: DnsParams) -> DnsQuestion:
        question = self._questions.get(params)
        if question is None:
            question = self._questions[params] = DnsQuestion(params)
        return question

    def _talks_for(self, params: TalkParams) -> TalkProbes:
        """Return what makes the probes that talk like this: one for all backends, as a compiled pattern is large."""
        talks = self._talks.get(params)
        if talks is None:
            talks = self._talks[params] = TalkProbes(params)
        return talks

    def _expectation_of(self, params: HttpParams) -> Expectation:
        expectation = self._expectations.get(params)
        if expectation is None:
            expectation = self._expectations[params] = Expectation.of(params)
        return expectation

    def busy(self) -> bool:
        """Return whether answers to probes under way wait to be read."""
        return self._poller.busy()

    def close(self) -> None:
        """Close the resources that the probers share; all probes must have been cancelled."""
        self._deadlines.close()  # connections that linger
        for ping in self._ping.values():
            ping.close()
        for tunnel in self._tunnels.values():
            tunnel.close()
        self._routes.close()
        self._poller.close()
        self._opener.close()
