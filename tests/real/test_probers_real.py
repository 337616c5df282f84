"""Every result code by a real peer: sockets, TLS, nginx, ICMP, namespaces."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers import netns
from maglev.healthcheck.probers.netns import OWN_NAMESPACE, check_netns
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from maglev.model.errors import StartError
from maglev.model.result import Code, LocalFault
from tests.fakes.certificates import DAY, Authority, now
from tests.fakes.descriptors import leaked_since, open_descriptors
from tests.fakes.nginx import Nginx, find_nginx
from tests.fakes.peers import (
    Namespace,
    ScriptedServer,
    answer,
    drip,
    flood,
    hang_up,
    refusing_port,
    reset_after,
    run_ip,
    silence,
    why_no_namespaces,
)

pytestmark = pytest.mark.real

NAME = "backend.test"
DRIPPED = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000
"""An answer whose end, a byte at a time, comes long after the timeout."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well"
GENEROUS = 60.0
"""Timeout of probes that are not meant to time out; a busy machine may need a part of it."""


def check(kind, port=None, timeout=GENEROUS, *, http=None, tls=None, **changes):
    if kind in {CheckType.HTTP, CheckType.HTTPS}:
        http = http or HttpParams()
    if kind is CheckType.HTTPS:
        tls = tls or TlsParams(server_name=NAME)
    return Healthcheck("check", kind, port, 1, 1, 1, timeout, http=http, tls=tls, **changes)


def begin(source, healthcheck, address="127.0.0.1"):
    """Start a probe; return its prober and a Deferred of its outcome, which fires once."""
    prober = source.prober_for(Backend("backend", address), healthcheck)
    outcome = Deferred()
    prober.start(outcome.callback)
    return prober, outcome


async def probe(source, healthcheck, address="127.0.0.1"):
    return await begin(source, healthcheck, address)[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("probers")


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def good(folder, root):
    return root.issue(folder, NAME, "127.0.0.1")


@pytest.fixture
def source(folder, root):
    from twisted.internet import reactor

    pytest_twisted.blockon(deferLater(reactor, 0))  # a reactor that never ran yet opens descriptors of its own
    before = open_descriptors()
    source = ProberSource(reactor, LagMonitor(reactor), trust_root=root.write_root(folder))
    yield source
    source.close()
    assert leaked_since(before) == set()


# TCP


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_an_open_port_passes(source, address):
    with ScriptedServer(silence, address=address) as peer:
        outcome = await probe(source, check(CheckType.TCP, peer.port), address)
    assert outcome.code is Code.L4OK
    assert 0 <= outcome.duration < GENEROUS


@pytest_twisted.ensureDeferred
async def test_a_refusing_port_fails(source):
    outcome = await probe(source, check(CheckType.TCP, refusing_port()))
    assert (outcome.code, outcome.detail) == (Code.L4CON, "connection refused")


@pytest_twisted.ensureDeferred
async def test_the_source_address_is_what_the_backend_sees(source):
    with ScriptedServer(answer(OK)) as peer:
        outcome = await probe(source, check(CheckType.HTTP, peer.port, probe_ipv4_src="127.0.0.5"))
    assert outcome.code is Code.L7OK
    assert peer.heard[0][1][0] == "127.0.0.5"


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("kind", [CheckType.TCP, CheckType.ICMP])
async def test_a_source_address_that_is_not_ours_fails(source, kind):
    port = None if kind is CheckType.ICMP else 9
    outcome = await probe(source, check(kind, port, probe_ipv4_src="192.0.2.77"))
    skip_without_icmp(outcome)
    assert isinstance(outcome, LocalFault)
    assert "source address" in outcome.detail or "assign requested address" in outcome.detail


@pytest_twisted.ensureDeferred
async def test_want_of_descriptors_is_the_fault_of_this_machine(source):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ScriptedServer(silence) as peer:
        fillers = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(open_descriptors()) + 20, hard))
        try:
            while len(fillers) < 100:
                try:
                    fillers.append(os.dup(0))
                except OSError:
                    break
            _prober, outcome = begin(source, check(CheckType.TCP, peer.port))
        finally:
            for filler in fillers:
                os.close(filler)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        fault = await outcome
        assert isinstance(fault, LocalFault)
        assert fault.reason == "descriptors"
        assert (await probe(source, check(CheckType.TCP, peer.port))).code is Code.L4OK


