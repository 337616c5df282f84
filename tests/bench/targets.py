"""What was promised before anything was measured: the least, and the aim."""

from __future__ import annotations

import math
from typing import Final

from tests.bench.figures import Target

TARGETS: Final = {
    "cpu-tcp": Target(1.8, 1.4, of="ratio"),
    "cpu-http": Target(1.6, 1.25, of="ratio"),
    "cpu-https": Target(1.8, 1.2, of="ratio"),
    "cpu-https-full": Target(1.8, 1.2, of="ratio"),
    "cpu-icmp": Target(0.8, 0.4, of="ratio"),
    "sustained-http": Target(8000, 12000, more_is_better=True),
    "mixed-one-false-downs": Target(0, 0),
    "mixed-2-false-downs": Target(0, 0),
    "mixed-one-lag-p99": Target(math.inf, 0.02),
    "mixed-2-lag-p99": Target(math.inf, 0.02),
    "memory-per-1000": Target(6, 3),
    "start-3": Target(0.7, 0.4),
    "start-20000": Target(5, 2),
    "reload-pause": Target(0.1, 0.02),
    "scrape-pause": Target(0.05, 0.02),
    "scrape-cpu": Target(1, 0.4),
    "idle-cpu": Target(0.5, 0.2),
    "overload-http": Target(0, 0),
    "overload-tcp": Target(0, 0),
}
"""By the key of a figure."""
