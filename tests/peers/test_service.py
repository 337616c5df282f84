"""Peers over time: who agrees, who differs, who is silent, and when that is told."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from maglev.metrics.peers import PeersCollector
from maglev.model.errors import ArgumentError, RefusedError
from maglev.model.events import PeerEvent
from maglev.model.peer_views import PeersView
from maglev.model.server_address import server_addresses
from maglev.peers.link import ALLOWANCE
from maglev.peers.service import PeersService
from maglev.rpc.wire import LostError
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from tests.fakes.configs import make_config
from tests.fakes.control import FakeControl
from tests.fakes.views import misfits
from tests.fakes.world import served_server, served_vip


class OtherBalancer(FakeControl):
    """A peer: the client of it, and what it answers."""

    def __init__(self, boot="other", **more):
        super().__init__()
        self.boot = boot
        self.silent = False
        self.error = None
        self.allowed = []
        self.aborts = 0
        self.more = more

    def allow(self, allowance):
        self.allowed.append(allowance)

    def abort(self):
        self.aborts += 1

    async def served_vips(self, after="", limit=100):
        if self.silent:
            await Deferred()
        if self.error is not None:
            raise self.error
        return {**await super().served_vips(after, limit), "boot": self.boot, **self.more}


class Balancers:
    """This balancer, and others by their names."""

    def __init__(self, **others):
        self.clock = Clock()
        self.board = Board(lambda: 1000.0, make_config(), now=self.clock.seconds)
        self.ours = FakeControl()
        self.others = others
        self.connects = []
        work = Cooperator(self.clock).queue("peers")
        servers = server_addresses(",".join(others))
        self.service = PeersService(work, self.board, self.ours, "lb1", servers, self.connect, lambda: 1.0)
        self.service.startService()

    def connect(self, address):
        name = address.split(":")[1]
        self.connects.append(name)
        other = self.others[name]
        if other is None:
            return Deferred()  # it does not even refuse
        return fail(other) if isinstance(other, Exception) else succeed(other)

    def pass_time(self, seconds):
        for _ in range(round(seconds * 20)):
            self.clock.advance(0.05)

    def view(self):
        return self.service.view("", 100)

    def states(self):
        return {each["name"]: each["state"] for each in self.view()["peers"]}

    def told(self):
        return [(each.peer, each.state) for each in self.board.events if isinstance(each, PeerEvent)]


@pytest.fixture
def start():
    made = []

    def started(**others):
        made.append(Balancers(**others))
        return made[-1]

    yield started
    for each in made:
        each.service.stopService()
        assert each.clock.getDelayedCalls() == []


def test_balancers_that_serve_the_same_agree_after_a_moment(start):
    here = start(lb2=OtherBalancer(), lb3=OtherBalancer())
    here.pass_time(1)
    assert here.states() == {"lb2": "comparing", "lb3": "comparing"}
    here.pass_time(5)

    assert here.states() == {"lb2": "agrees", "lb3": "agrees"}
    assert here.told() == [("lb2", "agrees"), ("lb3", "agrees")]
    view = here.view()
    assert misfits(view, PeersView) == []
    assert [each["shared"] for each in view["peers"]] == [1, 1]
    assert [side["peer"] for side in view["rows"][0]["sides"]] == ["", "lb2", "lb3"]


def test_a_difference_that_lasts_is_told_within_five_seconds_and_its_end_as_well(start):
    other = OtherBalancer()
    here = start(lb2=other)
    here.pass_time(10)
    other.rows["served"] = [served_vip(served_server(weight=50))]
    here.pass_time(2)
    assert here.states() == {"lb2": "agrees"}
    here.pass_time(3)

    assert here.states() == {"lb2": "differs"}
    assert here.told() == [("lb2", "agrees"), ("lb2", "differs")]
    assert "www1: configured weight 100 here, 50 at lb2" in here.board.events[-1].detail
    assert here.view()["rows"][0]["differences"][0] == "www1: configured weight 100 here, 50 at lb2"
    other.rows["served"] = [served_vip()]
    here.pass_time(3)
    assert here.told()[-1] == ("lb2", "agrees")
    assert here.view()["rows"][0]["differences"] == []


@pytest.mark.parametrize("served", [[], [served_vip(port=81)]], ids=["nothing", "another VIP"])
def test_a_balancer_that_shares_no_vip_is_not_said_to_agree(start, served):
    other = OtherBalancer()
    here = start(lb2=other)
    here.pass_time(10)
    ours = list(other.rows["served"])
    other.rows["served"] = served
    here.pass_time(2)
    assert here.states() == {"lb2": "agrees"}
    here.pass_time(4)

    assert here.states() == {"lb2": "nothing-shared"}
    assert here.told() == [("lb2", "agrees"), ("lb2", "nothing-shared")]
    assert here.board.events[-1].detail == "it serves no VIP that another balancer serves"
    other.rows["served"] = ours
    here.pass_time(3)
    assert here.told()[-1] == ("lb2", "agrees")


def test_a_balancer_that_shared_nothing_from_the_start_is_told(start):
    other = OtherBalancer()
    other.rows["served"] = []
    here = start(lb2=other)
    here.pass_time(10)

    assert here.told() == [("lb2", "nothing-shared")]


def test_a_change_on_its_way_to_all_balancers_is_not_told(start):
    other = OtherBalancer()
    here = start(lb2=other)
    here.pass_time(10)
    for weight in (50, 60, 70):
        here.ours.rows["served"] = [served_vip(served_server(weight=weight))]
        here.pass_time(1.5)
        other.rows["served"] = [served_vip(served_server(weight=weight))]
        here.pass_time(3)

    assert here.told() == [("lb2", "agrees")]


def test_health_that_two_checkers_see_otherwise_is_told_by_word(start):
    other = OtherBalancer()
    other.rows["served"] = [served_vip(served_server(state="down", effective=0))]
    here = start(lb2=other)
    here.pass_time(6)

    assert "this balancer sees www1 up, lb2 sees it down" in here.board.events[-1].detail


def test_many_differences_are_counted_in_the_event(start):
    other = OtherBalancer()
    gone = [served_server(f"198.51.100.{number}", f"www{number}") for number in range(1, 5)]
    other.rows["served"] = [served_vip(*gone, configuration="x")]
    here = start(lb2=other)
    here.pass_time(6)

    assert here.board.events[-1].detail.endswith("; and 3 more")


def test_a_peer_that_falls_silent_can_not_be_confirmed_whatever_it_said(start):
    other = OtherBalancer()
    here = start(lb2=other)
    here.pass_time(10)
    other.silent = True
    here.pass_time(4.6)

    assert here.states() == {"lb2": "cannot-confirm"}
    assert here.told()[-1] == ("lb2", "lost")
    assert here.board.events[-1].detail == "cannot confirm: it does not answer"
    assert [side["peer"] for side in here.view()["rows"][0]["sides"]] == [""]
    assert other.aborts == 1
    other.silent = False
    here.pass_time(20)
    assert here.states() == {"lb2": "agrees"}


def test_one_that_comes_back_different_is_not_said_to_agree_first(start):
    other = OtherBalancer()
    here = start(lb2=other)
    here.pass_time(10)
    other.error = LostError("lost the connection to maglevd")
    here.pass_time(10)
    other.error = None
    other.rows["served"] = [served_vip(served_server(weight=50))]
    here.pass_time(30)

    assert here.told() == [("lb2", "agrees"), ("lb2", "lost"), ("lb2", "differs")]


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (LostError("can't connect to maglevd at lb2: Connection refused"), "Connection refused"),
        (None, "it does not answer"),
        (OtherBalancer(vpp="nonsense"), "the answer makes no sense: invalid vpp"),
        (OtherBalancer(rows=[{}]), "the answer makes no sense: invalid prefix"),
    ],
)
def test_one_that_never_answers_sense_is_told_after_some_patience(start, other, why):
    here = start(lb2=other)
    here.pass_time(9)
    assert here.states() == {"lb2": "comparing"}
    assert here.told() == []
    here.pass_time(2)

    assert here.states() == {"lb2": "cannot-confirm"}
    assert here.told() == [("lb2", "lost")]
    assert why in here.view()["peers"][0]["why"]


def test_another_version_that_does_not_know_the_question_is_told(start):
    other = OtherBalancer()
    other.error = ArgumentError("there is no method served_vips")
    here = start(lb2=other)
    here.pass_time(11)

    assert here.view()["peers"][0]["why"] == "its version of maglevd can't be compared with this one"


def test_connections_are_tried_again_with_pauses_that_grow(start):
    here = start(lb2=LostError("no"))
    here.pass_time(120)

    # 0.5, 1, 2, 4, 8, then 10 seconds each
    assert 14 <= len(here.connects) <= 18


def test_each_reading_may_have_so_many_bytes(start):
    other = OtherBalancer()
    here = start(lb2=other)
    here.pass_time(5)

    assert set(other.allowed) == {ALLOWANCE}
    assert 4 <= len(other.allowed) <= 6


def test_the_list_of_peers_may_be_the_same_on_all_balancers(start):
    itself = OtherBalancer(boot="0123")
    itself.rows["served"] = [served_vip(served_server(weight=1))]
    here = start(lb1=itself, lb2=OtherBalancer())
    here.pass_time(10)

    assert here.states() == {"lb1": "itself", "lb2": "agrees"}
    assert [side["peer"] for side in here.view()["rows"][0]["sides"]] == ["", "lb2"]
    assert 'peer="lb1"' not in "".join(PeersCollector(here.service).scrape())


def test_vips_come_in_pages(start):
    other = OtherBalancer()
    other.rows["served"] = [served_vip(port=port) for port in range(1, 30)]
    here = start(lb2=other)
    here.pass_time(5)
    first = here.service.view("", 100)
    second = here.service.view(first["next"], 100)

    assert (len(first["rows"]), len(second["rows"]), second["next"]) == (20, 10, None)
    with pytest.raises(RefusedError, match="invalid page token"):
        here.service.view("x", 1)


def test_metrics_say_who_answers_and_how_much_differs(start):
    other = OtherBalancer()
    other.rows["served"] = [served_vip(served_server(weight=50))]
    here = start(lb2=other, lb3=LostError("no"))
    here.pass_time(1)
    assert 'maglev_peer_up{peer="lb2"} 1' in "".join(PeersCollector(here.service).scrape())
    here.pass_time(11)
    text = "".join(PeersCollector(here.service).scrape())

    assert 'maglev_peer_up{peer="lb2"} 1' in text
    assert 'maglev_peer_up{peer="lb3"} 0' in text
    assert 'maglev_peer_differences{peer="lb2"} 1' in text
    assert 'maglev_peer_differences{peer="lb3"} 0' in text
