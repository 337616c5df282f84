"""The daemon's side of the process that runs programs: who runs, who waits, and what becomes of it."""

from __future__ import annotations

import json
import os
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import ProcessProtocol
from zope.interface import implementer

from maglev.healthcheck.probers.netns import NETNS_DIRECTORIES
from maglev.healthcheck.programs.outcome import outcome_of
from maglev.interfaces import IProber
from maglev.model.check_set import split_probe_name
from maglev.model.result import LocalFault
from maglev.model.text import printable
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from maglev.model.config import Backend, Healthcheck
    from maglev.model.result import Outcome

MOST_WAIT: Final = 5.0
"""Seconds that a run may wait for its turn; after that it is tried again later, and counted as discarded. Less than the
service manager waits for a sign of progress."""

LOST: Final = 20.0
"""Seconds beyond its timeout after which a run is lost: the process hangs, and is killed."""

LOOK: Final = 1.0
"""Seconds between two looks at what waits and what is lost."""

STOP_LIMIT: Final = 1.0
"""Seconds that the process has to end everything when the daemon stops."""

LINE_LIMIT: Final = 1 << 16
"""Bytes of a result: its texts have some hundred."""

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_GONE: Final = LocalFault("worker", "the process that runs programs ended")
_BUSY: Final = LocalFault("processes", "as many programs run as may at once (at-once)")


def environment_of(backend: Backend, healthcheck: Healthcheck) -> dict[str, str]:
    """Return the whole environment of a program."""
    port = {} if healthcheck.l4_port is None else {"MAGLEV_PORT": str(healthcheck.l4_port)}
    return {
        "PATH": PATH,
        "MAGLEV_BACKEND": split_probe_name(backend.name)[0],
        "MAGLEV_ADDRESS": backend.address,
        "MAGLEV_HEALTHCHECK": healthcheck.name,
        "MAGLEV_TIMEOUT": f"{healthcheck.timeout:g}",
        **port,
    }


@implementer(IProber)
class ExecProber:
    """Has a program run for one backend, over and over."""

    certificate_expiry: float | None = None

    def __init__(self, host: ProgramHost, request: dict[str, Any]) -> None:
        self._host = host
        self._finished: Callable[[Outcome], None] | None = None
        self.request = request

    def start(self, finished: Callable[[Outcome], None]) -> None:
        """Have it run once (`IProber.start`)."""
        if self._finished is not None:
            message = "a probe is under way"
            raise RuntimeError(message)
        self._finished = finished
        self._host.run(self)

    def cancel(self) -> None:
        """Have it killed, if it runs (`IProber.cancel`)."""
        if self._finished is not None:
            self._finished = None
            self._host.cancel(self)

    def conclude(self, outcome: Outcome) -> None:
        """End the probe."""
        finished, self._finished = self._finished, None
        if finished is not None:
            finished(outcome)


