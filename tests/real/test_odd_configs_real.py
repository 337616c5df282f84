"""No configuration that the check calls valid harms a real VPP: each is programmed, and a packet sent to each VIP.

More than the few of every day: ``MAGLEV_TEST_ROUNDS=500 pytest tests/real/test_odd_configs_real.py``.
"""

import os
import random
import time
from collections import Counter

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import deferLater

from maglev.config.load import load_text
from maglev.model.errors import ConfigError
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.lb.state import ANY_PROTOCOL, DeleteVip, key_of
from maglev.vpp.sync.link import MessageCounter, VppConnector
from maglev.vpp.sync.service import VppService
from tests.fakes.logs import recorded_events
from tests.fakes.odd_configs import OddConfigs, inject
from tests.fakes.vpp_instance import private_vpp

pytestmark = [pytest.mark.real, pytest.mark.vpp]

ROUNDS = int(os.environ.get("MAGLEV_TEST_ROUNDS", "20"))
SEED = int(os.environ.get("MAGLEV_TEST_SEED", "11"))


@pytest.fixture
def vpp():
    with private_vpp("real") as instance:
        yield instance


async def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "too long"
        await deferLater(reactor, 0.005)


class OneLink:
    """A connector that has one connection, and gives it to one service after the other."""

    def __init__(self, link):
        self.lb, self.stats, self.info, self.ping = link.lb, link.stats, link.info, link.ping

    def connect(self):
        return succeed(self)

    def fingerprint(self):
        return 0

    def when_lost(self):
        return Deferred()

    def close(self):
        pass


async def program(connector, config):
    """Program one configuration, send packets, and take it out again; return how many packets VIPs have counted."""
    board = Board(time.time, config)
    for name in board.backends:
        board.record(name, Result(Code.L4OK))
    service = VppService(Cooperator(reactor).queue("vpp"), board, connector, lambda: 1.0)
    service.startService()
    try:
        await until(lambda: service.counters)
        link, held = service.require_link(), service.sync.ledger.vips
        assert held.keys() == {key_of(frontend) for frontend in config.frontends.values()}
        for number, key in enumerate(held):
            protocol = 6 if key.protocol == ANY_PROTOCOL else key.protocol
            for command in inject(f"p{number}", key.address, protocol, key.port):
                await link.lb.cli(command)
        await link.ping()
        await service.counters.read()
        counted = sum(sum(counts[:4]) for counts in service.read_counts().vips.values())
        for key in tuple(held):
            await link.lb.apply(DeleteVip(key))
        return len(held), counted
    finally:
        await service.stopService()
        await deferLater(reactor, 0)


@pytest_twisted.ensureDeferred
async def test_no_valid_configuration_harms_vpp(vpp):
    work = Cooperator(reactor).queue("vpp")
    link = await VppConnector(reactor, work, vpp.api_socket, vpp.stats_socket, MessageCounter()).connect()
    source, pid = OddConfigs(random.Random(SEED)), vpp.pid
    refused, done, vips, counted = Counter(), 0, 0, 0
    with recorded_events() as events:
        while done < ROUNDS:
            text = source.text()
            try:
                config = load_text(text).config
            except ConfigError as error:
                refused.update({problem.text.partition(": ")[2] or "other" for problem in error.problems})
                continue
            try:
                some, packets = await program(OneLink(link), config)
            except BaseException:
                print(f"round {done}:\n{text}\n{vpp.output[-3000:]}\n", *events[-30:], sep="\n")
                raise
            done, vips, counted = done + 1, vips + some, counted + packets
    link.close()
    await until(lambda: not any(call.active() for call in reactor.getDelayedCalls()))
    await deferLater(reactor, 0.2)
    told = Counter(name for name, _ in events)
    print(f"{done} valid, {sum(refused.values())} errors in others, {vips} VIPs, {counted} packets counted, {told}")
    assert vpp.pid == pid
    assert refused["expected the address of a server"] or done < 20
    assert counted >= vips
    assert not told["vpp-lbsync-failed"] + told["task-failed"]
