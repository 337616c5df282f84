"""The counters of a simulator and of a real VPP, beside what each itself shows: with traffic, and over a restart."""

from __future__ import annotations

import contextlib
import re
from ipaddress import ip_address

import pytest
import pytest_twisted
from twisted.internet.defer import fail
from twisted.internet.task import deferLater

from maglev.model.errors import StatsError, VppNotConnectedError, VppShortageError
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.lb.state import ANY_PROTOCOL, VipKey
from maglev.vpp.stats.counts import RouteCounts
from maglev.vpp.stats.segment_socket import open_stats
from maglev.vpp.sync.link import MessageCounter, VppConnector
from maglev.vpp.sync.service import VppService
from maglev.vppsim.fib import RouteKey
from maglev.vppsim.writes import VipName
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.vpp_instance import InProcessVpp, private_vpp

pytestmark = pytest.mark.real

WEB = VipKey("192.0.2.1", 32, 6, 80)
TLS = VipKey("192.0.2.1", 32, 6, 443)
ALL = VipKey("192.0.2.9", 32, ANY_PROTOCOL, 0)
SIX = VipKey("2001:db8::1", 128, 6, 80)
FRONTENDS = [
    make_frontend("web", WEB.address, (("a", "b"), ("c",))),
    make_frontend("tls", TLS.address, (("a", "b"),), port=443),
    make_frontend("all", ALL.address, (("b", "c"),), port=0),
    make_frontend("six", SIX.address, (("a", "c"),)),
]
SERVERS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
SIZE = 100
OVERHEAD = 24
"""Bytes of a packet, and what the outer IPv4 header and GRE add to it."""

PATIENCE = 60.0
"""Seconds for anything to happen."""

_VIP = re.compile(r"\[\d+\] (\S+)/(\d+)(.*?)#as:", re.DOTALL)
_NUMBER = re.compile(
    r"(first session packet|packet from existing sessions|untracked packet|no server configured): (\d+)"
)
_PORT = re.compile(r"protocol:(\d+) port:(\d+)")
_ROUTE = re.compile(r"dpo-load-balance: \[.*?to:\[(\d+):(\d+)\](?: via:\[(\d+):(\d+)\])?\]")


class Simulated:
    """A simulator in this process, and what it counted by its own account."""

    def __init__(self, vpp):
        self.vpp = vpp

    async def send(self, link, key, packets):
        vip = VipName(f"{key.address}/{key.length}", key.protocol, key.port)
        self.vpp.simulator.carry(vip, packets, packets=1, octets=SIZE)

    async def fib(self, link, address):
        """Return what was counted to and via the route to an address."""
        packed = ip_address(address).packed
        boot = self.vpp.simulator.boot
        index = boot.fib.exact(RouteKey(len(packed) == 16, packed, 8 * len(packed))).index
        return boot.segment.read("/net/route/to", index), boot.segment.read("/net/route/via", index)


class Real:
    """A real VPP with packets of its own generator, and what its command line shows of the routes."""

    def __init__(self, vpp):
        self.vpp = vpp
        self._streams = 0

    async def send(self, link, key, packets):
        self._streams += 1
        name = f"stream{self._streams}"
        source, node = ("2001:db8::7", "ip6-lookup") if ":" in key.address else ("198.51.100.7", "ip4-lookup")
        data = f"TCP: {source} -> {key.address} TCP: 1024 - 60000 -> {key.port or 8080} incrementing 20"
        options = f"name {name} limit {packets} size {SIZE}-{SIZE} node {node}"
        await link.lb.cli(f"packet-generator new {{ {options} data {{ {data} }} }}")
        await link.lb.cli(f"packet-generator enable-stream {name}")
        done = re.compile(rf"^{name} +No +{packets} ", re.MULTILINE)
        await until(lambda: link.lb.cli("show packet-generator").addCallback(done.search))

    async def fib(self, link, address):
        command = f"show ip6 fib {address}/128" if ":" in address else f"show ip fib {address}/32"
        numbers = [int(number or 0) for number in _ROUTE.search(await link.lb.cli(command)).groups()]
        return tuple(numbers[:2]), tuple(numbers[2:])


@contextlib.contextmanager
def simulated():
    from twisted.internet import reactor

    vpp = InProcessVpp(reactor, workers=2)
    try:
        yield Simulated(vpp)
    finally:
        pytest_twisted.blockon(vpp.stop())


@contextlib.contextmanager
def real():
    with private_vpp("real") as vpp:
        yield Real(vpp)


@pytest.fixture(params=[simulated, pytest.param(real, marks=pytest.mark.vpp)])
def world(request):
    with request.param() as made:
        yield made


@pytest.fixture
def service(world):
    from twisted.internet import reactor

    board = Board(lambda: 0.0, make_config(FRONTENDS, checks=[make_check(rise=1, fall=1)]))
    connector = VppConnector(
        reactor, Cooperator(reactor).queue("vpp"), world.vpp.api_socket, world.vpp.stats_socket, MessageCounter()
    )
    made = VppService(Cooperator(reactor).queue("vpp"), board, connector, lambda: 1.0)
    for name in board.backends:
        board.record(name, Result(Code.L4OK))
    made.startService()
    yield made
    lost = made.require_link().when_lost()
    made.stopService()
    pytest_twisted.blockon(lost)


