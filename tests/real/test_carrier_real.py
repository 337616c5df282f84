"""Probes over a link of this machine that fails: no evidence; and over one that is well, to a backend that is dead."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from types import SimpleNamespace

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.netns import NetworkNamespace
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams
from maglev.model.result import Code, LocalFault
from tests.fakes.peers import Namespace, why_no_namespaces

NO_NAMESPACES = why_no_namespaces()
pytestmark = [pytest.mark.real, pytest.mark.skipif(NO_NAMESPACES is not None, reason=NO_NAMESPACES or "")]

TIMEOUT = 0.3
PORT = 80
BACKENDS = {4: "198.18.1.2", 6: "2001:db8:1::2"}
DEAD = {4: "198.18.1.66", 6: "2001:db8:1::66"}
"""Nobody is there, and somebody seems to answer ARP."""

SHARED = "198.18.9.1"
"""Reached over two links."""

KINDS = [CheckType.TCP, CheckType.HTTP, CheckType.ICMP]
TIMED_OUT = {CheckType.TCP: Code.L4TOUT, CheckType.HTTP: Code.L4TOUT, CheckType.ICMP: Code.L7TOUT}


def check(kind):
    port = None if kind is CheckType.ICMP else PORT
    return Healthcheck("check", kind, port, 1, 1, 1, TIMEOUT, http=HttpParams() if kind is CheckType.HTTP else None)


def link(ours, theirs, name, number):
    """Connect two namespaces with one more link."""
    ours.ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", theirs.name)
    for end, host in ((ours, 1), (theirs, 2)):
        end.ip("addr", "add", f"198.18.{number}.{host}/24", "dev", name)
        end.ip("addr", "add", f"2001:db8:{number}::{host}/64", "dev", name, "nodad")
        end.ip("link", "set", name, "up")
        end.set(f"net.ipv6.conf.{name}.keep_addr_on_down", "1")


def cut(lab, *links, state="DOWN"):
    """Take the far ends of links down, and wait until the kernel has noticed: in a busy moment, that takes a second."""
    for each in links:
        lab.theirs.ip("link", "set", each, "down")
    for each in links:
        wait_for_state(lab, each, state)


def wait_for_state(lab, name, state):
    command = ["ip", "-n", lab.ours.name, "-json", "link", "show", name]
    for _ in range(1200):
        if json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]["operstate"] == state:
            return
        time.sleep(0.05)
    pytest.fail(f"{name} did not become {state}")


def listening(namespace):
    """Return a socket of both families whose kernel accepts connections; nothing is ever answered on them."""
    entered = NetworkNamespace(namespace.name)
    try:
        return entered.call(socket.create_server, ("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
    finally:
        entered.close()


@pytest.fixture
def lab():
    with Namespace("carrier-a") as ours, Namespace("carrier-b") as theirs:
        link(ours, theirs, "eth1", 1)
        for dead in DEAD.values():
            ours.ip("neigh", "add", dead, "lladdr", "02:00:00:00:00:66", "dev", "eth1", "nud", "permanent")
        theirs.ip("addr", "add", f"{SHARED}/32", "dev", "lo")
        server = listening(theirs)
        source = ProberSource(reactor, LagMonitor(reactor), ours.name)
        yield SimpleNamespace(ours=ours, theirs=theirs, source=source)
        source.close()
        server.close()


async def probe(lab, kind, address):
    outcome = Deferred()
    lab.source.prober_for(Backend("www1", address), check(kind)).start(outcome.callback)
    return await outcome


async def come_to(lab, kind, address, code):
    """Probe until the result is this one: a link that has just come up may lose the first packets."""
    for _ in range(400):
        if (await probe(lab, kind, address)).code is code:
            return
        await deferLater(reactor, 0.05)
    pytest.fail(f"no {code}")


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("family", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
async def test_the_other_end_of_our_link_fails_and_comes_back(lab, kind, family):
    # The backend accepts connections and never answers: over a good link, that is evidence.
    expected = {CheckType.TCP: Code.L4OK, CheckType.HTTP: Code.L7TOUT, CheckType.ICMP: Code.L7OK}[kind]
    await come_to(lab, kind, BACKENDS[family], expected)
    cut(lab, "eth1")
    for address in (BACKENDS[family], DEAD[family]):
        assert await probe(lab, kind, address) == LocalFault("network", "link not operational: eth1")
    lab.theirs.ip("link", "set", "eth1", "up")
    wait_for_state(lab, "eth1", "UP")
    await come_to(lab, kind, BACKENDS[family], expected)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("family", DEAD)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_dead_backend_behind_a_good_link_is_seen_at_its_timeout(lab, kind, family):
    outcome = await probe(lab, kind, DEAD[family])
    assert outcome.code is TIMED_OUT[kind]


@pytest_twisted.ensureDeferred
async def test_a_link_that_fails_while_an_answer_is_awaited(lab):
    await come_to(lab, CheckType.TCP, BACKENDS[4], Code.L4OK)
    waiting = Deferred()
    patient = attrs.evolve(check(CheckType.HTTP), timeout=3.0)
    lab.source.prober_for(Backend("www1", BACKENDS[4]), patient).start(waiting.callback)
    await come_to(lab, CheckType.TCP, BACKENDS[4], Code.L4OK)
    cut(lab, "eth1")
    assert isinstance(await waiting, LocalFault)


@pytest_twisted.ensureDeferred
async def test_a_link_that_is_down_because_what_is_below_it_is(lab):
    lab.ours.ip("link", "add", "bridge", "type", "bridge")
    lab.ours.ip("link", "set", "eth1", "master", "bridge")
    lab.ours.ip("addr", "flush", "dev", "eth1")
    lab.ours.ip("addr", "add", "198.18.1.1/24", "dev", "bridge")
    lab.ours.ip("link", "set", "bridge", "up")
    wait_for_state(lab, "bridge", "UP")
    await come_to(lab, CheckType.TCP, BACKENDS[4], Code.L4OK)
    cut(lab, "eth1")
    wait_for_state(lab, "bridge", "DOWN")
    assert await probe(lab, CheckType.TCP, BACKENDS[4]) == LocalFault("network", "link not operational: bridge")


@pytest_twisted.ensureDeferred
async def test_a_dormant_link(lab):
    lab.ours.ip("link", "set", "eth1", "mode", "dormant")
    lab.ours.ip("link", "set", "eth1", "state", "dormant")
    wait_for_state(lab, "eth1", "DORMANT")
    assert await probe(lab, CheckType.TCP, DEAD[4]) == LocalFault("network", "link not operational: eth1")


@pytest_twisted.ensureDeferred
async def test_a_route_over_a_good_link_too_lets_the_result_stand(lab):
    link(lab.ours, lab.theirs, "eth2", 2)
    hops = [["nexthop", "via", f"198.18.{number}.66", "dev", f"eth{number}"] for number in (1, 2)]
    lab.ours.ip("neigh", "add", "198.18.2.66", "lladdr", "02:00:00:00:00:66", "dev", "eth2", "nud", "permanent")
    lab.ours.ip("route", "add", SHARED, *hops[0], *hops[1])
    cut(lab, "eth1")
    assert (await probe(lab, CheckType.ICMP, SHARED)).code is Code.L7TOUT
    cut(lab, "eth2")
    assert await probe(lab, CheckType.ICMP, SHARED) == LocalFault("network", "link not operational: eth1, eth2")


@pytest_twisted.ensureDeferred
async def test_a_backend_on_this_machine_is_not_concerned(lab):
    cut(lab, "eth1")
    assert (await probe(lab, CheckType.TCP, "198.18.1.1")).code is Code.L4CON


@pytest_twisted.ensureDeferred
async def test_a_route_that_goes_while_an_answer_is_awaited(lab):
    waiting = Deferred()
    lab.source.prober_for(Backend("www1", DEAD[4]), check(CheckType.TCP)).start(waiting.callback)
    lab.ours.ip("route", "del", "198.18.1.0/24")
    assert await waiting == LocalFault("network", "no route")


@pytest_twisted.ensureDeferred
async def test_a_namespace_that_was_made_again_is_asked(lab):
    cut(lab, "eth1")
    assert isinstance(await probe(lab, CheckType.TCP, DEAD[4]), LocalFault)
    lab.ours.__exit__()
    with lab.ours:
        link(lab.ours, lab.theirs, "eth3", 1)
        lab.ours.ip("neigh", "add", DEAD[4], "lladdr", "02:00:00:00:00:66", "dev", "eth3", "nud", "permanent")
        assert (await probe(lab, CheckType.TCP, DEAD[4])).code is Code.L4TOUT
    lab.ours.__enter__()
