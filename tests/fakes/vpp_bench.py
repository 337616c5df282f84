"""A board, the VPP service and a VPP in memory, on a clock of the test."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from maglev.model.config import Backend
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.service import VppService
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.lb import FakeConnector, FakeLb

PASS = Result(Code.L4OK)
FAIL = Result(Code.L4CON)
QUICK = [make_check(rise=1, fall=1)]
WEB = "tcp://192.0.2.1:80"


class VppInMemory:
    """A board, the service, and a VPP in memory."""

    def __init__(self, config=None, vpp=True, known=True, orders=(), **settings):
        self.clock = Clock()
        self.board = Board(lambda: 0.0, config or make_config(checks=QUICK, **settings), dict(orders))
        self.lb = FakeLb()
        self.connector = FakeConnector(self.lb if vpp else None)
        self.service = VppService(Cooperator(self.clock).queue("vpp"), self.board, self.connector, lambda: 1.0)
        if known:
            self.record(**dict.fromkeys(self.board.backends, PASS))
        self.service.startService()

    def record(self, **results):
        for name, result in results.items():
            self.board.record(name, result)

    def weights(self):
        return self.lb.weights()

    def writes(self):
        """Return, and forget, the writes so far."""
        writes, self.lb.writes = self.lb.writes, []
        return writes

    def wait(self, seconds):
        for _ in range(round(seconds * 20)):
            self.clock.advance(0.05)

    def stop(self):
        self.service.stopService()
        assert self.clock.getDelayedCalls() == []


def results_of(coroutine):
    results = []
    Deferred.fromCoroutine(coroutine).addBoth(results.append)
    return results


def servers(bench):
    return bench.weights()[WEB]


def backends(**addresses):
    return [Backend(name, address, "tcp") for name, address in addresses.items()]


def web(*pools, name="web", **changes):
    return make_frontend(name, pools=pools, **changes)


def reload(bench, frontends, made, checks=QUICK, **settings):
    bench.board.apply(make_config(frontends=frontends, backends=made, checks=checks, **settings))


def restart_vpp(bench, lb=None):
    """Let VPP start again, empty, and give us time to see it."""
    bench.connector.kill_vpp()
    bench.connector.start_vpp(lb)
    bench.lb = bench.connector.lb
    bench.wait(0.5)
