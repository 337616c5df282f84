"""TLS sessions are resumed, and certificates are noticed all the same."""

from __future__ import annotations

from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from OpenSSL import SSL
from twisted.internet.task import Clock

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.connection import DONE
from maglev.healthcheck.probers.deadlines import Deadlines
from maglev.healthcheck.probers.resumption import LIFETIME, SEGMENT, TRUCE, Resumption, _between_half_and_whole
from maglev.healthcheck.probers.stream import TlsProber
from maglev.healthcheck.probers.trust import Identity
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from maglev.model.result import TIMEOUTS, Code, Result
from tests.fakes.certificates import DAY, now
from tests.fakes.tls_bench import NAME, TlsExchange, client_of, require_certificates, server_context

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAILURE = b"HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n"
VERSIONS = pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])


class ProbeWire:
    """The connection of one probe: made at once, or refused."""

    def __init__(self, backend, owner):
        self.backend = backend
        self.owner = owner

    def open(self):
        if self.backend.refuses:
            self.owner.conclude_with(Result(Code.L4CON, "connection refused"))
        else:
            self.owner.build_protocol()

    def ready(self):
        pass

    def abortConnection(self):
        self.backend.bench.transport.abortConnection()


class ProbedBackend:
    """One backend that is probed over and over."""

    def __init__(self, contexts, certificate, version=None, *, verify=True, http=True, tls=None, limit=SEGMENT):
        self.contexts = contexts
        self.version = version
        self.tls = tls or TlsParams(NAME, verify=verify)
        self.http = HttpParams() if http else None
        healthcheck = Healthcheck("web", CheckType.HTTPS, 443, 1, 1, 1, 1, tls=self.tls, http=self.http)
        self.identity = Identity(Backend("b", "192.0.2.1"), healthcheck)
        self.clock = Clock()
        self.wall = now().timestamp()
        self.resumption = Resumption(self.clock, self.identity, lambda: self.wall, lambda: 1.0, limit)
        connect = partial(ProbeWire, self)
        self.prober = TlsProber(
            Deadlines(self.clock, 1.0, LagMonitor(self.clock)), connect, self._new_probe, self.identity, self.resumption
        )
        self.refuses = False
        self.replacement = None
        self.outcomes = []
        self.restart(certificate)

    def restart(self, certificate):
        self.server = server_context(certificate, self.version)

    def replace_certificate(self, certificate):
        """Show another certificate from now on, and resume old sessions nevertheless."""
        self.replacement = certificate

    def _new_probe(self, conclude):
        self.bench = bench = TlsExchange(
            self.contexts,
            self.server,
            self.tls,
            http=self.http,
            identity=self.identity,
            resumption=self.resumption,
            conclude=conclude,
        )
        if self.replacement is not None:
            certificate, key = (path.read_bytes() for path in self.replacement)
            bench.server.use_certificate(x509.load_pem_x509_certificate(certificate))
            bench.server.use_privatekey(serialization.load_pem_private_key(key, None))
        return bench.probe

    def begin(self, *answers):
        """Start a probe that the backend gives these answers to."""
        self.prober.start(self.outcomes.append)
        self.bench.answers = list(answers)
        return self.bench

    def probe(self, *answers):
        """Probe until neither end has anything more to say; return how the handshake was."""
        bench = self.begin(*(answers or [ANSWER] if self.http else []))
        bench.probe.makeConnection(bench.transport)
        self.first_hello = len(bench.transport.value())
        bench.run()
        return "full" if self.bench.saw_certificate else "resumed"

    @property
    def last(self):
        return self.outcomes[-1].code, self.outcomes[-1].detail


@VERSIONS
@pytest.mark.parametrize("verify", [True, False])
def test_the_session_of_a_probe_that_passed_is_resumed(contexts, good, version, verify):
    backend = ProbedBackend(contexts, good, version, verify=verify)
    assert [backend.probe() for _ in range(4)] == ["full", "resumed", "resumed", "resumed"]
    assert backend.last == (Code.L7OK, "status 200")