# HTTP


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("script", "regexp", "code", "detail"),
    [
        (answer(OK), None, Code.L7OK, "status 200"),
        (answer(OK), "^all is well$", Code.L7OK, "status 200"),
        (answer(OK), "sick", Code.L7RSP, "body does not match"),
        (answer(b"HTTP/1.0 200 OK\r\n\r\nall ", b"is well"), "^all is well$", Code.L7OK, "status 200"),
        (answer(b"HTTP/1.1 503 No\r\n\r\n"), None, Code.L7STS, "status 503"),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b"a" * 200000), "b", Code.L7RSP, None),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b"a" * 200000), "(a+)+$", Code.L7OK, None),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n", b"a" * 65535 + b"!"), "(a+)+$", Code.L7RSP, None),
        (flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: for ever\r\n" * 50), None, Code.L7RSP, "headers too large"),
        (flood(b"HTTP/1.1 200 OK\r\n\r\n", b"body for ever"), "never", Code.L7RSP, "body does not match"),
        (answer(bytes(range(128, 256)) * 10), None, Code.L7RSP, None),
        (answer(b"220 mail.test ESMTP\r\n"), None, Code.L7RSP, None),
        (hang_up, None, Code.L7RSP, "closed with no answer"),
        (answer(b"HTTP/1.1 200 OK\r\nServ"), None, Code.L7RSP, "closed with headers not complete"),
        (reset_after(b""), None, Code.L7RSP, "Connection reset by peer with no answer"),
        (reset_after(b"HTTP/1.1 200"), None, Code.L7RSP, "Connection reset by peer with headers not complete"),
    ],
)
async def test_answers_of_every_kind(source, script, regexp, code, detail):
    with ScriptedServer(script) as peer:
        outcome = await probe(source, check(CheckType.HTTP, peer.port, http=HttpParams(response_regexp=regexp)))
    assert outcome.code is code
    assert detail in {None, outcome.detail}
    assert outcome.detail.isprintable()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("script", [silence, drip(DRIPPED, 0.02)])
async def test_the_timeout_is_total_even_for_a_drip(source, script):
    with ScriptedServer(script) as peer:
        outcome = await probe(source, check(CheckType.HTTP, peer.port, 0.3))
    assert outcome.code is Code.L7TOUT
    assert 0.3 <= outcome.duration < 0.02 * len(DRIPPED)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory, good):
    if find_nginx() is None:
        pytest.skip("nginx is not installed")
    with Nginx(tmp_path_factory.mktemp("nginx"), good) as running:
        yield running


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("kind", [CheckType.HTTP, CheckType.HTTPS])
@pytest.mark.parametrize(
    ("http", "code", "detail"),
    [
        (HttpParams(path="/status"), Code.L7OK, "status 200"),
        (HttpParams(path="/status", response_regexp="^all is w..l\n$"), Code.L7OK, "status 200"),
        (HttpParams(path="/chunked/page.html", response_regexp="^/chunked/page.html is well"), Code.L7OK, "status 200"),
        (HttpParams(path="/broken"), Code.L7STS, "status 503"),
        (HttpParams(path="/moved"), Code.L7STS, "status 301"),
        (HttpParams(path="/moved", response_codes=((200, 399),)), Code.L7OK, "status 301"),
        (HttpParams(path="/not there"), Code.L7STS, "status 404"),
    ],
)
async def test_a_real_nginx(source, nginx, kind, http, code, detail):
    port = nginx.port if kind is CheckType.HTTP else nginx.tls_port
    outcome = await probe(source, check(kind, port, http=http))
    assert (outcome.code, outcome.detail) == (code, detail)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("resume", "second"), [(True, "status 204"), (False, "status 200")])
