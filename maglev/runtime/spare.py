"""Descriptors that are kept open for nothing, so that they are there for what must not go without.

The limit of a process counts for all of it: probes and peers may take the last descriptor at the very moment in which
VPP is to be connected again. A spare one is closed just before the call that needs it, so nobody can come in between.
"""

from __future__ import annotations

import errno
import os
import weakref
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTAGE: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""What calls fail with for want of a descriptor: in this process, and on this machine."""

OUT: Final = "maglevd is out of file descriptors, which is not VPP's fault (raise LimitNOFILE)"
"""What a person is told then."""


def _open_spare() -> int:
    return os.open(os.devnull, os.O_RDONLY)


class SpareDescriptors:
    """Some descriptors in reserve."""

    def __init__(self, count: int, open_one: Callable[[], int] = _open_spare) -> None:
        """Prepare; nothing is kept before `refill`.

        Args:
            count: Number of descriptors to keep.
            open_one: Opens one; raises `OSError`.
        """
        self._count = count
        self._open = open_one
        self._kept: list[int] = []
        weakref.finalize(self, _close_all, self._kept)

    def __len__(self) -> int:
        """Return how many are kept now."""
        return len(self._kept)

    def refill(self) -> None:
        """Keep as many as there should be, or as there are."""
        try:
            while len(self._kept) < self._count:
                self._kept.append(self._open())
        except OSError:
            return  # there is none left to keep

    def give_up_one(self) -> None:
        """Close one, for the call that comes next; harmless if there is none."""
        if self._kept:
            os.close(self._kept.pop())


def _close_all(kept: list[int]) -> None:
    while kept:
        os.close(kept.pop())
