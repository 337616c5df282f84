"""Which worker probes a backend: the highest of one hash for each pair of them (rendezvous hashing). No I/O.

Every backend orders the workers in its own way and goes to the first that is there. So when a worker goes, only its
backends move, evenly to all others; when it comes back, the same come back; and a further worker takes its share from
each of the others alike (Thaler and Ravishankar, *Using name-based mappings to increase hit rates*, 1998).
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
        indices: The workers that there are.
    """
    key = name.encode()
    return max(indices, key=lambda index: xxh64_intdigest(key, index), default=None)
