"""The descriptors that a piece of work leaves open in this process, whatever other tests have left behind."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path("/proc/self/fd")


def open_descriptors() -> set[tuple[str, str]]:
    """Return what is open now, as (number, what it is open on); two sockets or pipes are never the same."""
    found = set()
    for link in FOLDER.iterdir():
        try:
            found.add((link.name, str(link.readlink())))
        except OSError:  # the one that listed the folder
            continue
    return found


def leaked_since(before: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return what is open now and was not before; what others closed meanwhile does not matter."""
    return open_descriptors() - before


@contextlib.contextmanager
def none_left() -> Iterator[None]:
    """Let this process have no further descriptor; what it gives back has a lower number, and may be had again."""
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
