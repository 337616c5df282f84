"""A console in a process of its own, and OpenSSH's client for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


class ConsoleProcess:
    """A console in a process of its own."""

    def __init__(self, path):
        self.path = path
        with (path / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.console", str(path), "0"], cwd=ROOT, stdout=log, stderr=log
            )
        self.wait_for_log("ssh -p ")
        self.port = self.log.rpartition("ssh -p ")[2].split()[0]

    @property
    def log(self):
        return (self.path / "log").read_text()

    def wait_for_log(self, text):
        until(lambda: text in self.log, lambda: self.log)

    def command(self, *arguments, key="ada", options=()):
        return [
            "ssh",
            "-p",
            self.port,
            "-i",
            str(self.path / key),
            "-F",
            "none",
            # The first of two options of the same name counts.
            *options,
            *(f"-o{option}" for option in OPTIONS),
            f"-oUserKnownHostsFile={self.path}/known_hosts",
            "127.0.0.1",
            *arguments,
        ]

    def ssh(self, *arguments, stdin=b"", **options):
        return subprocess.run(
            self.command(*arguments, **options), input=stdin, capture_output=True, timeout=PATIENCE, check=False
        )

    def down(self):
        """Let a backend go down."""
        self.process.send_signal(signal.SIGUSR1)

    def up(self):
        """Let it come up again."""
        self.process.send_signal(signal.SIGUSR2)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0


OPTIONS = (
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "StrictHostKeyChecking=accept-new",
    "LogLevel=ERROR",
    "BatchMode=yes",
)


def until(seen, shown):
    """Look again and again, for as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE
    while not seen():
        assert time.monotonic() < deadline, shown()
        time.sleep(0.02)
