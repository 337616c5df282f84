"""Where it is measured: which processors, which network, and what the machine is."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

INSIDE = "MAGLEV_BENCH_INSIDE"
"""Set in the environment of a process that has a network of its own already."""

CORES = sorted(os.sched_getaffinity(0))
CHECKER_CORE = CORES[0]
SERVER_CORE = CORES[-1]


def enter_network(arguments: list[str]) -> None:
    """Go on in a network namespace of our own, with nothing but a loopback device.

    Nobody else's packets are counted there, no packet filter of the machine is passed, and all ports are free. Where
    that is not allowed, go on in this one.
    """
    if os.environ.get(INSIDE):
        return
    command = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    usable = shutil.which("unshare") and shutil.which("ip")
    if usable and not subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        os.environ[INSIDE] = "own network namespace"
        script = 'ip link set lo up && sysctl -qw net.ipv4.ping_group_range="0 0"; exec "$@"'
        os.execvp(command[0], [*command, "sh", "-c", script, "sh", sys.executable, *arguments])
    os.environ[INSIDE] = "network of the machine"


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Let what is started meanwhile run on one core only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def load_average() -> list[float]:
    """Return the load of the machine over 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()]


def machine() -> dict[str, str]:
    """Return what the machine is, without its name."""
    return {
        "processor": f"{len(CORES)} x {_processor()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
        "python": platform.python_version(),
        "twisted": _version_of("twisted"),
        "haproxy": _program_version("haproxy", "-v", 2),
        "keepalived": _program_version("keepalived", "--version", 1),
        "nginx": _program_version("nginx", "-v", 2),
        "network": os.environ.get(INSIDE, "network of the machine"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version_of(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _program_version(name: str, option: str, word: int) -> str:
    program = find_program(name)
    if program is None:
        return "not installed"
    done = subprocess.run([program, option], check=False, capture_output=True, text=True)
    words = (done.stdout + done.stderr).split()
    return words[word].rpartition("/")[2] if len(words) > word else "unknown"


def find_program(name: str) -> str | None:
    """Return the path of a program, also where only administrators look."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
