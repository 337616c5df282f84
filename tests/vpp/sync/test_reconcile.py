"""The service against the simulator, without sockets: whatever happens, VPP ends up with what is wanted.

More rounds than the few of every day: ``MAGLEV_TEST_ROUNDS=1000 pytest tests/vpp/sync/test_reconcile.py``.
"""

import os

import pytest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from maglev.model.config import ForeignVips
from maglev.model.health import Lifecycle
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.lb.script import vip_name
from maglev.vpp.lb.state import Encap, key_of
from maglev.vpp.sync.plan import fitted, want
from maglev.vpp.sync.service import VppService
from maglev.vppsim.boot import vip_name as name_of
from maglev.vppsim.faults import ALWAYS
from maglev.vppsim.release import Release
from maglev.vppsim.simulator import Simulator
from maglev.vppsim.writes import VipName
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.memory_client import MemoryClient
from tests.fakes.memory_link import MemoryConnector
from tests.fakes.random_sites import FOREIGN, RandomSite

ROUNDS = int(os.environ.get("MAGLEV_TEST_ROUNDS", "25"))
STEP = 0.125
PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON)
QUICK = [make_check(rise=1, fall=1)]
DRIVEN = [Release.WEIGHTED, Release.UNWEIGHTED, Release.UNDESCRIBED, Release.UNSTICKY]
WEB = VipName("192.0.2.1/32", 6, 80)


class ReconciledSimulator:
    """A simulator, the service that programs it, and time."""

    def __init__(self, config, release=Release.WEIGHTED, simulator=None, known=True):
        self.clock = simulator._reactor if simulator else Clock()
        self.release = release
        self.simulator = simulator or Simulator(self.clock, release=release, seed=1, fillers=10, wall=lambda: 0.0)
        if not self.simulator.running:
            self.simulator.start()
        self.board = Board(lambda: 0.0, config)
        if known:
            for name in self.board.backends:
                self.board.record(name, PASS)
        self.service = VppService(
            Cooperator(self.clock).queue("vpp"),
            self.board,
            MemoryConnector(self.clock, self.simulator),
            lambda: 1.0,
        )
        self.service.startService()
        self.events = []
        globalLogPublisher.addObserver(self.events.append)
        self.wait(1)

    def wait(self, seconds):
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)

    def to_wire(self, name):
        return [event for event in self.events if event.get("log_event") == name]

    def run(self, command):
        """Do something to VPP by hand; return whether VPP accepted it."""
        client = MemoryClient(self.simulator)
        retval, _ = client.run(command)
        client.transport.loseConnection()
        return retval == 0

    def wanted(self):
        """Return what VPP should hold: {VIP: (encapsulation, stickiness, length, {address: weight})}."""
        found = {}
        for status in self.board.frontends.values():
            addresses = {name: self.board.backends[name].address for name in status.desired}
            vip = fitted(
                want(status.frontend, addresses, status.desired, frozenset()),
                weights=self.release.has_weights,
                src_ip_sticky=self.release.has_sticky,
            )
            key = VipName(f"{vip.key.address}/{vip.key.length}", vip.key.protocol, vip.key.port)
            weights = {address: server.weight for address, server in vip.servers.items()}
            found[key] = (vip.encap, vip.src_ip_sticky, vip.table_length, weights)
        return found

    def held(self):
        """Return what the simulator holds, in the same form."""
        weights = self.simulator.vips()
        found = {}
        for vip in self.simulator.boot.balancer.vips:
            name = name_of(vip.key)
            if vip.used and name in weights:  # the first one is VPP's own
                encap = Encap.GRE4 if vip.type.name.endswith("GRE4") else Encap.GRE6
                found[name] = (encap, vip.sticky, vip.table_length, dict(weights[name]))
        return found

    def foreign(self):
        """Return the VIPs that others have made, if they are to be kept."""
        keep = self.board.config.vpp.foreign_vips is ForeignVips.KEEP
        return {name: vip for name, vip in self.held().items() if keep and name not in self.wanted()}

    def names(self):
        """Return our VIPs as the command line names them, with the family of their servers."""
        vips = self.service.sync.ledger.vips
        keys = [key_of(status.frontend) for status in self.board.frontends.values()]
        return [(vip_name(key), int(vips[key].encap)) for key in keys if key in vips]

    def stop(self, leave_vpp=False):
        globalLogPublisher.removeObserver(self.events.append)
        self.service.stopService()
        if not leave_vpp:
            self.simulator.kill()
            self.clock.advance(0)
            assert self.clock.getDelayedCalls() == []


