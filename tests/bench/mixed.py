"""A data centre: 20,000 backends of all kinds at an interval of two seconds, for a minute (ten with ``--long``).

Nine in twenty are probed by TCP, nine by HTTP, one by HTTPS and one by ICMP: 10,000 probes a second.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import usage
from tests.bench.backends import SERVER_NAME, Backends
from tests.bench.figures import Figure
from tests.bench.options import Options
from tests.bench.ours import Ours, check, lag_quantile, total
from tests.bench.place import CHECKER_CORE
from tests.bench.probe_ratio import wait_for
from tests.fakes.certificates import Authority
from tests.fakes.large import large_config

BACKENDS = 20_000
INTERVAL = 2.0
TIMEOUT = 1.0
KINDS = ("tcp", "http") * 9 + ("https", "icmp")
TITLE = "20,000 mixed backends at 2 s"
MINUTE, LONG = 60.0, 600.0


def configuration(backends: int, workers: int = 0) -> str:
    """Return a configuration of backends of all kinds, probed by so many workers."""
    text = large_config(backends, "unused")
    checks = "".join(f"    {kind}: {check(kind, INTERVAL, TIMEOUT)}\n" for kind in dict.fromkeys(KINDS))
    text = text.replace("    check: unused\n", checks)
    if workers:
        text = text.replace("maglev:\n", f"maglev:\n  healthchecker: {{probe-workers: {workers}}}\n", 1)
    return re.sub(
        r"    b(\d+): (\{address: \S+, healthcheck:) check\}",
        lambda match: f"    b{match[1]}: {match[2]} {KINDS[int(match[1]) % len(KINDS)]}}}",
        text,
    )


def measure(options: Options) -> Iterator[Figure]:
    """Run it once."""
    with tempfile.TemporaryDirectory() as name:
        folder, authority = Path(name), Authority()
        os.environ["SSL_CERT_FILE"] = authority.write_root(folder)
        with Backends(folder, authority.issue(folder, SERVER_NAME)):
            seconds = (LONG if options.long else MINUTE) * options.scale
            for workers in options.workers:
                yield from run(folder, seconds, workers)


def run(folder: Path, seconds: float, workers: int) -> Iterator[Figure]:
    """Run it once, with so many workers."""
    daemon = Ours(folder, BACKENDS, "unused", core=None if workers else CHECKER_CORE)
    daemon.config.write_text(configuration(BACKENDS, workers))
    who = f"{workers} workers" if workers else "one core"
    try:
        yield from watched(daemon, seconds, who)
    except subprocess.CalledProcessError:
        reason = "the daemon was so busy that a scrape of its metrics did not end within two minutes"
        yield Figure(f"mixed-{who.partition(' ')[0]}-false-downs", f"{TITLE}, {who}", missing=reason)


def watched(daemon: Ours, seconds: float, who: str) -> Iterator[Figure]:
    """Start the daemon, and watch it for so long."""
    key = f"mixed-{who.partition(' ')[0]}"
    with daemon:
        wait_for(daemon, probes, probes() + 3 * BACKENDS)
        before, cpu, made, start = daemon.metrics(), usage.family_seconds(daemon.pid), probes(), time.monotonic()
        time.sleep(seconds)
        made, elapsed = probes() - made, time.monotonic() - start
        cpu, after = usage.family_seconds(daemon.pid) - cpu, daemon.metrics()
    rate, discarded = made / elapsed, total(after, "maglev_probe_discarded_total")
    failed = total(after, "maglev_probe_total", 'result="fail"')
    note = f"{rate:,.0f} of {BACKENDS / INTERVAL:,.0f} probes/s for {elapsed:.0f} s at {cpu / elapsed:.0%} of a core"
    note += f"; {discarded:.0f} discarded, {failed:.0f} failed"
    downs = total(after, "maglev_backend_transitions_total", 'to="down"')
    yield Figure(f"{key}-false-downs", f"{TITLE}: false downs, {who}", ours=downs, note=note)
    lag = lag_quantile(before, after, 0.99)
    note = f"p50 {1e3 * lag_quantile(before, after, 0.5):g} ms"
    yield Figure(f"{key}-lag-p99", f"{TITLE}: lag p99, {who}", "s", lag, note=note)


def probes() -> int:
    """Return how many probes there were so far in this network namespace."""
    return usage.connects() + usage.pings()
