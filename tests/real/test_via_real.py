"""Probes by way of a VIP, over a real kernel: through the tun device, in GRE, to a backend that takes it off."""

from __future__ import annotations

import socket
import subprocess

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.check_params import AnswerPattern, DnsParams, UdpParams, Via, VipPath
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from maglev.model.result import Code, LocalFault
from tests.fakes.certificates import Authority
from tests.fakes.gre_lab import BACKEND, DEVICE, HOST, MARK, VIPS, VPP, GreLab, run_unit, why_no_gre_lab
from tests.fakes.peers import ScriptedServer, answer, silence

WHY_NOT = why_no_gre_lab()
pytestmark = [pytest.mark.real, pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")]

NAME = "backend.test"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well"
GENEROUS = 60.0
SHORT = 0.6
"""Timeout of probes that are to time out; it has to be long beside what a busy machine is late."""

FAMILIES = [(4, 4), (6, 6), (4, 6), (6, 4)]
"""Of the VIP, and of the backend."""

PATH = VipPath(VIPS[4], VPP[4], VPP[6], DEVICE, MARK)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("via")


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def certificate(folder, root):
    return root.issue(folder, NAME, *VIPS.values())


@pytest.fixture
def lab():
    with GreLab() as made:
        yield made


@pytest.fixture
def source(lab, folder, root):
    made = ProberSource(reactor, LagMonitor(reactor), lab.host.name, trust_root=root.write_root(folder))
    pytest_twisted.blockon(Deferred.fromCoroutine(settled(made)))
    lab.taker.outer.clear()
    yield made
    made.close()


async def settled(source):
    """Wait until the tunnel is ready."""
    await until(source, check(CheckType.TCP, 9), lambda outcome: not isinstance(outcome, LocalFault))


def check(kind, port, timeout=GENEROUS, vip=VIPS[4], **changes):
    if kind in {CheckType.HTTP, CheckType.HTTPS}:
        changes.setdefault("http", HttpParams())
    if kind is CheckType.HTTPS:
        changes.setdefault("tls", TlsParams())
    path = attrs.evolve(PATH, vip=vip)
    return Healthcheck("gre", kind, port, 1, 1, 1, timeout, via=Via.VIP, path=path, **changes)


def begin(source, healthcheck, backend=BACKEND[4]):
    outcome = Deferred()
    prober = source.prober_for(Backend("www1", backend), healthcheck)
    prober.start(outcome.callback)
    return prober, outcome


async def probe(source, healthcheck, backend=BACKEND[4]):
    return await begin(source, healthcheck, backend)[1]


ANSWER = answer(OK)


def serve(lab, script=ANSWER, address=VIPS[4], **options):
    return ScriptedServer(script, address=address, namespace=lab.backend.name, **options)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("vip", "backend"), FAMILIES)
async def test_each_type_works_as_it_is(lab, source, certificate, vip, backend):
    address, there = VIPS[vip], BACKEND[backend]
    with serve(lab, address=address) as plain, serve(lab, address=address, tls=certificate) as secret:
        assert (await probe(source, check(CheckType.TCP, plain.port, vip=address), there)).code is Code.L4OK
        assert (await probe(source, check(CheckType.HTTP, plain.port, vip=address), there)).code is Code.L7OK
        assert (await probe(source, check(CheckType.HTTPS, secret.port, vip=address), there)).code is Code.L7OK
        request, peer = plain.heard[-1]
    host = f"[{address}]" if vip == 6 else address
    assert f"\r\nHost: {host}:{plain.port}\r\n".encode() in request, "what a client would call"
    assert peer[0] == HOST[vip], "the address from which this machine talks to the backend"
    assert lab.taker.outer == {(backend, VPP[backend], "")}


