"""What the way to VPP costs: run it as a program, with the path of a VPP to include a real one.

    python tests/bench/vpp_api_cost.py [/usr/bin/vpp]

Prints microseconds for packing and unpacking, ours and vpp_papi's, and operations a second for a cold start and a full
read of 1000 VIPs with 10 application servers each; with the longest time that the reactor stood still meanwhile.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from timeit import repeat

sys.path.insert(0, str(Path(__file__).parents[2]))

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from maglev.runtime.cooperator import Cooperator
from maglev.vpp.api.connection import connect
from maglev.vpp.api.definitions import Layouts, compile_module
from maglev.vpp.lb.calls import LbApi
from maglev.vpp.lb.cli import lb_for
from maglev.vpp.lb.state import AddServer, AddVip, Encap, SetWeight, VipKey
from tests.fakes.fake_vpp import module_text, papi_messages
from tests.fakes.vpp_instance import private_vpp

VIPS, SERVERS = 1000, 10
KEYS = [VipKey(f"192.0.{number >> 8}.{number & 255}", 32, 6, 80) for number in range(1, VIPS + 1)]
ADDRESSES = [f"10.0.0.{number}" for number in range(1, SERVERS + 1)]


def say(what: str, *numbers: str) -> None:
    print(f"{what:44}", *(f"{number:>14}" for number in numbers))


def micros(call, count=20000) -> float:
    return min(repeat(call, number=count, repeat=3)) / count * 1e6


def codec() -> None:
    layouts = {name: layout for name, _, layout in compile_module(json.loads(module_text("lb")))}
    papi = papi_messages()
    weigh, details = layouts["lb_as_set_weight"], layouts["lb_as_v2_details"]
    packed = bytes([192, 0, 2, 1]) + bytes(12)
    values = (700, 1, 2, 0, packed, 32, 6, 443, 0, packed, 100, False)
    fields = {"_vl_msg_id": 700, "client_index": 1, "context": 2, "pfx": "192.0.2.1/32", "protocol": 6, "port": 443}
    fields |= {"as_address": "10.0.0.1", "weight": 100}
    row = details.pack(700, 2, 0, packed, 32, 6, 443, 0, packed, 1, 0, 100, 10)
    say("microseconds", "ours", "vpp_papi")
    ours, theirs = micros(lambda: weigh.pack(*values)), micros(lambda: papi["lb_as_set_weight"].pack(fields), 2000)
    say("pack lb_as_set_weight", f"{ours:.2f}", f"{theirs:.2f}")
    ours, theirs = micros(lambda: details.unpack(row)), micros(lambda: papi["lb_as_v2_details"].unpack(row), 2000)
    say("unpack lb_as_v2_details", f"{ours:.2f}", f"{theirs:.2f}")


class Stall:
    """Measures the longest time that the reactor was late."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._due = 0.0
        self._call = reactor.callLater(0, self._tick)
        self._due = time.perf_counter()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.worst = max(self.worst, now - self._due)
        self._due = now + 0.001
        self._call = reactor.callLater(0.001, self._tick)

    def stop(self) -> float:
        self._call.cancel()
        return self.worst


async def timed(what: str, count: int, deferred: Deferred) -> object:
    stall, started, cpu = Stall(), time.perf_counter(), time.process_time()
    result = await deferred
    took, used = time.perf_counter() - started, time.process_time() - cpu
    await deferLater(reactor, 0)
    numbers = f"{took * 1e3:.0f} ms", f"{count / took:.0f}/s", f"{used / count * 1e6:.1f} us CPU"
    say(what, *numbers, f"stall {stall.stop() * 1e3:.1f} ms")
    return result


async def against(kind: str) -> None:
    print(f"\n{kind}")
    with private_vpp(kind) as vpp:
        layouts = Layouts()
        for what in ("connect, new definitions", "connect again"):
            coming = connect(
                reactor, Cooperator(reactor).queue("vpp"), vpp.api_socket, layouts=layouts, count=lambda *_: None
            )
            protocol = await timed(what, 1, Deferred.fromCoroutine(coming))
        lb = lb_for(protocol)
        assert isinstance(lb, LbApi)
        pings = gatherResults([lb.ping() for _ in range(10000)])
        await timed("control_ping, pipelined", 10000, pings)
        vips = [AddVip(key, Encap.GRE4, src_ip_sticky=False, table_length=1024) for key in KEYS]
        await timed("add VIPs", VIPS, gatherResults([lb.apply(each) for each in vips]))
        servers = [AddServer(key, address, 100) for key in KEYS for address in ADDRESSES]
        await timed("add application servers", len(servers), gatherResults([lb.apply(each) for each in servers]))
        weights = [SetWeight(key, ADDRESSES[0], 0, previous=100) for key in KEYS]
        await timed("set weights", VIPS, gatherResults([lb.apply(each) for each in weights]))
        state = await timed("read the state of all", len(servers), lb.read_state())
        assert len(state.vips) == VIPS
        assert all(len(vip.servers) == SERVERS and vip.pool_index for vip in state.vips.values())
        protocol.close()


async def main(_: object) -> None:
    codec()
    await against("process")
    if sys.argv[1:]:
        os.environ["MAGLEV_TEST_VPP"] = sys.argv[1]
        await against("real")


react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
