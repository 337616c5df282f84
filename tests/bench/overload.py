"""The overload curve: from a tenth to four times of what one core can do, for HTTP and TCP probes.

A daemon of its own for each load: 1,000 backends or more, at the interval that makes the load. What one core can do is
measured first, by asking for far too much. Past that, intervals should stretch, all by the same factor; nobody should
be called down, as all backends are well all the time.

The rate is what the kernel counted (connections begun in this network namespace). Evenness is Jain's index of the
probes that each backend got meanwhile (1: all the same number), and the fewest and the most of them, as its metrics
tell. Lag is the daemon's own histogram: a timer that should fire every 100 ms, and how much later it did; a figure is
the upper bound of a bucket.

Somebody else asks nginx for its page meanwhile. A backend that is called down while he, too, had to wait for longer
than the timeout is not proven wrong, and not proven right: nginx has to share its core with whatever else this machine
does. Then nothing was measured, and the table says so.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.bench import usage
from tests.bench.backends import Backends, Witness
from tests.bench.figures import Figure, figure_of, jain
from tests.bench.options import Options
from tests.bench.ours import Ours, check, lag_quantile, total
from tests.bench.probe_ratio import wait_for

BACKENDS = 1000
SHORTEST = 0.02
"""Seconds of the shortest interval that is asked for: higher loads take more backends."""
TOO_MUCH = 40000.0
"""Probes a second that no core can do."""
TIMEOUT = 1.0
WINDOW = 5.0
LOADS = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.5, 2.0, 4.0)
LAG_LIMIT = 0.05
KEEPS_UP = 0.97
"""A load is sustained if this share of it is done; the jitter of the intervals and the window take the rest."""


@attrs.frozen
class Point:
    """What happened at one load.

    Attributes:
        offered: Probes a second that the configuration asks for.
        achieved: Probes a second that were begun.
        cpu: CPU of the daemon, as a share of one core.
        lag_p50: Seconds.
        lag_p99: Seconds.
        jain: Evenness of the probes of each backend.
        fewest: Probes of the backend that got the fewest.
        most: Probes of the one that got the most.
        discarded: Probes that were no evidence.
        failed: Probes that failed, though every backend is well.
        downs: Backends that were called down.
        slowest: The longest, in seconds, that nginx let somebody else wait meanwhile; with one longer than `TIMEOUT`,
            failures and downs can be true.
    """

    offered: float
    achieved: float
    cpu: float
    lag_p50: float
    lag_p99: float
    jain: float
    fewest: float
    most: float
    discarded: float
    failed: float
    downs: float
    slowest: float


def columns(points: list[Point]) -> dict[str, list[float]]:
    """Return points as the samples of a figure."""
    return {each.name: [getattr(point, each.name) for point in points] for each in attrs.fields(Point)}


def tell_downs(daemon: Ours) -> None:
    """Say which backends were called down first, and why: anyone who looks for the reason needs it."""
    downs = [event for event in daemon.events("backend-transition") if event["to"] == "down"]
    for event in downs[:3]:
        sys.stdout.write(f"  down: {event['time']} {event['backend']} {event['code']} {event['detail']}\n")


def run(folder: Path, kind: str, rate: float, window: float) -> Point:
    """Return what happens at a load."""
    backends = max(BACKENDS, round(rate * SHORTEST))
    with Witness() as witness, Ours(folder, backends, check(kind, backends / rate, TIMEOUT)) as daemon:
        wait_for(daemon, usage.connects, usage.connects() + 2 * backends)
        before, cpu = daemon.metrics(), usage.cpu_seconds(daemon.pid)
        probes, start = usage.connects() - witness.connects, time.monotonic()
        time.sleep(window)
        probes, seconds = usage.connects() - witness.connects - probes, time.monotonic() - start
        cpu, after = usage.cpu_seconds(daemon.pid) - cpu, daemon.metrics()
        tell_downs(daemon)
    count = "maglev_probe_duration_seconds_count"
    each = [value - before.get(name, 0.0) for name, value in after.items() if name.startswith(count)]
    return Point(
        rate,
        probes / seconds,
        cpu / seconds,
        lag_quantile(before, after, 0.5),
        lag_quantile(before, after, 0.99),
        jain(each),
        min(each),
        max(each),
        total(after, "maglev_probe_discarded_total"),
        total(after, "maglev_probe_total", 'result="fail"'),
        total(after, "maglev_backend_transitions_total", 'to="down"'),
        witness.slowest,
    )


def sustained(points: list[Point]) -> Point | None:
    """Return the highest load that was kept up with little lag and nobody called down."""
    kept = [
        point
        for point in points
        if point.achieved >= KEEPS_UP * point.offered and point.lag_p99 <= LAG_LIMIT and not point.downs
    ]
    return max(kept, key=lambda point: point.achieved, default=None)


def measure(options: Options) -> Iterator[Figure]:
    """Find the capacity of a core, and what happens below and above it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Backends(folder):
            for kind in ("http", "tcp"):
                yield from curve(folder, kind, options)


def curve(folder: Path, kind: str, options: Options) -> Iterator[Figure]:
    """Measure one kind of probe."""
    window = WINDOW * options.scale
    flat_out = [run(folder, kind, TOO_MUCH, window) for _ in range(options.runs)]
    capacity = statistics.median(point.achieved for point in flat_out)
    name = kind.upper()
    share = statistics.median(each.cpu for each in flat_out)
    note = f"{capacity:,.0f} /s at {share:.0%} of a core"
    rates = [each.achieved / each.cpu for each in flat_out]
    yield figure_of(f"capacity-{kind}", f"{name} probes per CPU second, flat out", "/s", rates, note)
    points = [run(folder, kind, share * capacity, window) for share in LOADS]
    best = sustained(points)
    title = f"{name} probes sustained, one core"
    if best is None:
        yield Figure(f"sustained-{kind}", title, missing="no load was sustained with a lag p99 of at most 50 ms")
    else:
        note = f"{best.cpu:.0%} of a core; lag p99 <= {1e3 * best.lag_p99:g} ms"
        yield Figure(f"sustained-{kind}", title, "/s", best.achieved, note=note)
    everything = points + flat_out
    true = sum(point.downs for point in everything if point.slowest >= TIMEOUT)
    stretched = [point.jain for point in points if point.offered > capacity]
    downs = sum(point.downs for point in everything)
    unsure = f"{true:.0f} went down while nginx kept the observer waiting, too" if downs == true > 0 else ""
    yield Figure(
        f"overload-{kind}",
        f"{name} overload to 400 %: false downs",
        ours=downs - true,
        samples=columns(everything),
        note=f"Jain's index past saturation at least {min(stretched):.4f}",
        missing=unsure,
    )
