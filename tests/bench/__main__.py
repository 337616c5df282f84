"""Every measurement, one after the other: ``python -m tests.bench``, or ``make bench``.

Each is a program of its own, so that none disturbs the next. Figures of a busy machine are worth little by themselves:
compare those of one run.
"""

from __future__ import annotations

import subprocess
import sys

PROGRAMS = (
    "probe_cost",
    "vpp_api_cost",
    "vpp_sync",
    "counters_cost",
    "check_cost",
    "daemon_load",
    "watchers",
    "pb_flood",
)

for name in PROGRAMS:
    sys.stdout.write(f"\n== {name}\n")
    sys.stdout.flush()
    status = subprocess.run([sys.executable, "-m", f"tests.bench.{name}"], check=False).returncode
    if status:
        sys.exit(f"{name} failed with status {status}")
