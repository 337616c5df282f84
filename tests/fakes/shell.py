"""A shell on a machine of its own: what the pages say one should type is typed there, and harms nobody.

It has its own network, process and mount namespaces. The network is a loopback. ``/etc``, ``/run``, ``/var/lib`` and
the home directory are those of the machine, and whatever is written there is gone at the end. ``/tmp`` has only what is
needed: a demonstration that somebody else starts does not appear there. All processes die with the shell.
"""

from __future__ import annotations

import functools
import os
import pwd
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.program import BIN
from tests.fakes.program import quiet_environment as _environment
from tests.fakes.vpp_instance import find_vpp

MARK = "--- the command has ended with"
BASH = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "--norc", "--noprofile")
USUAL = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
NEEDED = (Path(__file__).parents[2], sys.prefix, sys.base_prefix)
OVERLAID = ("/etc", "/run", "/var/lib")


def search_path() -> str:
    """Return the PATH of the shell: our programs, the VPP under test wherever it is, the usual places, and the PATH."""
    vpp = find_vpp()
    folders = [str(BIN), *([str(Path(vpp).absolute().parent)] if vpp else []), *USUAL]
    folders += [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    return os.pathsep.join(dict.fromkeys(folders))


PREPARE = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$HIDDEN"
cd "$HIDDEN"  # and stay in it: it may be below one of the places
for place in $OVERLAID; do
    mkdir -p "upper$place" "work$place"
    mount -t overlay overlay -o "lowerdir=$place,upperdir=upper$place,workdir=work$place" "$place"
done
for needed in $NEEDED; do
    case $needed in /tmp/*)
        first=${needed#/tmp/} first=${first%%/*}
        test -e "needed/$first" || { mkdir -p "needed/$first" && mount --bind "/tmp/$first" "needed/$first"; }
    esac
done
mount -t tmpfs -o mode=1777 tmpfs /tmp
for needed in needed/*; do
    test ! -d "$needed" || { mkdir "/tmp/${needed#needed/}" && mount --bind "$needed" "/tmp/${needed#needed/}"; }
done
mount -t proc proc /proc
ip link set lo up
set +e
unset HIDDEN NEEDED OVERLAID
"""


@functools.cache
def why_no_shell():
    """Return why there can be no such shell on this machine; empty if there can."""
    for program in ("unshare", "ip", "bash", "mount"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    with tempfile.TemporaryDirectory() as hidden:
        variables = {"PATH": search_path(), "HIDDEN": hidden, "OVERLAID": "/etc"}
        done = subprocess.run([*BASH, "-c", PREPARE], check=False, capture_output=True, text=True, env=variables)
    return f"no namespaces: {done.stderr.strip()}" if done.returncode else ""


class Shell:
    """A bash that takes commands one by one; a context manager."""

    def __init__(self, folder: Path, hidden: Path) -> None:
        """Prepare.

        Args:
            folder: Where it starts.
            hidden: A folder for what must be somewhere; nobody sees it.
        """
        home = pwd.getpwuid(os.getuid()).pw_dir
        self._variables = {
            "PATH": search_path(),
            "HOME": home,
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "MAGLEV_NAME": "lb1",
            "HIDDEN": str(hidden),
            "NEEDED": " ".join([str(folder), *map(str, NEEDED), *search_path().split(os.pathsep)]),
            "OVERLAID": " ".join((*OVERLAID, home)),
        }
        self._folder = folder
        self._background = 0

    def __enter__(self):
        environment = {name: value for name, value in _environment().items() if not name.startswith("MAGLEV_")}
        self._process = subprocess.Popen(
            BASH,
            cwd=self._folder,
            env={**environment, **self._variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, status = self.run(PREPARE)
        assert status == 0, output
        self.run(f"cd {self._folder}")  # what is there now lies over what was there before
        return self

    def __exit__(self, *_exc_info):
        self._process.kill()
        self._process.communicate(timeout=60)

    def run(self, command, seconds=120.0):
        """Run a command, and return its output, errors among it, and its exit status, which ``$?`` has afterwards."""
        self._write(f"{{ {command}\n}} </dev/null\nstatus=$?; printf '\\n{MARK} %d\\n' $status; (exit $status)\n")
        found = ""
        deadline = time.monotonic() + seconds
        while f"\n{MARK}" not in found or not found.endswith("\n"):
            found += self._read(deadline, f"{command}\n{found}")
        output, _, status = found.rpartition(f"\n{MARK}")
        return output, int(status)

    def leave_running(self, command, until, seconds=90.0):
        """Run a command that does not end, as in a terminal of its own, until it has written some text or made a file.

        Args:
            command: The command.
            until: What to wait for: a text, or the path of a file.
            seconds: How long to wait.
        """
        self._background += 1
        log = f"/run/terminal-{self._background}"
        self._write(f"{{ {command}\n}} </dev/null >{log} 2>&1 &\n")
        there = f"test -e {until}" if until.startswith("/") else f"grep -qF -- '{until}' {log}"
        self.run(f"for i in $(seq {int(seconds * 20)}); do {there} && break; sleep 0.05; done", seconds + 5)
        output, status = self.run(f"cat {log}; {there}")
        assert status == 0, f"{command}: no {until!r} in\n{output}"
        return output

    def _write(self, text):
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _read(self, deadline, so_far):
        left = deadline - time.monotonic()
        ready, _, _ = select.select([self._process.stdout], [], [], max(left, 0.0))
        assert ready, f"it does not end: {so_far}"
        data = os.read(self._process.stdout.fileno(), 65536)
        assert data, f"the shell has ended: {so_far}"
        return data.decode()
