"""The counters, from the stats segment of a simulator in memory to what is told: whose they are, and when not."""

import pytest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from maglev.model.config import ForeignVips
from maglev.model.errors import StatsError, VppNotConnectedError, VppOffError
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.lb.state import VipKey
from maglev.vpp.stats.counter_columns import LOOKUPS_AT_ONCE
from maglev.vpp.stats.counters import AT_ONCE, HEART_PATIENCE, MAX_PATIENCE, Heartbeat
from maglev.vpp.stats.counts import Marks, RouteCounts, VipCounts
from maglev.vpp.sync.service import COUNT_PERIOD, VppService
from maglev.vppsim.release import Release
from maglev.vppsim.simulator import Simulator
from maglev.vppsim.writes import VipName
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.memory_client import MemoryClient
from tests.fakes.memory_link import MemoryConnector

PASS = Result(Code.L4OK)
QUICK = [make_check(rise=1, fall=1)]
KEY = VipKey("192.0.2.1", 32, 6, 80)
NAME = VipName("192.0.2.1/32", 6, 80)
TLS = VipKey("192.0.2.1", 32, 6, 443)
TLS_NAME = VipName("192.0.2.1/32", 6, 443)
OTHER = VipKey("192.0.2.9", 32, 6, 80)
OTHER_NAME = VipName("192.0.2.9/32", 6, 80)
STEP = 0.125
"""Seconds of one turn of time: a number that adds up to whole ones."""

SHOW = ("cli_inband", "send", "ok")
LOOKUP = ("ip_route_lookup", "send", "ok")


class CountingSimulator:
    """A simulator, the service that programs it, and time."""

    def __init__(self, frontends=None, release=Release.WEIGHTED, workers=2, **settings):
        self.clock = Clock()
        self.simulator = Simulator(self.clock, release=release, seed=1, fillers=10, workers=workers, wall=lambda: 0.0)
        self.simulator.start()
        self.board = Board(lambda: 0.0, make_config(frontends, checks=QUICK, **{"sync_interval": 3600.0, **settings}))
        self.connector = MemoryConnector(self.clock, self.simulator)
        self.service = VppService(Cooperator(self.clock).queue("vpp"), self.board, self.connector, lambda: 1.0)
        for name in self.board.backends:
            self.board.record(name, PASS)
        self.service.startService()
        self.clock.advance(0)
        self.warnings = []

    def heard(self, event):
        if event["log_level"].name in {"warn", "error"}:
            self.warnings.append(event["log_format"].split()[0])

    def wait(self, seconds):
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)

    def tick(self, times=1):
        """Let so many readings be made."""
        self.wait(times * COUNT_PERIOD)

    def counts(self, key=KEY):
        return self.service.read_counts().vips.get(key)

    def servers(self):
        return dict(self.service.read_counts().servers)

    def sent(self, kind):
        return self.connector.tally.get(*kind)

    def run(self, *commands):
        """Do something to VPP by hand."""
        client = MemoryClient(self.simulator)
        for command in commands:
            retval, text = client.run(command)
            assert retval == 0, text
        client.transport.loseConnection()

    def reload(self, frontends):
        self.board.apply(make_config(frontends, checks=QUICK, sync_interval=3600.0))
        for name in self.board.backends:
            self.board.record(name, PASS)
        self.clock.advance(STEP)

    def stop(self):
        self.service.stopService()
        self.simulator.kill()
        self.clock.advance(0)
        assert self.clock.getDelayedCalls() == []


@pytest.fixture
def bench():
    made = CountingSimulator()
    globalLogPublisher.addObserver(made.heard)
    yield made
    globalLogPublisher.removeObserver(made.heard)
    made.stop()