def bench_of(*frontends, release=Release.WEIGHTED, **settings):
    return ReconciledSimulator(make_config(list(frontends) or None, checks=QUICK, **settings), release)


# Everything at random


@pytest.mark.parametrize("release", DRIVEN)
def test_random_configurations_in_a_row_end_each_in_the_desired_state(release):
    site = RandomSite(1)
    bench = ReconciledSimulator(site.config(foreign_vips=ForeignVips.REMOVE, removal_max_delay=0.0), release)
    for turn in range(ROUNDS):
        bench.board.apply(site.config(foreign_vips=ForeignVips.REMOVE, removal_max_delay=0.0))
        site.happen(bench.board)
        bench.wait(0.5)
        site.prove(bench.board)
        site.happen(bench.board)
        bench.wait(0.5)
        assert bench.held() == bench.wanted(), f"round {turn}"
    assert bench.to_wire("vpp-lbsync-refused") == []
    assert bench.to_wire("vpp-lbsync-drift") == []
    bench.stop()


@pytest.mark.parametrize("release", DRIVEN)
def test_changes_by_hand_are_repaired_by_the_next_sync_once(release):
    site = RandomSite(2)
    bench = ReconciledSimulator(site.config(foreign_vips=ForeignVips.REMOVE, removal_max_delay=0.0), release)
    done = 0
    for turn in range(ROUNDS):
        if turn % 5 == 0:
            bench.board.apply(site.config(foreign_vips=ForeignVips.REMOVE, removal_max_delay=0.0))
            site.prove(bench.board)
            bench.wait(1)
        before = bench.held(), bench.simulator.boot.balancer.conf
        command = site.command(bench.names(), weights=release.has_weights)
        done += bench.run(command)
        changed = (bench.held(), bench.simulator.boot.balancer.conf) != before
        told = len(bench.to_wire("vpp-lbsync-drift"))
        bench.wait(10.5)
        assert bench.held() == bench.wanted(), f"round {turn}: {command}"
        assert bench.simulator.boot.balancer.conf == before[1] or not release.has_weights
        # An older VPP does not tell the sizes of its settings before the first packet.
        if release.has_weights or "conf" not in command:
            assert (len(bench.to_wire("vpp-lbsync-drift")) > told) is changed, command
        writes = bench.simulator.writes.total
        bench.wait(21)
        assert bench.simulator.writes.total == writes, f"round {turn}: {command}"
    assert done > ROUNDS / 4
    bench.stop()


