"""Reads files whole: only regular ones, of bounded size, without ever waiting."""

from __future__ import annotations

import os
import stat


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a regular file, or of one that a link leads to; a FIFO or a device is not waited for.

    Args:
        path: Where it is.
        limit: Maximum number of bytes.

    Returns:
        The content; if the file is larger than the limit, the first ``limit + 1`` bytes of it.

    Raises:
        OSError: It is not a regular file, or can't be read.
        ValueError: There is a NUL in the path.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, f"it is {'a directory' if stat.S_ISDIR(mode) else 'not a regular file'}")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1)
    finally:
        os.close(descriptor)


def why_unreadable(error: OSError | ValueError) -> str:
    """Return why `read_regular` failed, for a person."""
    return f"can't be read: {getattr(error, 'strerror', None) or error}"