async def test_a_real_nginx_is_asked_to_resume_the_session_unless_told_otherwise(source, nginx, resume, second):
    http = HttpParams("/resumed", response_codes=((200, 204),))
    healthcheck = check(CheckType.HTTPS, nginx.tls_port, http=http, tls=TlsParams(NAME, resume=resume))
    prober, first = begin(source, healthcheck)
    outcomes = [await first]
    for _ in range(2):
        outcome = Deferred()
        prober.start(outcome.callback)
        outcomes.append(await outcome)
    assert [outcome.detail for outcome in outcomes] == ["status 200", second, second]


@pytest_twisted.ensureDeferred
async def test_a_port_of_nginx_without_tls_fails_the_handshake(source, nginx):
    assert (await probe(source, check(CheckType.HTTPS, nginx.port))).code is Code.L6RSP
    assert (await probe(source, check(CheckType.HTTP, nginx.tls_port))).code is Code.L7STS


# TLS


@pytest_twisted.ensureDeferred
async def test_a_handshake_passes_without_a_request(source, good):
    with ScriptedServer(silence, tls=good) as peer:
        by_name = await probe(source, check(CheckType.TCP, peer.port, tls=TlsParams(server_name=NAME)))
        by_address = await probe(source, check(CheckType.TCP, peer.port, tls=TlsParams()))
    assert (by_name.code, by_address.code) == (Code.L6OK, Code.L6OK)


BAD = {
    "expired": (lambda folder, root: root.issue(folder, NAME, not_after=now() - DAY), "certificate expired"),
    "other name": (lambda folder, root: root.issue(folder, "other.test"), "certificate is not for backend.test"),
    "self-signed": (lambda folder, root: Authority(NAME).issue_itself(folder), "self-signed certificate"),
    "unknown authority": (lambda folder, root: Authority("stranger").issue(folder, NAME), "issuer unknown"),
}


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("kind", list(BAD))
async def test_a_bad_certificate_fails_but_its_expiry_is_known(source, folder, root, kind):
    issue, detail = BAD[kind]
    with ScriptedServer(answer(OK), tls=issue(folder, root)) as peer:
        prober, outcome = begin(source, check(CheckType.HTTPS, peer.port))
        assert prober.certificate_expiry is None
        result = await outcome
        assert (result.code, result.detail) == (Code.L6RSP, detail)
        assert peer.heard == []
        expected = now() + (-DAY if kind == "expired" else 10 * DAY)
        assert prober.certificate_expiry == pytest.approx(expected.timestamp(), abs=60)
        unverified = check(CheckType.HTTPS, peer.port, tls=TlsParams(server_name=NAME, verify=False))
        assert (await probe(source, unverified)).code is Code.L7OK


@pytest_twisted.ensureDeferred
async def test_the_trust_store_of_the_system_does_not_know_a_private_authority(good):
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    with ScriptedServer(silence, tls=good) as peer:
        outcome = await probe(source, check(CheckType.TCP, peer.port, tls=TlsParams(server_name=NAME)))
    source.close()
    assert (outcome.code, outcome.detail) == (Code.L6RSP, "issuer unknown")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("script", "detail"),
    [
        (hang_up, "closed during the handshake"),
        (reset_after(b""), "Connection reset by peer during the handshake"),
        (answer(b"SSH-2.0-OpenSSH\r\n"), None),
    ],
)
async def test_a_peer_that_breaks_the_handshake_fails_there(source, script, detail):
    with ScriptedServer(script) as peer:
        outcome = await probe(source, check(CheckType.HTTPS, peer.port))
    assert outcome.code is Code.L6RSP
    assert detail in {None, outcome.detail}


@pytest_twisted.ensureDeferred
async def test_a_silent_handshake_and_a_silent_application_time_out_in_their_own_layer(source, good):
    with ScriptedServer(silence) as peer:
        assert (await probe(source, check(CheckType.HTTPS, peer.port, 0.3))).code is Code.L6TOUT
    with ScriptedServer(silence, tls=good) as peer:
        for timeout in (0.6, 6, GENEROUS):  # in which the handshake must be over, which takes two busy threads
            if (outcome := await probe(source, check(CheckType.HTTPS, peer.port, timeout))).code is not Code.L6TOUT:
                break
        assert outcome.code is Code.L7TOUT