class ProgramHost(Service):
    """Has programs run in another process, so many at once.

    Attributes:
        under_way: The probers whose programs run, by number.
        waiting: Those that wait for their turn, with the time since which they do; the oldest first.
    """

    _log = EventLogger()

    def __init__(self, reactor: Any, at_once: Callable[[], int]) -> None:
        """Prepare; the process is started when the first program is to be run.

        Args:
            reactor: Starts processes, and has a monotonic clock.
            at_once: Returns how many programs may run at once.
        """
        self._reactor = reactor
        self._at_once = at_once
        self._process: RunnerProcess | None = None
        self._number = 0
        self._look_call: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._lost_at: dict[int, float] = {}
        self.under_way: dict[int, ExecProber] = {}
        self.waiting: OrderedDict[ExecProber, float] = OrderedDict()

    def prober_for(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> ExecProber:
        """Return a prober that runs the program of a healthcheck for a backend."""
        assert healthcheck.exec is not None  # noqa: S101  # the type of the healthcheck is exec
        request = {
            "command": list(healthcheck.exec.command),
            "environment": environment_of(backend, healthcheck),
            "timeout": healthcheck.timeout,
            "namespace": None if netns is None else f"{NETNS_DIRECTORIES[0]}/{netns}",
        }
        return ExecProber(self, request)

    def run(self, prober: ExecProber) -> None:
        """Run a program, now or when it is its turn."""
        if self._look_call is None:
            self._look_call = self._reactor.callLater(LOOK, self._look)
        self.waiting[prober] = self._reactor.seconds()
        self._begin_some()

    def cancel(self, prober: ExecProber) -> None:
        """Forget a prober, and have its program killed."""
        if self.waiting.pop(prober, None) is not None:
            return
        for number in [number for number, each in self.under_way.items() if each is prober]:
            self._forget(number)
            if self._process is not None:
                self._process.say({"stop": number})
        self._begin_some()

    def stopService(self) -> Deferred[None]:
        """Have everything killed, and wait a moment for that."""
        Service.stopService(self)
        if self._look_call is not None:
            self._look_call.cancel()
            self._look_call = None
        if self._process is None:
            return succeed(None)
        self._stopped = Deferred()
        self._stopped.addTimeout(STOP_LIMIT, self._reactor, lambda _result, _timeout: None)
        self._process.close()
        return self._stopped

    # The process

    def heard(self, reply: Any) -> None:
        """Take a result.

        Raises:
            ValueError: It is not valid.
        """
        outcome = outcome_of(reply)
        number = reply.get("run")
        prober = self.under_way.get(number) if type(number) is int else None
        if prober is not None and type(number) is int:
            self._forget(number)
            prober.conclude(outcome)
            self._begin_some()

    def ended(self, why: str) -> None:
        """Give up what was under way; the next run starts the process again."""
        self._process = None
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)
            return
        self._log.warn("exec-process-ended", reason=why, running=len(self.under_way))
        lost = list(self.under_way.values())
        self.under_way.clear()
        self._lost_at.clear()
        for prober in lost:
            prober.conclude(_GONE)

    def _forget(self, number: int) -> None:
        del self.under_way[number]
        del self._lost_at[number]

    def _begin_some(self) -> None:
        while self.waiting and len(self.under_way) < self._at_once():
            prober, _ = self.waiting.popitem(last=False)
            process = self._process
            if process is None:
                process = self._start()
            if process is None:
                prober.conclude(LocalFault("worker", "the process that runs programs could not be started"))
                continue
            self._number += 1
            self.under_way[self._number] = prober
            self._lost_at[self._number] = self._reactor.seconds() + prober.request["timeout"] + LOST
            process.say({"run": self._number, **prober.request})

    def _start(self) -> RunnerProcess | None:
        process = RunnerProcess(self)
        command = [sys.executable, "-m", "maglev.healthcheck.programs.program"]
        environment = {key: os.environ[key] for key in ("PYTHONPATH", "LANG") if key in os.environ}
        try:
            self._reactor.spawnProcess(process, sys.executable, command, env=environment, path="/")
        except OSError as error:
            self._log.error("exec-process-failed", problem=printable(str(error)))
            return None
        self._process = process
        return process

    def _look(self) -> None:
        """Send back what has waited for too long, and kill a process that hangs."""
        self._look_call = None
        now = self._reactor.seconds()
        late = [prober for prober, since in self.waiting.items() if now - since >= MOST_WAIT]
        for prober in late:
            if self.waiting.pop(prober, None) is not None:
                prober.conclude(_BUSY)
        if self._process is not None and any(at <= now for at in self._lost_at.values()):
            self._process.kill()
        if self._look_call is None and (self.waiting or self.under_way):
            self._look_call = self._reactor.callLater(LOOK, self._look)


class RunnerProcess(ProcessProtocol):
    """The process that runs programs."""

    _log = EventLogger()

    def __init__(self, host: ProgramHost) -> None:
        self._host = host
        self._said = b""
        self._why = ""

    def say(self, request: dict[str, Any]) -> None:
        """Send a request."""
        transport: Any = self.transport
        transport.write(json.dumps(request).encode("ascii") + b"\n")

    def close(self) -> None:
        """End its input, upon which it kills everything and exits."""
        transport: Any = self.transport
        transport.closeStdin()

    def kill(self, why: str = "it hangs") -> None:
        """Kill it; the supervisors then kill what they have."""
        self._why = why
        transport: Any = self.transport
        if transport.pid is not None:
            transport.signalProcess("KILL")

    def outReceived(self, data: bytes) -> None:
        """Take results; an invalid one ends the process."""
        if self._why:
            return
        *lines, self._said = (self._said + data).split(b"\n")
        try:
            for line in lines:
                self._host.heard(json.loads(line))
        except ValueError as error:
            self.kill(f"invalid result: {printable(str(error))}")
        if len(self._said) > LINE_LIMIT:
            self.kill("a result without an end")

    def errReceived(self, data: bytes) -> None:
        """Log what it says: nothing but a bug makes it speak."""
        self._log.warn("exec-process-output", text=printable(data))

    def processEnded(self, reason: Failure) -> None:
        """Tell the host."""
        self._host.ended(self._why or printable(reason.getErrorMessage()))
