"""A VPP of one's own for a test: simulated in this process, simulated in another process, or real.

All three have the interface `VppInstance`, so that one test can run against each of them::

    @pytest.fixture(params=["process", "real"])
    def vpp(request):
        with private_vpp(request.param) as instance:
            yield instance

`private_vpp` skips the test when a real one is wanted and there is none. `InProcessVpp` needs the reactor of the test
and is for Twisted clients; blocking clients (vpp_papi) need a process.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

import pytest

from maglev.vppsim.program import main as run_simulator
from maglev.vppsim.simulator import Simulator
from tests.fakes.forked import ForkedProcess

START_DEADLINE = 120.0
"""Seconds that a process may take until both of its sockets answer: a debug VPP on a busy machine takes a few."""

STOP_DEADLINE = 60.0

FROZEN = 2.0
"""Seconds after which a simulator is taken for one that does not answer."""

STARTUP = """
unix {{ nodaemon runtime-dir {dir} cli-listen {dir}/cli.sock log {dir}/vpp.log poll-sleep-usec 100 }}
api-segment {{ prefix {name} }}
socksvr {{ socket-name {dir}/api.sock }}
statseg {{ socket-name {dir}/stats.sock size 32M update-interval 1 }}
memory {{ main-heap-size 256M main-heap-page-size 4k }}
buffers {{ page-size 4K buffers-per-numa 4096 }}
plugins {{
  plugin default {{ disable }}
  plugin lb_plugin.so {{ enable }}
  plugin ping_plugin.so {{ enable }}
  plugin af_packet_plugin.so {{ enable }}
  plugin gre_plugin.so {{ enable }}
}}
"""
"""No hugepages, no devices, little CPU: runs wherever the test user is root."""


class VppInstance(Protocol):
    """A running VPP.

    Attributes:
        api_socket: Path of the API socket, the same for all its lives.
        stats_socket: Path of the stats socket.
    """

    api_socket: str
    stats_socket: str

    def kill(self):
        """Let it die as by SIGKILL: connections break at once, the socket files stay."""

    def restart(self):
        """Kill it if it lives, and start a new one on the same sockets; returns when both answer."""

    def stop(self):
        """End it for good and wait for that. In-process it returns a Deferred, else None."""


class InProcessVpp:
    """A simulator in this process; `simulator` reaches all of it. Options are those of `Simulator`."""

    def __init__(self, reactor, **options):
        self._directory = tempfile.mkdtemp(prefix="vpp-")
        self.api_socket = f"{self._directory}/api.sock"
        self.stats_socket = f"{self._directory}/stats.sock"
        self.simulator = Simulator(reactor, self.api_socket, self.stats_socket, **options)
        self.simulator.start()

    def kill(self):
        self.simulator.kill()

    def restart(self):
        self.simulator.restart()

    def stop(self):
        return self.simulator.stop().addBoth(self._clean_up)

    def _clean_up(self, result):
        shutil.rmtree(self._directory)
        return result


class ProcessVpp:
    """What the two kinds of processes have in common; a context manager."""

    def __init__(self):
        self._directory = tempfile.mkdtemp(prefix="vpp-")
        self.api_socket = f"{self._directory}/api.sock"
        self.stats_socket = f"{self._directory}/stats.sock"
        self._process = None
        try:
            self.restart()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()

    @property
    def pid(self):
        """The process id."""
        return self._process.pid

    @property
    def used(self):
        """Seconds of CPU that its main thread has used."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    @property
    def output(self):
        """What it printed, in all its lives."""
        return Path(self._directory, "output").read_text(errors="replace")

    def command(self):
        """Return the command line to run."""
        raise NotImplementedError

    def kill(self):
        if self._process is not None:
            self._end(signal.SIGKILL)

    def terminate(self):
        """Let it end cleanly, as by SIGTERM."""
        self._end(signal.SIGTERM)

    def restart(self):
        self.kill()
        self._process = self._start()
        deadline = time.monotonic() + START_DEADLINE
        _wait_for(self._process, self.stats_socket, socket.SOCK_SEQPACKET, deadline, self)
        _wait_for(self._process, self.api_socket, socket.SOCK_STREAM, deadline, self)

    def stop(self):
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self):
        with Path(self._directory, "output").open("ab") as output:
            return subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self._directory
            )

    def _end(self, number):
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


class SimulatorProcess(ProcessVpp):
    """``maglev-vppsim`` in a process; arguments are those of its command line besides the sockets."""

    def __init__(self, *arguments):
        self._arguments = arguments
        super().__init__()

    def arguments(self):
        """Return the whole command line."""
        sockets = ("--api-socket", self.api_socket, "--stats-socket", self.stats_socket)
        return [*sockets, "--log-level", "warn", *self._arguments]

    def _start(self):
        folder = Path(self._directory)
        return ForkedProcess(run_simulator, self.arguments(), output=folder / "output", folder=folder)


class SimulatorCommand(SimulatorProcess):
    """The same as people start it, by its command."""

    def command(self):
        return [sys.executable, "-m", "maglev.vppsim.program", *self.arguments()]

    def _start(self):
        # The process runs in its own directory; it must find the package that is under test.
        root = str(Path(__file__).parents[2])
        with _environment(PYTHONPATH=os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))):
            return ProcessVpp._start(self)


class RealVpp(ProcessVpp):
    """A private real VPP with the lb plugin and no interfaces."""

    def command(self):
        startup = Path(self._directory, "startup.conf")
        startup.write_text(STARTUP.format(dir=self._directory, name=Path(self._directory).name))
        return [find_vpp(), "-c", str(startup)]

    def stop(self):
        super().stop()
        for left in Path("/dev/shm").glob(f"{Path(self._directory).name}*"):
            left.unlink(missing_ok=True)


def find_vpp():
    """Return the path of the VPP to test against, or None: ``MAGLEV_TEST_VPP``, else ``vpp`` on the PATH."""
    return os.environ.get("MAGLEV_TEST_VPP") or shutil.which("vpp")


@contextlib.contextmanager
def private_vpp(kind, *arguments):
    """Run a VPP in a process of its own: ``process`` for the simulator, ``real`` (or skip) for VPP itself."""
    if kind == "process":
        instance = SimulatorProcess(*arguments)
    elif not find_vpp():
        pytest.skip("no VPP here: set MAGLEV_TEST_VPP, or put vpp on the PATH")
    elif os.geteuid() != 0:
        pytest.skip("VPP needs root")
    else:
        instance = RealVpp()
    with instance:
        yield instance


@contextlib.contextmanager
def _environment(**values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _wait_for(process, path, kind, deadline, instance):
    """Wait until a socket takes connections, and that of the stats has sent the segment's descriptor."""
    while True:
        with socket.socket(socket.AF_UNIX, kind) as probe:
            try:
                probe.connect(path)
                if kind == socket.SOCK_SEQPACKET:
                    # If VPP can't send it, it tells syslog; a SIGTERM at that moment is told to syslog by its handler,
                    # which waits for the lock that its own thread holds, for ever. A simulator that sends it runs its
                    # reactor, and ends in order by a signal; one that plays a hanging VPP sends nothing.
                    probe.settimeout(None if isinstance(instance, RealVpp) else FROZEN)
                    with contextlib.suppress(TimeoutError):
                        probe.recv(1)
            except OSError as error:
                problem = error
            else:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{path}: {problem}; exit status {process.poll()}; {instance.output[-2000:]}")
        time.sleep(0.01)