# ICMP


def skip_without_icmp(outcome):
    if isinstance(outcome, LocalFault) and outcome.reason in {"permission", "unsupported"}:
        pytest.skip(outcome.detail)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
async def test_this_machine_answers_a_ping(source, address):
    outcome = await probe(source, check(CheckType.ICMP), address)
    skip_without_icmp(outcome)
    assert outcome.code is Code.L7OK


@pytest_twisted.ensureDeferred
async def test_many_pings_at_once_all_find_their_reply(source):
    skip_without_icmp(await probe(source, check(CheckType.ICMP)))
    begun = [begin(source, check(CheckType.ICMP), f"127.0.{number % 4}.{number + 1}")[1] for number in range(200)]
    assert {(await outcome).code for outcome in begun} == {Code.L7OK}


# Namespaces

NO_NAMESPACES = why_no_namespaces()
needs_namespaces = pytest.mark.skipif(NO_NAMESPACES is not None, reason=NO_NAMESPACES or "")


@pytest.fixture
def inside():
    """Two namespaces: one to probe from, linked to one that routes to nowhere; and a neighbour that is not there.

    New ones for each test, because a router tells each neighbour only so often that it knows no way.
    """
    with Namespace("inside") as namespace, Namespace("router") as router:
        link, far = f"mt{os.getpid()}a"[-15:], f"mt{os.getpid()}b"[-15:]
        run_ip("link", "add", link, "netns", namespace.name, "type", "veth", "peer", "name", far, "netns", router.name)
        for one, name, address in ((namespace, link, "1"), (router, far, "2")):
            one.ip("addr", "add", f"198.18.0.{address}/24", "dev", name)
            one.ip("addr", "add", f"2001:db8::{address}/64", "dev", name, "nodad")
            one.ip("link", "set", name, "up")
        namespace.ip("route", "add", "198.19.0.0/16", "via", "198.18.0.2")
        namespace.ip("-6", "route", "add", "2001:db8:1::/48", "via", "2001:db8::2")
        namespace.ip("neigh", "add", "198.18.0.9", "lladdr", "02:00:00:00:00:09", "dev", link, "nud", "permanent")
        router.set("net.ipv4.icmp_ratelimit", "0")
        router.set("net.ipv6.icmp.ratelimit", "0")
        router.set("net.ipv4.ip_forward", "1")
        router.set("net.ipv6.conf.all.forwarding", "1")
        yield namespace


@pytest.fixture
def source_inside(inside):
    from twisted.internet import reactor

    pytest_twisted.blockon(deferLater(reactor, 0))
    before, own = open_descriptors(), Path(OWN_NAMESPACE).readlink()
    source = ProberSource(reactor, LagMonitor(reactor), inside.name)
    yield source
    source.close()
    assert Path(OWN_NAMESPACE).readlink() == own
    assert leaked_since(before) == set()


@needs_namespaces
@pytest_twisted.ensureDeferred
async def test_probes_reach_what_only_the_namespace_can_see(source, source_inside, inside):
    with ScriptedServer(answer(OK), address="198.18.0.1", namespace=inside.name) as peer:
        for kind, code in ((CheckType.TCP, Code.L4OK), (CheckType.HTTP, Code.L7OK)):
            assert (await probe(source_inside, check(kind, peer.port), "198.18.0.1")).code is code
    assert (await probe(source_inside, check(CheckType.ICMP), "198.18.0.1")).code is Code.L7OK
    with ScriptedServer(answer(OK)) as peer:
        assert (await probe(source_inside, check(CheckType.TCP, peer.port))).code is Code.L4CON
        assert (await probe(source, check(CheckType.TCP, peer.port))).code is Code.L4OK