def test_a_handshake_alone_is_resumed_as_far_as_its_version_hands_out_sessions_within_it(contexts, good):
    for version, second in ((SSL.TLS1_2_VERSION, "resumed"), (SSL.TLS1_3_VERSION, "full")):
        backend = ProbedBackend(contexts, good, version, http=False)
        assert [backend.probe() for _ in range(2)] == ["full", second]
        assert backend.last[0] is Code.L6OK
        assert (backend.resumption._kept is None) == (version == SSL.TLS1_3_VERSION)


@VERSIONS
def test_a_backend_that_forgot_the_session_shows_its_certificate(contexts, good, version):
    backend = ProbedBackend(contexts, good, version)
    backend.probe()
    backend.restart(good)
    assert [backend.probe() for _ in range(2)] == ["full", "resumed"]
    assert backend.last[0] is Code.L7OK


@VERSIONS
def test_a_backend_without_sessions_is_probed_in_full_each_time(contexts, good, version):
    backend = ProbedBackend(contexts, good, version)
    backend.server.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    backend.server.set_options(SSL.OP_NO_TICKET)
    for _ in range(3):
        backend.probe()
        assert backend.last == (Code.L7OK, "status 200")


@VERSIONS
def test_a_replaced_certificate_is_noticed_within_the_lifetime(contexts, folder, root, good, version):
    backend = ProbedBackend(contexts, good, version)
    backend.probe()
    expired = root.issue(folder, NAME, not_after=now() - DAY)
    backend.replace_certificate(expired)
    backend.clock.advance(LIFETIME - 1)
    assert backend.probe() == "resumed"
    assert backend.last[0] is Code.L7OK
    backend.clock.advance(1)
    for _ in range(3):
        assert backend.probe() == "full"
        assert backend.last == (Code.L6RSP, "certificate expired")
    assert backend.identity.expiry < backend.wall


def test_resuming_does_not_put_off_the_next_full_handshake(contexts, good):
    backend = ProbedBackend(contexts, good)
    kinds = []
    for _ in range(14):
        kinds.append(backend.probe())
        backend.clock.advance(LIFETIME / 6)
    assert kinds == (["full"] + ["resumed"] * 5) * 2 + ["full", "resumed"]


def test_a_certificate_that_expires_meanwhile_is_noticed_at_once(contexts, folder, root):
    backend = ProbedBackend(contexts, root.issue(folder, NAME, not_after=now() + DAY))
    assert [backend.probe() for _ in range(2)] == ["full", "resumed"]
    backend.wall = backend.identity.expiry
    assert backend.probe() == "full"


@pytest.mark.parametrize("answer", [FAILURE, b"SSH-2.0-x\r\n", None])
def test_after_a_failure_the_certificate_is_asked_for(contexts, good, answer):
    backend = ProbedBackend(contexts, good)
    backend.probe()
    assert backend.probe(answer) == "resumed"
    assert backend.last[0] in {Code.L7STS, Code.L7RSP}
    assert [backend.probe() for _ in range(2)] == ["full", "resumed"]


def test_only_a_pass_is_worth_a_session(contexts, good):
    backend = ProbedBackend(contexts, good)
    backend.resumption.begin()
    bench = TlsExchange(contexts, good, http=HttpParams(), identity=backend.identity, resumption=backend.resumption)
    bench.answers = [FAILURE]
    assert bench.run().verdict[0] is Code.L7STS
    assert backend.resumption._kept is None


def test_a_cancelled_probe_is_not_a_reason(contexts, good):
    backend = ProbedBackend(contexts, good)
    backend.probe()
    backend.begin().run()
    backend.prober.cancel()
    assert [backend.probe() for _ in range(2)] == ["resumed", "resumed"]


