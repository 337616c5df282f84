"""Starts the processes of probe workers."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorProcess

    from maglev.healthcheck.workers.process import WorkerProcess


class Spawner:
    """Starts each worker as a fresh interpreter, with pipes to its standard input, output and error."""

    def __init__(self, reactor: IReactorProcess) -> None:
        self._reactor = reactor

    def __call__(self, worker: WorkerProcess) -> None:
        """Start the process of a worker.

        Raises:
            OSError: The system has no resources for another process or its pipes.
        """
        program = "maglev.healthcheck.workers.program"
        command = [sys.executable, "-P", "-m", program, str(worker.index), str(os.getpid())]
        self._reactor.spawnProcess(worker, sys.executable, command, env=environment())


def environment() -> dict[str, Any]:
    """Return the environment of a worker, in which it finds the same modules as this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
