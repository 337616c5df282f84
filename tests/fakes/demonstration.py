"""The demonstration as a process, on its fixed ports: one at a time on a machine."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from maglev.demo.fixtures import PORT
from maglev.demo.service import SWITCH_PORT
from tests.fakes.ports import free_port
from tests.fakes.program import Program

MAGLEVD = (sys.executable, "-m", "maglev")

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def demo_s_ports():
    """Hold the fixed ports of the demonstration: other tests, in other processes, wait."""
    with (Path(tempfile.gettempdir()) / "maglevd-demo-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for address, port in (("127.0.0.11", PORT), ("127.0.0.1", SWITCH_PORT)):
            try:
                socket.create_server((address, port)).close()
            except OSError as error:
                pytest.skip(f"{address}:{port} is not free for the demonstration: {error}")
        yield


@contextlib.contextmanager
def demonstration(folder, folders, *more):
    """Run the demonstration.

    Args:
        folder: For its output.
        folders: Where it makes its own folder, by a name short enough for sockets in it.
        more: Further arguments.
    """
    arguments = ("--demo", "--metrics-addr", f"127.0.0.1:{free_port()}", *more)
    with demo_s_ports(), Program(folder, *MAGLEVD, *arguments, cwd=ROOT, TMPDIR=str(folders)) as program:
        try:
            program.wait_for("Ctrl-C ends it.")
        except AssertionError:
            if "the demonstration can't listen" not in program.stderr:
                raise
            pytest.skip(f"another demonstration was faster: {program.stderr}")
        yield program