def test_everything_that_was_counted_is_told(bench):
    assert bench.counts() == VipCounts(0, 0, 0, 0, RouteCounts(0, 0))
    bench.simulator.count(NAME, first=1, existing=20, untracked=300, no_server=4000, octets=99)
    bench.simulator.count_server("10.0.0.2", 7, 700)
    bench.tick()
    assert bench.counts() == VipCounts(first=1, next=20, untracked=300, no_server=4000, route=RouteCounts(4321, 99))
    assert bench.servers() == {"10.0.0.1": (0, 0), "10.0.0.2": (7, 700), "10.0.0.3": (0, 0)}


def test_nothing_is_told_before_vpp_is_connected_and_read():
    clock = Clock()
    board = Board(lambda: 0.0, make_config())
    with pytest.raises(VppOffError):
        VppService(Cooperator(clock).queue("vpp"), board, None, lambda: 1.0).read_counts()
    with pytest.raises(VppNotConnectedError):
        VppService(
            Cooperator(clock).queue("vpp"), board, MemoryConnector(clock, Simulator(clock)), lambda: 1.0
        ).read_counts()


def test_connected_but_not_read_yet_is_an_error_of_its_own():
    made = CountingSimulator()
    made.simulator.restart()
    made.simulator.faults.delays["lb_conf_get"] = 3.0
    made.wait(1)
    assert made.service.info is not None
    with pytest.raises(StatsError, match="not been read yet"):
        made.service.read_counts()
    made.tick()
    assert made.counts() is not None
    made.stop()


def test_nothing_is_told_once_the_connection_is_gone(bench):
    bench.simulator.count(NAME, first=5)
    bench.tick()
    assert bench.counts().first == 5
    bench.simulator.kill()
    bench.clock.advance(0)
    with pytest.raises(VppNotConnectedError):
        bench.service.read_counts()


def test_a_restarted_vpp_counts_from_0(bench):
    bench.simulator.count(NAME, first=5, octets=50)
    bench.simulator.count_server("10.0.0.1", 7, 700)
    bench.tick()
    bench.simulator.restart()
    bench.tick()
    assert bench.counts() == VipCounts(0, 0, 0, 0, RouteCounts(0, 0))
    assert bench.servers()["10.0.0.1"] == (0, 0)
    bench.simulator.count(NAME, first=2, octets=20)
    bench.tick()
    assert bench.counts() == VipCounts(2, 0, 0, 0, RouteCounts(2, 20))


def test_vips_of_one_address_share_the_counts_of_its_route():
    made = CountingSimulator([make_frontend(), make_frontend("tls", port=443)])
    made.simulator.count(NAME, first=1, octets=10)
    made.simulator.count(TLS_NAME, first=2, octets=20)
    made.tick()
    assert made.counts(KEY) == VipCounts(1, 0, 0, 0, RouteCounts(3, 30))
    assert made.counts(TLS) == VipCounts(2, 0, 0, 0, RouteCounts(3, 30))
    made.stop()


def test_a_server_of_several_vips_is_told_once_for_all():
    made = CountingSimulator([make_frontend(), make_frontend("other", "192.0.2.9")])
    made.simulator.carry(NAME, 4, packets=1, octets=100)
    made.simulator.carry(OTHER_NAME, 4, packets=1, octets=100)
    made.tick()
    assert sum(counts.packets for counts in made.servers().values()) == 8
    assert sum(counts.octets for counts in made.servers().values()) == 8 * 124
    made.stop()


# What VPP is asked


def test_vpp_is_asked_for_its_text_only_when_something_was_added(bench):
    before, looked_up = bench.sent(SHOW), bench.sent(LOOKUP)
    bench.tick(3)
    assert bench.sent(SHOW) == before
    assert bench.sent(LOOKUP) == looked_up + 3
    bench.reload([make_frontend(), make_frontend("other", "192.0.2.9")])
    bench.tick()
    assert bench.sent(SHOW) == before + 1
    assert bench.counts(OTHER) == VipCounts(0, 0, 0, 0, RouteCounts(0, 0))
    bench.tick(3)
    assert bench.sent(SHOW) == before + 1


