"""What VPP needs of its memory for the tables of the lb plugin."""

from __future__ import annotations

from typing import Final

DEFAULT_HEAP: Final = 1 << 30
"""Bytes of VPP's memory (``main-heap-size``) unless it is configured otherwise."""

_BUCKET: Final = 64
_TABLE_ENTRY: Final = 4


def sticky_bytes(buckets: int, workers: int) -> int:
    """Return what VPP needs for established flows: a table for each worker and for the main thread (``lbhash.h``)."""
    return buckets * _BUCKET * (workers + 1)


def table_bytes(length: int) -> int:
    """Return what VPP needs for a table of new flows; there are two while it is built (``lb.c``)."""
    return 2 * _TABLE_ENTRY * length
