"""What keeping VPP programmed costs: run it as a program, with the path of a VPP to measure a real one.

    python -m tests.bench.vpp_sync [--found FILE] [/usr/bin/vpp]

Writes what matters most into FILE, as JSON, for `tests.bench.sync`. Prints times of: a cold start of 1,000 VIPs (100 in
the simulator) of 10 application servers, beside the least that any client needs for the same messages; a full read and
comparison at that size, with the longest time that the reactor stood still; from a failed probe to VPP's answer about
the weight; and a VIP of 1,000 application servers, filled, halved and recreated (not with FILE).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.logger import LogLevel, globalLogBeginner

from maglev.control.verbs import Control
from maglev.model.config import Backend
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.runtime.garbage import settle
from maglev.runtime.logs.observer import LineObserver
from maglev.runtime.logs.render import render_json
from maglev.runtime.logs.writer import LineWriter
from maglev.state.board import Board
from maglev.vpp.lb.state import key_of
from maglev.vpp.lb.wire import pack_address, pack_key
from maglev.vpp.sync.link import MessageCounter, VppConnector
from maglev.vpp.sync.service import VppService
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.vpp_instance import private_vpp

parser = argparse.ArgumentParser()
parser.add_argument("--found", type=Path)
parser.add_argument("vpp", nargs="?")
ARGUMENTS = parser.parse_args()
REAL = ARGUMENTS.vpp is not None
# The simulator builds its tables in Python: a tenth is enough for it.
VIPS, SERVERS, LARGE = (1000 if REAL else 100), 10, 1000
WINDOW = 256
PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON)
CHECKS = [make_check(rise=1, fall=1)]
NAMES = [f"b{number}" for number in range(SERVERS)]


def say(what: str, *numbers: str) -> None:
    print(f"{what:60}", *(f"{number:>12}" for number in numbers), flush=True)


def many_frontends():
    """Return 1,000 frontends of 10 backends; each of the first has one backend to itself."""
    backends = [Backend(name, f"10.0.0.{number}", "tcp") for number, name in enumerate(NAMES, 1)]
    backends += [Backend(f"own{n}", f"10.1.{n >> 8}.{n & 255}", "tcp") for n in range(VIPS)]
    frontends = [
        make_frontend(f"f{n}", f"192.0.{n >> 8}.{n & 255}", pools=((*NAMES[1:], f"own{n}"),)) for n in range(VIPS)
    ]
    return make_config(frontends=frontends, backends=backends, checks=CHECKS)


def one_frontend(count=LARGE, **changes):
    names = [f"b{number}" for number in range(count)]
    backends = [Backend(name, f"10.2.{n >> 8}.{n & 255}", "tcp") for n, name in enumerate(names)]
    return make_config(frontends=[make_frontend(pools=(names,), **changes)], backends=backends, checks=CHECKS)


class PauseMeter:
    """Measures how long the reactor works before it has a turn for others: in CPU time, so that it is our work only."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._call = None
        self._last = time.thread_time()
        self._tick()

    def _tick(self) -> None:
        now = time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now
        self._call = reactor.callLater(0, self._tick)

    def stop(self) -> float:
        self._call.cancel()
        return self.longest * 1000