def test_a_change_of_weight_asks_for_nothing(bench):
    before = bench.sent(SHOW)
    bench.board.record("a", Result(Code.L4CON))
    bench.tick()
    assert bench.simulator.weights(*NAME)["10.0.0.1"] == 0
    assert set(bench.servers()) == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
    assert bench.sent(SHOW) == before


def test_a_server_that_was_added_is_found(bench):
    bench.reload([make_frontend(pools=(("a", "b", "d"), ("c",)))])
    bench.simulator.count_server("10.0.0.3", 3, 30)
    bench.tick()
    assert bench.servers()["10.0.0.3"] == (3, 30)


def test_what_vpp_does_not_show_is_asked_for_less_and_less(bench):
    bench.simulator.faults.retvals["cli_inband"] = -1
    bench.reload([make_frontend(), make_frontend("other", "192.0.2.9")])
    before = bench.sent(SHOW)
    bench.tick(24)
    assert 4 <= bench.sent(SHOW) - before <= 6
    assert bench.counts(KEY) is not None
    assert bench.counts(OTHER) is None
    bench.simulator.faults.clear()
    bench.tick(12)
    assert bench.counts(OTHER) is not None


def test_a_vip_whose_route_vpp_does_not_tell_has_its_own_counts(bench):
    bench.simulator.faults.retvals["ip_route_lookup"] = -6
    bench.tick(2)
    assert bench.counts() == VipCounts(0, 0, 0, 0, None)
    bench.simulator.faults.clear()
    bench.tick(2)
    assert bench.counts().route == RouteCounts(0, 0)


def test_routes_are_looked_up_again_in_turn_as_long_as_there_is_such_a_vip(bench):
    count = 40
    assert LOOKUPS_AT_ONCE < count < 2 * LOOKUPS_AT_ONCE
    bench.reload([make_frontend(f"f{number}", f"192.0.2.{number}") for number in range(1, count + 1)])
    asked = []
    for _ in range(3):
        before = bench.sent(LOOKUP)
        bench.tick()
        asked.append(bench.sent(LOOKUP) - before)
    assert asked == [count - 1 + LOOKUPS_AT_ONCE, count - LOOKUPS_AT_ONCE, LOOKUPS_AT_ONCE]
    bench.reload([make_frontend()])
    before = bench.sent(LOOKUP)
    bench.tick(3)
    assert bench.sent(LOOKUP) == before + 3


# Columns that change their owner


def test_a_vip_that_is_recreated_starts_from_0(bench):
    bench.simulator.count(NAME, first=50, octets=500)
    bench.tick()
    bench.reload([make_frontend(src_ip_sticky=True)])
    bench.simulator.count(NAME, first=2, octets=20)
    bench.tick()
    assert bench.counts() == VipCounts(2, 0, 0, 0, RouteCounts(2, 20))


def test_the_route_that_another_vip_takes_over_is_not_mistaken(bench):
    bench.simulator.count(NAME, first=50, octets=500)
    bench.tick()
    bench.reload([make_frontend("other", "192.0.2.9")])
    bench.simulator.count(OTHER_NAME, first=900, octets=9000)
    bench.tick()
    assert dict(bench.service.read_counts().vips) == {OTHER: VipCounts(900, 0, 0, 0, RouteCounts(900, 9000))}


def test_a_route_that_others_recreated_is_found_by_its_number(bench):
    bench.simulator.count(NAME, first=50, octets=500)
    bench.tick()
    vip = "192.0.2.1/32 protocol tcp port 80"
    bench.run(
        f"lb vip {vip} del",
        "lb vip 192.0.2.77/32 protocol tcp port 80 encap gre4",
        f"lb vip {vip} encap gre4",
    )
    foreign = VipName("192.0.2.77/32", 6, 80)
    bench.simulator.count(foreign, first=3, octets=30)
    bench.tick()
    assert bench.counts().route is None
    bench.tick()
    assert bench.counts().route == RouteCounts(0, 0)