def test_foreign_vips_that_are_kept_outlive_everything():
    site = RandomSite(3)
    bench = ReconciledSimulator(site.config(foreign_vips=ForeignVips.KEEP, removal_max_delay=0.0))
    assert bench.run(f"lb vip {FOREIGN}/32 protocol tcp port 80 encap gre4")
    assert bench.run(f"lb as {FOREIGN}/32 protocol tcp port 80 10.0.0.77 weight 7")
    for _ in range(ROUNDS // 2):
        bench.board.apply(site.config(foreign_vips=ForeignVips.KEEP, removal_max_delay=0.0))
        site.prove(bench.board)
        bench.wait(11)
        assert bench.held() == {**bench.wanted(), VipName(f"{FOREIGN}/32", 6, 80): (0, False, 1024, {"10.0.0.77": 7})}
    bench.stop()


def test_a_restart_of_ours_in_any_state_writes_nothing():
    for release in DRIVEN:
        site = RandomSite(4)
        bench = ReconciledSimulator(site.config(foreign_vips=ForeignVips.REMOVE, removal_max_delay=0.0), release)
        for _ in range(5):
            bench.board.apply(site.config(foreign_vips=ForeignVips.REMOVE, removal_max_delay=0.0))
            site.prove(bench.board)
            bench.wait(1)
        bench.stop(leave_vpp=True)
        writes, expected = bench.simulator.writes.total, bench.held()
        again = ReconciledSimulator(bench.board.config, release, bench.simulator)
        again.wait(25)
        # An older VPP never told its settings: they are the one thing that can't be known to be there already.
        assert (again.simulator.writes.total, again.held()) == (writes, expected)
        assert set(again.service.tally.writes.values()) == {0}
        again.stop()


# A pool switch


@pytest.mark.parametrize("release", DRIVEN)
def test_no_pool_switch_passes_through_a_moment_without_weight(release):
    bench = bench_of(make_frontend(pools=(("a", "b"), ("c", "d"), ("e",))), release=release)
    bench.simulator.writes.clear()
    for down in ("a", "b", "c", "d"):
        bench.board.record(down, FAIL)
        bench.wait(0.25)
    for up in ("c", "a", "d", "b"):
        bench.board.record(up, PASS)
        bench.wait(0.25)
    bench.board.record("a", FAIL)
    bench.board.record("b", FAIL)
    bench.board.record("a", PASS)
    bench.wait(0.5)
    assert bench.simulator.writes.total > 8
    assert all(any(write.weights.values()) for write in bench.simulator.writes)
    assert bench.held() == bench.wanted()
    bench.stop()


# A VPP in trouble


def test_a_vpp_that_stands_still_for_eight_seconds_is_left_and_taken_up_again():
    bench = bench_of()
    bench.simulator.freeze(8)
    bench.board.record("a", FAIL)
    bench.wait(8.1)
    bench.wait(12)
    assert bench.held() == bench.wanted()
    assert len(bench.to_wire("vpp-hung")) == 1
    assert len(bench.to_wire("vpp-disconnect")) == 1
    bench.stop()


def test_answers_that_come_late_change_nothing_but_the_time():
    bench = bench_of()
    bench.simulator.faults.delays.update({"lb_as_set_weight": 2.0, "lb_as_v2_dump": 3.0, "cli_inband": 1.0})
    for event, names in ((FAIL, "abc"), (PASS, "cba"), (FAIL, "b")):
        for name in names:
            bench.board.record(name, event)
        bench.wait(1)
    bench.wait(60)
    assert bench.held() == bench.wanted()
    assert bench.to_wire("vpp-hung") == []
    bench.stop()


@pytest.mark.parametrize("message", ["lb_as_set_weight", "lb_as_v2_dump", "lb_vip_dump", "lb_conf_get", "control_ping"])
def test_an_answer_that_never_comes_ends_the_connection_and_the_next_one_makes_it_good(message):
    bench = bench_of(sync_interval=10.0)
    bench.simulator.faults.drop(message, 1)
    bench.board.record("a", FAIL)
    bench.wait(40)
    assert bench.held() == bench.wanted()
    assert len(bench.to_wire("vpp-hung")) + len(bench.to_wire("vpp-disconnect")) <= 2
    assert bench.service.info is not None
    bench.stop()


def test_a_dump_that_is_cut_in_the_middle_is_never_taken_for_what_vpp_holds():
    bench = bench_of(*[make_frontend(f"f{n}", f"192.0.2.{n}") for n in range(1, 9)], sync_interval=10.0)
    bench.simulator.writes.clear()
    bench.simulator.faults.hang_up_after = 5
    bench.wait(30)
    assert bench.simulator.writes.total == 0
    assert len(bench.to_wire("vpp-disconnect")) == 1
    assert bench.held() == bench.wanted()
    bench.stop()


def test_answers_in_pieces_are_answers():
    bench = bench_of(sync_interval=10.0)
    bench.simulator.faults.split = 3
    bench.board.record("a", FAIL)
    bench.wait(30)
    assert bench.held() == bench.wanted()
    assert bench.to_wire("vpp-hung") == []
    bench.stop()


def test_a_vpp_that_refuses_everything_is_asked_ever_less_often_and_a_line_tells_each_time():
    bench = bench_of()
    bench.simulator.faults.retvals["lb_as_set_weight"] = -7
    bench.board.record("a", FAIL)
    bench.wait(60)
    refusals = bench.to_wire("vpp-lbsync-refused")
    assert 4 <= len(refusals) <= 9  # the second follows at once, as a read comes first
    assert bench.to_wire("vpp-disconnect") == []
    bench.simulator.faults.clear()
    bench.wait(31)
    assert bench.held() == bench.wanted()
    bench.stop()


def test_a_stuck_stats_segment_does_not_keep_vpp_from_being_programmed():
    bench = bench_of(sync_interval=10.0)
    bench.simulator.boot.segment.stuck = True
    bench.board.record("a", FAIL)
    bench.wait(30)
    assert bench.held() == bench.wanted()
    assert len(bench.to_wire("vpp-stats-unreadable")) <= 1
    bench.stop()


def test_a_vpp_that_never_answers_pings_is_tried_again_and_again_without_a_write():
    bench = bench_of()
    bench.simulator.writes.clear()
    bench.simulator.faults.drop("control_ping", ALWAYS)
    bench.wait(120)
    assert bench.simulator.writes.total == 0
    assert len(bench.to_wire("vpp-hung")) == 1
    assert 5 <= len(bench.to_wire("vpp-disconnect")) <= 25
    bench.stop()


# VPPs of other ages


@pytest.mark.parametrize("release", DRIVEN[1:])
def test_an_older_vpp_follows_every_state(release):
    bench = bench_of(make_frontend(pools=((("a", 50), "b"), ("c",)), src_ip_sticky=True), release=release)
    assert bench.simulator.vips()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 100}
    bench.board.record("a", FAIL)
    bench.board.happen("b", Lifecycle.PAUSE)
    bench.wait(0.5)
    assert bench.simulator.vips()[WEB] == {"10.0.0.3": 100}
    bench.board.happen("b", Lifecycle.RESUME)
    bench.board.record("b", PASS)
    bench.wait(0.5)
    assert bench.simulator.vips()[WEB] == {"10.0.0.2": 100}
    bench.board.set_weight("web", "pool0", "b", 1)
    bench.wait(65)
    assert bench.held() == bench.wanted()
    bench.stop()


def test_servers_that_drain_keep_their_flows_on_an_older_vpp():
    bench = bench_of(release=Release.UNWEIGHTED)
    bench.simulator.stick(WEB, "10.0.0.1", 7)
    bench.board.happen("a", Lifecycle.PAUSE)
    bench.wait(0.5)
    (server,) = [each for each in bench.simulator.boot.balancer.servers if each.flows]
    assert (server.used, server.flows) == (False, 7)
    bench.board.happen("a", Lifecycle.DISABLE)
    bench.wait(0.5)
    assert (server.used, server.flows) == (False, 0)
    bench.stop()


def test_a_vpp_without_the_plugin_is_told_once_and_asked_again():
    bench = bench_of(release=Release.BARE)
    bench.wait(60)
    (event,) = bench.to_wire("vpp-connect-failed")
    assert event["error"] == "VPP has no lb plugin loaded"
    assert bench.service.info is None
    bench.simulator._release = Release.WEIGHTED
    bench.simulator.restart()
    bench.release = Release.WEIGHTED
    bench.wait(2)
    assert bench.held() == bench.wanted()
    bench.stop()
