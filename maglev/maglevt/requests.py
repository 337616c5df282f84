"""Requests to a VIP: our own probers, which also notice who answered.

The pieces are those of `maglev.healthcheck.probers.source`, put together for many probes of one destination at once
instead of one probe of many.
"""

from __future__ import annotations

import contextlib
import random
from functools import partial
from pathlib import Path
from socket import AF_INET6
from typing import TYPE_CHECKING, Final

import attrs
from cryptography import x509
from OpenSSL import crypto
from twisted.internet.interfaces import IReactorFDSet, IReactorTime

from maglev.healthcheck.probers.connection import SocketConnector
from maglev.healthcheck.probers.deadlines import DeadlinesByTimeout
from maglev.healthcheck.probers.expectation import Expectation, compile_pattern
from maglev.healthcheck.probers.http import HttpProbe, request_for
from maglev.healthcheck.probers.http2 import ALPN, Http2Probes, http_request
from maglev.healthcheck.probers.poller import Poller
from maglev.healthcheck.probers.sockets import Destination, SocketOpener
from maglev.healthcheck.probers.stream import StreamProber, TlsProber
from maglev.healthcheck.probers.tcp import TcpProbe
from maglev.healthcheck.probers.tls import TlsProbe
from maglev.healthcheck.probers.trust import Identity, TlsContexts
from maglev.maglevt.who import WhoByCertificate, as_name
from maglev.model.config import Backend
from maglev.model.version import PROJECT_URL, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import SocketType

    from OpenSSL.crypto import X509

    from maglev.healthcheck.lag import LagMonitor
    from maglev.healthcheck.probers.base import Conclude
    from maglev.healthcheck.probers.expectation import Verdict
    from maglev.healthcheck.probers.probe import Probe
    from maglev.maglevt.targets import VipTarget
    from maglev.maglevt.who import Who
    from maglev.model.config import Healthcheck, HttpParams
    from maglev.model.result import Outcome

USER_AGENT: Final = ("User-Agent", f"maglevt/{VERSION} (+{PROJECT_URL})")


PORT_TRIES: Final = 8

_PORTS: Final = "/proc/sys/net/ipv4/ip_local_port_range"

_USUAL_PORTS: Final = (32768, 60999)


class ClientSockets(SocketOpener):
    """Opens sockets that have a random port.

    The kernel gives out ports in steps of two, and VPP's hash of such a row of flows is not random (CRC32 is linear).
    Clients all over the world have ports of all sorts, and only those show what their shares are.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            self._ports = tuple(map(int, Path(_PORTS).read_text().split()))
        except OSError:
            self._ports = _USUAL_PORTS

    def open_stream(self, destination: Destination) -> SocketType:
        """Return a new non-blocking TCP socket; after some ports that are taken, the kernel chooses one."""
        stream = super().open_stream(destination)
        for _ in range(PORT_TRIES):
            port = random.randint(*self._ports)  # nothing is kept secret by it
            if port != destination.address[1]:  # it could connect to itself
                with contextlib.suppress(OSError):
                    stream.bind(("::" if destination.family == AF_INET6 else "0.0.0.0", port))
                    break
        return stream


class Witness:
    """Who answered the request under way.

    Attributes:
        name: The name; None as long as it is not known.
    """

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name: str | None = None


class WitnessedHttpProbe(HttpProbe):
    """An HTTP probe that notes who answered."""

    def __init__(
        self, conclude: Conclude, request: bytes, expectation: Expectation, who: Who, witness: Witness
    ) -> None:
        super().__init__(conclude, request, expectation)
        self._who = who
        self._witness = witness

    def come_to(self, verdict: Verdict) -> None:
        """Conclude."""
        answer = self._answer
        self._witness.name = self._witness.name or self._who.name_in(answer.head, answer.body)
        super().come_to(verdict)


class WitnessedIdentity(Identity):
    """The identity of a server whose certificate is noted at each handshake."""

    def __init__(self, backend: Backend, healthcheck: Healthcheck, witness: Witness) -> None:
        super().__init__(backend, healthcheck)
        self._witness = witness
        self._last = b""
        self._last_name: str | None = None

    def learn(self, leaf: X509) -> None:
        """Note the certificate that the server presented."""
        super().learn(leaf)
        shown = crypto.dump_certificate(crypto.FILETYPE_ASN1, leaf)
        if shown != self._last:
            self._last, self._last_name = shown, name_of_certificate(leaf.to_cryptography())
        self._witness.name = self._last_name


def name_of_certificate(certificate: x509.Certificate) -> str | None:
    """Return the common name of a certificate's subject, or else its first name in DNS; None if it has neither."""
    try:
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        if names:
            return as_name(str(names[0].value).encode())
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return next((as_name(each.encode()) for each in alternative.get_values_for_type(x509.DNSName)), None)
    except (x509.ExtensionNotFound, ValueError):
        return None