def long_answer(_peer, connection):
    """Script that reads a whole request, and answers with more than a packet."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        received += connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 60000 + b" all is well")


@pytest_twisted.ensureDeferred
async def test_a_request_that_takes_many_packets(lab, source):
    headers = tuple((f"X-{number}", "y" * 500) for number in range(8))
    params = HttpParams(headers=headers, response_regexp="well")
    with serve(lab, long_answer) as peer:
        outcome = await probe(source, check(CheckType.HTTP, peer.port, http=params))
    assert outcome.code is Code.L7OK


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("vip", "backend"), FAMILIES)
async def test_the_application_has_stopped(lab, source, vip, backend):
    outcome = await probe(source, check(CheckType.HTTP, 9, vip=VIPS[vip]), BACKEND[backend])
    assert (outcome.code, outcome.detail) == (Code.L4CON, "connection refused")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("vip", "backend"), FAMILIES)
async def test_the_vip_is_missing_there(lab, source, vip, backend):
    lab.remove_vip(vip)
    if backend == 4:
        lab.backend.set("net.ipv4.ip_forward", "0")
    outcome = await probe(source, check(CheckType.HTTP, 9, SHORT, vip=VIPS[vip]), BACKEND[backend])
    assert (outcome.code, outcome.detail) == (Code.L4VIP, "takes GRE off, and is silent at the VIP")


@pytest_twisted.ensureDeferred
async def test_the_backend_says_that_it_has_no_such_vip(lab, source):
    lab.remove_vip(4)
    lab.backend.set("net.ipv4.ip_forward", "1")
    lab.backend.ip("route", "add", "unreachable", VIPS[4])
    outcome = await probe(source, check(CheckType.TCP, 9))
    assert (outcome.code, outcome.detail) == (Code.L4VIP, "host unreachable")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("vip", "backend"), FAMILIES)
@pytest.mark.parametrize("refused", [False, True])
async def test_gre_is_not_taken_off(lab, source, vip, backend, refused):
    if refused:
        lab.taker.close()
    lab.block_gre()
    outcome = await probe(source, check(CheckType.TCP, 9, SHORT, vip=VIPS[vip]), BACKEND[backend])
    assert (outcome.code, outcome.detail) == (Code.L4GRE, "answers directly, and not through GRE")


@pytest_twisted.ensureDeferred
async def test_the_backend_is_gone(lab, source):
    lab.backend.ip("addr", "flush", "dev", "eth0")
    outcome = await probe(source, check(CheckType.TCP, 9, SHORT))
    assert (outcome.code, outcome.detail) == (Code.L4TOUT, "no connection in time; silent without GRE as well")


@pytest_twisted.ensureDeferred
async def test_a_server_that_accepts_and_is_silent_is_not_taken_for_a_missing_vip(lab, source):
    with serve(lab, silence) as peer:
        outcome = await probe(source, check(CheckType.HTTP, peer.port, SHORT))
    assert outcome.code is Code.L7TOUT


@pytest_twisted.ensureDeferred
async def test_datagrams(lab, source):
    expected = UdpParams(b"hello", AnswerPattern(b"hello"))
    plan = check(CheckType.UDP, 5353, SHORT, udp=expected)
    assert (await probe(source, plan)).code is Code.L4CON, "port unreachable"
    deaf = lab.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind((VIPS[4], 5353))
    assert (await probe(source, plan)).code is Code.L7TOUT, "the VIP is there, and the application is silent"
    deaf.close()
    lab.remove_vip(4)
    assert (await probe(source, plan)).code is Code.L4VIP
    lab.block_gre()
    question = check(CheckType.DNS, 53, SHORT, dns=DnsParams("www.example.com"))
    assert (await probe(source, question)).code is Code.L4GRE


# What is ours


def tunnel_fault(detail):
    return LocalFault("tunnel", detail)


@pytest_twisted.ensureDeferred
async def test_the_device_is_missing_and_comes(lab, source):
    run_unit(lab.host, "ExecStop")
    missing = tunnel_fault("no device maglev0: does vpp-maglev-tunnel.service run?")
    await until(source, check(CheckType.TCP, 9), lambda outcome: outcome == missing)
    run_unit(lab.host)
    outcome = await until(source, check(CheckType.TCP, 9), lambda outcome: not isinstance(outcome, LocalFault))
    assert outcome.code is Code.L4CON


async def until(source, healthcheck, good):
    for _ in range(200):
        outcome = await probe(source, healthcheck)
        if good(outcome):
            return outcome
        await deferLater(reactor, 0.1)
    pytest.fail(f"still {outcome}")


@pytest_twisted.ensureDeferred
async def test_the_device_goes_and_comes_back(lab, source):
    plan = check(CheckType.TCP, 9)
    assert (await probe(source, plan)).code is Code.L4CON
    run_unit(lab.host, "ExecStop")
    gone = await probe(source, plan)
    assert isinstance(gone, LocalFault), gone
    run_unit(lab.host)
    assert (await until(source, plan, lambda outcome: not isinstance(outcome, LocalFault))).code is Code.L4CON


@pytest_twisted.ensureDeferred
async def test_the_device_goes_while_a_probe_waits(lab, source):
    with serve(lab, silence) as peer:
        _, waiting = begin(source, check(CheckType.HTTP, peer.port, 2.0))
        await deferLater(reactor, 0.3)
        run_unit(lab.host, "ExecStop")
        outcome = await waiting
    assert outcome.code is Code.L7TOUT, "the connection was there, so the tunnel was"


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("family", [4, 6])
async def test_the_device_is_down(lab, source, family):
    lab.host.ip("link", "set", "maglev0", "down")
    outcome = await probe(source, check(CheckType.TCP, 9, vip=VIPS[family]), BACKEND[family])
    assert isinstance(outcome, LocalFault)
    assert outcome.reason == "tunnel"
    assert outcome.detail.startswith("no way into maglev0: "), outcome


@pytest_twisted.ensureDeferred
async def test_no_rule_leads_into_the_device(lab, source):
    # The backend answers at its VIP to all, so the probe would pass without having gone through GRE.
    lab.host.ip("rule", "del", "fwmark", hex(MARK))
    lab.host.ip("route", "add", VIPS[4], "via", BACKEND[4])
    with serve(lab) as peer:
        outcome = await probe(source, check(CheckType.HTTP, peer.port))
    assert outcome == tunnel_fault(f"not routed into maglev0 (mark {MARK:#x}): L7OK")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("family", [4, 6])
async def test_the_vip_is_an_address_of_this_machine(lab, source, family):
    lab.host.ip("addr", "add", f"{VIPS[family]}/{32 if family == 4 else 128}", "dev", "lo")
    outcome = await probe(source, check(CheckType.TCP, 9, SHORT, vip=VIPS[family]), BACKEND[family])
    assert outcome == tunnel_fault(f"{VIPS[family]} is an address of this machine: its answers are dropped")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(("every", "link", "way", "lost"), [
    ("0", "1", "side", True),
    ("1", "0", "side", True),
    ("0", "1", "eth0", False),
    ("0", "2", "side", False),
    ("2", "0", None, True),
    ("0", "0", None, False),
])  # fmt: skip
async def test_a_filter_of_this_machine_drops_the_answers(lab, source, every, link, way, lost):
    lab.host.set("net.ipv4.conf.all.rp_filter", every)
    lab.host.set("net.ipv4.conf.eth0.rp_filter", link)
    lab.host.ip("route", "del", "default")
    if way is not None:
        lab.host.ip("route", "add", VIPS[4], "dev", way)
    outcome = await probe(source, check(CheckType.TCP, 9, SHORT))
    if lost:
        assert outcome == tunnel_fault(f"rp_filter of eth0 drops answers from {VIPS[4]}")
    else:
        assert outcome.code is Code.L4CON


@pytest_twisted.ensureDeferred
async def test_the_route_to_the_backend_is_lost(lab, source):
    plan = check(CheckType.TCP, 9, SHORT)
    lab.host.ip("route", "del", "default")
    lab.host.ip("addr", "del", f"{HOST[4]}/24", "dev", "eth0")
    lab.host.ip("addr", "add", "203.0.113.1/32", "dev", "eth0")
    for healthcheck in (plan, attrs.evolve(plan, probe_ipv4_src="203.0.113.1")):
        outcome = await probe(source, healthcheck)
        assert isinstance(outcome, LocalFault)
        assert outcome.reason == "network"


@pytest_twisted.ensureDeferred
async def test_the_cable_is_pulled(lab, source):
    plan = check(CheckType.TCP, 9, SHORT)
    assert (await probe(source, plan)).code is Code.L4CON
    lab.backend.ip("link", "set", "eth0", "down")
    outcome = await until(source, plan, lambda outcome: isinstance(outcome, LocalFault))
    assert "link not operational: eth0" in outcome.detail


@pytest_twisted.ensureDeferred
async def test_a_source_address_of_our_own_choice(lab, source):
    lab.host.ip("addr", "add", "198.18.1.77/24", "dev", "eth0")
    with serve(lab) as peer:
        assert (await probe(source, check(CheckType.HTTP, peer.port, probe_ipv4_src="198.18.1.77"))).ok
        assert peer.heard[0][1][0] == "198.18.1.77"
    outcome = await probe(source, check(CheckType.HTTP, 9, probe_ipv4_src="203.0.113.7"))
    assert outcome == LocalFault("network", "source address not usable: Cannot assign requested address")


@pytest_twisted.ensureDeferred
async def test_nothing_else_of_this_machine_goes_into_the_device(lab, source):
    lab.host.ip("route", "add", VIPS[4], "via", BACKEND[4])
    with serve(lab) as peer:
        straight = attrs.evolve(check(CheckType.HTTP, peer.port), via=Via.DIRECT, path=None)
        assert (await probe(source, straight, VIPS[4])).ok
    assert lab.taker.outer == set()


@pytest_twisted.ensureDeferred
async def test_connections_are_reset_through_the_tunnel(lab, source):
    with serve(lab, silence) as peer:
        for cancelled in (False, True):
            prober, waiting = begin(source, check(CheckType.HTTP, peer.port, 2.0))
            await until_connected(lab, peer.port)
            if cancelled:
                prober.cancel()
            else:
                assert (await waiting).code is Code.L7TOUT
            await until_connected(lab, peer.port, connections=0)


async def until_connected(lab, port, connections=1):
    command = ["ip", "netns", "exec", lab.backend.name, "ss", "-tnH", f"sport = :{port}"]
    for _ in range(200):
        found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        if len(found) == connections:
            return
        await deferLater(reactor, 0.05)
    pytest.fail(f"{found}")


@pytest_twisted.ensureDeferred
async def test_many_backends_share_a_vip_and_each_gets_its_own_packets(lab, source):
    # One host, so one server: but each backend is another outer address.
    addresses = [f"198.18.1.{number}" for number in range(100, 120)]
    for address in addresses:
        lab.backend.ip("addr", "add", f"{address}/24", "dev", "eth0")
    with serve(lab) as peer:
        for _ in range(5):
            begun = [begin(source, check(CheckType.HTTP, peer.port), address) for address in addresses]
            assert {(await outcome).code for _, outcome in begun} == {Code.L7OK}
    assert len(lab.taker.outer) == 1
