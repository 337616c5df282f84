"""A process that is forked from one that has imported what it runs: a start takes a twentieth of a new Python's.

For test doubles, which say nothing about a start. What is under test is started as people start it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["twisted.internet.epollreactor", "maglev.daemon.tap", "maglev.vppsim.program", "tests.fakes.pb_daemon"]
)


class ForkedProcess:
    """A function of a module that runs in a process of its own; like `subprocess.Popen` as far as tests use that.

    Attributes:
        pid: The process id.
    """

    def __init__(self, function: Callable, *arguments, output: Path, folder: Path) -> None:
        """Start it.

        Args:
            function: What to run; its ``SystemExit`` is the exit status.
            *arguments: What it gets.
            output: File to which the standard output and standard error are added.
            folder: Its current directory.
        """
        self._process = _CONTEXT.Process(target=_run, args=(function, arguments, str(output), str(folder)))
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return the exit status.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        if self.returncode is None:
            self._process.kill()


def _run(function, arguments, output, folder):
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    source = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((source, 0), (target, 1), (target, 2)):
        os.dup2(descriptor, standard)
    os.close(source)
    os.close(target)
    os.chdir(folder)
    function(*arguments)
