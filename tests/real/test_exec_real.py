"""Programs as probes, run for real: how they end, and what is left of them."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from maglev.healthcheck.programs.host import ProgramHost
from maglev.model.check_params import ExecParams
from maglev.model.config import Backend, CheckType, Healthcheck
from maglev.model.result import Code, LocalFault

pytestmark = pytest.mark.real

GENEROUS = 60.0


def marked(mark):
    """Return the processes whose command line has a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


class RealHost:
    """A host in the reactor, and a mark that its programs have in their command lines."""

    def __init__(self):
        from twisted.internet import reactor

        self.reactor = reactor
        self.mark = f"mark-{uuid.uuid4().hex}"
        self.host = ProgramHost(reactor, lambda: 256)
        self.host.startService()

    def start(self, *command, timeout=GENEROUS, address="192.0.2.80"):
        check = Healthcheck("script", CheckType.EXEC, 80, 1, 1, 1, timeout, exec=ExecParams(command))
        prober = self.host.prober_for(Backend("www1", address), check, None)
        outcome = Deferred()
        prober.start(outcome.callback)
        return prober, outcome

    def shell(self, script, **options):
        return self.start("/bin/sh", "-c", script, self.mark, **options)

    async def none_left(self):
        for _ in range(600):
            if not marked(self.mark):
                return True
            await deferLater(self.reactor, 0.1)
        return False


@pytest.fixture
def real():
    made = RealHost()
    yield made
    pytest_twisted.blockon(made.host.stopService())


@pytest_twisted.ensureDeferred
async def test_how_programs_end(real):
    cases = {
        "echo well; echo more; exit 0": (Code.PROCOK, "well"),
        "echo no replica >&2; exit 1": (Code.PROCERR, "no replica"),
        "exit 3": (Code.L7RSP, "ended with status 3"),
        "kill -SEGV $$": (Code.L7RSP, "ended by SIGSEGV"),
        'printf "\\033[31m\\377%s" "$MAGLEV_BACKEND $MAGLEV_ADDRESS $MAGLEV_PORT"': (
            Code.PROCOK,
            r"\x1b[31m\xffwww1 192.0.2.80 80",
        ),
        "env | grep -v '^MAGLEV_\\|^PATH=\\|^PWD=\\|^_=\\|^SHLVL=' | grep . && exit 1; exit 0": (Code.PROCOK, ""),
        "pwd; read x || exit 0; exit 1": (Code.PROCOK, "/"),
        "head -c 1000000 /dev/zero; echo; exit 0": (Code.PROCOK, r"\x00" * 49 + "\\..."),
    }
    outcomes = await gatherResults([real.shell(script)[1] for script in cases])
    found = {script: outcome[:2] for script, outcome in zip(cases, outcomes, strict=True)}
    assert found == cases


@pytest_twisted.ensureDeferred
async def test_what_can_t_be_started_says_nothing_of_the_backend(real):
    for command in ("/nonexistent", "/etc/passwd", "/etc"):
        outcome = await real.start(command)[1]
        assert isinstance(outcome, LocalFault)
        assert outcome.reason == "program"
        assert command in outcome.detail


def hiding(real, then):
    script = f"(setsid sh -c 'while :; do sleep 0.1; done' {real.mark} &) ; setsid sh -c 'sleep 1000; :' {real.mark} & "
    return f"trap '' TERM HUP INT; {script} {then}"


@pytest_twisted.ensureDeferred
async def test_nothing_is_left_of_a_program_that_ends_whatever_it_has_started(real):
    outcome = await real.shell(hiding(real, "echo done; exit 0"))[1]
    assert outcome[:2] == (Code.PROCOK, "done")
    assert await real.none_left()


@pytest_twisted.ensureDeferred
async def test_nothing_is_left_of_programs_that_hang(real):
    outcomes = await gatherResults([real.shell(hiding(real, "sleep 1000"), timeout=0.5)[1] for _ in range(20)])
    assert {outcome.code for outcome in outcomes} == {Code.PROCTOUT}
    assert await real.none_left()


@pytest_twisted.ensureDeferred
async def test_what_is_cancelled_is_killed(real):
    prober, outcome = real.shell(hiding(real, "sleep 1000"))
    while len(marked(real.mark)) < 3:
        await deferLater(real.reactor, 0.05)
    prober.cancel()
    assert await real.none_left()
    assert not outcome.called


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("victim", ["the process", "a supervisor"])
async def test_nothing_is_left_when_one_of_ours_is_killed(real, victim):
    _, outcome = real.shell(hiding(real, "sleep 1000"))
    while len(marked(real.mark)) < 3:
        await deferLater(real.reactor, 0.05)
    runner = real.host._process.transport.pid
    supervisor = int(Path(f"/proc/{runner}/task/{runner}/children").read_text().split()[0])
    os.kill(runner if victim == "the process" else supervisor, signal.SIGKILL)
    result = await outcome
    assert isinstance(result, LocalFault)
    assert result.reason == "worker"
    assert await real.none_left()
    assert (await real.shell("exit 0")[1]).code is Code.PROCOK
