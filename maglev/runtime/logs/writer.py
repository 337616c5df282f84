"""Writes log lines, without ever waiting, to a descriptor that may be slow, full or gone.

A blocking log would stop the reactor, and with it every probe. So a line that can't be written at once is dropped and
counted, and the count is reported as soon as writing works again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LineWriter:
    """Writes whole lines to a file descriptor.

    Attributes:
        dropped: Number of lines lost since the last one written.
    """

    def __init__(self, descriptor: int) -> None:
        """Create a writer for a descriptor, which stays open when the writer is closed.

        Args:
            descriptor: A file, pipe, terminal or socket, such as 1, the standard output.
        """
        self.dropped = 0
        self._rest = b""
        self._write, self._close = _open(descriptor)

    def write(self, line: str) -> None:
        """Write a line if that is possible now; a partially written one is completed before the next one."""
        if not self._flush():
            self.dropped += 1
            return
        self._rest = line.encode("ascii", "backslashreplace")
        started = len(self._rest)
        if self._flush() or len(self._rest) < started:
            self.dropped = 0
        else:
            self._rest = b""
            self.dropped += 1

    def close(self) -> None:
        """Release the descriptor."""
        self._close()

    def _flush(self) -> bool:
        """Write the rest of a line; return whether nothing is left."""
        while self._rest:
            try:
                count = self._write(self._rest)
            except OSError:  # would block; or a full disk or closed pipe, which we can't fix and need not stop for
                return False
            self._rest = self._rest[count:]
        return True


def _open(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """Return functions to write to a descriptor without waiting, and to release it.

    The flag O_NONBLOCK belongs to the open file and is shared with the process that passed it to us (such as the shell
    on the terminal), so it is not set: a socket has a flag for each call, and anything else is opened once more.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        peer = socket.socket(fileno=os.dup(descriptor))
        return (lambda data: peer.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)), peer.close
    own = -1
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with contextlib.suppress(OSError):  # /proc is missing, or the terminal belongs to another user
            own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if own < 0:
        own = os.dup(descriptor)
    return (lambda data: os.write(own, data)), (lambda: os.close(own))
