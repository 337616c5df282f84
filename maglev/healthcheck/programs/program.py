"""The main program of the small process that runs programs; only the daemon starts it.

It reads requests from its standard input and writes results to its standard output, each a line of JSON. When its input
ends, that is with the daemon, it ends all runs, and then itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import selectors
import signal
import time
from typing import Any, Final

from maglev.healthcheck.programs.supervisor import MANY, PATIENCE, ProgramRun, become_reaper, kill_all, supervise

CHUNK: Final = 1 << 16
LOOK: Final = 0.05
"""Seconds between two looks for supervisors that have told their result and not ended yet."""

NICENESS: Final = 10
"""Programs that use a lot of time shall not make the daemon late."""

_PR_SET_NAME: Final = 15

_IGNORED: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
"""Signals that are meant for the daemon, whose end ends this process."""


def main() -> None:
    """Run programs until the daemon closes the channel."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_NAME, b"maglevd-exec", 0, 0, 0)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    become_reaper()
    requests, results = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    ExecRunner(requests, results).run()


class RunUnderWay:
    """One supervisor.

    Attributes:
        number: Of the run.
        pid: Of the supervisor.
        control: Closed to end the run; None if that is done.
        said: What the supervisor has written.
    """

    def __init__(self, number: int, pid: int, control: int) -> None:
        self.number = number
        self.pid = pid
        self.control: int | None = control
        self.said = b""

    def stop(self) -> None:
        """Have everything killed."""
        if self.control is not None:
            os.close(self.control)
            self.control = None


class ExecRunner:
    """Starts supervisors, and tells their results."""

    def __init__(self, requests: int, results: int) -> None:
        self._requests = requests
        self._results = results
        self._said = b""
        self._selector = selectors.DefaultSelector()
        self._runs: dict[int, RunUnderWay] = {}
        self._leaving: set[int] = set()

    def run(self) -> None:
        """Run until the channel ends and nothing is under way."""
        self._selector.register(self._requests, selectors.EVENT_READ)
        going = True
        while going or self._runs:
            for key, _ in self._selector.select(LOOK if self._leaving or not going else None):
                if isinstance(key.data, RunUnderWay):
                    self._hear(key.fd, key.data)
                elif going:
                    going = self._take()
            if not going:
                self._forget_requests()
                for each in self._runs.values():
                    each.stop()
            self._reap()
        kill_all(time.monotonic() + PATIENCE)

    def _forget_requests(self) -> None:
        with contextlib.suppress(KeyError):
            self._selector.unregister(self._requests)

    def _take(self) -> bool:
        """Read requests; return whether there may be more."""
        data = os.read(self._requests, CHUNK)
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "stop" in request:
                found = self._runs.get(request["stop"])
                if found is not None:
                    found.stop()
            else:
                self._begin(request)
        return bool(data)

    def _begin(self, request: dict[str, Any]) -> None:
        number = request["run"]
        run = ProgramRun(request["command"], request["environment"], request["timeout"], request["namespace"])
        opened: list[int] = []
        try:
            opened += os.pipe()
            opened += os.pipe()
            pid = os.fork()
        except OSError as error:
            for each in opened:
                os.close(each)
            self._tell(number, {"how": "fault", "number": error.errno, "text": str(error)})
            return
        watched, control, said, results = opened
        if not pid:
            _supervise(run, watched, results)
        os.close(watched)
        os.close(results)
        self._runs[number] = made = RunUnderWay(number, pid, control)
        self._selector.register(said, selectors.EVENT_READ, made)

    def _hear(self, descriptor: int, run: RunUnderWay) -> None:
        """Read what a supervisor says; its end is the end of the run."""
        data = os.read(descriptor, CHUNK)
        if data:
            run.said += data
            return
        self._selector.unregister(descriptor)
        os.close(descriptor)
        run.stop()
        del self._runs[run.number]
        try:
            outcome = json.loads(run.said)
        except ValueError:
            # It was killed. What was below it is below this process now.
            outcome = {"how": "fault", "number": errno.ECHILD, "text": "its supervisor ended"}
            kill_all(time.monotonic() + PATIENCE, frozenset({each.pid for each in self._runs.values()} | self._leaving))
        self._tell(run.number, outcome)
        self._leaving.add(run.pid)

    def _reap(self) -> None:
        """Let supervisors go that have ended; one may take longer than its result."""
        for pid in tuple(self._leaving):
            with contextlib.suppress(ChildProcessError):
                if not os.waitpid(pid, os.WNOHANG)[0]:
                    continue
            self._leaving.discard(pid)

    def _tell(self, number: int, outcome: dict[str, Any]) -> None:
        data = json.dumps({"run": number, **outcome}).encode("ascii") + b"\n"
        with contextlib.suppress(OSError):  # the daemon has gone
            while data:
                data = data[os.write(self._results, data) :]


def _supervise(run: ProgramRun, watched: int, results: int) -> None:
    """Become a supervisor, with no other descriptors than its own."""
    try:
        high = [os.dup(each) for each in (watched, results)]
        while min(high) < 5:
            high = [os.dup(each) for each in high]
        os.dup2(high[0], 3, inheritable=False)
        os.dup2(high[1], 4, inheritable=False)
        os.closerange(5, MANY)
    except OSError:
        os._exit(1)
    supervise(run, 3, 4)


if __name__ == "__main__":
    main()