class Requester:
    """Makes the requests to one VIP, one at a time; the next one may begin when ``finished`` is called."""

    def __init__(self, prober: StreamProber, witness: Witness) -> None:
        self._prober = prober
        self._witness = witness

    def start(self, finished: Callable[[Outcome, str | None], None]) -> None:
        """Begin a request; ``finished`` is called once, with its outcome and who answered."""
        self._witness.name = None
        self._prober.start(lambda outcome: finished(outcome, self._witness.name))

    def cancel(self) -> None:
        """Abort the request under way, if any; what it left open is closed."""
        self._prober.cancel()


class RequesterSource:
    """Makes requesters, and has what they share."""

    def __init__(self, reactor: object, lag: LagMonitor, who: Who | None = None, trust_root: str | None = None) -> None:
        """Prepare what all of them share.

        Args:
            reactor: Provides `IReactorTime`, monotonic, and `IReactorFDSet`.
            lag: Learns when answers wait to be read, and what timeouts there are.
            who: How to learn who answered; None for not at all.
            trust_root: Path of a PEM file with the authorities to trust; None for those of the system.

        Raises:
            OSError: No descriptor could be had.
        """
        self._clock = IReactorTime(reactor)
        self._who = who
        self._opener = ClientSockets()
        self._poller = Poller(IReactorFDSet(reactor), self._clock, lag)
        self._contexts = TlsContexts(trust_root)
        self._deadlines = DeadlinesByTimeout(self._clock, lag)

    def requesters_of(self, target: VipTarget) -> Callable[[], Requester]:
        """Return what makes requesters for a VIP."""
        backend = Backend(target.name, target.address)
        check = target.healthcheck
        deadlines = self._deadlines.after(check.timeout)
        connect = SocketConnector(self._poller, self._opener, Destination.of(backend, check))
        request = expectation = over_http2 = None
        alpn = b""
        if check.http is not None:
            params = _with_user_agent(check.http)
            if params.http2:
                alpn = ALPN
                over_http2 = Http2Probes.of_http(http_request(backend, check, params), Expectation.of(params))
            else:
                request, expectation = request_for(backend, check, params), self._expectation(params)

        def make() -> Requester:
            witness = Witness()
            probe: Callable[[Conclude], Probe] | None = over_http2
            if request is not None and expectation is not None:
                probe = self._http_probes(request, expectation, witness)
            if check.tls is None:
                return Requester(StreamProber(deadlines, connect, probe or TcpProbe), witness)
            by_certificate = isinstance(self._who, WhoByCertificate)
            identity = WitnessedIdentity(backend, check, witness) if by_certificate else Identity(backend, check)
            context = self._contexts.context(check.tls, alpn)
            over_tls = partial(TlsProbe, context=context, identity=identity, new_inner=probe, alpn=alpn)
            return Requester(TlsProber(deadlines, connect, over_tls, identity), witness)

        return make

    def busy(self) -> bool:
        """Return whether answers wait to be read."""
        return self._poller.busy()

    def close(self) -> None:
        """Close what the requesters share; all of them must have been cancelled."""
        self._deadlines.close()
        self._poller.close()
        self._opener.close()

    def _expectation(self, params: HttpParams) -> Expectation:
        expectation = Expectation.of(params)
        if self._who is not None and self._who.wants_body and expectation.pattern is None:
            # The empty pattern is found in any body, and lets the probe read one.
            expectation = attrs.evolve(expectation, pattern=compile_pattern(""), drains=False)
        return expectation

    def _http_probes(self, request: bytes, expectation: Expectation, witness: Witness) -> Callable[[Conclude], Probe]:
        if self._who is None:
            return partial(HttpProbe, request=request, expectation=expectation)
        return partial(WitnessedHttpProbe, request=request, expectation=expectation, who=self._who, witness=witness)


def _with_user_agent(params: HttpParams) -> HttpParams:
    if any(name.lower() == "user-agent" for name, _ in params.headers):
        return params
    return attrs.evolve(params, headers=(USER_AGENT, *params.headers))
