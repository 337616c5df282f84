"""What reading VPP's counters costs: run it as a program, with the path of a VPP to include a real one.

    python tests/bench/counters_cost.py [/usr/bin/vpp]

Prints time and CPU of one reading of 1000 VIPs with 10 application servers each, all of different addresses, and the
longest stretch of work meanwhile. The garbage collector's full collections are not counted: the daemon freezes what
lives long.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from maglev.runtime.cooperator import Cooperator
from maglev.vpp.lb.ledger import Ledger
from maglev.vpp.lb.state import AddServer, AddVip, Encap, VipKey
from maglev.vpp.stats.counters import Counters, Heartbeat
from maglev.vpp.sync.link import MessageCounter, VppConnector
from tests.fakes.vpp_instance import private_vpp

VIPS, SERVERS = 1000, 10
KEYS = [VipKey(f"192.0.{number >> 8}.{number & 255}", 32, 6, 80) for number in range(1, VIPS + 1)]
ADDRESSES = [f"10.0.{number >> 8}.{number & 255}" for number in range(VIPS * SERVERS)]


class Stretch:
    """Measures the longest stretch of work between two turns of the reactor, in CPU time: others use this machine."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._since = time.process_time()
        self._call = reactor.callLater(0, self._turn)

    def stop(self) -> float:
        self._call.cancel()
        return self.worst

    def _turn(self) -> None:
        now = time.process_time()
        self.worst, self._since = max(self.worst, now - self._since), now
        self._call = reactor.callLater(0, self._turn)


async def timed(what: str, counters: Counters) -> None:
    gc.collect()
    gc.freeze()
    stretch, started, cpu = Stretch(), time.perf_counter(), time.process_time()
    await counters.read()
    took, used = time.perf_counter() - started, time.process_time() - cpu
    print(f"{what:44} {took * 1e3:8.1f} ms {used * 1e3:8.1f} ms CPU   stretch {stretch.stop() * 1e3:.1f} ms")


async def against(kind: str) -> None:
    print(f"\n{kind}")
    with private_vpp(kind) as vpp:
        work = Cooperator(reactor).queue("vpp")
        link = await VppConnector(reactor, work, vpp.api_socket, vpp.stats_socket, MessageCounter()).connect()
        servers = [AddServer(KEYS[number // SERVERS], address, 1) for number, address in enumerate(ADDRESSES)]
        vips = [AddVip(key, Encap.GRE4, src_ip_sticky=False, table_length=64) for key in KEYS]
        await gatherResults([link.lb.apply(each) for each in [*vips, *servers]])
        ledger = Ledger()
        ledger.begin_read()
        ledger.end_read(await link.lb.read_state())
        counters = Counters(work, link.lb, link.stats, ledger, Heartbeat())
        await timed("first reading: all routes are looked up", counters)
        for _ in range(3):
            await timed("a reading", counters)
        for vip in tuple(ledger.vips.values()):
            ledger.learn(vip, None, {})
        ledger.changed.update(ledger.vips)
        await timed("a reading after which all is known again", counters)
        assert len(counters.current().servers) == VIPS * SERVERS
        lost = link.when_lost()
        link.close()
        await lost


async def main(_: object) -> None:
    await against("process")
    if sys.argv[1:]:
        os.environ["MAGLEV_TEST_VPP"] = sys.argv[1]
        await against("real")


react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
