"""What a probe costs beside a check of HAProxy: CPU of the checking process alone, for the same work.

1,000 backends at an interval of one second, one nginx for both on another core, runs in turn: ours, theirs, ours,
theirs. From the CPU time of a few thousand probes that of the same program with the same backends and nothing to do (an
interval of an hour) is taken away, and the rest divided by the connections that the kernel counted in our network
namespace (for ICMP: by the echo requests).
"""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.bench import haproxy, keepalived, usage
from tests.bench.backends import SERVER_NAME, Backends, NotThereError
from tests.bench.figures import Figure, compared
from tests.bench.options import Options
from tests.bench.ours import Ours, check
from tests.fakes.certificates import Authority

SERVERS = 1000
INTERVAL = 1.0
TIMEOUT = 0.9
NEVER = 3600.0
SETTLE = 2 * SERVERS
"""Probes that do not count."""
WINDOW = 3 * SERVERS
"""Probes that do."""
IDLE = 3.0
"""Seconds in which the idle load is measured."""
PATIENCE = 120.0
"""Seconds until a program that does not probe is given up."""

TITLES = {
    "tcp": "CPU per TCP probe",
    "http": "CPU per HTTP probe",
    "https": "CPU per HTTPS probe, sessions resumed",
    "https-full": "CPU per HTTPS probe, full handshakes",
    "icmp": "CPU per ICMP probe, against a TCP check",
}


class Checker(Protocol):
    """A running program that checks."""

    pid: int
    process: subprocess.Popen[bytes]

    def output(self) -> str:
        """Return what it wrote."""


Start = Callable[[str, float], AbstractContextManager[Checker]]
"""Starts a program: the kind of check, and the interval."""


class ProgramRun(NamedTuple):
    """One run of one program: all but its start."""

    cpu: float
    """Seconds."""
    probes: int
    seconds: float


def watch(program: Checker, count: Callable[[], int], settle: int, probes: int, seconds: float) -> ProgramRun:
    """Watch a program that was just started.

    It is watched for a number of probes and not of seconds, so that a busy machine makes it last longer, not worse.

    Args:
        program: Which.
        count: Tells how many probes there were.
        settle: So many probes do not count: it starts, and every backend is new.
        probes: So many do; 0 for as many as there are in `seconds`.
        seconds: How long to watch at least.
    """
    wait_for(program, count, count() + settle)
    used, before, start = usage.cpu_seconds(program.pid), count(), time.monotonic()
    time.sleep(seconds)
    wait_for(program, count, before + probes)
    used, made = usage.cpu_seconds(program.pid) - used, count() - before
    return ProgramRun(used, made, time.monotonic() - start)


def wait_for(program: Checker, count: Callable[[], int], probes: int) -> None:
    """Wait until there were so many probes."""
    deadline = time.monotonic() + PATIENCE
    while count() < probes:
        time.sleep(0.05)
        if program.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no more probes, exit status {program.process.poll()}: {program.output()[-2000:]}")


def resumed(counts: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Return in which shares of the requests a session had been resumed, ours and theirs.

    Args:
        counts: Requests, and those over resumed sessions, so far: before the first run, after ours, after theirs, ...
    """
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in itertools.pairwise(counts)]
    ours, theirs = (
        sum(step[1] for step in steps[first::2]) / max(1, sum(step[0] for step in steps[first::2])) for first in (0, 1)
    )
    return ours, theirs


class Comparison:
    """Measures ours and theirs in turn."""

    def __init__(self, folder: Path, authority: Authority, backends: Backends, options: Options) -> None:
        self._folder = folder
        self._backends = backends
        self._root = authority.write_root(folder)
        os.environ["SSL_CERT_FILE"] = self._root  # ours trusts the authorities of the system
        self._options = options

    def ours(self, kind: str, interval: float) -> Ours:
        """Start ours."""
        return Ours(self._folder, SERVERS, check(kind, interval, TIMEOUT))

    def theirs(self, kind: str, interval: float) -> haproxy.Haproxy:
        """Start HAProxy; it has no ICMP checks, so that TCP stands in for them."""
        kind = "tcp" if kind == "icmp" else kind
        socket = self._folder / "haproxy.sock"
        text = haproxy.configuration(socket, kind, SERVERS, interval, TIMEOUT, self._root)
        return haproxy.Haproxy(self._folder, text)

    def keepalived(self, kind: str, interval: float) -> keepalived.Keepalived:
        """Start keepalived."""
        return keepalived.Keepalived(self._folder, keepalived.configuration(kind, SERVERS, interval, TIMEOUT))

    def idle(self, start: Start, kind: str) -> float:
        """Return the share of a core that a program takes with nothing to do."""
        count = usage.pings if kind == "icmp" and start == self.ours else usage.connects
        before = count()
        with start(kind, NEVER) as program:
            wait_for(program, count, before + 1)
            time.sleep(IDLE)  # it starts
            runs = [watch(program, usage.connects, 0, 0, IDLE / 3) for _ in range(3)]
            return min(run.cpu / run.seconds for run in runs)

    def cost(self, start: Start, kind: str, idle: float) -> float:
        """Return microseconds for a probe, from one run."""
        count = usage.pings if kind == "icmp" and start == self.ours else usage.connects
        with start(kind, INTERVAL) as program:
            run = watch(program, count, SETTLE, int(WINDOW * self._options.scale), 0.0)
        return 1e6 * (run.cpu - idle * run.seconds) / run.probes

    def compare(self, kind: str) -> Figure:
        """Return the figure of one kind of probe."""
        idle = [self.idle(start, kind) for start in (self.ours, self.theirs)]
        ours, theirs, sessions = [], [], [self._backends.sessions()]
        for _ in range(self._options.runs):
            ours.append(self.cost(self.ours, kind, idle[0]))
            sessions.append(self._backends.sessions())
            theirs.append(self.cost(self.theirs, kind, idle[1]))
            sessions.append(self._backends.sessions())
        note = f"idle load: ours {100 * idle[0]:.2f} %, HAProxy {100 * idle[1]:.2f} %"
        if kind.startswith("https"):
            note += "; sessions resumed: ours {:.0%}, HAProxy {:.0%}".format(*resumed(sessions))
        return compared(f"cpu-{kind}", TITLES[kind], "us", haproxy.NAME, ours, theirs, note)

    def second_opinion(self, kind: str) -> Figure:
        """Return the figure of one kind of probe beside keepalived."""
        key, title = f"keepalived-{kind}", f"{TITLES[kind]}, against keepalived"
        try:
            idle = self.idle(self.ours, kind)
            ours, theirs = [], []
            for _ in range(min(3, self._options.runs)):
                ours.append(self.cost(self.ours, kind, idle))
                # It takes no interval of an hour without some checks meanwhile; what it does idly stays in.
                theirs.append(self.cost(self.keepalived, kind, 0.0))
        except NotThereError as error:
            return Figure(key, title, missing=str(error))
        note = "" if keepalived.IPVS.exists() else "IPVS replaced by a stub"
        return compared(key, title, "us", keepalived.NAME, ours, theirs, note)


def measure(options: Options) -> Iterator[Figure]:
    """Compare each kind of probe."""
    with tempfile.TemporaryDirectory() as name:
        folder, authority = Path(name), Authority()
        with Backends(folder, authority.issue(folder, SERVER_NAME)) as backends:
            comparison = Comparison(folder, authority, backends, options)
            for kind in options.kinds:
                yield comparison.compare(kind)
            for kind in ("tcp", "http"):
                if kind in options.kinds:
                    yield comparison.second_opinion(kind)
