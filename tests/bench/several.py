"""Two checks for each backend, beside one: memory, CPU and lag of 20,000 backends that are probed every five seconds.

Both checks are HTTP, so that a probe is the same work in both runs.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import usage
from tests.bench.backends import Backends
from tests.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.ours import Ours, check, lag_quantile, total
from tests.bench.probe_ratio import wait_for

BACKENDS = 20_000
INTERVAL = 5.0
TIMEOUT = 1.0
MINUTE = 60.0


def configuration(text: str, checks: int) -> str:
    """Return a configuration of backends with so many checks each."""
    http = check("http", INTERVAL, TIMEOUT)
    names = ["check", *(f"check{number}" for number in range(2, checks + 1))]
    text = text.replace("    check: unused\n", "".join(f"    {name}: {http}\n" for name in names))
    return text.replace("healthcheck: check}", f"healthcheck: [{', '.join(names)}]}}") if checks > 1 else text


def measure(options: Options) -> Iterator[Figure]:
    """Measure one check, then two."""
    with tempfile.TemporaryDirectory() as name, Backends(Path(name)):
        for checks in (1, 2):
            yield from run(Path(name), checks, MINUTE * options.scale)


def run(folder: Path, checks: int, seconds: float) -> Iterator[Figure]:
    """Run a daemon with so many checks for each backend."""
    daemon = Ours(folder, BACKENDS, "unused")
    daemon.config.write_text(configuration(daemon.config.read_text(), checks))
    key, who = f"several-{checks}", f"20,000 backends at 5 s, {'one check' if checks == 1 else 'two checks'} each"
    try:
        with daemon:
            wait_for(daemon, usage.connects, usage.connects() + 2 * checks * BACKENDS)
            memory, before = usage.memory(daemon.pid), daemon.metrics()
            cpu, made, start = usage.cpu_seconds(daemon.pid), usage.connects(), time.monotonic()
            time.sleep(seconds)
            cpu, made = usage.cpu_seconds(daemon.pid) - cpu, usage.connects() - made
            elapsed, after = time.monotonic() - start, daemon.metrics()
    except subprocess.CalledProcessError:
        reason = "the daemon was so busy that a scrape of its metrics did not end within two minutes"
        yield Figure(f"{key}-memory", who, missing=reason)
        return
    yield Figure(f"{key}-memory", f"{who}: memory", "MB", ours=memory / 1e6)
    rate, wanted = made / elapsed, checks * BACKENDS / INTERVAL
    downs = total(after, "maglev_backend_transitions_total", 'to="down"')
    note = f"{rate:,.0f} of {wanted:,.0f} probes/s for {elapsed:.0f} s at {cpu / elapsed:.0%} of a core"
    yield Figure(f"{key}-cpu", f"{who}: CPU per probe", "us", ours=1e6 * cpu / made, note=note)
    lag = lag_quantile(before, after, 0.99)
    note = f"p50 {1e3 * lag_quantile(before, after, 0.5):g} ms; {downs:.0f} false downs"
    yield Figure(f"{key}-lag-p99", f"{who}: lag p99", "s", ours=lag, note=note)