@needs_namespaces
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("kind", "code"), [(CheckType.TCP, Code.L4TOUT), (CheckType.ICMP, Code.L7TOUT)])
async def test_a_black_hole_times_out(source_inside, kind, code):
    port = None if kind is CheckType.ICMP else 80
    outcome = await probe(source_inside, check(kind, port, 0.3), "198.18.0.9")
    assert outcome.code is code
    assert outcome.duration >= 0.3


@needs_namespaces
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("groups", ["1 0", "0 2147483647"], ids=["raw socket", "ping socket"])
@pytest.mark.parametrize("address", ["198.19.0.1", "2001:db8:1::1"])
async def test_a_router_that_knows_no_way_fails_a_ping(source_inside, inside, groups, address):
    inside.set("net.ipv4.ping_group_range", groups)
    for _ in range(2):
        outcome = await probe(source_inside, check(CheckType.ICMP), address)
        assert outcome.code is Code.L4CON, outcome
        assert "unreachable" in outcome.detail or "no route" in outcome.detail
    assert source_inside._ping[10 if ":" in address else 2]._sockets[0].raw is (groups == "1 0")
    near = "2001:db8::2" if ":" in address else "198.18.0.2"
    assert (await probe(source_inside, check(CheckType.ICMP), near)).code is Code.L7OK


@needs_namespaces
@pytest_twisted.ensureDeferred
async def test_a_router_that_knows_no_way_fails_a_connection(source_inside):
    outcome = await probe(source_inside, check(CheckType.TCP, 80), "198.19.0.1")
    assert (outcome.code, outcome.detail) == (Code.L4CON, "network unreachable")


@needs_namespaces
@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("address", "pinged"), [("198.18.0.1", "198.18.0.2"), ("2001:db8::1", "2001:db8::2"), ("127.0.0.7", "127.0.0.1")]
)
@pytest.mark.parametrize("groups", ["1 0", "0 2147483647"], ids=["raw socket", "ping socket"])
async def test_a_ping_may_have_a_source_address(source_inside, inside, groups, address, pinged):
    inside.set("net.ipv4.ping_group_range", groups)
    sources = {"probe_ipv6_src" if ":" in address else "probe_ipv4_src": address}
    assert (await probe(source_inside, check(CheckType.ICMP, **sources), pinged)).code is Code.L7OK


@needs_namespaces
@pytest_twisted.ensureDeferred
async def test_without_any_route_the_probe_fails_at_once(source_inside):
    for kind, port in ((CheckType.ICMP, None), (CheckType.TCP, 80)):
        assert isinstance(await probe(source_inside, check(kind, port), "192.0.2.1"), LocalFault)


@needs_namespaces
@pytest_twisted.ensureDeferred
async def test_want_of_ports_is_the_fault_of_this_machine():
    from twisted.internet import reactor

    with Namespace("ports") as namespace, ScriptedServer(silence, namespace=namespace.name) as peer:
        namespace.set("net.ipv4.ip_local_port_range", "40000 40001")
        source = ProberSource(reactor, LagMonitor(reactor), namespace.name)
        held = [begin(source, check(CheckType.HTTP, peer.port))[0] for _ in range(2)]
        outcomes = [await probe(source, check(CheckType.TCP, peer.port))]
        outcomes.append(await probe(source, check(CheckType.TCP, peer.port, probe_ipv4_src="127.0.0.1")))
        for prober in held:
            prober.cancel()
        outcomes.append(await probe(source, check(CheckType.TCP, peer.port)))
        source.close()
    assert [outcome[0] for outcome in outcomes] == ["ports", "ports", Code.L4OK]


@needs_namespaces
@pytest_twisted.ensureDeferred
async def test_a_namespace_recreated_is_probed_in_and_a_lost_one_is_our_fault():
    from twisted.internet import reactor

    with Namespace("again") as namespace:
        source = ProberSource(reactor, LagMonitor(reactor), namespace.name)
        assert (await probe(source, check(CheckType.ICMP))).code is Code.L7OK
        namespace.__exit__()
        for kind, port in ((CheckType.TCP, 9), (CheckType.ICMP, None)):
            fault = await probe(source, check(kind, port))
            assert fault[0] == "netns", fault
            assert namespace.name in fault.detail
        namespace.__enter__()
        namespace.ip("addr", "add", "198.18.7.7/32", "dev", "lo")
        assert (await probe(source, check(CheckType.ICMP), "198.18.7.7")).code is Code.L7OK
        source.close()


