"""How long the reactor lets others wait, seen from outside.

A thread asks the daemon for its front page (a few hundred bytes, over the socket of the metrics) again and again, a
millisecond after each answer. The longest time to an answer is the longest pause as people notice it; it includes the
time in which the kernel let other programs run. So the CPU time of the daemon's main thread is read before each
question and after each answer: the most that it used in between is the longest pause that the daemon itself made. On a
machine of its own both are the same; on a busy one only the second means anything.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

QUESTION = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
GAP = 0.001


@attrs.define
class LongestPauses:
    """The longest pauses so far, in seconds: as noticed, and in CPU time of the daemon."""

    wall: float = 0.0
    cpu: float = 0.0
    count: int = 0


@contextlib.contextmanager
def poking(pid: int, path: Path) -> Iterator[LongestPauses]:
    """Poke a daemon until the end of the block."""
    pauses, over = LongestPauses(), threading.Event()
    thread = threading.Thread(target=_poke, args=(pid, path, pauses, over))
    thread.start()
    try:
        yield pauses
    finally:
        over.set()
        thread.join()


def _poke(pid: int, path: Path, pauses: LongestPauses, over: threading.Event) -> None:
    with socket.socket(socket.AF_UNIX) as stream, Path(f"/proc/{pid}/task/{pid}/schedstat").open("rb", 0) as used:
        stream.connect(str(path))
        while not over.is_set():
            cpu, start = _nanoseconds(used), time.monotonic()
            stream.sendall(QUESTION)
            _take_answer(stream)
            pauses.wall = max(pauses.wall, time.monotonic() - start)
            pauses.cpu = max(pauses.cpu, (_nanoseconds(used) - cpu) / 1e9)
            pauses.count += 1
            time.sleep(GAP)


def _nanoseconds(used) -> int:
    used.seek(0)
    return int(used.read().split()[0])


def _take_answer(stream: socket.socket) -> None:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(stream)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += _some(stream)


def _some(stream: socket.socket) -> bytes:
    data = stream.recv(65536)
    if not data:
        raise ConnectionError("the daemon closed the connection")
    return data
