"""gRPC probes against grpcio and its health service, plain and over TLS, and against other servers."""

from __future__ import annotations

from concurrent import futures
from importlib.util import find_spec
from pathlib import Path

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet.defer import Deferred

from maglev.config.load import load_text
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend
from maglev.model.result import Code
from tests.fakes.certificates import Authority
from tests.fakes.peers import ScriptedServer, answer
from tests.fakes.web_servers import WebServer, why_not

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        find_spec("grpc") is None or find_spec("grpc_health") is None, reason="grpcio-health-checking is not installed"
    ),
]

NAME = "backend.test"

CONFIG = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: 2001:db8::1}}}}
  healthchecks:
    web: {{type: grpc, port: {port}, interval: 99s, timeout: {timeout}, params: {{{params}}}}}
"""


class GrpcServer:
    """A server with a health service, or with none; on a port in plain text, and one with TLS.

    Attributes:
        health: What the service says of each name.
    """

    def __init__(self, certificate, authority=None, *, service=True):
        import grpc
        from grpc_health.v1 import health, health_pb2_grpc

        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        self.health = health.HealthServicer()
        if service:
            health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        pair = (certificate[1].read_bytes(), certificate[0].read_bytes())
        root = None if authority is None else Path(authority).read_bytes()
        credentials = grpc.ssl_server_credentials([pair], root, require_client_auth=root is not None)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self.secure = self._server.add_secure_port("127.0.0.1:0", credentials)

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_exc_info):
        self._server.stop(None).wait(60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("grpc")


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def certificate(folder, root):
    return root.issue(folder, NAME)


@pytest.fixture(scope="module")
def server(certificate):
    with GrpcServer(certificate) as server:
        from grpc_health.v1 import health_pb2

        statuses = health_pb2.HealthCheckResponse
        server.health.set("shop.v1.Cart", statuses.SERVING)
        server.health.set("shop.v1.Old", statuses.NOT_SERVING)
        server.health.set("shop.v1.New", statuses.UNKNOWN)
        yield server


@pytest.fixture
def source():
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    yield source
    source.close()


def prober_for(source, port, params="", timeout="60s"):
    config = load_text(CONFIG.format(port=port, params=params, timeout=timeout)).config
    return source.prober_for(Backend("b", "127.0.0.1"), config.healthchecks["web"])


async def outcome_of(prober):
    outcome = Deferred()
    prober.start(outcome.callback)
    result = await outcome
    return result.code, result.detail


async def probe(source, *words, **more):
    return await outcome_of(prober_for(source, *words, **more))


STATES = [
    ("", Code.L7OK, "SERVING"),
    ("shop.v1.Cart", Code.L7OK, "SERVING"),
    ("shop.v1.Old", Code.L7STS, "NOT_SERVING"),
    ("shop.v1.New", Code.L7STS, "UNKNOWN"),
    ("shop.v1.None", Code.L7STS, "NOT_FOUND: the server does not know this service"),
]


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("service", "code", "detail"), STATES)
@pytest.mark.parametrize("tls", [False, True])
async def test_the_health_service_decides(server, source, folder, root, service, code, detail, tls):
    params = f"service: '{service}'"
    if tls:
        params += f", ssl: true, server-name: {NAME}, ca-file: {root.write_root(folder)}"
    assert await probe(source, server.secure if tls else server.port, params) == (code, detail)


@pytest_twisted.ensureDeferred
async def test_sessions_are_resumed_and_every_probe_agrees_to_http_2(server, source):
    prober = prober_for(source, server.secure, "ssl: true, insecure-skip-verify: true")
    for _ in range(5):
        assert await outcome_of(prober) == (Code.L7OK, "SERVING")
    assert prober.certificate_expiry is not None


@pytest_twisted.ensureDeferred
async def test_a_server_without_a_health_service_says_so(certificate, source):
    with GrpcServer(certificate, service=False) as server:
        code, detail = await probe(source, server.port)
    assert code is Code.L7STS
    assert detail.startswith("UNIMPLEMENTED: no health service there (")


@pytest_twisted.ensureDeferred
async def test_a_server_that_wants_a_certificate_gets_one(certificate, source, folder, root):
    with GrpcServer(certificate, root.write_root(folder)) as server:
        params = f"ssl: true, server-name: {NAME}, ca-file: {root.write_root(folder)}"
        assert (await probe(source, server.secure, params))[0] in {Code.L6RSP, Code.L7RSP}
        person = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "maglevd")])
        shown, key = root.issue_person(folder, person)
        files = f", client-certificate: {shown}, client-key: {key}"
        assert await probe(source, server.secure, params + files) == (Code.L7OK, "SERVING")


@pytest_twisted.ensureDeferred
async def test_the_certificate_is_verified(server, source):
    code, detail = await probe(source, server.secure, f"ssl: true, server-name: {NAME}")
    assert code is Code.L6RSP
    assert "issuer" in detail


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("name", ["nginx", "haproxy"])
async def test_a_web_server_does_not_speak_grpc(source, tmp_path, certificate, name):
    if why_not(name):
        pytest.skip(why_not(name))
    with WebServer(name, tmp_path, certificate) as web:
        code, detail = await probe(source, web.plain2)
        assert code is Code.L7RSP
        assert detail == 'not an answer of gRPC: its content-type is "text/plain"'
        if name == "nginx":  # HAProxy speaks both on one port
            code, detail = await probe(source, web.plain)
            assert code is Code.L7RSP
            assert detail.startswith("not HTTP/2: ")


@pytest_twisted.ensureDeferred
async def test_what_hostile_servers_do_is_a_result(source):
    for scripted in (answer(b"HTTP/1.1 200 OK\r\n\r\n"), answer(b"\0" * 100), answer(b"")):
        with ScriptedServer(scripted) as hostile:
            code, detail = await probe(source, hostile.port)
            assert code in {Code.L7RSP, Code.L4CON}
            assert detail
