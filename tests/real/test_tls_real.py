"""TLS probes against real servers: OpenSSL's own, with curves and versions of all kinds, and one that reads once."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet.defer import Deferred

from maglev.config.credentials import CredentialError, check_curves
from maglev.config.load import load_text
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend
from maglev.model.result import Code
from tests.fakes.certificates import Authority
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.peers import RESET, ScriptedServer, answer
from tests.fakes.ports import free_port

pytestmark = pytest.mark.real

NAME = "backend.test"
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")

CONFIG = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: 2001:db8::1}}}}
  healthchecks:
    web: {{type: {kind}, port: {port}, interval: 9s, timeout: 60s, params: {{server-name: {name}, {params}}}}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def ca(folder, root):
    return root.write_root(folder)


@pytest.fixture(scope="module")
def good(folder, root):
    return root.issue(folder, NAME)


@pytest.fixture
def source():
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    yield source
    source.close()


def check_of(port, params, kind="https"):
    return load_text(CONFIG.format(kind=kind, port=port, name=NAME, params=params)).config.healthchecks["web"]


async def outcome_of(prober):
    outcome = Deferred()
    prober.start(outcome.callback)
    result = await outcome
    return result.code, result.detail


async def probe(source, port, params, kind="https"):
    return await outcome_of(source.prober_for(Backend("b", "127.0.0.1"), check_of(port, params, kind)))


# A server that takes one read for the ClientHello

PACKET = 1220


def reads_once(certificate):
    """Return a script that shakes hands if the first packet has all of the ClientHello, and else resets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def script(_server, connection):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(PACKET))
        try:
            session.do_handshake()
        except ssl.SSLWantReadError:
            answer = outgoing.read()
        if not answer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return
        connection.sendall(answer)
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                incoming.write(connection.recv(65536))
        connection.sendall(outgoing.read())
        connection.recv(1)

    return script


def knows_post_quantum():
    try:
        check_curves("X25519MLKEM768")
    except CredentialError:
        return False
    return True


@pytest_twisted.ensureDeferred
async def test_a_server_that_reads_once_passes_unless_the_clienthello_is_asked_to_be_large(source, good, ca):
    with ScriptedServer(reads_once(good)) as server:
        for curves, verdict in (
            ("", (Code.L6OK, "TLSv1.3")),
            ("X25519MLKEM768:X25519", (Code.L6RSP, "Connection reset by peer during the handshake")),
            ("P-384:X25519", (Code.L6OK, "TLSv1.3")),
        ):
            params = f"ssl: true, ca-file: {ca}, curves: '{curves}'"
            if "MLKEM" not in curves or knows_post_quantum():
                assert await probe(source, server.port, params, "tcp") == verdict


# OpenSSL's server


class OpensslServer:
    """``openssl s_server``, which answers requests with a page about the connection."""

    def __init__(self, log, certificate, *options):
        self.port = free_port()
        self._log = log
        self._command = [OPENSSL, "s_server", "-accept", f"127.0.0.1:{self.port}", "-www", *options]
        self._command += ["-cert_chain", certificate[0], "-cert", certificate[0], "-key", certificate[1]]

    def __enter__(self):
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_exc_info):
        self._process.terminate()
        self._process.communicate(timeout=60)


@needs_openssl
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    "options",
    [
        "",
        "-groups P-384",
        "-groups P-521",
        "-groups X448:P-521",
        "-groups P-256",
        "-groups ffdhe2048",
        "-tls1_2",
        "-tls1_2 -groups P-384",
        "-tls1_2 -groups P-521",
        "-tls1_2 -serverpref -groups P-384:X25519",
        "-tls1_2 -no_ticket",
        "-tls1_3 -no_ticket -groups P-384",
    ],
)
async def test_servers_of_other_curves_and_versions_pass_as_they_did(source, tmp_path, good, ca, options):
    with OpensslServer(tmp_path / "log", good, *options.split()) as server:
        prober = source.prober_for(Backend("b", "127.0.0.1"), check_of(server.port, f"ca-file: {ca}"))
        assert [await outcome_of(prober) for _ in range(3)] == [(Code.L7OK, "status 200")] * 3


