"""What the service manager hears: readiness, status, watchdog, reloads and the end."""

import errno
import os
import signal
import socket
import time

import pytest

from maglev.daemon.systemd import PATIENCE, Notifier, NotifySocket, notify_socket
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.service import CheckerService
from maglev.model.health import Lifecycle
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.service import VppService
from tests.fakes.clocks import LateClock
from tests.fakes.configs import make_check, make_config
from tests.fakes.daemon_parts import start
from tests.fakes.logs import recorded_events
from tests.fakes.probers import FakeProbers
from tests.fakes.vpp_bench import VppInMemory

PASS = Result(Code.L4OK, duration=0.002)
FAIL = Result(Code.L4CON, "refused")
DELAYS = {"startup_min_delay": 5.0, "startup_max_delay": 30.0}
STILL_WARM = f"EXTEND_TIMEOUT_USEC={PATIENCE * 1e6:.0f}"


class Manager:
    """A service manager in memory: keeps what it is told, one list of lines for each datagram."""

    def __init__(self, watchdog=None):
        self.watchdog = watchdog
        self.told = []

    def send(self, *lines):
        self.told.append(list(lines))

    def close(self):
        self.told.append(["closed"])

    def take(self):
        told, self.told = self.told, []
        return [line for lines in told for line in lines]


class WatchedNotifier:
    """A notifier with the checker that it watches; VPP is switched off unless a VPP service is given."""

    def __init__(self, watchdog=None, config=None):
        self.clock = LateClock()
        self.manager = Manager(watchdog)
        self.board = Board(lambda: 0.0, config or make_config(checks=[make_check(rise=1, fall=1)], **DELAYS))
        self.probers = FakeProbers()
        self.checker = CheckerService(self.clock, self.board, self.probers, LagMonitor(self.clock), lambda: 1.0)
        self.vpp = VppService(Cooperator(self.clock).queue("vpp"), self.board, None, lambda: 1.0)
        self.notifier = Notifier(self.clock, self.manager, self.board, self.checker, self.vpp)
        for service in (self.checker, self.vpp, self.notifier):
            service.startService()

    def wait(self, seconds, answer=True):
        for _ in range(round(seconds * 10)):
            for prober in self.probers.made.values():
                if answer and prober.finished is not None:
                    prober.finish(PASS)
            self.clock.advance(0.1)


# The socket


