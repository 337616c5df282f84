"""What a process used: from outside, so that it costs the process nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

CPUCLOCK_SCHED = 2
"""Of the kernel's ``include/linux/posix-timers_types.h``: the clock of a process is its number and this."""

PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time (user and system) of a process, with that of threads that ended, without children.

    It is the process's own clock, in nanoseconds (clock_getcpuclockid(3)); the ticks of a hundredth of a second in
    ``/proc/PID/stat`` are too coarse for what HAProxy uses in a few seconds.
    """
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def family_seconds(pid: int) -> float:
    """Return the CPU time of a process and of all its children that live."""
    children = sum(
        family_seconds(int(child))
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    )
    return children + cpu_seconds(pid)


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
