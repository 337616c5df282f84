"""Writes log lines, without ever waiting, to a descriptor that may be slow, full or gone.

A blocking log would stop the reactor, and with it every probe. So a line that can't be written at once is dropped and
counted, and the count is reported as soon as writing works again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections import deque
from typing import Final, NamedTuple, Protocol

QUEUE: Final = 64 * 1024
"""Bytes that wait for a thread to write them: as many as a pipe holds."""

LAST_LINES: Final = 1.0
"""Seconds that the end of the process waits for a thread to write what is queued."""


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
        self._sink = _open(descriptor)

    def write(self, line: str) -> None:
        """Write a line if that is possible now; a partially written one is completed before the next one."""
        if not self._flush():
            self.dropped += 1
            return
        self._rest = line.encode("ascii", "backslashreplace")
        started = len(self._rest)
        if self._flush() or len(self._rest) < started:
            self.dropped = self._sink.lost()
        else:
            self._rest = b""
            self.dropped += 1

    def close(self) -> None:
        """Release the descriptor."""
        self._sink.close()

    def _flush(self) -> bool:
        """Write the rest of a line; return whether nothing is left."""
        while self._rest:
            try:
                count = self._sink.write(self._rest)
            except OSError:  # would block; or a full disk or closed pipe, which we can't fix and need not stop for
                return False
            self._rest = self._rest[count:]
        return True


class _Sink(Protocol):
    """A place to write to."""

    def write(self, data: bytes) -> int:
        """Write what can be written now, and return how many bytes that is; raise `OSError` if it is none."""

    def lost(self) -> int:
        """Return how many lines were taken and lost since this was asked last."""

    def close(self) -> None:
        """Release the descriptor."""


class _Socket(NamedTuple):
    """A socket: each call says that it must not wait."""

    peer: socket.socket

    def write(self, data: bytes) -> int:
        return self.peer.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def lost(self) -> int:
        return 0

    def close(self) -> None:
        self.peer.close()


class _Descriptor(NamedTuple):
    """A descriptor to which writing does not wait."""

    number: int

    def write(self, data: bytes) -> int:
        return os.write(self.number, data)

    def lost(self) -> int:
        return 0

    def close(self) -> None:
        os.close(self.number)


class _Background:
    """A descriptor to which writing may wait: a thread does, and takes lines from a bounded queue."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._closing = False
        self._changed = threading.Condition()
        # A daemon, since a reader that is stuck must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> int:
        with self._changed:
            if self._size + len(data) > QUEUE:
                raise BlockingIOError
            self._lines.append(data)
            self._size += len(data)
            self._changed.notify()
        return len(data)

    def lost(self) -> int:
        with self._changed:
            lost, self._lost = self._lost, 0
        return lost

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(LAST_LINES)

    def _work(self) -> None:
        while (line := self._next()) is not None:
            failed = False
            try:
                while line:
                    line = line[os.write(self._number, line) :]
            except OSError:  # a full disk or closed pipe
                failed = True
            with self._changed:
                self._lost += failed
        os.close(self._number)

    def _next(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            if not self._lines:
                return None
            line = self._lines.popleft()
            self._size -= len(line)
        return line


def _open(descriptor: int) -> _Sink:
    """Return a way to write to a descriptor without waiting.

    The flag O_NONBLOCK belongs to the open file and is shared with the process that passed it to us (such as the shell
    on the terminal), so it is not set: a socket has a flag for each call, and a pipe or terminal is opened once more.
    One of another user can't be (nor can any without /proc). To ask poll(2) first would not do: another process may
    fill the pipe in between. A thread waits in our place.

    Writing to a file waits for the disk at worst, as every program does.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        return _Socket(socket.socket(fileno=os.dup(descriptor)))
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with contextlib.suppress(OSError):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return _Descriptor(os.open(f"/proc/self/fd/{descriptor}", flags))
        return _Background(os.dup(descriptor))
    return _Descriptor(os.dup(descriptor))