@needs_namespaces
def test_a_namespace_is_tried_out_at_the_start(inside):
    before = Path(OWN_NAMESPACE).readlink()
    check_netns(inside.name)
    with pytest.raises(StartError, match="no such network namespace"):
        check_netns(inside.name + "-not")
    assert Path(OWN_NAMESPACE).readlink() == before


def test_setns_tells_its_errors():
    descriptor = os.open("/dev/null", os.O_RDONLY)
    try:
        with pytest.raises(OSError) as caught:
            netns._find_setns()(descriptor, 0)
    finally:
        os.close(descriptor)
    assert caught.value.errno in {errno.EINVAL, errno.EPERM}


def test_a_process_that_can_not_return_ends_and_says_so():
    code = "from maglev.healthcheck.probers.netns import _die; _die(OSError(12, 'no memory'))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert ended.returncode == 71
    assert "can't return to its own network namespace" in ended.stderr


PROJECT = Path(__file__).parents[2]

UNPRIVILEGED = """
import os, sys
from maglev.model.errors import StartError
from maglev.healthcheck.lag import LagMonitor
from maglev.model.config import Backend, CheckType, Healthcheck
from maglev.healthcheck.probers.netns import check_netns
from maglev.healthcheck.probers.source import ProberSource
from twisted.internet import reactor
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    check_netns(sys.argv[1])
except StartError as error:
    print(error)
check = Healthcheck("c", CheckType.ICMP, None, 1, 1, 1, 1)
ProberSource(reactor, LagMonitor(reactor)).prober_for(Backend("b", "127.0.0.1"), check).start(print)
"""


@needs_namespaces
def test_without_capabilities_the_texts_name_what_is_missing(inside):
    inside.set("net.ipv4.ping_group_range", "1 0")
    command = ["ip", "netns", "exec", inside.name, sys.executable, "-c", UNPRIVILEGED, inside.name]
    # The process is in the namespace already, so its own ``/run/netns`` is what it would have to enter again.
    ended = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert "CAP_SYS_ADMIN" in ended.stdout, ended.stderr
    assert "CAP_NET_RAW" in ended.stdout
    assert "permission" in ended.stdout


# Descriptors


@pytest_twisted.ensureDeferred
async def test_no_outcome_and_no_cancel_leaks_a_descriptor(source, good):
    with (
        ScriptedServer(answer(OK)) as well,
        ScriptedServer(silence) as quiet,
        ScriptedServer(hang_up) as rude,
        ScriptedServer(reset_after(b"HTTP/1.1 ")) as ruder,
        ScriptedServer(answer(OK), tls=good) as secure,
    ):
        checks = [
            check(CheckType.TCP, well.port),
            check(CheckType.TCP, refusing_port()),
            check(CheckType.TCP, well.port, probe_ipv4_src="192.0.2.77"),
            check(CheckType.HTTP, well.port),
            check(CheckType.HTTP, quiet.port, 0.05),
            check(CheckType.HTTP, rude.port),
            check(CheckType.HTTP, ruder.port),
            check(CheckType.HTTPS, secure.port),
            check(CheckType.HTTPS, secure.port, tls=TlsParams(server_name="other.test")),
            check(CheckType.HTTPS, quiet.port, 0.05),
            check(CheckType.HTTPS, rude.port),
            check(CheckType.ICMP),
        ]
        counts = []
        for _ in range(5):
            for one in checks:
                await probe(source, one)
                begin(source, one)[0].cancel()
            counts.append(len(source._poller._watched))
    # The socket for ICMP stays; everything else is closed by now. What the peers still hold is theirs.
    assert len(set(counts)) == 1
    assert counts[0] <= 1
