"""A fresh Debian in a folder, with a systemd of its own that runs it as a container."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

PACKAGES = ("adduser", "iproute2", "man-db", "openssh-client", "procps", "python3", "systemd", "systemd-sysv")
"""Beside debootstrap's minimum: what our packages depend on (there is no network inside), and what the drive uses."""

BUILD_PACKAGES = (
    "build-essential",
    "ca-certificates",
    "debhelper",
    "make",
    "python3-pip",
    "python3-setuptools",
    "python3-venv",
    "python3-wheel",
)


class StepError(Exception):
    """A command in the root failed, or something was not as it must be."""


def require(truth, message):
    """Check what a step claims."""
    if not truth:
        raise StepError(message)


def make_root(release, mirror, place, packages):
    """Make a fresh root, from a base that is made once; return its path."""
    base = place.with_name(place.name + "-base")
    if not (base / "complete").exists():
        shutil.rmtree(base, ignore_errors=True)
        base.parent.mkdir(parents=True, exist_ok=True)
        include = ",".join(packages)
        command = ["debootstrap", "--variant=minbase", f"--include={include}", release, str(base), mirror]
        with Path(f"{base}.log").open("w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
        (base / "complete").touch()
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(["cp", "--archive", str(base), str(place)], check=True)
    (place / "complete").unlink()
    return place


class DebianRoot:
    """A running container; a context manager. It has a loopback of its own and no other network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process = None
        self._leader = None

    def __enter__(self):
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot"]
        command += ["--console=read-only", "--resolv-conf=off", "--timezone=off", f"--directory={self.root}"]
        with Path(f"{self.root}.console").open("wb") as console:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
        try:
            self.wait(
                lambda: self._find_leader() and self.systemd_state() in {"running", "degraded"}, "a booted system"
            )
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc_info):
        # By this signal nspawn shuts the container down in an orderly way.
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)

    def _find_leader(self):
        require(self._process.poll() is None, f"systemd-nspawn ended, see {self.root}.console")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._leader = next((pid for pid in children if Path(f"/proc/{pid}/comm").read_text() == "systemd\n"), None)
        return self._leader is not None

    def systemd_state(self):
        return self.try_run("systemctl is-system-running").stdout.strip()

    def try_run(self, command, text=None):
        """Run a shell command inside as root."""
        enter = ["nsenter", "--target", self._leader, "--all", "--", "/usr/bin/env", "-i"]
        enter += ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "TERM=dumb"]
        return subprocess.run(
            [*enter, "bash", "-c", command], input=text or "", check=False, capture_output=True, text=True, timeout=300
        )

    def run(self, command, text=None):
        """Run a shell command inside as root, which must succeed; return what it wrote."""
        done = self.try_run(command, text)
        require(done.returncode == 0, f"{command!r} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def wait(self, condition, what, seconds=60.0):
        """Wait until a condition holds; return what it returned."""
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            require(time.monotonic() < deadline, f"no {what} in {seconds} s")
            time.sleep(0.1)
        return result

    def write(self, path, text):
        (self.root / path.lstrip("/")).write_text(text)

    def read(self, path):
        return (self.root / path.lstrip("/")).read_text()

    def tree(self):
        """Return what is on the disk: {path: what it is}, without what lives, and caches and logs."""
        entries = {}
        for folder, folders, files in os.walk(self.root):
            here = Path(folder)
            name = "/" + str(here.relative_to(self.root)) if here != self.root else ""
            folders[:] = [each for each in folders if f"{name}/{each}" not in NOT_COMPARED]
            for each in (*folders, *files):
                path = f"{name}/{each}"
                if path not in NOT_COMPARED:
                    entries[path] = _kind_of(here / each)
        return entries


NOT_COMPARED = frozenset(
    {
        "/dev",
        "/proc",
        "/run",
        "/sys",
        "/tmp",
        # Written by systemd and by apt themselves, whatever is installed.
        "/var/cache",
        "/var/lib/apt",
        "/var/lib/dpkg",
        "/var/lib/systemd",
        "/var/log",
        "/var/tmp",
        # The files before the last change, by the tools that change users and groups, and their lock.
        "/etc/.pwd.lock",
        "/etc/group-",
        "/etc/gshadow-",
        "/etc/passwd-",
        "/etc/shadow-",
        "/etc/subgid-",
        "/etc/subuid-",
    }
)


def _kind_of(path):
    status = path.lstat()
    rest = ""
    if path.is_symlink():
        rest = str(path.readlink())
    elif path.is_file():
        rest = hash(path.read_bytes())
    return status.st_mode, status.st_uid, status.st_gid, rest
