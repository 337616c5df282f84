"""Methods, bodies and expected headers of HTTP probes, against nginx, Apache and HAProxy."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from maglev.config.load import load_text
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend
from maglev.model.result import Code
from tests.fakes.certificates import Authority
from tests.fakes.peers import ScriptedServer, answer
from tests.fakes.web_servers import WEB_SERVERS, WebServer, why_not

pytestmark = pytest.mark.real

NAME = "backend.test"
PASS = Code.L7OK, "status 200"

CONFIG = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: 2001:db8::1}}}}
  healthchecks:
    web: {{type: {kind}, port: {port}, interval: 99s, timeout: 60s, params: {{{params}}}}}
"""


@pytest.fixture(scope="module", params=WEB_SERVERS)
def server(request):
    reason = why_not(request.param)
    if reason:
        pytest.skip(reason)
    with tempfile.TemporaryDirectory() as folder:  # the workers of a server, another user, must read it
        certificate = Authority().issue(Path(folder), NAME)
        with WebServer(request.param, Path(folder), certificate) as server:
            server.name = request.param
            yield server


@pytest.fixture
def source():
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    yield source
    source.close()


async def probe(source, port, params, kind="http"):
    config = load_text(CONFIG.format(kind=kind, port=port, params=params)).config
    prober = source.prober_for(Backend("b", "127.0.0.1"), config.healthchecks["web"])
    outcome = Deferred()
    prober.start(outcome.callback)
    result = await outcome
    prober.cancel()
    return result.code, result.detail


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
async def test_the_server_gets_the_method(server, source, method, kind):
    port, tls = (server.plain, "") if kind == "http" else (server.secure, ", insecure-skip-verify: true")
    said = f"method: {method}, expect-header: {{x-health: ready}}, expect-header-regexp: {{X-Said: ^{method}}}{tls}"
    assert await probe(source, port, said, kind) == PASS
    other = f"method: {method}, expect-header-regexp: {{X-Said: ^PUT}}{tls}"
    code, detail = await probe(source, port, other, kind)
    assert code is Code.L7STS
    assert detail.startswith(f'header X-Said does not match: "{method}')


@pytest_twisted.ensureDeferred
async def test_the_server_gets_the_body(server, source):
    params = r"""method: POST, body: '{"deep": true}\n', headers: {Content-Type: application/json},"""
    assert await probe(source, server.plain, f"{params} expect-header: {{X-Said: POST 15}}") == PASS
    if server.name == "haproxy":
        assert await probe(source, server.plain, f"{params} expect-header-regexp: {{X-Body: deep}}") == PASS


@pytest_twisted.ensureDeferred
async def test_an_answer_to_head_is_judged_at_its_headers(server, source):
    assert await probe(source, server.plain, "method: HEAD, path: /large.html") == PASS
    assert await probe(source, server.plain, "method: HEAD, path: /broken") == (Code.L7STS, "status 503")
    missing = "method: HEAD, expect-header: {X-None: '1'}"
    assert await probe(source, server.plain, missing) == (Code.L7STS, "no header X-None")


# HTTP/2


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
async def test_http_2_is_judged_as_http_1(server, source, method, kind):
    port, tls = (server.plain2, "") if kind == "http" else (server.secure, ", insecure-skip-verify: true")
    common = f"http2: true, method: {method}{tls}"
    said = f"{common}, expect-header: {{X-Health: ready}}, expect-header-regexp: {{X-Said: ^{method}}}"
    assert await probe(source, port, said, kind) == PASS
    assert await probe(source, port, f"{common}, path: /broken", kind) == (Code.L7STS, "status 503")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("path", ["/", "/large.html"])
async def test_a_body_over_http_2_is_searched(server, source, path):
    params = f"http2: true, path: {path}, response-regexp:"
    assert await probe(source, server.plain2, f"{params} all is well") == PASS
    assert await probe(source, server.plain2, f"{params} sick") == (Code.L7RSP, "body does not match")
    for _ in range(3):
        assert await probe(source, server.plain2, f"http2: true, path: {path}") == PASS


@pytest_twisted.ensureDeferred
async def test_the_server_gets_the_body_over_http_2(server, source):
    params = r"""http2: true, method: POST, body: '{"deep": true}\n', expect-header: {X-Said: POST 15}"""
    assert await probe(source, server.plain2, params) == PASS


@pytest_twisted.ensureDeferred
async def test_a_server_of_http_1_alone_says_so(server, source):
    if server.name != "nginx":
        pytest.skip("it speaks both on one port")
    code, detail = await probe(source, server.plain, "http2: true")
    assert code is Code.L7RSP
    assert detail.startswith("not HTTP/2: ")


@pytest_twisted.ensureDeferred
async def test_a_server_that_does_not_agree_to_http_2_fails_in_the_handshake(source, tmp_path):
    certificate = Authority().issue(tmp_path, NAME)
    with ScriptedServer(answer(b"HTTP/1.1 200 OK\r\n\r\n"), tls=certificate) as old:
        for params, kind in (("http2: true", "https"), ("ssl: true", "grpc")):
            found = await probe(source, old.port, f"{params}, insecure-skip-verify: true", kind)
            assert found == (Code.L6RSP, "the backend does not agree to HTTP/2 (ALPN)")
        assert await probe(source, old.port, "insecure-skip-verify: true", "https") == PASS