@pytest.mark.parametrize(
    "rude", [lambda probe: probe.connectionLost(DONE), lambda probe: probe.dataReceived(b"how rude!\n")]
)
def test_a_backend_that_breaks_off_when_offered_a_session_is_left_in_peace(contexts, good, rude):
    backend = ProbedBackend(contexts, good)
    backend.probe()
    bench = backend.begin()
    bench.probe.makeConnection(bench.transport)
    rude(bench.probe)
    assert bench.verdict[0] is Code.L6RSP
    assert [backend.probe() for _ in range(3)] == ["full"] * 3
    backend.clock.advance(TRUCE)
    assert [backend.probe() for _ in range(2)] == ["full", "resumed"]


def test_breaking_off_without_a_session_offered_is_not_a_reason(contexts, good):
    backend = ProbedBackend(contexts, good)
    bench = backend.begin()
    bench.probe.makeConnection(bench.transport)
    bench.probe.connectionLost(DONE)
    assert [backend.probe() for _ in range(2)] == ["full", "resumed"]


@VERSIONS
def test_an_answer_that_ends_with_the_session_leaves_it_for_the_next_probe(contexts, good, version):
    backend = ProbedBackend(contexts, good, version)
    backend.http = HttpParams(response_regexp="^a+$")
    for kind in ("full", "resumed", "resumed"):
        assert backend.probe(b"HTTP/1.1 200 OK\r\n\r\naaa", None) == kind
        assert backend.last[0] is Code.L7OK


def test_a_certificate_for_somebody_else_leaves_no_session(contexts, folder, root):
    backend = ProbedBackend(contexts, root.issue(folder, "other.test"))
    for _ in range(2):
        assert backend.probe() == "full"
        assert backend.last == (Code.L6RSP, f"certificate is not for {NAME}")
    assert backend.resumption._kept is None


@VERSIONS
def test_a_probe_that_timed_out_is_not_a_reason_for_more_work(contexts, good, version):
    backend = ProbedBackend(contexts, good, version)
    backend.probe()
    for phase in (lambda bench: None, lambda bench: bench.run()):
        phase(backend.begin())
        backend.clock.advance(1)
        assert backend.last[0] in TIMEOUTS
        assert backend.probe() == "resumed"


def test_a_connection_that_fails_costs_the_session_too(contexts, good):
    backend = ProbedBackend(contexts, good)
    backend.probe()
    backend.refuses = True
    backend.prober.start(backend.outcomes.append)
    assert backend.last[0] is Code.L4CON
    backend.refuses = False
    assert backend.probe() == "full"
    assert backend.prober.certificate_expiry == backend.identity.expiry


def backend_with_large_tickets(contexts, folder, root, good, version, **more):
    """Return a backend that keeps our certificate in the ticket, and that is a large one."""
    backend = ProbedBackend(contexts, good, version, tls=client_of(folder, root, "n" * 64, units=12), **more)
    require_certificates(backend.server, root)
    return backend


@VERSIONS
def test_a_session_with_which_the_clienthello_needs_two_packets_is_not_offered(contexts, folder, root, good, version):
    backend = backend_with_large_tickets(contexts, folder, root, good, version)
    assert [backend.probe() for _ in range(4)] == ["full"] * 4
    assert backend.last == (Code.L7OK, "status 200")
    assert backend.resumption._kept is None, "none is even kept for a while"
    assert backend.first_hello <= SEGMENT
    backend.clock.advance(TRUCE)
    assert backend.probe() == "full"
    assert backend.resumption._kept is not None
    assert backend.probe() == "full"


@VERSIONS
def test_a_healthcheck_that_asks_for_large_ones_gets_them(contexts, folder, root, good, version):
    backend = backend_with_large_tickets(contexts, folder, root, good, version, limit=None)
    assert [backend.probe() for _ in range(3)] == ["full", "resumed", "resumed"]
    assert backend.first_hello > SEGMENT


def test_full_handshakes_of_backends_part_company():
    parts = {_between_half_and_whole() for _ in range(50)}
    assert len(parts) > 10
    assert all(0.5 <= part <= 1 for part in parts)
