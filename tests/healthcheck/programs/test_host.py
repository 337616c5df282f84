"""Who may run a program, who waits, and what becomes of all when their process ends; the process is a double."""

from __future__ import annotations

import json

import pytest
from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from maglev.healthcheck.programs.host import LOST, MOST_WAIT, ProgramHost
from maglev.model.check_params import ExecParams
from maglev.model.config import Backend, CheckType
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.configs import make_check

CHECK = make_check("script", type=CheckType.EXEC, l4_port=8080, timeout=3.0, exec=ExecParams(("/bin/check", "a b")))


class FakeRunner:
    """The transport of the process: what it was told, and what it answers."""

    def __init__(self, protocol):
        self.protocol = protocol
        self.pid = 4711
        self.told = []
        self.closed = False
        self.signals = []
        protocol.makeConnection(self)

    def write(self, data):
        self.told += [json.loads(line) for line in data.splitlines()]

    def closeStdin(self):
        self.closed = True

    def signalProcess(self, signal):
        self.signals.append(signal)

    def runs(self):
        return [each["run"] for each in self.told if "run" in each]

    def answer(self, number, how="exit", code=0, **more):
        reply = {"run": number, "how": how, "number": code, "duration": 0.1, **more}
        self.protocol.outReceived(json.dumps(reply).encode() + b"\n")

    def end(self):
        self.protocol.processEnded(Failure(ProcessTerminated(signal=9)))


class SpawningClock(Clock):
    """A clock that starts doubles."""

    def __init__(self):
        super().__init__()
        self.runners = []
        self.error = None

    def spawnProcess(self, protocol, executable, args, env, path):
        if self.error is not None:
            raise self.error
        assert args[1:] == ["-m", "maglev.healthcheck.programs.program"]
        assert path == "/"
        self.runners.append(FakeRunner(protocol))


class HostRig:
    def __init__(self, at_once=2):
        self.clock = SpawningClock()
        self.at_once = at_once
        self.host = ProgramHost(self.clock, lambda: self.at_once)
        self.host.startService()
        self.outcomes = {}

    @property
    def runner(self):
        return self.clock.runners[-1]

    def start(self, *names):
        probers = [self.host.prober_for(Backend(name, "10.0.0.1"), CHECK, None) for name in names]
        for name, prober in zip(names, probers, strict=True):
            prober.start(lambda outcome, name=name: self.outcomes.setdefault(name, []).append(outcome))
        return probers


@pytest.fixture
def rig():
    return HostRig()


def test_a_program_is_told_little_and_its_end_is_the_result(rig):
    (prober,) = rig.start("a/script")
    assert rig.runner.told == [
        {
            "run": 1,
            "command": ["/bin/check", "a b"],
            "environment": {
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "MAGLEV_BACKEND": "a",
                "MAGLEV_ADDRESS": "10.0.0.1",
                "MAGLEV_HEALTHCHECK": "script",
                "MAGLEV_TIMEOUT": "3",
                "MAGLEV_PORT": "8080",
            },
            "timeout": 3.0,
            "namespace": None,
        }
    ]
    with pytest.raises(RuntimeError):
        prober.start(lambda _: None)
    rig.runner.answer(1, line="well")
    assert rig.outcomes == {"a/script": [Result(Code.PROCOK, "well", 0.1)]}
    assert prober.certificate_expiry is None
    rig.clock.advance(2)
    assert rig.clock.getDelayedCalls() == [], "nothing is looked at while nothing runs"


def test_the_namespace_is_that_of_the_probes(rig):
    assert rig.host.prober_for(Backend("a", "10.0.0.1"), CHECK, "blue").request["namespace"] == "/run/netns/blue"


def test_a_check_without_a_port_has_none():
    rig = HostRig()
    check = make_check("script", type=CheckType.EXEC, l4_port=None, exec=ExecParams(("/bin/check",)))
    request = rig.host.prober_for(Backend("a", "10.0.0.1"), check, None).request
    assert "MAGLEV_PORT" not in request["environment"]


def test_others_wait_for_their_turn_in_order(rig):
    rig.start("a", "b", "c", "d")
    assert rig.runner.runs() == [1, 2]
    rig.runner.answer(2, code=1)
    assert rig.runner.runs() == [1, 2, 3]
    assert rig.outcomes["b"] == [Result(Code.PROCERR, "", 0.1)]
    rig.at_once = 3
    rig.runner.answer(1)
    assert rig.runner.runs() == [1, 2, 3, 4]


def test_who_waits_for_too_long_is_sent_back(rig):
    rig.start("a", "b", "c")
    rig.clock.pump([1.0] * round(MOST_WAIT + 1))
    assert [type(each) for each in rig.outcomes["c"]] == [LocalFault]
    assert rig.outcomes["c"][0].reason == "processes"
    assert "a" not in rig.outcomes


def test_what_is_cancelled_is_killed_or_never_begun(rig):
    a, _, c, _ = rig.start("a", "b", "c", "d")
    c.cancel()
    a.cancel()
    a.cancel()
    assert rig.runner.told[2:3] == [{"stop": 1}]
    assert rig.runner.runs() == [1, 2, 3], "d takes the place of a"
    rig.runner.answer(1)
    rig.runner.answer(2)
    rig.runner.answer(3)
    assert list(rig.outcomes) == ["b", "d"]


def test_the_end_of_the_process_is_not_that_of_the_backends(rig):
    rig.start("a", "b", "c")
    rig.runner.end()
    assert {name: each[0].reason for name, each in rig.outcomes.items()} == {"a": "worker", "b": "worker"}
    rig.start("d")
    assert len(rig.clock.runners) == 2
    assert rig.runner.runs() == [3, 4]


@pytest.mark.parametrize("said", [b"nonsense\n", b"[]\n", b'{"how": "odd"}\n', b"x" * 70000, b"\xff\n"])
def test_a_process_that_says_something_invalid_is_ended(rig, said):
    rig.start("a")
    rig.runner.protocol.outReceived(said)
    assert rig.runner.signals == ["KILL"]
    rig.runner.answer(1)
    assert rig.outcomes == {}
    rig.runner.end()
    assert rig.outcomes["a"][0].reason == "worker"


def test_results_of_nobody_are_ignored_and_pieces_are_put_together(rig):
    rig.start("a")
    rig.runner.answer(7)
    rig.runner.protocol.outReceived(b'{"run": 1, "how": "exit", ')
    rig.runner.protocol.outReceived(b'"number": 0, "duration": 0.1}\n')
    assert len(rig.outcomes["a"]) == 1
    rig.runner.protocol.errReceived(b"a word")


def test_a_process_that_hangs_is_killed(rig):
    rig.start("a")
    rig.clock.pump([1.0] * round(3 + LOST + 2))
    assert rig.runner.signals
    rig.runner.pid = None
    rig.runner.protocol.kill()


def test_without_a_process_there_is_no_evidence(rig):
    rig.clock.error = OSError(11, "Resource temporarily unavailable")
    rig.start("a")
    assert rig.outcomes["a"][0].reason == "worker"


def test_the_daemon_waits_a_moment_for_the_end_of_all(rig):
    rig.start("a")
    ended = []
    rig.host.stopService().addCallback(ended.append)
    assert rig.runner.closed
    rig.runner.end()
    assert ended == [None]


def test_but_not_for_ever_and_not_for_nothing(rig):
    rig.start("a")
    ended = []
    rig.host.stopService().addCallback(ended.append)
    rig.clock.advance(1.0)
    assert ended == [None]
    idle = HostRig()
    idle.host.stopService().addCallback(ended.append)
    assert len(ended) == 2