@pytest.fixture
def listener(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.settimeout(60)
        made.bind(str(tmp_path / "notify"))
        yield made


def test_lines_go_out_in_one_datagram(listener):
    channel = notify_socket({"NOTIFY_SOCKET": listener.getsockname()})
    channel.send("READY=1", "STATUS=äh")
    channel.close()
    assert listener.recv(1000) == "READY=1\nSTATUS=äh".encode()


def test_a_name_with_an_at_is_in_the_abstract_namespace():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(60)
        listener.bind("")  # Linux chooses a free abstract name
        name = listener.getsockname().decode()
        channel = notify_socket({"NOTIFY_SOCKET": name.replace("\0", "@")})
        channel.send("READY=1")
        channel.close()
        assert listener.recv(1000) == b"READY=1"


@pytest.mark.parametrize("place", ["", "vsock:2:1234", "relative/path"])
def test_without_a_socket_that_we_know_nothing_is_told(place):
    assert notify_socket({"NOTIFY_SOCKET": place}) is None
    assert notify_socket({}) is None


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_the_one_of_this_process(variables, seconds):
    assert notify_socket({"NOTIFY_SOCKET": "/x", **variables}).watchdog == seconds


def test_a_manager_that_does_not_listen_is_reported_once_and_stops_nobody(tmp_path):
    channel = NotifySocket(str(tmp_path / "none"), None)
    with recorded_events() as events:
        channel.send("READY=1")
        channel.send("WATCHDOG=1")
    channel.close()
    assert [name for name, _ in events] == ["notify-failed"]
    assert "No such file" in events[0][1]["error"]


def test_a_manager_that_reads_nothing_is_not_waited_for(listener):
    channel = NotifySocket(listener.getsockname(), None)
    with recorded_events() as events:
        for _ in range(1000):
            channel.send("WATCHDOG=1")
    channel.close()
    assert [name for name, _ in events] == ["notify-failed"]


def test_the_watchdog_is_fed_when_there_are_no_more_descriptors(listener, monkeypatch):
    def none_left(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    channel = NotifySocket(listener.getsockname(), None)
    channel.send("READY=1")
    monkeypatch.setattr("maglev.daemon.systemd.socket.socket", none_left)
    channel.send("WATCHDOG=1")
    channel.close()
    assert [listener.recv(1000), listener.recv(1000)] == [b"READY=1", b"WATCHDOG=1"]


# Readiness


def test_ready_comes_with_the_end_of_the_warm_up_and_asks_for_patience_before():
    bench = WatchedNotifier()
    delay = bench.board.config.vpp.startup_min_delay
    assert delay > 0
    bench.wait(delay - 0.1)
    before = bench.manager.take()
    assert "READY=1" not in before
    assert STILL_WARM in before
    bench.wait(2)
    after = bench.manager.take()
    assert after.count("READY=1") == 1
    bench.wait(10)
    assert bench.manager.take() == []


def test_ready_comes_after_the_longest_delay_though_a_backend_is_not_known():
    bench = WatchedNotifier()
    bench.wait(bench.board.config.vpp.startup_max_delay - 0.1, answer=False)
    assert "READY=1" not in bench.manager.take()
    bench.wait(2, answer=False)
    assert "READY=1" in bench.manager.take()


def notified(vpp):
    """Return what the manager of a VPP service's daemon hears, and its notifier, which has begun."""
    manager = Manager()
    checker = CheckerService(vpp.clock, vpp.board, FakeProbers(), LagMonitor(vpp.clock), lambda: 1.0)
    notifier = Notifier(vpp.clock, manager, vpp.board, checker, vpp.service)
    notifier.startService()
    return manager, notifier


def test_with_a_vpp_ready_waits_until_it_has_what_was_decided():
    vpp = VppInMemory(vpp=False)
    vpp.lb.manual = True
    vpp.connector.start_vpp(vpp.lb)
    vpp.wait(1)
    assert vpp.service.warm_up.over
    manager, notifier = notified(vpp)
    vpp.wait(3)
    assert "READY=1" not in manager.take()
    vpp.lb.manual = False
    vpp.lb.answer()
    vpp.wait(2)
    assert "READY=1" in manager.take()
    notifier.stopService()
    vpp.stop()


def test_without_its_vpp_ready_does_not_wait():
    vpp = VppInMemory(vpp=False)
    manager, notifier = notified(vpp)
    vpp.wait(2)
    told = manager.take()
    assert "READY=1" in told
    assert any("no VPP" in line for line in told)
    notifier.stopService()
    vpp.stop()


# Status


def test_the_status_counts_what_is_not_up_and_is_told_when_it_changes():
    bench = WatchedNotifier()
    bench.wait(0.2, answer=False)
    told = bench.manager.take()
    assert "STATUS=Warming up: 1 frontends (1 unknown), 3 backends (3 unknown), VPP switched off" in told
    bench.wait(10)
    assert bench.manager.take()[-1] == "STATUS=1 frontends, 3 backends, VPP switched off"
    bench.board.record("a", FAIL)
    bench.wait(1.1, answer=False)
    assert bench.manager.take() == ["STATUS=1 frontends, 3 backends (1 down), VPP switched off"]


# Watchdog


def test_the_watchdog_is_fed_several_times_in_its_time_and_not_more():
    bench = WatchedNotifier(watchdog=20.0)
    bench.wait(40)
    assert 6 <= bench.manager.take().count("WATCHDOG=1") <= 8


def test_a_watchdog_of_a_second_is_fed_in_time():
    bench = WatchedNotifier(watchdog=1.0)
    bench.wait(10)
    assert bench.manager.take().count("WATCHDOG=1") >= 30


def test_without_a_watchdog_it_is_not_fed():
    bench = WatchedNotifier()
    bench.wait(40)
    assert "WATCHDOG=1" not in bench.manager.take()


def test_a_probe_that_never_ends_starves_the_watchdog():
    bench = WatchedNotifier(watchdog=10.0)
    bench.wait(20)
    bench.wait(15, answer=False)
    bench.manager.take()
    assert bench.checker.longest_overrun() >= 10
    bench.wait(20, answer=False)
    assert "WATCHDOG=1" not in bench.manager.take()
    bench.wait(5)
    assert "WATCHDOG=1" in bench.manager.take()


def test_backends_that_are_not_probed_starve_nobody():
    bench = WatchedNotifier(watchdog=10.0)
    for name in "abc":
        bench.board.happen(name, Lifecycle.PAUSE)
    bench.manager.take()
    bench.wait(40, answer=False)
    assert bench.manager.take().count("WATCHDOG=1") >= 12


# Reloads, and the end


def test_a_reload_is_told_with_its_time_and_its_end():
    bench = WatchedNotifier()
    bench.wait(10)
    bench.manager.take()
    before = int(time.monotonic() * 1e6)
    bench.notifier.reloading()
    begun = bench.manager.take()
    assert begun[0] == "RELOADING=1"
    name, _, told = begun[1].partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(told) <= time.monotonic() * 1e6
    bench.notifier.reloaded()
    assert bench.manager.take() == ["READY=1", "STATUS=1 frontends, 3 backends, VPP switched off"]


def test_a_reload_before_ready_does_not_make_it_ready():
    bench = WatchedNotifier()
    bench.wait(1)
    bench.manager.take()
    bench.notifier.reloading()
    bench.notifier.reloaded()
    assert bench.manager.take() == []


def test_the_end_is_told_and_nothing_after_it():
    bench = WatchedNotifier()
    bench.wait(10)
    bench.manager.take()
    bench.notifier.stopService()
    told = bench.manager.take()
    assert told[0] == "STOPPING=1"
    assert told[-1] == "closed"
    bench.wait(10)
    assert bench.manager.take() == []


# The daemon


@pytest.fixture
def manager(listener, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", listener.getsockname())
    listener.setblocking(False)
    return listener


def heard(listener):
    lines = []
    while True:
        try:
            lines += listener.recv(4096).decode().split("\n")
        except BlockingIOError:
            return lines


def test_the_daemon_tells_its_manager_all_of_its_life(manager, daemon, reactor):
    start(daemon)
    assert heard(manager) == []
    for _ in range(70):
        reactor.advance(0.1)
    assert "READY=1" in heard(manager)
    os.kill(os.getpid(), signal.SIGHUP)
    reactor.run_threads()
    reactor.advance(1)
    told = heard(manager)
    assert [line for line in told if line in {"RELOADING=1", "READY=1"}] == ["RELOADING=1", "READY=1"]
    daemon.stopService()
    assert heard(manager)[0] == "STOPPING=1"
    assert reactor.getDelayedCalls() == []
