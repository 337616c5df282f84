"""A daemon with 20,000 backends: start, memory, descriptors, scrape, reload; and an idle one with three.

It runs as people run it: with the SSH console, Perspective Broker and metrics. The idle one is connected to the
simulator of VPP too; with 20,000 backends it is not, as the simulator would need longer than the daemon. Pauses are
those of `tests.bench.poke`, in CPU time.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import usage
from tests.bench.backends import Backends
from tests.bench.figures import Figure, figure_of
from tests.bench.options import Options
from tests.bench.ours import Ours, check
from tests.bench.poke import poking
from tests.bench.probe_ratio import wait_for
from tests.fakes.vpp_instance import private_vpp

LARGE, SMALL = 20_000, 3
SLOW = 20.0
"""Seconds between two probes of each of the many backends, so that what is measured is not probing."""
IDLE = 10.0


def front_ends(folder: Path) -> tuple[str, ...]:
    """Return the options that switch the console on: in our network namespace its port is free."""
    keys = folder / "operator_keys"
    keys.touch(0o600)
    return "--ssh-addr", "127.0.0.1:2222", "--ssh-operator-keys", str(keys), "--state-dir", str(folder / "state")


def daemon(folder: Path, backends: int, interval: float, *arguments: str) -> Ours:
    """Return a daemon as people run it."""
    arguments = arguments or ("--vpp-api-addr", "")
    return Ours(folder, backends, check("http", interval, 1.0), *arguments, *front_ends(folder))


def start_time(folder: Path, backends: int) -> tuple[float, float]:
    """Return the seconds from the start of the process to its first probe: on the clock, and of its CPU time."""
    process, before, start = daemon(folder, backends, 2.0), usage.connects(), time.monotonic()
    with process:
        while usage.connects() == before:
            time.sleep(0.001)
            if process.process.poll() is not None:
                raise RuntimeError(process.output()[-2000:])
        return time.monotonic() - start, usage.cpu_seconds(process.pid)


def started(key: str, folder: Path, backends: int, runs: int) -> Figure:
    """Return the figure of a start."""
    times, cpus = zip(*(start_time(folder, backends) for _ in range(runs)), strict=True)
    note = f"CPU time: {statistics.median(cpus):.2f} s"
    return figure_of(key, f"start to first probe, {backends:,} backends", "s", times, note)


def idle_cpu(folder: Path, seconds: float) -> float:
    """Return the share of a core, in percent, that a daemon with three backends takes."""
    with private_vpp("process") as vpp:
        sockets = ("--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
        with daemon(folder, SMALL, 2.0, *sockets) as process:
            time.sleep(5)  # it starts, and fills VPP
            cpu, start = usage.cpu_seconds(process.pid), time.monotonic()
            time.sleep(seconds)
            return 100 * (usage.cpu_seconds(process.pid) - cpu) / (time.monotonic() - start)


def size(folder: Path, backends: int) -> tuple[float, float]:
    """Return the resident memory (bytes) and the descriptors of a daemon that has probed everything twice."""
    with daemon(folder, backends, SLOW / 4) as process:
        wait_for(process, usage.connects, usage.connects() + 2 * backends)
        return usage.memory(process.pid), usage.descriptors(process.pid)


def scrape(process: Ours) -> tuple[float, float, float, int]:
    """Return the longest pause (CPU and wall) and the total CPU of one scrape, in seconds, and its size."""
    command = ["curl", "-sf", "--unix-socket", str(process.metrics_socket), "http://localhost/metrics"]
    before, start = usage.cpu_seconds(process.pid), time.monotonic()
    time.sleep(2)
    base = (usage.cpu_seconds(process.pid) - before) / (time.monotonic() - start)
    cpu, start = usage.cpu_seconds(process.pid), time.monotonic()
    length = len(subprocess.run(command, capture_output=True, check=True).stdout)
    cpu = usage.cpu_seconds(process.pid) - cpu - base * (time.monotonic() - start)
    with poking(process.pid, process.metrics_socket) as pauses:
        time.sleep(0.1)
        subprocess.run(command, capture_output=True, check=True)
        time.sleep(0.1)
    return pauses.cpu, pauses.wall, cpu, length


def reload(process: Ours, number: int) -> tuple[float, float, float]:
    """Change one backend of the file; return the longest pause (CPU and wall), and how long it took, in seconds."""
    lines = process.config.read_text().splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if line.startswith("    b7: "))
    lines[at] = f"    b7: {{address: 127.200.0.{number + 1}, healthcheck: check}}\n"
    count = len(process.events("config-applied"))
    with poking(process.pid, process.metrics_socket) as pauses:
        time.sleep(0.1)
        start = time.monotonic()
        process.reload("".join(lines))
        process.wait_for_event("config-applied", 60, after=count)
        took = time.monotonic() - start
        time.sleep(1)  # what it does afterwards counts too
    return pauses.cpu, pauses.wall, took


def measure(options: Options) -> Iterator[Figure]:
    """Measure all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Backends(folder):
            start_time(folder, SMALL)  # makes the host key, once and for all
            yield started("start-3", folder, SMALL, options.runs)
            yield started("start-20000", folder, LARGE, options.runs)
            shares = [idle_cpu(folder, IDLE * options.scale) for _ in range(min(3, options.runs))]
            yield figure_of("idle-cpu", "idle daemon, 3 backends at 2 s: CPU", "%", shares, "simulated VPP")
            yield from sizes(folder)
            yield from at_size(folder, options)


def sizes(folder: Path) -> Iterator[Figure]:
    """Measure memory and descriptors."""
    small, large = size(folder, SMALL), size(folder, LARGE)
    each = [(large[index] - small[index]) * 1000 / (LARGE - SMALL) for index in (0, 1)]
    note = f"{small[0] / 1e6:.0f} MB with 3, {large[0] / 1e6:.0f} MB with 20,000"
    yield figure_of("memory-per-1000", "memory per 1,000 backends", "MB", [each[0] / 1e6], note)
    note = f"{small[1]:.0f} with 3, {large[1]:.0f} with 20,000, at {LARGE * 4 / SLOW:,.0f} probes/s"
    yield figure_of("descriptors-per-1000", "descriptors per 1,000 backends", "", [each[1]], note)


def at_size(folder: Path, options: Options) -> Iterator[Figure]:
    """Measure scrapes and reloads."""
    with daemon(folder, LARGE, SLOW) as process:
        wait_for(process, usage.connects, usage.connects() + LARGE)
        scrapes = [scrape(process) for _ in range(options.runs)]
        reloads = [reload(process, number) for number in range(options.runs)]
    pauses, walls, cpus, lengths = zip(*scrapes, strict=True)
    note = f"wall clock: {1e3 * statistics.median(walls):.0f} ms; {lengths[0] / 1e6:.1f} MB"
    yield figure_of("scrape-pause", "scrape of 20,000 backends: longest pause", "s", pauses, note)
    yield figure_of("scrape-cpu", "scrape of 20,000 backends: CPU", "s", cpus)
    pauses, walls, times = zip(*reloads, strict=True)
    note = f"wall clock: {1e3 * statistics.median(walls):.0f} ms; whole reload: {statistics.median(times):.1f} s"
    yield figure_of("reload-pause", "reload of 20,000 backends, one changed: longest pause", "s", pauses, note)