def test_a_route_that_others_recreated_is_found_even_if_it_counts_more(bench):
    bench.simulator.count(NAME, first=50, octets=500)
    bench.tick()
    vip = "192.0.2.1/32 protocol tcp port 80"
    bench.run(
        f"lb vip {vip} del",
        "lb vip 192.0.2.77/32 protocol tcp port 80 encap gre4",
        f"lb vip {vip} encap gre4",
    )
    bench.simulator.count(VipName("192.0.2.77/32", 6, 80), first=3000, octets=30000)
    bench.tick()
    assert bench.counts().route is None
    bench.tick()
    assert bench.counts().route == RouteCounts(0, 0)


def test_a_pool_index_that_others_gave_to_another_vip_is_found_by_its_number():
    made = CountingSimulator(foreign_vips=ForeignVips.KEEP)
    vip = "192.0.2.1/32 protocol tcp port 80"
    made.simulator.count(NAME, first=50)
    made.tick()
    column = made.service.sync.ledger.vips[KEY].pool_index
    made.run(f"lb as {vip} 10.0.0.1 10.0.0.2 10.0.0.3 del flush", f"lb vip {vip} del")
    made.wait(130)  # until VPP has collected what is deleted
    made.run("lb vip 192.0.2.77/32 protocol tcp port 80 encap gre4")
    foreign = made.simulator._find(VipName("192.0.2.77/32", 6, 80))
    assert foreign.index == column
    made.simulator.count(VipName("192.0.2.77/32", 6, 80), first=3)
    made.tick()
    assert made.counts() is None
    made.tick(3)
    assert made.counts() is None
    made.stop()


def test_numbers_that_were_cleared_are_told_again_after_a_look(bench):
    bench.simulator.count(NAME, first=50)
    bench.tick()
    shows = bench.sent(SHOW)
    index = bench.simulator._find(NAME).index
    bench.simulator.boot.segment.clear("first session packet", index)
    bench.tick()
    assert bench.counts() is None
    bench.tick()
    assert bench.counts().first == 0
    assert bench.sent(SHOW) == shows + 1
    bench.tick(3)
    assert bench.sent(SHOW) == shows + 1


def test_the_counts_of_a_server_that_were_cleared_are_told_again_after_a_look(bench):
    bench.simulator.count_server("10.0.0.1", 7, 700)
    bench.tick()
    shows = bench.sent(SHOW)
    dpo = bench.service.sync.ledger.vips[KEY].servers["10.0.0.1"].dpo
    bench.simulator.boot.segment.clear("/net/route/via", dpo)
    bench.tick()
    assert "10.0.0.1" not in bench.servers()
    bench.tick()
    assert bench.servers()["10.0.0.1"] == (0, 0)
    assert bench.sent(SHOW) == shows + 1


def test_the_counts_of_a_route_that_were_cleared_are_told_again_after_a_look(bench):
    bench.simulator.count(NAME, first=50, octets=500)
    bench.tick()
    index = bench.service.counters._places.route(KEY)
    bench.simulator.boot.segment.clear("/net/route/to", index)
    bench.tick()
    assert bench.counts() == VipCounts(50, 0, 0, 0, None)
    bench.tick()
    assert bench.counts().route == RouteCounts(0, 0)


def test_what_vpp_had_changed_already_when_it_was_read_is_left_out(bench):
    bench.simulator.count(NAME, first=50, octets=500)
    bench.wait(COUNT_PERIOD - 1 - 2 * STEP)
    bench.simulator.faults.delays["cli_inband"] = 1.0
    bench.reload([make_frontend(src_ip_sticky=True)])
    bench.wait(1)  # the read before
    assert bench.simulator._find(NAME).sticky
    assert not bench.service.sync.ledger.vips[KEY].src_ip_sticky  # recreated, and we do not know it yet
    bench.wait(1)
    bench.simulator.faults.clear()
    assert bench.counts() is None
    bench.tick(2)
    assert bench.counts() == VipCounts(0, 0, 0, 0, RouteCounts(0, 0))


# What goes wrong


