"""``/healthz``: what makes maglevd unwell, and what does not, asked over a connection in memory."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from maglev.healthcheck.evidence import LOOK
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.service import CheckerService
from maglev.metrics.healthz import FRESH, RECENTLY, STALL_BOUND, VPP_PATIENCE, SelfCheck
from maglev.metrics.resource import site_of
from maglev.model.result import Code, LocalFault, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.service import VppService
from tests.fakes.clocks import LateClock
from tests.fakes.configs import make_check, make_config
from tests.fakes.http import HttpConnection
from tests.fakes.lb import FakeConnector, FakeLb
from tests.fakes.probers import FakeProbers

ROOT = Path(__file__).parents[2]
PASS = Result(Code.L4OK, duration=0.002)
FAIL = Result(Code.L4CON, "refused")
DELAYS = {"startup_min_delay": 5.0, "startup_max_delay": 30.0}


class HealthWorld:
    """A checker and a VPP in memory, and the site that says whether they are well."""

    def __init__(self, vpp=True, off=False, watchdog=None):
        self.clock = LateClock()
        self.board = Board(lambda: 0.0, make_config(checks=[make_check(rise=1, fall=1)], **DELAYS))
        self.probers = FakeProbers()
        self.lag = LagMonitor(self.clock)
        self.checker = CheckerService(self.clock, self.board, self.probers, self.lag, lambda: 1.0)
        self.connector = FakeConnector(FakeLb() if vpp else None)
        cooperator = Cooperator(self.clock)
        connector = None if off else self.connector
        self.vpp = VppService(cooperator.queue("vpp"), self.board, connector, lambda: 1.0)
        self.check = SelfCheck(self.clock, self.checker, self.lag, self.vpp, watchdog)
        self.site = site_of(cooperator.queue("metrics"), lambda: 64, [], self.check)
        self.checker.startService()
        self.vpp.startService()

    def wait(self, seconds, outcome=PASS, **outcomes):
        """Let time pass; probes end with an outcome, another for some backends, or not at all with None."""
        for _ in range(round(seconds * 10)):
            for name, prober in self.probers.made.items():
                end = outcomes.get(name, outcome)
                if end is not None and prober.finished is not None:
                    prober.finish(end)
            self.clock.advance(0.1)

    def ask(self, method=b"GET", target=b"/healthz"):
        """Return a connection with an answer."""
        connection = HttpConnection(self.site)
        connection.ask(target, method)
        for _ in range(5):
            self.clock.advance(0)
        return connection

    def answer(self):
        """Return the status and, by part, what the body says."""
        self.wait(FRESH + 0.1, None)
        connection = self.ask()
        document = json.loads(connection.text())
        assert document["ok"] == (connection.status() == 200)
        assert document["ok"] == all(part["ok"] for part in document["checks"].values())
        return connection.status(), {name: part["detail"] for name, part in document["checks"].items()}

    def unwell(self):
        """Return which parts are not well."""
        return {name for name, finding in self.check.findings().items() if not finding.ok}


@pytest.fixture
def make_world():
    """Make worlds; they are stopped after the test."""
    made = []

    def make(**settings):
        made.append(HealthWorld(**settings))
        return made[-1]

    yield make
    for world in made:
        world.checker.stopService()
        world.vpp.stopService()


def test_all_is_well(make_world):
    world = make_world()
    world.wait(40)
    status, details = world.answer()
    assert re.fullmatch(r"at most 0\.\d{3} s in the last 60 s", details.pop("lag"))
    assert (status, details) == (200, {"probing": "as scheduled", "vpp": "connected"})


def test_the_warm_up_is_well_and_says_so(make_world):
    world = make_world()
    world.wait(1, None)
    status, details = world.answer()
    assert (status, details["probing"]) == (200, "warming up")


def test_backends_that_are_down_are_no_illness(make_world):
    world = make_world()
    world.wait(40)
    world.wait(40, FAIL)
    assert {str(each.state) for each in world.board.backends.values()} == {"down"}
    assert world.answer()[0] == 200


# VPP


def test_a_vpp_that_is_switched_off_is_well(make_world):
    world = make_world(off=True)
    world.wait(2 * VPP_PATIENCE)
    status, details = world.answer()
    assert (status, details["vpp"]) == (200, "switched off")


def test_a_vpp_that_never_came_is_forgiven_for_a_while(make_world):
    world = make_world(vpp=False)
    world.wait(VPP_PATIENCE - 2)
    status, details = world.answer()
    assert status == 200
    assert re.fullmatch(r"not connected for 5\d s \(allowed: 60 s\)", details["vpp"])
    world.wait(3)
    status, details = world.answer()
    assert status == 503
    assert re.fullmatch(r"not connected for 6\d s \(allowed: 60 s\)", details["vpp"])
    assert world.unwell() == {"vpp"}
    world.connector.start_vpp()
    world.wait(2)
    assert world.answer()[0] == 200


def test_a_vpp_that_went_away_is_forgiven_for_a_while(make_world):
    world = make_world()
    world.wait(100)
    world.connector.kill_vpp()
    world.wait(VPP_PATIENCE - 2)
    assert world.answer()[0] == 200
    world.wait(3)
    assert world.answer()[0] == 503


def test_a_vpp_that_connects_and_can_not_be_read_is_absent_too(make_world):
    world = make_world(vpp=False)
    lb = FakeLb()
    lb.manual = True
    world.connector.start_vpp(lb)
    for _ in range(7):
        world.wait(10)
        world.connector.links[-1].close()  # before anything was read
    world.wait(10)
    status, details = world.answer()
    assert status == 503
    assert re.fullmatch(r"connected, but not read yet, for \d+ s \(allowed: 60 s\)", details["vpp"])


# Probing


@pytest.mark.parametrize(("blind", "text"), [("a", "1 probed backend has"), ("abc", "3 probed backends have")])
def test_lost_evidence_is_not_well_until_it_is_regained(make_world, blind, text):
    world = make_world()
    world.wait(40)
    world.wait(30, **dict.fromkeys(blind, LocalFault("descriptors", "too many open files")))
    status, details = world.answer()
    assert (status, details["probing"]) == (503, f"{text} no recent result")
    assert world.unwell() == {"probing"}
    world.wait(2 * LOOK)
    assert world.answer()[0] == 200


def test_a_probe_that_never_ends_is_not_well(make_world):
    world = make_world(watchdog=10.0)
    world.wait(40)
    world.wait(12.5, None)
    assert not world.checker.evidence.lost
    status, details = world.answer()
    assert status == 503
    assert re.fullmatch(r"a probe has not ended 1\d s after its timeout", details["probing"])


def test_probes_that_do_not_begin_are_not_well(make_world, monkeypatch):
    world = make_world()
    world.wait(40)
    monkeypatch.setattr(world.checker, "oldest_wait", lambda: STALL_BOUND)
    status, details = world.answer()
    assert (status, details["probing"]) == (503, "a probe is 30 s late to start")


# Lag


@pytest.mark.parametrize(("watchdog", "bound"), [(None, STALL_BOUND), (5.0, 5.0)])
def test_a_stall_beyond_the_bound_of_the_watchdog_is_not_well_for_a_minute(make_world, watchdog, bound):
    world = make_world(watchdog=watchdog)
    world.wait(40)
    world.clock.stall(bound - 0.2)
    assert float(world.answer()[1]["lag"].split()[2]) > bound - 1
    assert "lag" not in world.unwell()
    world.wait(RECENTLY + 1)
    world.clock.stall(bound + 0.6)  # one that begins right after a tick is underestimated by up to 0.5 s
    world.wait(2 * LOOK)
    status, details = world.answer()
    assert (status, world.unwell()) == (503, {"lag"})
    assert float(re.fullmatch(r"at most (\S+) s in the last 60 s", details["lag"])[1]) >= bound
    world.wait(RECENTLY)
    assert world.answer()[0] == 200


def test_the_bound_is_that_of_our_unit():
    assert f"WatchdogSec={STALL_BOUND:.0f}s" in (ROOT / "debian" / "vpp-maglevd.service").read_text()


# The answer


@pytest.mark.parametrize(("vpp", "status"), [(True, 200), (False, 503)])
def test_head_gets_the_same_status_and_length_without_a_body(make_world, vpp, status):
    world = make_world(vpp=vpp)
    world.wait(VPP_PATIENCE + 5)
    whole, head = world.ask(), world.ask(b"HEAD")
    assert (whole.status(), head.status()) == (status, status)
    assert head.text() == b""
    length = re.search(rb"(?i)content-length: (\d+)", head.head())
    assert int(length[1]) == len(whole.text())
    for connection in (whole, head):
        assert b"content-type: application/json" in connection.head().lower()
        assert b"cache-control: no-store" in connection.head().lower()


@pytest.mark.parametrize("target", [b"http://lb1:9091/healthz", b"/healthz?verbose"])
def test_it_may_be_asked_in_absolute_form_and_with_arguments(make_world, target):
    world = make_world()
    world.wait(10)
    assert world.ask(target=target).status() == 200


def test_nothing_can_be_posted(make_world):
    assert make_world().ask(b"POST").status() == 405


def test_many_askers_cost_one_look(make_world, monkeypatch):
    world = make_world()
    world.wait(10)
    looks = []
    monkeypatch.setattr(world.checker, "longest_overrun", lambda: looks.append(1) or 0.0)
    world.wait(FRESH + 0.1)
    for _ in range(50):
        assert world.ask().status() == 200
    assert len(looks) == 1
    world.wait(FRESH + 0.1)
    world.ask()
    assert len(looks) == 2


def test_the_body_is_short_and_names_nothing(make_world, monkeypatch):
    world = make_world(vpp=False)
    world.connector.error = "/run/secret/api.sock: permission denied"
    world.wait(VPP_PATIENCE + 5)
    world.wait(60, LocalFault("namespace", "/run/netns/secret"))
    world.clock.stall(40)
    world.wait(1, None)
    assert world.unwell() == {"probing", "vpp", "lag"}
    text = world.ask().text().decode()
    names = {*world.board.backends, *world.board.frontends, *(each.address for each in world.board.backends.values())}
    assert len(text) < 400
    assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", text) and name != "a"]
    assert "secret" not in text
