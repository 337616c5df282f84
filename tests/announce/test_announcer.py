"""The announcer over a real board: what makes it look, and what it says then."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.task import Clock

from maglev.announce.announcer import TICK, TURNS
from maglev.model.announce import AnnouncePolicy, Announcing, Needed
from maglev.model.config import Backend, WhenNoneEligible
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, Result
from maglev.state.board import Board
from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, Encap, SetWeight, key_of
from tests.fakes.announcements import FakeSyncedVpp, announcer_of
from tests.fakes.configs import make_announce, make_check, make_config, make_frontend

VIP = "192.0.2.1"
PASS = Result(Code.L4OK, "", 0.001)
FAIL = Result(Code.L4CON, "refused", 0.001)
TWO = [make_frontend(pools=(("a", "b"), ("c",))), make_frontend("tls", pools=(("a",),), port=443)]


class AnnouncerWorld:
    """An announcer, its clock, its board, and a VPP."""

    def __init__(self, announce=None, frontends=None):
        self.clock = Clock()
        self.config = make_config(
            frontends, checks=[make_check(rise=1, fall=1)], announce=announce or make_announce(VIP)
        )
        self.board = Board(lambda: 1000.0, self.config)
        self.vpp = FakeSyncedVpp()
        self.off = {}
        self.announcer = announcer_of(self.board, self.clock, self.vpp, lambda address: self.off.get(address, ""))
        self.notified = 0
        self.announcer.subscribe(self._notified)
        self.events = []
        self.board.subscribe(announcement_changed=self.events.append)
        self.announcer.startService()

    def _notified(self):
        self.notified += 1

    def program(self):
        """Let VPP have what it should."""
        for status in self.board.frontends.values():
            key = key_of(status.frontend)
            self.vpp.ledger.done(AddVip(key, Encap.GRE4, False, 1024), 0)
            for name, desired in status.desired.items():
                self.vpp.ledger.done(AddServer(key, self.board.backends[name].address, desired.weight), 0)

    def up(self, *names):
        for name in names or self.board.backends:
            self.board.record(name, PASS)

    def serving(self):
        """Let everything serve, in VPP as well."""
        self.up()
        self.program()
        self.vpp.connect()
        self.wait(TICK)
        return self

    def wait(self, seconds):
        self.clock.pump([TICK] * round(seconds / TICK))

    @property
    def state(self):
        return self.announcer.states().get(VIP)

    @property
    def why(self):
        return self.announcer.entries[VIP].state.why


@pytest.fixture
def world():
    return AnnouncerWorld()


def test_an_address_is_announced_when_vpp_has_acknowledged_the_weights(world):
    assert world.state is Announcing.UNDECIDED
    world.up()
    world.program()
    world.wait(1)
    assert world.state is Announcing.UNDECIDED
    world.vpp.connect()
    world.wait(TICK)
    assert (world.state, world.why) == (Announcing.ANNOUNCED, "frontend web has 2 backends in service")
    (event,) = world.events
    assert (event.address, event.old, event.new) == (VIP, Announcing.UNDECIDED, Announcing.ANNOUNCED)
    assert world.notified == 1


def test_a_connection_over_which_no_sync_was_acknowledged_yet_announces_nothing(world):
    world.up()
    world.program()
    world.vpp.connect()
    world.vpp.acknowledged = False
    world.wait(1)
    assert (world.state, world.why) == (Announcing.UNDECIDED, "VPP has not acknowledged a sync")


def test_the_last_backend_withdraws_it_at_once_and_the_first_one_waits_for_vpp(world):
    world.serving()
    for name in "abc":
        world.board.record(name, FAIL)
    world.clock.advance(0)
    assert (world.state, world.why) == (Announcing.WITHDRAWN, "frontend web has 0 backends of at least 1 in service")
    world.vpp.ledger.done(SetWeight(key_of(world.config.frontends["web"]), "10.0.0.1", 0, 100), 0)

    world.board.record("a", PASS)
    world.wait(1)
    assert (world.state, world.why) == (
        Announcing.WITHDRAWN,
        "VPP has weights for 0 backends of at least 1 of frontend web",
    )
    world.vpp.ledger.done(SetWeight(key_of(world.config.frontends["web"]), "10.0.0.1", 100, 0), 0)
    world.wait(TICK)
    assert world.state is Announcing.ANNOUNCED
    assert world.announcer.counts == {(VIP, "announced"): 2, (VIP, "withdrawn"): 1}


def test_a_server_that_vpp_still_has_announces_nothing_by_itself(world):
    world.serving()
    for name in "ab":
        world.board.record(name, FAIL)
    # VPP has neither taken the weight of a nor given one to c: what serves there is not what should.
    world.wait(9)
    assert world.state is Announcing.ANNOUNCED
    world.wait(2)
    assert world.state is Announcing.WITHDRAWN


def test_vpp_may_be_away_for_a_while(world):
    world.serving()
    world.vpp.lose()
    world.wait(9.9)
    assert world.state is Announcing.ANNOUNCED
    assert world.announcer.changes_in(VIP) == pytest.approx(0.15, abs=0.11)
    world.vpp.connect()
    world.wait(TICK)
    assert (world.state, world.announcer.changes_in(VIP)) == (Announcing.ANNOUNCED, None)
    world.vpp.lose()
    world.wait(10.1)
    assert (world.state, world.why) == (Announcing.WITHDRAWN, "VPP has not acknowledged a sync for 10 s")
    assert world.events[-1].why == "VPP has not acknowledged a sync for 10 s"


def test_a_start_without_any_evidence_leaves_things_as_they_are_for_a_while(world):
    world.wait(9.9)
    assert world.state is Announcing.UNDECIDED
    world.wait(0.2)
    assert world.state is Announcing.WITHDRAWN


def test_a_start_that_finds_vpp_empty_waits_for_results_and_withdraws_in_time(world):
    world.vpp.connect()
    world.wait(9.9)
    assert (world.state, world.why) == (Announcing.UNDECIDED, "frontend web has backends without a result yet")
    world.wait(0.2)
    assert world.state is Announcing.WITHDRAWN


def test_later_a_vpp_that_is_empty_says_enough(world):
    world.vpp.connect()
    world.vpp.starting = False
    world.wait(TICK)
    assert world.state is Announcing.WITHDRAWN


def test_a_start_with_another_port_waits_for_as_long_as_vpp_serves_the_one_before(world):
    before = key_of(make_frontend(port=81))
    world.vpp.ledger.done(AddVip(before, Encap.GRE4, False, 1024), 0)
    world.vpp.ledger.done(AddServer(before, "10.0.0.1", 100), 0)
    world.vpp.connect()
    world.wait(60)
    assert (world.state, world.announcer.entries[VIP].state.staying) == (Announcing.UNDECIDED, True)
    world.board.record("a", FAIL)
    world.board.record("b", FAIL)
    world.wait(9)
    assert world.state is Announcing.UNDECIDED  # c has no result yet
    world.board.record("c", FAIL)
    world.wait(TICK)
    assert world.state is Announcing.WITHDRAWN


def test_a_start_that_finds_every_backend_down_withdraws_when_vpp_was_read_and_without_it_in_time(world):
    for name in "abc":
        world.board.record(name, FAIL)
    world.wait(9.9)
    assert (world.state, world.why) == (Announcing.UNDECIDED, "VPP has not been read yet")
    world.wait(0.2)
    assert world.state is Announcing.WITHDRAWN

    other = AnnouncerWorld()
    for name in "abc":
        other.board.record(name, FAIL)
    other.program()
    other.vpp.connect()
    other.wait(TICK)
    assert other.state is Announcing.WITHDRAWN


def test_what_vpp_loses_without_a_word_is_noticed_in_turn(world):
    world.serving()
    world.vpp.ledger.done(DeleteVip(key_of(world.config.frontends["web"])), 0)
    world.wait(TICK * TURNS)
    assert world.announcer.changes_in(VIP) is not None
    world.wait(10.1)
    assert world.state is Announcing.WITHDRAWN


def test_a_backend_that_an_operator_takes_out_counts_no_more(world):
    world.serving()
    for name in "abc":
        world.board.happen(name, Lifecycle.DISABLE, "by ann")
    world.clock.advance(0)
    assert world.state is Announcing.WITHDRAWN


def test_a_backend_that_drains_while_it_has_to_be_proved_again_counts_no_more(world):
    world.serving()
    for name in "abc":
        world.board.happen(name, Lifecycle.DRAIN, "by ann")
    world.board.apply(attrs.evolve(world.config, healthchecks={"tcp": make_check(rise=1, fall=2)}))
    support = world.announcer._support.of(world.board.frontends["web"])
    assert {status.state for status in world.board.backends.values()} == {State.DRAINING}
    assert (support.wanted, support.staying) == (0, 0)
    world.wait(TICK)
    assert world.state is Announcing.WITHDRAWN


def test_a_server_that_vpp_refuses_does_not_count(world):
    world.serving()
    world.board.refused("web", {"10.0.0.1", "10.0.0.2"})
    world.wait(TICK * TURNS)
    assert world.state is Announcing.WITHDRAWN


def test_any_frontend_of_the_address_will_do_or_all_are_needed():
    any_, all_ = (AnnouncerWorld(make_announce(AnnouncePolicy(VIP, needed)), TWO).serving() for needed in Needed)
    for world in (any_, all_):
        world.board.record("a", FAIL)  # the only one of frontend tls
        world.clock.advance(0)
    assert any_.state is Announcing.ANNOUNCED
    assert (all_.state, all_.why) == (
        Announcing.WITHDRAWN,
        "frontend tls has 0 backends of at least 1 in service",
    )
    assert all_.announcer.frontends_of(VIP) == ["web", "tls"]


def test_what_the_guard_alone_keeps_is_announced_unless_the_file_says_no():
    for when_held, expected in ((True, Announcing.ANNOUNCED), (False, Announcing.WITHDRAWN)):
        guarded = [make_frontend(when_none_eligible=WhenNoneEligible.HOLD)]
        world = AnnouncerWorld(make_announce(AnnouncePolicy(VIP, when_held=when_held)), guarded).serving()
        assert world.state is Announcing.ANNOUNCED
        for name in "abc":
            world.board.record(name, FAIL)
        world.program()
        world.wait(TICK)
        assert world.board.frontends["web"].guarded
        assert world.state is expected


def test_an_operator_keeps_it_off(world):
    world.serving()
    world.off[VIP] = "kept off by ann"
    world.wait(TICK * TURNS)
    assert (world.state, world.why) == (Announcing.WITHDRAWN, "kept off by ann")
    world.off.clear()
    world.wait(TICK * TURNS)
    assert world.state is Announcing.ANNOUNCED


def test_a_reload_brings_and_takes_addresses(world):
    world.serving()
    other = make_frontend("mail", "192.0.2.2", pools=(("a",),), port=25)
    config = attrs.evolve(
        world.config,
        frontends={**world.config.frontends, "mail": other},
        announce=make_announce(VIP, "192.0.2.2"),
    )
    world.board.apply(config)
    assert world.announcer.states() == {VIP: Announcing.ANNOUNCED, "192.0.2.2": Announcing.WITHDRAWN}
    assert world.notified == 2
    world.program()
    world.wait(TICK)
    assert world.announcer.states() == {VIP: Announcing.ANNOUNCED, "192.0.2.2": Announcing.ANNOUNCED}

    world.board.apply(attrs.evolve(config, announce=make_announce("192.0.2.2")))
    assert world.announcer.states() == {"192.0.2.2": Announcing.ANNOUNCED}
    assert (world.events[-1].address, world.events[-1].new, world.events[-1].why) == (
        VIP,
        Announcing.WITHDRAWN,
        "it has left the configuration",
    )
    notified = world.notified
    world.board.apply(attrs.evolve(config, announce=world.board.config.announce, backends=dict(config.backends)))
    assert world.notified == notified


def test_what_leaves_the_file_is_withdrawn_before_the_file_is_in_force(world):
    world.serving()
    assert not world.announcer.leave(world.config)
    assert world.state is Announcing.ANNOUNCED
    config = attrs.evolve(world.config, announce=make_announce())
    assert world.announcer.leave(config)
    world.wait(TICK * TURNS)
    assert (world.state, world.why) == (Announcing.WITHDRAWN, "it leaves the configuration")
    world.board.apply(config)
    assert [event.new for event in world.events] == [Announcing.ANNOUNCED, Announcing.WITHDRAWN]


def test_a_frontend_that_leaves_takes_the_address_with_it():
    world = AnnouncerWorld(frontends=TWO).serving()
    for name in "abc":
        world.board.record(name, FAIL)
    config = attrs.evolve(world.config, frontends={"web": world.config.frontends["web"]})
    world.board.apply(config)
    assert world.announcer.frontends_of(VIP) == ["web"]


def test_a_moved_backend_counts_where_it_serves(world):
    world.serving()
    moved = {**world.config.backends, "a": Backend("a", "10.0.0.77", "tcp")}
    world.board.apply(attrs.evolve(world.config, backends=moved))
    assert world.announcer._support.of(world.board.frontends["web"]).programmed == 2
    world.vpp.ledger.done(DeleteServer(key_of(world.config.frontends["web"]), "10.0.0.1", False), 0)
    assert world.announcer._support.of(world.board.frontends["web"]).programmed == 1


def test_a_stop_changes_nothing_and_no_call_stays_behind(world):
    world.serving()
    world.announcer.stopService()
    world.announcer.stopService()
    world.vpp.lose()
    for name in "abc":
        world.board.record(name, FAIL)
    assert world.state is Announcing.ANNOUNCED
    world.board.apply(attrs.evolve(world.config, announce=make_announce(VIP, vpp_lost_delay=1.0)))
    assert world.state is Announcing.ANNOUNCED
    assert world.clock.getDelayedCalls() == []


def test_a_thousand_changes_in_one_turn_make_one_look():
    world = AnnouncerWorld(frontends=TWO).serving()
    looks = []
    read = world.announcer._support.of
    world.announcer._support.of = lambda status: looks.append(status.frontend.name) or read(status)
    for _ in range(500):
        world.board.record("a", FAIL)
        world.board.record("a", PASS)
    assert looks == []
    world.clock.advance(0)
    assert looks == ["web", "tls"]
    assert world.state is Announcing.ANNOUNCED


def test_a_change_in_the_turn_of_a_stop_is_looked_at_no_more(world):
    world.serving()
    for name in "abc":
        world.board.record(name, FAIL)
    world.announcer.stopService()
    assert world.clock.getDelayedCalls() == []
    assert world.state is Announcing.ANNOUNCED


def test_an_address_that_leaves_in_the_turn_of_a_change_is_forgotten(world):
    world.serving()
    world.board.record("a", FAIL)
    world.board.apply(attrs.evolve(world.config, announce=make_announce()))
    world.clock.advance(0)
    assert world.announcer.states() == {}


def test_without_addresses_nothing_is_looked_at():
    world = AnnouncerWorld(attrs.evolve(make_announce()))
    world.serving()
    assert world.announcer.states() == {}
    assert world.clock.getDelayedCalls() == []

    world.board.apply(attrs.evolve(world.config, announce=make_announce(VIP)))
    world.wait(TICK)
    assert world.announcer.states() == {VIP: Announcing.ANNOUNCED}
    world.board.apply(world.config)
    world.wait(TICK)
    assert world.clock.getDelayedCalls() == []


def test_results_withdraw_nothing_while_the_board_does_not_know_what_vpp_was_found_to_hold():
    world = AnnouncerWorld()
    world.vpp.memory.ledger = world.vpp.ledger
    for name in world.board.backends:
        world.board.record(name, FAIL)
    world.clock.advance(TICK)
    assert world.announcer.states()[VIP] is Announcing.UNDECIDED
    world.vpp.memory.taken_over = True
    world.clock.pump([TICK] * 2 * TURNS)
    assert world.announcer.states()[VIP] is Announcing.WITHDRAWN
