"""What checking a large file costs: CPU seconds of reading and checking 20,000 backends."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from maglev.config.load import load_file
from tests.bench.figures import Figure, figure_of
from tests.bench.options import Options
from tests.fakes.large import large_config

BACKENDS = 20_000


def measure(options: Options) -> Iterator[Figure]:
    """Measure in this process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "maglev.yaml")
        path.write_text(large_config(BACKENDS))
        times = []
        for _ in range(options.runs):
            start = time.process_time()
            load_file(path)
            times.append(time.process_time() - start)
    yield figure_of("check-20000", "config check, 20,000 backends: CPU", "s", times)