async def until(found):
    """Wait until something is found."""
    from twisted.internet import reactor

    for _ in range(round(PATIENCE / 0.02)):
        if await found():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError("it did not happen")


async def ready(service):
    """Wait until the service has read the counters of a VPP that has everything; return the connection."""

    async def is_read():
        return service.counters is not None and len(service.counters._ledger.vips) == len(FRONTENDS)

    await until(is_read)
    return service.require_link()


async def shown(link):
    """Return the four counts of each VIP as VPP's command line shows them."""
    found = {}
    for address, length, text in _VIP.findall(await link.lb.cli("show lb vips verbose")):
        port = _PORT.search(text)
        numbers = dict(_NUMBER.findall(text))
        names = "first session packet", "packet from existing sessions", "untracked packet", "no server configured"
        if "removed" not in text.splitlines()[0]:
            key = VipKey(address, int(length), *(map(int, port.groups()) if port else (ANY_PROTOCOL, 0)))
            found[key] = tuple(int(numbers[name]) for name in names)
    return found


async def compare(world, service, link):
    """Read the counters, and see that they are what VPP shows; return them."""
    await service.counters.read()
    counts = service.read_counts()
    assert {key: vip[:4] for key, vip in counts.vips.items()} == await shown(link)
    for key, vip in counts.vips.items():
        assert vip.route == (await world.fib(link, key.address))[0]
    assert set(counts.servers) == set(SERVERS)
    for address, server in counts.servers.items():
        assert server == (await world.fib(link, address))[1]
    return counts


@pytest_twisted.ensureDeferred
async def test_want_of_a_descriptor_for_the_stats_leaves_all_but_counters(world, monkeypatch, request):
    short = [VppShortageError("out of file descriptors")] * 2
    monkeypatch.setattr(
        "maglev.vpp.sync.link.open_stats",
        lambda *args, **kwargs: fail(short.pop()) if short else open_stats(*args, **kwargs),
    )
    service = request.getfixturevalue("service")
    link = await ready(service)
    assert (service.acknowledged, link.info.boot_time) == (True, 0.0)
    assert await shown(link)

    async def is_there():
        await service.counters.read()
        with contextlib.suppress(StatsError):
            return service.read_counts()

    with pytest.raises(StatsError, match=r"out of file descriptors|not been read"):
        service.read_counts()
    await until(is_there)
    await compare(world, service, link)


@pytest_twisted.ensureDeferred
async def test_counters_are_what_vpp_shows_before_and_after_a_restart(world, service):
    link = await ready(service)
    counts = await compare(world, service, link)
    assert {vip.route for vip in counts.vips.values()} == {RouteCounts(0, 0)}

    for key, packets in ((WEB, 200), (TLS, 30), (ALL, 40), (SIX, 50)):
        await world.send(link, key, packets)
    counts = await compare(world, service, link)
    assert counts.vips[WEB].route == counts.vips[TLS].route == (230, 230 * SIZE)
    assert {key: sum(vip[:4]) for key, vip in counts.vips.items()} == {WEB: 200, TLS: 30, ALL: 40, SIX: 50}
    assert sum(server.packets for server in counts.servers.values()) == 320
    assert sum(server.octets for server in counts.servers.values()) == 320 * (SIZE + OVERHEAD)

    await world.send(link, WEB, 7)
    counts = await compare(world, service, link)
    assert sum(counts.vips[WEB][:4]) == 207

    world.vpp.kill()

    async def is_lost():
        return service.counters is None

    await until(is_lost)
    with pytest.raises(VppNotConnectedError):
        service.read_counts()
    world.vpp.restart()
    link = await ready(service)
    counts = await compare(world, service, link)
    assert {vip.route for vip in counts.vips.values()} == {RouteCounts(0, 0)}
    await world.send(link, TLS, 5)
    counts = await compare(world, service, link)
    assert {key: sum(vip[:4]) for key, vip in counts.vips.items()} == {WEB: 0, TLS: 5, ALL: 0, SIX: 0}


@pytest_twisted.ensureDeferred
async def test_counters_are_what_vpp_shows_when_vips_come_and_go(world, service):
    link = await ready(service)
    for key in (WEB, TLS, ALL, SIX):
        await world.send(link, key, 20)
    await compare(world, service, link)
    await link.lb.cli("lb vip 192.0.2.9/32 del")
    await link.lb.cli("lb vip 192.0.2.77/32 protocol tcp port 80 encap gre4")
    await service.sync_now()
    counts = await compare(world, service, link)
    assert counts.vips[ALL] == (0, 0, 0, 0, (0, 0))
    assert sum(counts.vips[WEB][:4]) == 20
    await world.send(link, ALL, 3)
    counts = await compare(world, service, link)
    assert sum(counts.vips[ALL][:4]) == 3
    assert counts.vips[ALL].route == (3, 3 * SIZE)
