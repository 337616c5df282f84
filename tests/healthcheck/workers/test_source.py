"""Where the checker gets its probers from, through reloads."""

import attrs
import pytest
from twisted.internet.testing import MemoryReactorClock
from zope.interface.verify import verifyObject

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.service import CheckerService
from maglev.healthcheck.workers.process import Spawner, WorkerProcess
from maglev.healthcheck.workers.source import PooledProbers
from maglev.interfaces import IProber
from maglev.model.config import Backend
from maglev.model.result import Code, Result
from maglev.model.via import first_healthcheck
from maglev.state.board import Board
from tests.fakes.configs import make_check, make_config
from tests.fakes.logs import recorded_events
from tests.fakes.probers import FakeProbers
from tests.fakes.workers import STEP, WorkerPoolRig

PASS = Result(Code.L4OK, "", 0.002)


def config(workers, **values):
    made = make_config(**values)
    return attrs.evolve(made, checker=attrs.evolve(made.checker, probe_workers=workers))


class SourceRig(WorkerPoolRig):
    """Where the probes of a board's backends are made; the test is the checker."""

    def __init__(self, workers):
        super().__init__(0)
        self.local = FakeProbers()
        self.config = make_config()
        self.source = PooledProbers(self.local, self.pool)
        self.source.use_workers(workers)
        self.outcomes = []

    def prober(self, name):
        backend = self.config.backends[name]
        return self.source.prober_for(backend, first_healthcheck(self.config, backend), None)

    def remote(self):
        """Return the probers in living workers, by the address of their backend."""
        return {
            address: process.probers.made[address]
            for process in self.live()
            for address in process.probers.made
            if any(slot.address == address for slot in process.worker._slots.values())
        }


class CheckedRig(SourceRig):
    """The same with the checker itself, whose clock is that of the pool."""

    def __init__(self, workers):
        super().__init__(workers)
        self.board = Board(lambda: 0.0, config(workers))
        lag = LagMonitor(self.clock)
        self.checker = CheckerService(self.clock, self.board, self.source, lag, lambda: 1.0)

    def start(self):
        super().start()
        self.checker.startService()
        self.advance(3 * STEP)


@pytest.fixture
def rigs():
    made = []

    def make(workers, kind=SourceRig):
        rig = kind(workers)
        made.append(rig)
        rig.start()
        return rig

    with recorded_events():
        yield make
        for rig in made:
            rig.pool.stopService()
            rig.advance(2)
            assert rig.live() == []


def test_without_workers_the_daemon_probes_itself(rigs):
    rig = rigs(0)
    prober = rig.prober("a")
    assert verifyObject(IProber, prober)
    prober.start(rig.outcomes.append)
    rig.local.made["a"].certificate_expiry = 7.0
    rig.local.made["a"].finish(PASS)
    prober.start(rig.outcomes.append)
    prober.cancel()
    assert rig.outcomes == [PASS]
    assert prober.certificate_expiry == 7.0
    assert rig.local.made["a"].cancels == 1
    assert rig.processes == []


def test_it_is_busy_when_this_process_is(rigs):
    rig = rigs(0)
    assert not rig.source.busy()
    rig.local.is_busy = True
    assert rig.source.busy()


def test_with_workers_it_does_not(rigs):
    rig = rigs(2)
    prober = rig.prober("a")
    assert verifyObject(IProber, prober)
    prober.start(rig.outcomes.append)
    rig.advance(2 * STEP)
    rig.remote()["10.0.0.1"].finish(PASS)
    rig.advance(2 * STEP)
    assert rig.outcomes == [PASS]
    assert rig.local.made == {}


def test_a_change_of_workers_is_another_place_only_from_none_or_to_none(rigs):
    rig = rigs(0)
    assert [rig.source.use_workers(count) for count in (0, 1, 2, 2, 0, 3)] == [False, True, False, False, True, True]


