"""How much to measure."""

from __future__ import annotations

import attrs

KINDS = ("tcp", "http", "https", "https-full", "icmp")
"""All kinds of probes: ``https`` is with resumed sessions, ``https-full`` with full handshakes."""


@attrs.frozen
class Options:
    """What the command line says.

    Attributes:
        runs: How often each run is repeated; the median counts.
        scale: Factor for how long a run lasts.
        long: Whether the run with 20,000 backends takes ten minutes instead of one.
        workers: How many workers probe the 20,000 backends, in one run after the other; 0 for none beside the daemon.
        kinds: The kinds of probes that are compared with peers.
    """

    runs: int = 5
    scale: float = 1.0
    long: bool = False
    workers: tuple[int, ...] = (0, 2)
    kinds: tuple[str, ...] = KINDS