def test_a_segment_out_of_reach_is_told_once_and_read_again(bench):
    bench.simulator.count(NAME, first=1)
    bench.tick()
    bench.simulator.boot.segment.stuck = True
    bench.tick(3)
    assert bench.counts().first == 1
    bench.tick(2)
    with pytest.raises(StatsError, match="being changed"):
        bench.service.read_counts()
    assert bench.warnings == ["vpp-counters-failed"]
    assert bench.service.info is not None
    bench.simulator.boot.segment.stuck = False
    bench.tick()
    assert bench.counts().first == 1
    bench.simulator.boot.segment.stuck = True
    bench.tick()
    assert bench.warnings == ["vpp-counters-failed"] * 2


def test_the_epoch_may_change_as_often_as_it_likes(bench):
    for number in range(1, 5):
        bench.simulator.count(NAME, first=1)
        bench.simulator.boot.segment.churn()
        bench.tick()
        assert bench.counts().first == number


def test_a_vpp_that_hangs_is_left(bench):
    bench.simulator.freeze()
    bench.tick(4)
    assert bench.warnings[0] == "vpp-hung"
    with pytest.raises(VppNotConnectedError):
        bench.service.read_counts()


def test_a_stopped_heart_ends_the_connection_and_teaches_patience(bench):
    beat = bench.simulator.boot._calls.pop("beat")
    beat.cancel()
    first = bench.simulator.boot
    links = bench.sent(("sockclnt_create", "send", "ok"))
    bench.clock.advance(0)
    for _ in range(7):
        bench.tick()
    assert bench.warnings[0] == "vpp-hung"
    bench.tick()
    assert bench.service.info is not None
    assert bench.simulator.boot is first
    assert bench.sent(("sockclnt_create", "send", "ok")) == links + 1
    assert bench.service._heart.patience == 2 * HEART_PATIENCE
    bench.tick(8)
    assert bench.sent(("sockclnt_create", "send", "ok")) == links + 1


def test_patience_has_an_end():
    class Dead:
        def stale(self, now, patience):
            return True

    heart = Heartbeat()
    for _ in range(20):
        with pytest.raises(Exception, match="have not been updated for"):
            heart.check(Dead(), 0.0)
    assert heart.patience == MAX_PATIENCE


# Other VPPs


def test_a_vpp_without_weights_has_counters_too():
    made = CountingSimulator(release=Release.UNWEIGHTED)
    made.simulator.count(NAME, first=5, octets=50)
    made.simulator.count_server("10.0.0.1", 7, 700)
    made.tick()
    assert made.counts() == VipCounts(5, 0, 0, 0, RouteCounts(5, 50))
    # The third has weight 0, and is so not in this VPP.
    assert made.servers() == {"10.0.0.1": (7, 700), "10.0.0.2": (0, 0)}
    shows = made.sent(SHOW)
    made.tick(3)
    assert made.sent(SHOW) == shows
    made.stop()


def test_many_vips_are_read_in_slices():
    members = [f"b{number}" for number in range(49)]
    count = 3 * AT_ONCE // (1 + len(members))
    made = CountingSimulator([make_frontend(f"f{n}", f"192.0.2.{n + 1}", [members]) for n in range(count)])
    made.tick()
    assert sum(1 for _ in made.service.counters._read_steps()) == 3
    made.tick()
    assert len(made.service.read_counts().vips) == count
    assert len(made.servers()) == len(members)
    made.stop()


# Marks


def test_a_fall_of_any_number_of_a_column_shows():
    marks = Marks()
    assert marks.fallen({1: (5, 5), 2: (5, 5), 3: (5, 5)}) == set()
    marks.end()
    assert marks.fallen({1: (5, 4), 2: (5, 5)}) == {1}
    assert marks.fallen({3: (4, 9), 4: (0, 0)}) == {3}


def test_an_unfinished_reading_sets_no_mark_and_a_forgotten_one_none_either():
    marks = Marks()
    marks.fallen({1: (5,)})
    assert marks.fallen({1: (4,)}) == set()
    marks.end()
    marks.forget()
    assert marks.fallen({1: (3,)}) == set()
