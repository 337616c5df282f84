"""Workers without processes: both ends of the channel in this one, and the test says who lives, hangs and dies."""

from __future__ import annotations

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.workers.codec import Spec
from maglev.healthcheck.workers.pool import WorkerPool
from maglev.healthcheck.workers.process import RemoteProber
from maglev.healthcheck.workers.worker import Worker
from maglev.model.config import Backend
from maglev.model.result import Code, Result
from tests.fakes.configs import make_check
from tests.fakes.probers import FakeProbers

STEP = 0.01
PASS = Result(Code.L4OK, "", 0.002)
SPEC = Spec(make_check(), None)


class MemoryProcess:
    """The process of one worker, as both of its ends see it.

    Attributes:
        probers: Makes its probers; their backends are named by their addresses.
        frozen: It neither reads nor does anything, as after SIGSTOP.
        unborn: Its program has not begun yet.
        deaf: It does not end when its input does.
    """

    def __init__(self, protocol, pid):
        self.protocol = protocol
        self.pid = pid
        self.clock = Clock()
        self.probers = FakeProbers()
        self.lag = LagMonitor(self.clock)
        self.worker = Worker(self.clock, self.probers, self.lag, lambda: 1.5, self._ended)
        self.frozen = self.deaf = self.gone = self.unborn = False
        self.requests = b""
        self.answers = b""
        self._closing = False
        protocol.makeConnection(self)
        self.worker.makeConnection(_Answers(self))

    # What the daemon does with it (IProcessTransport)

    def write(self, data):
        self.requests += data

    def closeStdin(self):
        self._closing = True

    def signalProcess(self, name):
        assert name == "KILL"
        if self.gone:
            raise ProcessExitedAlready
        self.die(ProcessTerminated(signal=9))

    # What the test does with it

    def run(self, seconds):
        """Let it live for so long; hand over what was said."""
        if not self.gone and not self.frozen and not self.unborn:
            data, self.requests = self.requests, b""
            if data:
                self.worker.dataReceived(data)
            self.clock.advance(seconds)
            if self._closing and not self.deaf and not self.gone:
                self.die(ProcessDone(0))
        if not self.gone and not self.unborn:
            answers, self.answers = self.answers, b""
            if answers:
                self.protocol.outReceived(answers)

    def die(self, reason=None):
        """End, with everything that was not handed over."""
        if not self.gone:
            self.gone = True
            self.worker.connectionLost()
            assert self.clock.getDelayedCalls() == []
            self.protocol.processEnded(Failure(reason or ProcessTerminated(signal=9)))

    def _ended(self):
        self._closing = True


class _Answers:
    """The transport of the worker."""

    def __init__(self, process):
        self._process = process

    def write(self, data):
        self._process.answers += data


class WorkerPoolRig:
    """A pool whose workers are in memory.

    Attributes:
        clock: The daemon's; each worker has its own, which goes with it unless it is frozen.
        processes: Every process ever started, in order.
        error: Raised in place of starting the next ones.
        slow: New processes are unborn.
    """

    def __init__(self, count=2):
        self.clock = Clock()
        self.processes = []
        self.error = None
        self.slow = False
        self.pool = WorkerPool(self.clock, self._spawn)
        self.pool.resize(count)

    def _spawn(self, protocol):
        if self.error is not None:
            raise self.error
        process = MemoryProcess(protocol, 100 + len(self.processes))
        process.unborn = self.slow
        self.processes.append(process)

    def start(self):
        self.pool.startService()
        self.advance(STEP)

    def advance(self, seconds):
        """Let time go by for everybody, in steps."""
        for _ in range(max(1, round(seconds / STEP))):
            self.clock.advance(STEP)
            for process in list(self.processes):
                process.run(STEP)

    def live(self):
        return [process for process in self.processes if not process.gone]

    def by_address(self, address):
        """Return the prober of a backend in whichever live worker has it."""
        (found,) = [process.probers.made[address] for process in self.live() if address in process.probers.made]
        return found


class PoolBackends:
    """Backends of a pool: their probers, and what came of each of their probes."""

    def __init__(self, rig, count, spec=SPEC):
        self.rig = rig
        self.probers = {}
        for index in range(count):
            backend = Backend(f"b{index}", f"10.0.0.{index}")
            self.probers[backend.name] = RemoteProber(rig.pool, index + 1, backend, spec)
        self.outcomes = {name: [] for name in self.probers}

    def start(self, *names):
        for name in names or self.probers:
            self.probers[name].start(self.outcomes[name].append)
        self.rig.advance(2 * STEP)

    def at(self, process):
        """Return the names of those that a process was asked to probe, whatever came of it."""
        return {name for name, prober in self.probers.items() if prober.address in process.probers.made}

    def remote(self, name):
        return self.rig.by_address(self.probers[name].address)

    def finish(self, outcome=PASS):
        """Let every probe under way in a live worker end."""
        for process in self.rig.live():
            for prober in process.probers.made.values():
                if prober.finished is not None:
                    prober.finish(outcome)
        self.rig.advance(2 * STEP)
