"""The command ``maglev-vppsim``, and the simulator on real sockets: vpp_papi unchanged, lives and deaths, speed."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from importlib import resources
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from vpp_papi.vpp_papi import VPPIOError

from maglev.vppsim.writes import VipName
from tests.fakes.papi_client import papi_client, papi_stats
from tests.fakes.vpp_instance import InProcessVpp, SimulatorCommand, SimulatorProcess

pytestmark = pytest.mark.real

MEMCLNT = str(resources.files("vpp_papi.data") / "memclnt.api.json")
OURS = [str(path) for path in resources.files("maglev.vppsim").iterdir() if path.name.endswith(".api.json")]


@pytest.fixture
def simulated():
    with SimulatorProcess("--workers", "2") as process:
        yield process


# vpp_papi, unchanged.


def test_papi_connects_with_api_files_instead_of_asking_for_them(simulated):
    with papi_client(simulated.api_socket, bootstrapapi=False, apifiles=[MEMCLNT, *OURS]) as client:
        assert client.retval("lb_add_del_vip_v2", pfx="192.0.2.1/32") == 0
        assert [str(vip.vip.pfx) for vip in client.api.lb_vip_dump()] == ["192.0.2.1/32"]


def test_papi_survives_a_death_and_finds_the_next_life(simulated):
    for _ in range(3):
        with papi_client(simulated.api_socket) as client:
            assert client.api.control_ping().retval == 0
            simulated.kill()
            with pytest.raises((VPPIOError, OSError)):
                client.api.control_ping()
        simulated.restart()


def test_workers_have_rows_of_their_own(simulated):
    with papi_client(simulated.api_socket) as client, papi_stats(simulated.stats_socket) as stats:
        client.retval("lb_add_del_vip_v2", pfx="192.0.2.1/32")
        assert stats["first session packet"] == [[0, 0]] * 3


def test_many_readers_may_come(simulated):
    for _ in range(20):
        with papi_stats(simulated.stats_socket) as stats:
            assert stats["/sys/heartbeat"] >= 1


def test_a_thousand_vips_with_ten_servers_are_loaded_and_read(simulated):
    with papi_client(simulated.api_socket, read_timeout=300) as client:  # all of a dump is one answer
        for number in range(1000):
            prefix = f"198.18.{number >> 8}.{number & 255}/32"
            servers = " ".join(f"10.0.{number % 7}.{server}" for server in range(1, 11))
            assert client.retval("lb_add_del_vip_v2", pfx=prefix) == 0
            assert client.cli(f"lb as {prefix} {servers} weight 100")[0] == 0
        rows = client.dump("lb_as_v2_dump")
        assert len(rows) == 10_000
        assert sum(row.num_buckets for row in rows) == 1000 * 1024


# Faults from the command line.


def test_a_late_answer_is_a_timeout_for_the_client():
    with (
        SimulatorProcess("--delay", "show_version=60") as simulated,
        papi_client(simulated.api_socket) as client,
    ):
        assert client.api.control_ping().retval == 0
        with pytest.raises(VPPIOError), client.impatient():
            client.api.show_version()
        simulated.kill()  # the client would wait for its farewell to be answered


def test_an_answer_can_be_left_out_or_made_up():
    with (
        SimulatorProcess("--drop", "show_version=1", "--retval", "lb_conf=-12") as simulated,
        papi_client(simulated.api_socket) as client,
    ):
        with pytest.raises(VPPIOError), client.impatient():
            client.api.show_version()
        assert client.api.show_version().retval == 0
        assert client.retval("lb_conf") == -12


def test_split_frames_still_make_sense_to_papi():
    with SimulatorProcess("--split", "1000") as simulated, papi_client(simulated.api_socket) as client:
        assert client.retval("lb_add_del_vip_v2", pfx="192.0.2.1/32") == 0


def test_a_connection_breaks_in_the_middle_of_a_dump():
    with SimulatorProcess("--hang-up-after", "1") as simulated:
        with papi_client(simulated.api_socket) as client:
            client.cli("lb vip 192.0.2.1/32\nlb as 192.0.2.1/32 10.0.0.1 10.0.0.2")
            with pytest.raises(OSError, match=r"VPP API client|Sendall error"):
                client.api.lb_as_v2_dump()
        with papi_client(simulated.api_socket) as client:
            assert len(client.api.lb_as_v2_dump()) == 2


def test_faults_can_be_switched_from_a_client(simulated):
    with papi_client(simulated.api_socket) as client:
        assert client.cli("sim fault retval lb_conf -5") == (0, "")
        assert client.retval("lb_conf") == -5
        assert client.cli("sim fault none") == (0, "")
        assert client.retval("lb_conf") == 0
        assert client.cli("sim fault drop show_version 1") == (0, "")
        with pytest.raises(VPPIOError), client.impatient():
            client.api.show_version()
        assert client.cli("sim fault nonsense") == (-1, "sim fault: parse error: 'nonsense'\n")
        started = time.monotonic()
        assert client.cli("sim fault delay show_version 200") == (0, "")
        assert client.api.show_version().retval == 0
        assert time.monotonic() - started >= 0.2


def ping_for_ever(client):
    while client.api.control_ping().retval == 0:
        pass


def test_a_client_can_freeze_and_restart_it(simulated):
    with papi_client(simulated.api_socket) as client:
        pid = client.api.control_ping().vpe_pid
        started = time.monotonic()
        assert client.cli("sim freeze 0.2") == (0, "")
        assert client.api.control_ping().retval == 0
        assert time.monotonic() - started >= 0.2
        assert client.cli("sim restart") == (0, "")
        with pytest.raises((VPPIOError, OSError)):
            ping_for_ever(client)
    with papi_client(simulated.api_socket) as client:
        assert client.api.control_ping().vpe_pid == pid + 1


def test_a_frozen_one_answers_nobody():
    with SimulatorProcess("--frozen") as simulated, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(0.3)
        client.connect(simulated.api_socket)
        client.sendall(bytes(20))
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_stuck_segment_says_so():
    with SimulatorProcess("--stats-stuck") as simulated:
        # vpp_papi would spin for ever here.
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as reader:
            reader.connect(simulated.stats_socket)
            _, (descriptor,), _, _ = socket.recv_fds(reader, 1, 1)
        header = os.pread(descriptor, 40, 0)
        os.close(descriptor)
        assert int.from_bytes(header[24:32], "little") == 1


def test_the_epoch_can_churn():
    with SimulatorProcess("--epoch-churn", "0.005") as simulated, papi_stats(simulated.stats_socket) as stats:
        first, deadline = stats.epoch, time.monotonic() + 60
        while stats.epoch < first + 5:
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.mark.parametrize("release", ["26.06", "24.02", "22.10", "no-lb"])
def test_older_releases_run_too(release):
    # Before 24.06 VPP can't tell its API description: vpp_papi needs files then, as it does with a real one.
    with (
        SimulatorProcess("--release", release) as simulated,
        papi_client(simulated.api_socket, bootstrapapi=False, apifiles=[MEMCLNT, *OURS]) as client,
    ):
        assert not hasattr(client.api, "lb_as_set_weight")
        retval, _ = client.cli("lb vip 192.0.2.1/32 encap gre4")
        assert retval == (-1 if release == "no-lb" else 0)


# The command itself.


@pytest.fixture
def command():
    with SimulatorCommand("--workers", "2") as process:
        yield process


def run(*arguments):
    command = [sys.executable, "-m", "maglev.vppsim.program", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "--api-socket is required"),
        (("--api-socket", "/a"), "--stats-socket is required"),
        (("--api-socket", "/a", "--stats-socket", "/b", "--release", "1"), "--release must be one of 26.10"),
        (("--api-socket", "/a", "--stats-socket", "/b", "--workers", "99"), "--workers must be 0 to 64"),
        (("--api-socket", "/a", "--stats-socket", "/b", "--log-level", "x"), "--log-level must be one of"),
        (("--api-socket", "/a", "--stats-socket", "/b", "--split", "-1"), "--split must not be negative"),
        (("--drop", "x"), "--drop needs MESSAGE=NUMBER"),
        (("--delay", "x=-1"), "--delay needs MESSAGE=NUMBER"),
        (("--nonsense",), "nonsense"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments, problem):
    refused = run(*arguments)
    assert refused.returncode == 2
    assert problem in refused.stderr
    assert refused.stderr.startswith("maglev-vppsim: ")


def test_the_version_is_printed():
    assert run("--version").stdout.startswith("maglev-vppsim ")


def test_a_socket_that_cannot_be_made_is_reported():
    refused = run("--api-socket", "/nonexistent/api.sock", "--stats-socket", "/nonexistent/stats.sock")
    assert refused.returncode == 1
    assert refused.stderr.startswith("maglev-vppsim: ")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(command, number):
    process = command._process
    with papi_client(command.api_socket) as client:  # once it answers, its reactor has its handlers in place
        assert client.api.control_ping().retval == 0
    process.send_signal(number)
    assert process.wait(60) == 0
    assert not Path(command.stats_socket).exists()
    assert Path(command.api_socket).exists()
    where = f"{command.api_socket} (API) and {command.stats_socket} (stats)"
    assert command.output == f"maglev-vppsim: listening on {where}\n"


def test_a_crash_ends_it_as_an_abort_would(command):
    with papi_client(command.api_socket) as client, pytest.raises(VPPIOError):
        client.api.lb_add_del_vip_v2(pfx="192.0.2.1/32", new_flows_table_length=0)
    assert command._process.wait(60) == 134
    assert Path(command.stats_socket).exists()
    command.restart()
    with papi_client(command.api_socket) as client:
        assert client.api.control_ping().retval == 0


def test_stale_sockets_are_replaced(command):
    command.kill()
    assert Path(command.api_socket).exists()
    assert Path(command.stats_socket).exists()
    command.restart()
    assert stat.S_IMODE(Path(command.api_socket).stat().st_mode) == 0o770


# In the process of the test.


class Greeter(Protocol):
    """Says hello, and collects what comes until the connection is lost."""

    def __init__(self):
        self.data = b""
        self.greeted, self.lost = Deferred(), Deferred()

    def connectionMade(self):
        self.transport.write(bytes(11) + b"\x46" + bytes(4) + b"\0\x0f" + bytes(4) + b"test".ljust(64, b"\0"))

    def dataReceived(self, data):
        self.data += data
        if self.greeted and len(self.data) > 36:
            greeted, self.greeted = self.greeted, None
            greeted.callback(None)

    def connectionLost(self, reason):
        self.lost.callback(None)


@pytest_twisted.ensureDeferred
async def test_in_process_it_serves_lives_and_stops_without_leftovers():
    from twisted.internet import reactor

    vpp = InProcessVpp(reactor)
    for _ in range(2):
        client = await connectProtocol(UNIXClientEndpoint(reactor, vpp.api_socket), Greeter())
        await client.greeted
        vpp.restart()
        await client.lost
    client = await connectProtocol(UNIXClientEndpoint(reactor, vpp.api_socket), Greeter())
    await client.greeted
    await vpp.stop()
    await client.lost
    assert not Path(vpp.api_socket).exists()
    assert not reactor.getReaders() or all("vppsim" not in reader.logPrefix() for reader in reactor.getReaders())


@pytest_twisted.ensureDeferred
async def test_in_process_a_reader_of_counters_waits_while_it_is_frozen():
    from twisted.internet import reactor

    vpp = InProcessVpp(reactor)
    vpp.simulator.freeze()
    received = []

    def read():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as reader:
            reader.settimeout(60)
            reader.connect(vpp.stats_socket)
            _, descriptors, _, _ = socket.recv_fds(reader, 1, 1)
            received.extend(descriptors)

    thread = threading.Thread(target=read)
    thread.start()
    while not vpp.simulator._waiting:
        await task.deferLater(reactor, 0.01)
    assert received == []
    vpp.simulator.thaw()
    while thread.is_alive():
        await task.deferLater(reactor, 0.01)
    assert int.from_bytes(os.pread(received[0], 8, 0), "little") == 2
    os.close(received[0])
    await vpp.stop()


@pytest_twisted.ensureDeferred
async def test_in_process_the_simulator_can_be_looked_into():
    from twisted.internet import reactor

    vpp = InProcessVpp(reactor, seed=1)
    vpp.simulator.boot.balancer  # noqa: B018
    assert vpp.simulator.vips() == {}
    with pytest.raises(KeyError):
        vpp.simulator.weights("192.0.2.1/32")
    assert VipName("192.0.2.1/32", 6, 443).port == 443
    vpp.kill()
    vpp.restart()
    await vpp.stop()
