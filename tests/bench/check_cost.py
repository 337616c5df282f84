"""What checking a large file costs: ``python -m tests.bench.check_cost [BACKENDS]``, 20,000 of them by default."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from maglev.config.load import load_file
from tests.fakes.large import large_config

backends = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "maglev.yaml")
    path.write_text(large_config(backends))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        loaded = load_file(path)
        times.append(time.perf_counter() - start)
size = len(loaded.config.frontends)
sys.stdout.write(f"{backends} backends in {size} frontends: {sorted(times)[1]:.2f} s (median of three)\n")
