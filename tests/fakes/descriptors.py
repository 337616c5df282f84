"""The descriptors that a piece of work leaves open in this process, whatever other tests have left behind."""

from __future__ import annotations

from pathlib import Path

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