@needs_openssl
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"])
async def test_servers_of_old_key_exchanges_pass_as_they_did(source, tmp_path, cipher):
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    command = [OPENSSL, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", "-keyout", key]
    subprocess.run([*command, "-addext", f"subjectAltName=DNS:{NAME}", "-out", certificate], check=True)
    with OpensslServer(tmp_path / "log", (certificate, key), "-tls1_2", "-cipher", cipher) as server:
        assert await probe(source, server.port, f"ca-file: {certificate}") == (Code.L7OK, "status 200")


@needs_openssl
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
async def test_a_server_that_asks_for_a_certificate_takes_ours_and_misses_none_of_the_files(
    source, tmp_path, folder, root, good, ca, version
):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "maglevd")])
    certificate, key = Authority("below", root).issue_person(folder, subject)
    stranger, its_key = Authority("stranger").issue_person(folder, subject)
    options = "-Verify", "2", "-verify_return_error", "-CAfile", ca
    with OpensslServer(tmp_path / "log", good, version, *options) as server:
        ours = f"ca-file: {ca}, client-certificate: {certificate}, client-key: {key}"
        prober = source.prober_for(Backend("b", "127.0.0.1"), check_of(server.port, ours))
        for path in (certificate, key):
            path.unlink()
        assert [await outcome_of(prober) for _ in range(3)] == [(Code.L7OK, "status 200")] * 3
        without = await probe(source, server.port, f"ca-file: {ca}")
        other = f"ca-file: {ca}, client-certificate: {stranger}, client-key: {its_key}"
        refused = await probe(source, server.port, other)
    failed = Code.L6RSP if version == "-tls1_2" else Code.L7RSP
    assert (without[0], refused[0]) == (failed, failed)


@needs_openssl
@pytest_twisted.ensureDeferred
async def test_authorities_that_vanish_after_they_were_read_are_still_there(source, tmp_path, good, ca):
    path = tmp_path / "ca.pem"
    path.write_text(Path(ca).read_text())
    with OpensslServer(tmp_path / "log", good) as server:
        healthcheck = check_of(server.port, f"ca-file: {path}")
        path.unlink()
        for _ in range(2):
            prober = source.prober_for(Backend("b", "127.0.0.1"), healthcheck)
            assert await outcome_of(prober) == (Code.L7OK, "status 200")
        assert await probe(source, server.port, "path: /") == (Code.L6RSP, "issuer unknown")


# The daemon

DAEMON = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::1"}}}}
  healthchecker: {{probe-workers: {workers}}}
  healthchecks:
    web:
      type: https
      port: {port}
      interval: 100ms
      timeout: 60s
      params: {{server-name: {name}, ca-file: {ca}}}
  backends: {{a: {{address: 127.0.0.1, healthcheck: web}}}}
  frontends: {{site: {{address: 192.0.2.1, pools: [{{name: p, backends: {{a: }}}}]}}}}
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_a_reload_reads_the_authorities_again_and_nothing_else_does(tmp_path, good, ca, workers):
    path, others = tmp_path / "ca.pem", [Authority(f"other {number}") for number in range(150)]
    many = "".join(Path(other.write_root(tmp_path)).read_text() for other in others)
    assert len(many) > 65536, "more than a message to a worker holds"
    path.write_text(many + Path(ca).read_text())
    daemon = MaglevDaemon(tmp_path, "--vpp-api-addr", "")
    with ScriptedServer(answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), tls=good) as server:
        text = DAEMON.format(workers=workers, port=server.port, name=NAME, ca=path)
        daemon.config.write_text(text)
        with daemon:
            daemon.wait_for_event("backend-transition", to="up")
            path.unlink()
            daemon.reload(text)
            daemon.wait_for_event("config-kept")
            assert any(f"ca-file: {path}" in event["problem"] for event in daemon.events("config-refused"))
            assert [event["to"] for event in daemon.events("backend-transition")] == ["up"]
            path.write_text(many)
            daemon.reload(text)
            daemon.wait_for_event("backend-transition", to="down")
            assert daemon.events("backend-transition")[-1]["detail"] == "issuer unknown"
            assert daemon.events("probe-discarded") == []
    assert "Traceback" not in daemon.output()
