"""Small files that must not be lost: written as a whole or not at all, and read without trust.

These functions wait for the disk: call them in a thread, or before the reactor runs.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def write_atomically(path: str, content: bytes) -> None:
    """Write a file for our user only, such that a reader finds the old content or the new one, even after a power cut.

    The folder is created if it does not exist.

    Raises:
        OSError: It could not be written; the old content may be there still.
    """
    folder = Path(path).parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = f"{path}.new"
    # What a process that was killed has left; or a link that somebody put there, which is not followed.
    Path(draft).unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bounded(path: str, limit: int) -> bytes | None:
    """Return the content of a file, no more than one byte above the limit; None if there is no file.

    Raises:
        OSError: It can't be read, or is not a regular file.
    """
    try:
        # Opening a FIFO would wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(limit + 1)


def is_writable(folder: str) -> bool:
    """Return whether our user may create files in a folder, which may have to be created first."""
    place = Path(folder)
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def set_aside(path: str, now: float) -> str:
    """Rename a file that can't be used, so that a person can look at it; return its new name, empty if that failed.

    Args:
        path: The file.
        now: The wall-clock time, which becomes part of the name.
    """
    place = f"{path}.damaged-{now:.0f}"
    try:
        Path(path).rename(place)
    except OSError:
        return ""
    return place