def cpu_of(vpp) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{vpp.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class VppOnReactor:
    """A board and the VPP service on the real reactor."""

    def __init__(self, vpp, config):
        self.board = Board(time.time, config)
        for name in self.board.backends:
            self.board.record(name, PASS)
        work = Cooperator(reactor).queue("vpp")
        connector = VppConnector(reactor, work, vpp.api_socket, vpp.stats_socket, MessageCounter())
        self.service = VppService(work, self.board, connector, lambda: 1.0)
        self.writes = 0

    async def until(self, condition, seconds=30.0):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "too long"
            await deferLater(reactor, 0.001)

    def weights(self, name="web"):
        sync = self.service.sync
        vip = next(iter(sync.ledger.vips.values()), None) if sync else None
        return [server.weight for server in vip.servers.values()] if vip else []


def floor(vpp, config) -> float:
    """Return the seconds that a client needs that does nothing but send these messages and count the answers."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(vpp.api_socket)
        reader = FrameReader(sock)
        sock.sendall(_frame(struct.pack(">HI64s", 15, 1, b"floor")))
        welcome = reader.next()
        *_, client, count = struct.unpack_from(">HIIiIH", welcome)
        ids = {}
        for number, name in struct.iter_unpack(">H64s", welcome[20 : 20 + 66 * count]):
            ids[name.rstrip(b"\0").decode().rsplit("_", 1)[0]] = number
        frames = list(_frames(config, ids, client))
        start = time.perf_counter()
        sent = answered = 0
        while answered < len(frames):
            more = min(len(frames), answered + WINDOW)
            if more > sent:
                sock.sendall(b"".join(frames[sent:more]))
                sent = more
            answered += reader.skip()
        return time.perf_counter() - start


class FrameReader:
    """Frames from a blocking socket."""

    def __init__(self, sock) -> None:
        self._sock = sock
        self._data = bytearray()

    def next(self) -> bytes:
        while True:
            if len(self._data) >= 16:
                (size,) = struct.unpack_from(">I", self._data, 8)
                if len(self._data) >= 16 + size:
                    message = bytes(self._data[16 : 16 + size])
                    del self._data[: 16 + size]
                    return message
            self._data += self._sock.recv(1 << 16)

    def skip(self) -> int:
        """Wait for answers of 10 bytes, and return how many there are."""
        self._data += self._sock.recv(1 << 16)
        count = len(self._data) // 26
        for index in range(count):
            assert self._data[26 * index + 22 : 26 * index + 26] == b"\0\0\0\0", "refused"
        del self._data[: 26 * count]
        return count


def _frame(message: bytes) -> bytes:
    return struct.pack(">QII", 0, len(message), 0) + message


def _frames(config, ids, client):
    vip, server = struct.Struct(">HIIB16sBBHIBIHHI??"), struct.Struct(">HIIB16sBBHB16sB??")
    for frontend in config.frontends.values():
        key = pack_key(key_of(frontend))
        yield _frame(vip.pack(ids["lb_add_del_vip_v2"], client, 1, *key, 0, 0, 0, 0, 0, 1024, False, False))
        for name in frontend.backends:
            address = pack_address(config.backends[name].address)
            yield _frame(server.pack(ids["lb_add_del_as_v2"], client, 1, *key, *address, 100, False, False))


found = {}
"""What goes into the file; seconds."""


async def cold_start(vpp, config) -> None:
    used = cpu_of(vpp)
    least = floor(vpp, config)
    least_cpu = cpu_of(vpp) - used
    vpp.restart()
    rig = VppOnReactor(vpp, config)
    rig.service.startService()
    await rig.until(lambda: rig.service.info)
    start, used, ours = time.perf_counter(), cpu_of(vpp), time.process_time()
    await rig.until(lambda: rig.service.tally.writes["all", "as_added"] >= VIPS * SERVERS)
    took = time.perf_counter() - start
    say(
        "CPU of that",
        f"ours {time.process_time() - ours:.2f}",
        f"VPP {cpu_of(vpp) - used:.2f}",
        f"floor {least_cpu:.2f}",
    )
    found.update(cold=took, floor=least)
    say(
        f"cold start, {VIPS} VIPs of {SERVERS} servers",
        f"{took:.3f} s",
        f"floor {least:.3f}",
        f"ratio {took / least:.2f}",
    )
    await deferLater(reactor, 1.0)
    await full_read(rig)
    await transitions(rig)
    await rig.service.stopService()


async def full_read(rig) -> None:
    pauses = PauseMeter()
    await deferLater(reactor, 0.1)
    start = time.perf_counter()
    assert list(await rig.service.sync_now()) == []
    took = time.perf_counter() - start
    say("full read and comparison", f"{took * 1000:.0f} ms", f"pause {pauses.stop():.1f} ms")
    pauses = PauseMeter()
    await deferLater(reactor, 0.1)
    control = Control(
        Cooperator(reactor).queue("control"), rig.board, rig.service, None, None, None, None, time.time, dict
    )
    preview = await rig.service.require_sync().preview()
    assert preview.plan == {}
    config = attrs.evolve(
        rig.board.config,
        frontends={
            name: attrs.evolve(f, table_length=2048) for name, f in list(rig.board.config.frontends.items())[:200]
        },
    )
    start = time.perf_counter()
    outlook = await control.dry_run(config)
    took = time.perf_counter() - start
    say(f"outlook, {len(outlook)} things", f"{took * 1000:.0f} ms", f"pause {pauses.stop():.1f} ms")


async def transitions(rig) -> None:
    times = []
    counts = rig.service.tally.writes
    for turn in range(4):
        for number in range(0, VIPS, 2):
            before = counts["vip", "as_weight_updated"]
            start = time.perf_counter()
            rig.board.record(f"own{number}", PASS if turn % 2 else FAIL)
            while counts["vip", "as_weight_updated"] == before:
                await deferLater(reactor, 0)
            times.append((time.perf_counter() - start) * 1000)
            await deferLater(reactor, 0.0005)
    times.sort()
    found["transitions"] = [each / 1000 for each in times]
    p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
    say("from a failed probe to VPP's answer", f"p50 {p50:.2f} ms", f"p99 {p99:.2f} ms", f"max {times[-1]:.2f} ms")


async def large(vpp) -> None:
    vpp.restart()
    rig = VppOnReactor(vpp, one_frontend())
    rig.service.startService()
    await rig.until(lambda: rig.service.info)
    start = time.perf_counter()
    await rig.until(lambda: len(rig.weights()) == LARGE)
    say(f"one VIP of {LARGE} servers from empty", f"{(time.perf_counter() - start) * 1000:.0f} ms")
    await deferLater(reactor, 0.5)
    start = time.perf_counter()
    for number in range(LARGE // 2):
        rig.board.record(f"b{number}", FAIL)
    record = time.perf_counter() - start
    await rig.until(lambda: sum(1 for weight in rig.weights() if weight) == LARGE // 2)
    took = time.perf_counter() - start
    say("half of them go down at once", f"{took * 1000:.0f} ms", f"board {record * 1000:.0f} ms")
    await deferLater(reactor, 1.0)
    start = time.perf_counter()
    for number in range(LARGE // 2):
        rig.board.record(f"b{number}", PASS)
    await rig.until(lambda: all(rig.weights()))
    say("and come back", f"{(time.perf_counter() - start) * 1000:.0f} ms")
    await deferLater(reactor, 1.0)
    start = time.perf_counter()
    rig.board.apply(one_frontend(src_ip_sticky=True))
    await rig.until(lambda: [vip.src_ip_sticky for vip in rig.service.sync.ledger.vips.values()] == [True])
    say("recreated", f"{(time.perf_counter() - start) * 1000:.0f} ms")
    await rig.service.stopService()


async def main() -> None:
    log = LineObserver(reactor, LogLevel.info, render_json, LineWriter(os.open(os.devnull, os.O_WRONLY)), time.time)
    globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False)
    gc.collect()
    settle()
    if REAL:
        os.environ["MAGLEV_TEST_VPP"] = ARGUMENTS.vpp
    kind = "real" if REAL else "process"
    say(f"-- {kind}")
    with private_vpp(kind) as vpp:
        await cold_start(vpp, many_frontends())
        if ARGUMENTS.found:
            ARGUMENTS.found.write_text(json.dumps(found))
        else:
            await large(vpp)


def run(_reactor) -> Deferred:
    # The log goes nowhere, and failures with it.
    return Deferred.fromCoroutine(main()).addErrback(lambda failure: sys.exit(failure.getTraceback()))


if __name__ == "__main__":
    react(run)
