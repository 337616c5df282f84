"""A dead port of the local range on this host: the kernel may connect a probe to itself. Here it always does."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from maglev.model.result import Code
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.peers import Namespace, why_no_namespaces

NO_NAMESPACES = why_no_namespaces()
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(NO_NAMESPACES is not None, reason=NO_NAMESPACES or ""),
]

PORT = 40000
ITSELF = "connected to itself: nobody listens on the port"
PROBES = 5
KINDS = {
    "tcp": {"kind": CheckType.TCP},
    "tcp with tls": {"kind": CheckType.TCP, "tls": TlsParams(server_name="backend.test")},
    "http": {"kind": CheckType.HTTP, "http": HttpParams()},
    "https": {"kind": CheckType.HTTPS, "http": HttpParams(), "tls": TlsParams(server_name="backend.test")},
}


@pytest.fixture
def one_port():
    """A namespace whose range of local ports is the port that is probed."""
    with Namespace("one-port") as namespace:
        namespace.set("net.ipv4.ip_local_port_range", f"{PORT} {PORT}")
        yield namespace


@pytest.fixture
def source(one_port):
    made = ProberSource(reactor, LagMonitor(reactor), one_port.name)
    yield made
    made.close()


async def probe(source, address, kind, **params):
    prober = source.prober_for(Backend("www1", address), Healthcheck("check", kind, PORT, 1, 1, 1, 60.0, **params))
    outcome = Deferred()
    prober.start(outcome.callback)
    return await outcome


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_dead_port_is_dead_each_time(source, address, kind):
    for _ in range(PROBES):
        outcome = await probe(source, address, **KINDS[kind])
        assert (outcome.code, outcome.detail) == (Code.L4CON, ITSELF)


CONFIG = """
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe"}}}}
  healthchecker: {{probe-workers: {workers}, netns: {netns}}}
  healthchecks:
    plain: {{type: tcp, port: {port}, interval: 100ms, timeout: 60s, fall: 1}}
    web: {{type: http, port: {port}, interval: 100ms, timeout: 60s, fall: 1}}
    secure: {{type: https, port: {port}, interval: 100ms, timeout: 60s, fall: 1, params: {{server-name: backend.test}}}}
  frontends:
    site:
      {{address: 192.0.2.1, protocol: tcp, port: 80, pools: [{{name: all, backends: {{a: {{}}, b: {{}}, c: {{}}}}}}]}}
  backends:
    a: {{address: 127.0.0.1, healthcheck: plain}}
    b: {{address: 127.0.0.1, healthcheck: web}}
    c: {{address: 127.0.0.1, healthcheck: secure}}
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_the_daemon_and_its_workers_never_take_it_for_up(one_port, tmp_path, workers):
    daemon = MaglevDaemon(tmp_path, "--vpp-api-addr", "")
    daemon.config.write_text(CONFIG.format(workers=workers, netns=one_port.name, port=PORT))
    with daemon:
        for name in "abc":
            event = daemon.wait_for_event("backend-transition", backend=name, to="down")
            assert (event["code"], event["detail"]) == ("L4CON", ITSELF)
    assert {event["to"] for event in daemon.events("backend-transition")} == {"down"}
