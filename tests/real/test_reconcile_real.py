"""The service against a VPP of its own, simulated and real: changes by hand, mass changes, a VPP that stands still.

More rounds than the few of every day: ``MAGLEV_TEST_ROUNDS=200 pytest tests/real/test_reconcile_real.py``.
"""

import os
import signal
import time

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.logger import globalLogPublisher

from maglev.model.config import Backend, ForeignVips
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.lb.script import vip_name
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.link import MessageCounter, VppConnector
from maglev.vpp.sync.plan import want
from maglev.vpp.sync.service import VppService
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.papi import PapiReader
from tests.fakes.random_sites import RandomSite
from tests.fakes.vpp_instance import private_vpp

pytestmark = pytest.mark.real

ROUNDS = int(os.environ.get("MAGLEV_TEST_ROUNDS", "20"))
PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON)
WEB = ("192.0.2.1/32", 6, 80)


@pytest.fixture(params=["process", pytest.param("real", marks=pytest.mark.vpp)])
def vpp(request):
    with private_vpp(request.param) as instance:
        yield instance


class RealVppRig:
    """A board and the service on the real reactor, and VPP's own client beside."""

    def __init__(self, vpp, config):
        self.board = Board(time.time, config)
        self.prove()
        connector = VppConnector(
            reactor, Cooperator(reactor).queue("vpp"), vpp.api_socket, vpp.stats_socket, MessageCounter()
        )
        self.service = VppService(Cooperator(reactor).queue("vpp"), self.board, connector, lambda: 1.0)
        self.reader = PapiReader(vpp.api_socket)
        self.events = []

    async def __aenter__(self):
        globalLogPublisher.addObserver(self.events.append)
        self.service.startService()
        await self.until(lambda: self.service.counters)
        return self

    async def __aexit__(self, *_exc_info):
        globalLogPublisher.removeObserver(self.events.append)
        self.reader.close()
        await self.service.stopService()
        await deferLater(reactor, 0)

    def prove(self):
        for name in self.board.backends:
            self.board.record(name, PASS)

    def to_wire(self, name):
        return [event for event in self.events if event.get("log_event") == name]

    async def until(self, condition, seconds=60.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "too long"
            await deferLater(reactor, 0.005)

    def wanted(self):
        found = {}
        for status in self.board.frontends.values():
            addresses = {name: self.board.backends[name].address for name in status.desired}
            vip = want(status.frontend, addresses, status.desired, frozenset())
            key = (f"{vip.key.address}/{vip.key.length}", vip.key.protocol, vip.key.port)
            found[key] = (int(vip.encap), {address: server.weight for address, server in vip.servers.items()})
        return found

    def names(self):
        """Return our VIPs as the command line names them, with the family of their servers."""
        vips = self.service.sync.ledger.vips
        keys = [key_of(status.frontend) for status in self.board.frontends.values()]
        return [(vip_name(key), int(vips[key].encap)) for key in keys if key in vips]


@pytest_twisted.ensureDeferred
async def test_changes_by_hand_are_each_repaired_by_the_next_sync(vpp):
    site = RandomSite(5)
    async with RealVppRig(vpp, site.config(foreign_vips=ForeignVips.REMOVE, sync_interval=3600.0)) as rig:
        repaired = 0
        for turn in range(ROUNDS):
            if turn % 10 == 0:
                rig.board.apply(site.config(foreign_vips=ForeignVips.REMOVE, sync_interval=3600.0))
                rig.prove()
                await rig.service.sync_now()
            command = site.command(rig.names())
            rig.reader.cli(command)
            changed = rig.reader.vips() != rig.wanted()
            told = len(rig.to_wire("vpp-lbsync-drift"))
            writes = await rig.service.sync_now()
            assert rig.reader.vips() == rig.wanted(), f"round {turn}: {command}"
            conf = rig.board.config.vpp.conf
            assert rig.reader.conf() == (conf.ipv4_src_address, conf.ipv6_src_address, 1024, conf.flow_timeout)
            assert not changed or writes, f"round {turn}: {command}"
            assert not changed or len(rig.to_wire("vpp-lbsync-drift")) > told, f"round {turn}: {command}"
            assert list(await rig.service.sync_now()) == [], f"round {turn}: {command}"
            repaired += bool(writes)
        assert repaired > ROUNDS / 4
        assert rig.to_wire("vpp-lbsync-refused") == []
        print(f"{repaired} of {ROUNDS} changes had to be repaired")


def large(count, **changes):
    names = [f"b{number}" for number in range(count)]
    backends = [Backend(name, f"10.2.{n >> 8}.{n & 255}", "tcp") for n, name in enumerate(names)]
    frontends = [make_frontend(pools=(names,), **changes)]
    return make_config(frontends=frontends, backends=backends, checks=[make_check(rise=1, fall=1)])


@pytest_twisted.ensureDeferred
async def test_a_large_vip_is_filled_halved_restored_and_recreated(vpp):
    config = large(300)
    async with RealVppRig(vpp, config) as rig:
        await rig.until(lambda: rig.service.tally.writes["all", "as_added"] == 300)
        assert rig.reader.vips() == rig.wanted()
        for result in (FAIL, PASS):
            for number in range(150):
                rig.board.record(f"b{number}", result)
            before = rig.service.tally.writes["vip", "as_weight_updated"]
            await rig.until(lambda before=before: rig.service.tally.writes["vip", "as_weight_updated"] >= before + 149)
            await deferLater(reactor, 0.2)
            assert rig.reader.vips() == rig.wanted()
        rig.board.apply(large(300, src_ip_sticky=True, table_length=4096))
        await rig.until(lambda: rig.to_wire("vpp-lbsync-vip-recreate"))
        assert list(await rig.service.sync_now()) == []
        assert rig.reader.vips() == rig.wanted()
        (vip,) = rig.service.sync.ledger.vips.values()
        assert (vip.src_ip_sticky, vip.table_length) == (True, 4096)
        assert rig.to_wire("vpp-lbsync-refused") == []


@pytest_twisted.ensureDeferred
async def test_one_address_changes_its_family_without_a_moment_in_which_it_has_no_vip(vpp):
    def config(prefix):
        backends = [Backend(name, f"{prefix}{index}", "tcp") for index, name in enumerate("abc", 1)]
        frontends = [make_frontend(), make_frontend("tls", port=443)]
        return make_config(frontends=frontends, backends=backends, checks=[make_check(rise=1, fall=1)])

    async with RealVppRig(vpp, config("10.0.0.")) as rig:
        await rig.until(lambda: len(rig.reader.vips()) == 2)
        for prefix in ("2001:db8::", "10.0.0."):
            rig.board.apply(config(prefix))
            rig.prove()
            await rig.service.sync_now()
            assert rig.reader.vips() == rig.wanted()
        assert rig.to_wire("vpp-lbsync-refused") == []
        assert len(rig.to_wire("vpp-lbsync-vip-recreate")) == 4


@pytest_twisted.ensureDeferred
async def test_a_vpp_that_stands_still_for_eight_seconds_is_left_and_taken_up_again(vpp):
    async with RealVppRig(vpp, make_config(checks=[make_check(rise=1, fall=1)])) as rig:
        os.kill(vpp.pid, signal.SIGSTOP)
        try:
            rig.board.record("a", FAIL)
            await deferLater(reactor, 8)
        finally:
            os.kill(vpp.pid, signal.SIGCONT)
        await rig.until(lambda: rig.service.counters and rig.service.sync.ledger.vips)
        await rig.service.sync_now()
        assert rig.reader.weights() == {WEB: {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}}
        assert len(rig.to_wire("vpp-hung")) == 1
        assert len(rig.to_wire("vpp-disconnect")) == 1
        assert rig.to_wire("vpp-lbsync-refused") == []
