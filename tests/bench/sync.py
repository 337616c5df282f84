"""What it takes to write to VPP: a cold start, and from a failed probe to VPP's answer.

Each run is `tests.bench.vpp_sync` in a process of its own, against the simulator, and against a real VPP if there is
one. The peer of a cold start is a loop that sends the same messages, pipelined, counts the answers, and does nothing
else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, compared, figure_of, quantile
from tests.bench.options import Options
from tests.fakes.vpp_instance import find_vpp

VIPS = {"simulator": 100, "VPP": 1000}


def measure(options: Options) -> Iterator[Figure]:
    """Measure against the simulator, and against VPP."""
    with tempfile.TemporaryDirectory() as name:
        yield from against("simulator", Path(name), options)
        if find_vpp() is None or os.geteuid() != 0:
            yield Figure("sync-VPP", "cold start and transitions, VPP", missing="there is no VPP here, or no root")
        else:
            yield from against("VPP", Path(name), options)


def against(who: str, folder: Path, options: Options) -> Iterator[Figure]:
    """Measure against one of them."""
    runs = [once(who, folder / "found.json") for _ in range(min(3, options.runs))]
    title = f"cold start, {VIPS[who]:,} VIPs of 10, {who}"
    ours, floors = [run["cold"] for run in runs], [run["floor"] for run in runs]
    yield compared(f"sync-cold-{who}", title, "s", "bare loop", ours, floors)
    for share, text in ((0.5, "p50"), (0.99, "p99")):
        samples = [1e3 * quantile(run["transitions"], share) for run in runs]
        yield figure_of(f"transition-{text}-{who}", f"failover latency {text}, {who}", "ms", samples)


def once(who: str, path: Path) -> dict[str, object]:
    """Return what one run found."""
    command = [sys.executable, "-m", "tests.bench.vpp_sync", "--found", str(path)]
    if who == "VPP":
        command.append(str(find_vpp()))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads(path.read_text())
