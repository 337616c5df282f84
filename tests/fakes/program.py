"""Our programs as processes: the environment, the ports and the command that tests give them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from maglev.daemon.options import SETTINGS

BIN = Path(sys.executable).parent

MAGLEVC = [sys.executable, "-c", "from maglev.maglevc.program import main; main()"]
"""The command of maglevc, which needs no installed script."""


def quiet_environment(**variables):
    """Return an environment in which maglevd listens nowhere and looks for no VPP unless it is told to."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAGLEV_")}
    environment |= {each.variable: "" for each in SETTINGS if each.name.endswith("-addr") or each.name == "state-dir"}
    return environment | {"PYTHONUNBUFFERED": "1", **variables}


class Program:
    """A running program; a context manager that ends it."""

    def __init__(self, folder: Path, *command: str, cwd=None, **variables) -> None:
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [str(each) for each in command],
                cwd=cwd or folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=quiet_environment(**variables),
            )

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self._process.kill()
        self._process.wait(60)

    @property
    def stdout(self):
        return self._out.read_text()

    @property
    def stderr(self):
        return self._err.read_text()

    def wait_for(self, text, count=1, seconds=60.0):
        """Wait until the output has a text so many times; return the output."""
        deadline = time.monotonic() + seconds
        while self.stdout.count(text) < count:
            assert time.monotonic() < deadline, f"no {text!r} in {seconds} s:\n{self.stdout}{self.stderr}"
            assert self._process.poll() is None, f"it ended ({self._process.poll()}):\n{self.stdout}{self.stderr}"
            time.sleep(0.02)
        return self.stdout

    def path_of(self, descriptor):
        """Return what a descriptor of the process leads to."""
        return str(Path(f"/proc/{self._process.pid}/fd/{descriptor}").readlink())

    def send(self, number):
        self._process.send_signal(number)

    def end(self, number=signal.SIGTERM, seconds=60.0):
        """Send a signal; return the exit status."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        return self._process.wait(seconds)
