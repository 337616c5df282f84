"""What a process used: from outside, so that it costs the process nothing."""

from __future__ import annotations

import os
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time (user and system) of all threads of a process, of its children not.

    The scheduler's own sum, in nanoseconds (``/proc/PID/task/*/schedstat``), where the kernel tells it; ticks of a
    hundredth of a second (``/proc/PID/stat``) are too coarse for what HAProxy uses in a few seconds.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            return _ticks(pid)
    return total / 1e9 if total else _ticks(pid)


def family_seconds(pid: int) -> float:
    """Return the CPU time of a process and of all its children that live."""
    children = sum(
        family_seconds(int(child))
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    )
    return children + cpu_seconds(pid)


def _ticks(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Return the resident memory of a process, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def connects() -> int:
    """Return how many TCP connections were begun in this network namespace."""
    return _snmp("Tcp", "ActiveOpens")


def pings() -> int:
    """Return how many echo requests were sent over IPv4 in this network namespace."""
    return _snmp("Icmp", "OutEchos")


def _snmp(protocol: str, counter: str) -> int:
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith(f"{protocol}:")
    )
    return int(values[names.index(counter)])
