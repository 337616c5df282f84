"""Rendezvous hashing: assigns each backend to the worker with the highest hash of the pair. No I/O.

Every backend orders the workers in its own way and goes to the first available one. So when a worker goes, only its
backends move, evenly to all others; when it comes back, the same backends return; and an additional worker takes its
share evenly from the others (Thaler and Ravishankar, *Using name-based mappings to increase hit rates*, 1998).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xxhash import xxh64_intdigest

if TYPE_CHECKING:
    from collections.abc import Iterable


def chosen(name: str, indices: Iterable[int]) -> int | None:
    """Return the index of the worker that probes a backend; None if there are no workers.

    Args:
        name: Name of the backend.
        indices: The available workers.
    """
    key = name.encode()
    return max(indices, key=lambda index: xxh64_intdigest(key, index), default=None)
