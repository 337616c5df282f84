"""A process that serves the real verbs over Perspective Broker, with VPP off.

Backends are named b0, b1 ... and change their states so many times a second, in turn.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import time
import types
from pathlib import Path

from maglev.runtime.admission import Descriptors
from maglev.runtime.cooperator import Cooperator
from tests.fakes.announcements import announcer_of
from tests.fakes.forked import ForkedProcess

GROUP = 20
"""Backends of one frontend."""


class PbDaemon:
    """Such a process; a context manager."""

    def __init__(self, folder, backends=4, rate=0.0, uids=None):
        self.path = folder / "run" / "pb.sock"
        self.address = f"unix:{self.path}"
        self._log = folder / "daemon.log"
        self._arguments = [str(self.path), backends, rate, [os.geteuid()] if uids is None else list(uids)]
        self.process = None

    def __enter__(self):
        self.process = ForkedProcess(serve, *self._arguments, output=self._log, folder=Path(__file__).parents[2])
        try:
            self._wait_until_up()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        return self

    def _wait_until_up(self):
        deadline = time.monotonic() + 60
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            # Between its bind and its listen there is a socket that refuses.
            while client.connect_ex(str(self.path)):
                assert self.process.poll() is None, self.output()
                assert time.monotonic() < deadline, f"not up after a minute: {self.output()}"
                time.sleep(0.02)
            # When it greets, its reactor runs, and has opened all that it needs.
            assert client.recv(1)
        while self.connected():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def connected(self):
        """Return the number of its connections on the UNIX socket."""
        table = Path("/proc/net/unix").read_text().splitlines()[1:]
        return sum(line.endswith(f" {self.path}") for line in table) - 1

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """End it, if it has not ended yet."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0, self.output()

    def output(self):
        return self._log.read_text()

    def memory(self):
        """Return its resident memory, in bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def descriptors(self):
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def lag(self):
        """Return (delays, work) since the last question, each sorted.

        Delays are those of calls that were due, in seconds; on a busy machine most of them are other processes' doing.
        Work is the processor time that the reactor used from one such call, 10 ms apart, to the next.
        """
        self.process.send_signal(signal.SIGUSR1)
        wanted = Path(f"{self.path}.lag")
        deadline = time.monotonic() + 60
        while not wanted.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        pairs = [tuple(map(float, line.split())) for line in wanted.read_text().splitlines()]
        wanted.unlink()
        return [sorted(column) for column in zip(*pairs, strict=True)]


class _Off:
    sync = None
    departures = types.SimpleNamespace(departing=lambda _key: {}, release=lambda: None)

    def __getattr__(self, _name):
        from maglev.model.errors import VppOffError

        raise VppOffError("VPP is switched off: --vpp-api-addr is empty")


def serve(path, backends, rate, uids):
    from twisted.internet import reactor
    from twisted.internet.task import LoopingCall
    from twisted.logger import globalLogPublisher

    from maglev.control.events import EventHub
    from maglev.control.sessions import Sessions
    from maglev.control.verbs import Control
    from maglev.model.build import read_build
    from maglev.model.result import Code, Result
    from maglev.rpc.server.identity import Identities, Operators, UserNames
    from maglev.rpc.server.service import PbService
    from maglev.runtime.clock import use_monotonic_time
    from maglev.runtime.listening import UnixSocket
    from maglev.state.board import Board
    from tests.fakes.configs import make_config, make_frontend
    from tests.fakes.overrides import overrides_of

    use_monotonic_time(reactor)
    names = [f"b{number}" for number in range(backends)]
    groups = [names[start : start + GROUP] for start in range(0, len(names), GROUP)]
    frontends = [
        make_frontend("web" if not number else f"web{number}", pools=(group[::2], group[1::2]), port=80 + number)
        for number, group in enumerate(groups)
    ]
    board = Board(time.time, make_config(frontends))
    sessions = Sessions(reactor, time.time)
    feed = EventHub(board, globalLogPublisher)
    cooperator = Cooperator(reactor)
    control = Control(
        cooperator.queue("control"),
        board,
        _Off(),
        None,
        feed,
        sessions,
        read_build(),
        time.time,
        dict,
        overrides_of(board, reactor),
        announcer_of(board, reactor),
    )
    identities = Identities(Operators(frozenset(uids)), UserNames(reactor))
    service = PbService(
        reactor,
        cooperator.queue("pb"),
        control.for_caller,
        sessions,
        identities,
        [UnixSocket(reactor, path)],
        Descriptors(lambda: 0),
    )
    turn = itertools.cycle(names)
    per_call = max(1, round(rate / 100))

    def flap():
        for _ in range(per_call):
            name = next(turn)
            result = Result(Code.L4CON if board.backends[name].state == "up" else Code.L4OK)
            for _ in range(4):
                board.record(name, result)

    delays = []
    due = [reactor.seconds() + 0.01, time.thread_time()]

    def look():
        now, used = reactor.seconds(), time.thread_time()
        delays.append(f"{now - due[0]} {used - due[1]}")
        due[:] = now + 0.01, used
        reactor.callLater(0.01, look)

    def report():
        part = Path(f"{path}.part")
        part.write_text("\n".join(delays))
        part.rename(f"{path}.lag")
        delays.clear()

    signal.signal(signal.SIGUSR1, lambda *_: reactor.callFromThread(report))
    if rate:
        LoopingCall(flap).start(per_call / rate, now=False)
    look()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
