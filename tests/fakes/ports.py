"""TCP ports for servers that somebody else starts: nobody takes one between its choice and the start.

They are outside the range from which the kernel gives ports to sockets that ask for none. For other tests, in whatever
process, a port is taken while the byte of its number is locked in a file that all of them know; the kernel takes the
locks of a process away with it.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from pathlib import Path

LOWEST = 10240
"""Below it are the ports of services, and those that our documents and demonstrations use."""

# Opened once and for ever: tests look for descriptors that were opened meanwhile.
_LOCKS = os.open(Path(tempfile.gettempdir()) / "maglev-test-ports.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
_OURS: set[int] = set()


def free_port(*hosts: str) -> int:
    """Return a TCP port on which nobody listens on these hosts (127.0.0.1), and which no other test gets."""
    reserved = kernels_own()
    candidates = [port for port in range(LOWEST, 65536) if port not in reserved]
    start = random.randrange(len(candidates))
    for port in itertools.chain(candidates[start:], candidates[:start]):
        if _take(port) and all(_is_free(host, port) for host in hosts or ("127.0.0.1",)):
            return port
    raise AssertionError("no free port")


def kernels_own() -> range:
    """Return the ports that the kernel gives to sockets that ask for none."""
    first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    return range(int(first), int(last) + 1)


def _take(port: int) -> bool:
    if port in _OURS:
        return False
    try:
        fcntl.lockf(_LOCKS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _OURS.add(port)
    return True


def _is_free(host: str, port: int) -> bool:
    try:
        socket.create_server((host, port)).close()
    except OSError:
        return False
    return True