def test_a_change_of_workers_moves_probes_into_them_and_back_without_losing_one(rigs):
    rig = rigs(0)
    rig.prober("a").start(rig.outcomes.append)
    rig.source.use_workers(1)
    rig.advance(2 * STEP)
    rig.local.made["a"].finish(PASS)
    rig.prober("a").start(rig.outcomes.append)
    rig.advance(2 * STEP)
    remote = rig.remote()["10.0.0.1"]
    rig.source.use_workers(0)
    rig.advance(2 * STEP)
    remote.finish(PASS)
    rig.advance(1)
    assert rig.outcomes == [PASS] * 2
    assert rig.live() == []
    rig.prober("a").start(rig.outcomes.append)
    rig.local.made["a"].finish(PASS)
    assert rig.outcomes == [PASS] * 3
    assert rig.pool.slots == {}


def test_a_reload_moves_the_probes_of_the_checker_without_interrupting_one(rigs):
    rig = rigs(0, CheckedRig)
    first = rig.local.made["a"]
    rig.board.apply(config(1))
    rig.advance(2 * STEP)
    assert (first.starts, first.cancels) == (1, 0)
    first.finish(PASS)
    assert rig.checker.probes == 1
    rig.advance(1)
    remote = rig.remote()["10.0.0.1"]
    rig.board.apply(config(0))
    rig.advance(2 * STEP)
    for prober in rig.remote().values():
        if prober.finished is not None:
            prober.finish(PASS)
    rig.advance(2)
    assert (remote.starts, remote.cancels) == (1, 0)
    assert rig.checker.probes >= 2
    assert rig.local.made["a"] is not first
    assert rig.local.made["a"].starts == 1
    assert rig.live() == []


def test_workers_forget_what_a_reload_removes_and_what_is_not_probed_any_more(rigs):
    rig = rigs(1, CheckedRig)
    rig.advance(3)
    assert len(rig.remote()) == 3
    backends = [Backend("b", "10.0.0.2"), Backend("c", "10.0.0.3", "tcp")]
    rig.board.apply(config(1, frontends=[], backends=backends))
    rig.advance(2 * STEP)
    assert set(rig.remote()) == {"10.0.0.3"}
    assert len(rig.source._probers) == 1


def test_workers_follow_a_reload_that_also_changes_the_namespace(rigs):
    rig = rigs(0, CheckedRig)
    rig.board.apply(config(1, netns="blue"))
    rig.advance(1)
    (process,) = rig.live()
    assert process.probers.netns == ["blue"] * 3
    assert rig.local.netns == [None] * 3


def test_a_backend_that_is_checked_in_another_way_has_its_old_prober_forgotten(rigs):
    rig = rigs(1)
    old = rig.prober("a")
    old.start(rig.outcomes.append)
    rig.advance(2 * STEP)
    rig.config = make_config(checks=[make_check(l4_port=81)])
    rig.prober("a").start(rig.outcomes.append)
    old.cancel()
    rig.advance(2 * STEP)
    (worker,) = [process.worker for process in rig.live()]
    assert [slot.spec.healthcheck.l4_port for slot in worker._slots.values()] == [81]
    assert len(worker._specs) == 1


def test_a_reload_that_leaves_the_workers_alone_changes_nothing_for_them(rigs):
    rig = rigs(2, CheckedRig)
    rig.board.apply(config(2, history=7))
    rig.advance(STEP)
    assert len(rig.processes) == 2


def test_a_worker_is_a_fresh_interpreter_that_finds_our_modules():
    class ProcessReactor(MemoryReactorClock):
        def spawnProcess(self, protocol, executable, args, env):
            self.spawned = protocol, executable, args, env

    reactor = ProcessReactor()
    worker = WorkerProcess(reactor, 3, None)
    Spawner(reactor)(worker)
    protocol, executable, args, env = reactor.spawned
    assert protocol is worker
    assert args[0] == executable
    assert args[1:5] == ["-P", "-m", "maglev.healthcheck.workers.program", "3"]
    assert "" not in env["PYTHONPATH"].split(":")
