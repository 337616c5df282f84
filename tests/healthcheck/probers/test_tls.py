"""TLS probes against OpenSSL's own server side, in memory."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from maglev.config.credentials import CredentialError, check_curves, prepare
from maglev.healthcheck.probers.connection import ABORTED, DONE
from maglev.healthcheck.probers.resumption import SEGMENT
from maglev.healthcheck.probers.trust import TlsContexts
from maglev.model.config import HttpParams, PemFile, TlsParams
from maglev.model.result import Code
from tests.fakes.certificates import DAY, Authority, now
from tests.fakes.tls_bench import NAME, TlsExchange, client_of, require_certificates, server_context


@pytest.mark.parametrize("size", [1 << 20, 100, 1])
def test_a_good_certificate_passes_whatever_the_pieces(contexts, good, size):
    assert TlsExchange(contexts, good).run(size).verdict == (Code.L6OK, "TLSv1.3")


def test_tls_1_2_will_do_and_older_will_not(contexts, good):
    assert TlsExchange(contexts, good, version=SSL.TLS1_2_VERSION).run().verdict == (Code.L6OK, "TLSv1.2")
    old = TlsExchange(contexts, good, version=SSL.TLS1_1_VERSION).run()
    assert old.verdict[0] is Code.L6RSP


def test_the_name_is_sent_for_the_server_to_choose_by(contexts, good):
    assert TlsExchange(contexts, good).run().server.get_servername() == NAME.encode()


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_without_a_name_the_address_is_verified_and_no_name_sent(contexts, good, address):
    bench = TlsExchange(contexts, good, TlsParams(), address=address).run()
    assert bench.verdict[0] is Code.L6OK
    assert bench.server.get_servername() is None


@pytest.mark.parametrize(
    ("tls", "address"),
    [(TlsParams(server_name="other.test"), "192.0.2.1"), (TlsParams(), "192.0.2.9"), (TlsParams(), "2001:db8::9")],
)
def test_a_certificate_for_somebody_else_fails(contexts, good, tls, address):
    code, detail = TlsExchange(contexts, good, tls, address=address).run().verdict
    assert code is Code.L6RSP
    assert detail.startswith("certificate is not for ")


def expiry_of(certificate):
    return x509.load_pem_x509_certificate(certificate[0].read_bytes()).not_valid_after_utc.timestamp()


BAD = [
    ("expired", "certificate expired"),
    ("early", "certificate not yet valid"),
    ("stranger", "issuer unknown"),
    ("stranger-chain", "issuer unknown"),
    ("self-signed", "self-signed certificate"),
    ("no-name", "certificate is not for backend.test"),
]


def bad_certificate(kind, folder, root):
    if kind == "expired":
        return root.issue(folder, NAME, not_after=now() - DAY)
    if kind == "early":
        return root.issue(folder, NAME, not_before=now() + DAY)
    if kind == "stranger":
        return Authority("stranger").issue(folder, NAME)
    if kind == "stranger-chain":
        return Authority("stranger below", Authority("stranger")).issue(folder, NAME)
    if kind == "self-signed":
        return Authority(NAME).issue_itself(folder)
    return root.issue(folder, "*.elsewhere.test")


@pytest.mark.parametrize(("kind", "detail"), BAD)
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_bad_certificate_fails_with_its_reason_and_its_expiry_is_kept(contexts, folder, root, kind, detail, version):
    certificate = bad_certificate(kind, folder, root)
    bench = TlsExchange(contexts, certificate, http=HttpParams(), version=version).run()
    assert bench.verdict == (Code.L6RSP, detail)
    assert bench.identity.expiry == expiry_of(certificate)
    assert bench.received == b""


def test_the_backend_hears_why_it_is_refused(contexts, folder, root):
    bench = TlsExchange(contexts, bad_certificate("stranger", folder, root)).run()
    assert "unknown ca" in str(bench.server_error)


@pytest.mark.parametrize(("kind", "detail"), BAD)
def test_without_verification_any_certificate_passes_and_its_expiry_is_kept(contexts, folder, root, kind, detail):
    certificate = bad_certificate(kind, folder, root)
    bench = TlsExchange(contexts, certificate, TlsParams(verify=False)).run()
    assert bench.verdict[0] is Code.L6OK
    assert bench.identity.expiry == expiry_of(certificate)


def test_a_chain_is_verified_through_its_intermediates(contexts, folder, root):
    below = Authority("below", root)
    assert TlsExchange(contexts, below.issue(folder, NAME)).run().verdict[0] is Code.L6OK


def test_the_expiry_follows_the_certificate(contexts, folder, root, good):
    bench = TlsExchange(contexts, good).run()
    first = bench.identity.expiry
    later = root.issue(folder, NAME, not_after=now() + 30 * DAY)
    second = TlsExchange(contexts, later)
    second.probe._identity = bench.identity
    second.run()
    assert (first, bench.identity.expiry) == (expiry_of(good), expiry_of(later))
    assert dt.datetime.fromtimestamp(bench.identity.expiry, dt.UTC) > now() + 29 * DAY


def test_a_request_goes_over_a_verified_connection(contexts, good):
    bench = TlsExchange(contexts, good, http=HttpParams(response_regexp="well"))
    bench.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", b"all is well"]
    assert bench.run().verdict == (Code.L7OK, "status 200")
    assert bench.received == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_answer_until_close_ends_with_the_session(contexts, good, size):
    bench = TlsExchange(contexts, good, http=HttpParams(response_regexp="^a+$"))
    bench.answers = [b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 40000, None]
    assert bench.run(size).verdict == (Code.L7OK, "status 200")


def test_a_connection_that_ends_without_closing_the_session_is_judged_by_what_came(contexts, good):
    bench = TlsExchange(contexts, good, http=HttpParams(response_regexp="^a+$"))
    bench.answers = [b"HTTP/1.1 200 OK\r\n\r\naaa"]
    bench.run()
    bench.probe.connectionLost(DONE)
    assert bench.verdict == (Code.L7OK, "status 200")


def test_a_session_that_ends_without_an_answer_fails_above_tls(contexts, good):
    bench = TlsExchange(contexts, good, http=HttpParams())
    bench.answers = [None]
    assert bench.run().verdict == (Code.L7RSP, "closed with no answer")


@pytest.mark.parametrize("bytes_received", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"\x00" * 100])
def test_a_peer_without_tls_fails_in_the_handshake(contexts, good, bytes_received):
    bench = TlsExchange(contexts, good)
    bench.probe.makeConnection(bench.transport)
    bench.probe.dataReceived(bytes_received)
    code, detail = bench.verdict
    assert code is Code.L6RSP
    assert detail.startswith("handshake failed: ")


@pytest.mark.parametrize(
    ("reason", "how"),
    [(DONE, "closed"), (Failure(ConnectionLost("Connection reset by peer")), "Connection reset by peer")],
)
def test_a_connection_lost_in_the_handshake_fails_there(contexts, good, reason, how):
    bench = TlsExchange(contexts, good)
    bench.probe.makeConnection(bench.transport)
    bench.probe.connectionLost(reason)
    assert bench.verdict == (Code.L6RSP, f"{how} during the handshake")


def test_garbage_after_the_handshake_fails_above_tls(contexts, good):
    bench = TlsExchange(contexts, good, http=HttpParams()).run()
    bench.probe.dataReceived(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert bench.verdict[0] is Code.L7RSP


def test_an_aborted_probe_concludes_nothing_in_any_phase(contexts, good):
    for run in (lambda bench: bench.probe.makeConnection(bench.transport), lambda bench: bench.run()):
        bench = TlsExchange(contexts, good, http=HttpParams())
        run(bench)
        bench.probe.connectionLost(ABORTED)
        bench.probe.dataReceived(b"late")
        bench.probe.write(b"late")
        assert bench.verdicts == []


def test_a_timeout_tells_the_phase(contexts, good):
    bench = TlsExchange(contexts, good, http=HttpParams())
    bench.probe.makeConnection(bench.transport)
    assert bench.probe.timeout_verdict() == (Code.L6TOUT, "handshake not complete")
    bench.run()
    assert bench.probe.timeout_verdict() == (Code.L7TOUT, "no answer")


# Authorities, certificates and curves of a healthcheck


def test_the_authorities_of_a_healthcheck_take_the_place_of_the_systems(contexts, folder, root, good):
    other = Authority("of one's own")
    certificate = other.issue(folder, NAME)
    ours = TlsParams(NAME, ca_file=PemFile("/ca.pem", Path(other.write_root(folder)).read_text()))
    assert TlsExchange(contexts, certificate, ours).run().verdict[0] is Code.L6OK
    assert TlsExchange(contexts, certificate).run().verdict == (Code.L6RSP, "issuer unknown")
    assert TlsExchange(contexts, good, ours).run().verdict == (Code.L6RSP, "issuer unknown")


def test_what_the_system_trusts_is_not_trusted_beside_them(monkeypatch, folder, root, good):
    monkeypatch.setenv("SSL_CERT_FILE", root.write_root(folder))
    contexts = TlsContexts()
    assert TlsExchange(contexts, good).run().verdict[0] is Code.L6OK
    other = PemFile("/ca.pem", Path(Authority("of one's own").write_root(folder)).read_text())
    verdict = TlsExchange(contexts, good, TlsParams(NAME, ca_file=other)).run().verdict
    assert verdict == (Code.L6RSP, "issuer unknown")


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("chained", [False, True])
def test_a_backend_that_asks_for_a_certificate_is_shown_ours_with_its_chain(
    contexts, folder, root, good, version, chained
):
    server = server_context(good, version)
    require_certificates(server, root)
    tls = client_of(folder, Authority("below", root) if chained else root)
    bench = TlsExchange(contexts, server, tls, http=HttpParams())
    bench.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]
    assert bench.run().verdict == (Code.L7OK, "status 200")
    assert bench.server.get_peer_certificate(as_cryptography=True).subject.rfc4514_string() == "CN=maglevd"


@pytest.mark.parametrize(("version", "code"), [(SSL.TLS1_2_VERSION, Code.L6RSP), (SSL.TLS1_3_VERSION, Code.L7RSP)])
def test_a_backend_that_refuses_our_certificate_or_the_want_of_one_fails(contexts, folder, root, good, version, code):
    server = server_context(good, version)
    require_certificates(server, root)
    for tls, reason in (
        (TlsParams(NAME), "certificate required" if version == SSL.TLS1_3_VERSION else "handshake failure"),
        (client_of(folder, Authority("stranger")), "unknown ca"),
    ):
        verdict = TlsExchange(contexts, server, tls, http=HttpParams()).run().verdict
        assert verdict[0] is code
        assert reason in verdict[1]


@pytest.mark.parametrize("curves", ["P-384", "P-521:P-384", "X448", "ffdhe3072", "P-256", "X25519MLKEM768:X25519"])
def test_a_backend_that_wants_another_curve_gets_it(contexts, good, curves):
    server = server_context(good)
    prepare(server, TlsParams(curves=curves))
    bench = TlsExchange(contexts, server).run()
    assert bench.verdict == (Code.L6OK, "TLSv1.3")


@pytest.mark.parametrize("curves", ["P-384", "P-521"])
def test_a_backend_of_tls_1_2_too(contexts, good, curves):
    server = server_context(good, SSL.TLS1_2_VERSION)
    prepare(server, TlsParams(curves=curves))
    assert TlsExchange(contexts, server).run().verdict == (Code.L6OK, "TLSv1.2")


def test_a_backend_of_post_quantum_curves_only_takes_a_key(contexts, good):
    server = server_context(good)
    prepare(server, TlsParams(curves="X25519MLKEM768"))
    if credentials_refuse("X25519MLKEM768"):
        pytest.skip("this OpenSSL does not know it")
    assert TlsExchange(contexts, server).run().verdict[0] is Code.L6RSP
    for curves in ("X25519MLKEM768:X25519", "DEFAULT"):
        assert TlsExchange(contexts, server, TlsParams(NAME, curves=curves)).run().verdict[0] is Code.L6OK


def credentials_refuse(curves):
    try:
        check_curves(curves)
    except CredentialError:
        return True
    return False


def test_curves_of_a_healthcheck_are_offered_and_no_others(contexts, good):
    server = server_context(good)
    prepare(server, TlsParams(curves="P-384"))
    assert TlsExchange(contexts, server, TlsParams(NAME, curves="P-521:P-384")).run().verdict[0] is Code.L6OK
    assert TlsExchange(contexts, server, TlsParams(NAME, curves="P-521")).run().verdict[0] is Code.L6RSP


@pytest.mark.parametrize("tls", [TlsParams(NAME), TlsParams("x" * 63 + ".test", verify=False)])
def test_a_clienthello_goes_in_one_packet(contexts, good, tls):
    bench = TlsExchange(contexts, good, tls)
    bench.probe.makeConnection(bench.transport)
    assert 100 < len(bench.transport.value()) <= SEGMENT


def test_our_side_is_closed_after_the_end_of_the_session(contexts, good):
    bench = TlsExchange(contexts, good, http=HttpParams()).run()
    bench.probe.loseWriteConnection()
    assert bench.transport.half_closed
    bench.run()
    assert isinstance(bench.server_error, SSL.ZeroReturnError)
    bench.probe.connectionLost(ABORTED)
    bench.probe.loseWriteConnection()  # too late, and harmless
