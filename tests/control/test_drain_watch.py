"""Drains that have a goal: what becomes of them, by the flows that VPP shows, on a clock of the test."""

import attrs
import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from maglev.control.drain_watch import GRACE, POLL, REPORT, SLACK, DrainWatch
from maglev.control.overrides import Overrides
from maglev.control.restored import Restored
from maglev.model.caller import Caller, Role
from maglev.model.errors import NotFoundError, RefusedError, StatsError, VppLostError, VppNotConnectedError, VppOffError
from maglev.model.events import DrainEvent, OverrideEvent
from maglev.model.health import Lifecycle, State
from maglev.model.override import BackendOrder, DrainGoal, DrainPhase, Target, remark_by
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.stats.counts import Counts, RouteCounts
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.outcomes import result_of
from tests.fakes.overrides import WallClock

ANN = Caller("ann", Role.OPERATOR, "ssh")
TARGET = Target("a")


class ShowingVpp:
    """A VPP that shows flows, and has sent packets."""

    def __init__(self):
        self.lb = self
        self.flows = 0
        self.weight = 0
        self.error = None
        self.waiting = None
        self.packets = 0
        self.counted = True
        self.busy = False
        self.asked = 0

    def require_link(self):
        if self.error is not None:
            raise self.error
        return self

    def cli(self, command):
        assert command == "show lb vips verbose"
        self.asked += 1
        if self.waiting is not None:
            return self.waiting
        rows = (
            f"    10.0.0.1 weight:{self.weight} buckets:0 flows:{self.flows} dpo:7 used\n"
            "    10.0.0.1 weight:100 buckets:0 flows:0 dpo:7  removed\n"
            "    10.0.0.2 weight:100 buckets:9 flows:9 dpo:8 used\n"
        )
        return succeed(f" ip4-gre4 [1] 192.0.2.1/32\n  new_size:1024\n  protocol:6 port:80\n{rows}\n")

    def read_counts(self):
        if not self.counted:
            raise StatsError("not read yet")
        self.packets += self.busy
        return Counts({}, {"10.0.0.1": RouteCounts(self.packets, 0)})


class Drained:
    """A board with a drain, watched."""

    def __init__(self, restored=None):
        self.clock = Clock()
        self.clock.advance(1000)
        self.board = Board(WallClock(self.clock), make_config())
        self.vpp = ShowingVpp()
        restored = restored or Restored("", self.board.config)
        self.overrides = Overrides(self.clock, WallClock(self.clock), self.board, restored)
        self.events = []
        self.board.subscribe(noted=self.events.append)
        self.watch = DrainWatch(Cooperator(self.clock).queue("drains"), self.board, self.overrides, self.vpp)
        for name in self.board.backends:
            self.board.record(name, Result(Code.L4OK))
        self.watch.startService()
        self.clock.advance(0)

    def drain(self, flows=0, timeout=None, disable=False, duration=0):
        goal = DrainGoal(flows, timeout, disable)
        result_of(self.overrides.happen("a", Lifecycle.DRAIN, remark_by(ANN, duration, "disk"), goal))
        self.wait(0)

    def wait(self, seconds):
        self.clock.advance(0)
        while seconds > 0:
            self.clock.advance(min(seconds, POLL / 2))
            self.clock.advance(0)
            seconds -= POLL / 2

    def view(self):
        return self.watch.view("a")

    def phases(self):
        return [(event.phase, event.flows) for event in self.events if isinstance(event, DrainEvent)]


@pytest.fixture
def bench():
    made = Drained()
    yield made
    made.watch.stopService()
    for call in made.clock.getDelayedCalls():
        call.cancel()


def test_a_drain_is_done_when_the_flows_are_gone(bench):
    bench.vpp.flows = 7
    bench.drain()
    assert bench.view()["phase"] == "draining"
    assert bench.view()["flows"] == 7
    bench.vpp.flows = 0
    bench.wait(POLL)
    assert (bench.view()["phase"], bench.view()["flows"], bench.view()["detail"]) == ("drained", 0, "")
    assert bench.phases() == [(DrainPhase.DRAINING, None), (DrainPhase.DRAINED, 0)]
    assert bench.overrides.get(TARGET).value is BackendOrder.DRAIN
    assert bench.overrides.get(TARGET).goal is None
    asked = bench.vpp.asked
    bench.wait(20)
    assert bench.vpp.asked == asked


def test_a_few_flows_are_enough_if_that_is_the_goal(bench):
    bench.vpp.flows = 6
    bench.drain(flows=5)
    assert bench.view()["goal"] == 5
    bench.vpp.flows = 5
    bench.wait(POLL)
    assert (bench.view()["phase"], bench.view()["flows"]) == ("drained", 5)


def test_a_server_that_still_gets_new_flows_is_not_drained(bench):
    bench.vpp.weight = 100
    bench.drain()
    assert (bench.view()["phase"], bench.view()["detail"]) == ("draining", "it still gets new flows in web")
    bench.vpp.weight = 0
    bench.wait(POLL)
    assert bench.view()["phase"] == "drained"


def test_a_time_limit_ends_the_watching_and_not_the_drain(bench):
    bench.vpp.flows, bench.vpp.busy = 3, True
    bench.drain(timeout=60.0, disable=True)
    assert bench.view()["times_out_in"] == 60.0
    bench.wait(50)
    assert bench.view()["phase"] == "draining"
    bench.wait(12)
    assert (bench.view()["phase"], bench.view()["flows"]) == ("timed-out", 3)
    assert bench.board.backend("a").state is State.DRAINING


def test_the_time_limit_does_not_move_with_a_wall_clock_that_is_set(bench):
    bench.vpp.flows, bench.vpp.busy = 3, True
    bench.drain(timeout=60.0)
    bench.board._wall.ahead += 7200
    bench.overrides._wall.ahead += 7200
    bench.overrides._follow_clock()
    bench.wait(50)
    assert bench.view()["phase"] == "draining"
    bench.wait(12)
    assert bench.view()["phase"] == "timed-out"


@pytest.mark.parametrize("error", [VppNotConnectedError("not connected to VPP"), VppLostError("gone")])
def test_a_vpp_that_is_away_confirms_nothing(bench, error):
    bench.vpp.flows = 3
    bench.drain(disable=True)
    bench.vpp.error = error
    bench.wait(GRACE)
    assert bench.view()["phase"] == "draining"
    assert bench.view()["flows"] is None
    bench.wait(2 * POLL)
    assert bench.view()["phase"] == "unconfirmed"
    assert bench.view()["detail"] == f"cannot confirm: {error}"
    assert bench.board.backend("a").state is State.DRAINING


def test_a_vpp_that_comes_back_in_time_is_asked_again(bench):
    bench.vpp.flows = 3
    bench.drain()
    bench.vpp.error = VppNotConnectedError("not connected to VPP")
    bench.wait(GRACE - POLL)
    bench.vpp.error, bench.vpp.flows = None, 0
    bench.wait(POLL)
    assert bench.view()["phase"] == "drained"


def test_a_vpp_that_is_switched_off_will_not_come_back(bench):
    bench.vpp.error = VppOffError("VPP is switched off")
    bench.drain()
    assert bench.view()["phase"] == "unconfirmed"


def test_a_time_limit_that_passes_while_vpp_is_away_is_not_confirmed(bench):
    bench.vpp.flows = 3
    bench.drain(timeout=4.0)
    bench.vpp.error = VppNotConnectedError("not connected to VPP")
    bench.wait(6)
    assert bench.view()["phase"] == "unconfirmed"


def test_a_server_without_packets_for_the_life_of_a_flow_has_no_flows_whatever_is_counted(bench):
    life = bench.board.config.vpp.conf.flow_timeout
    bench.vpp.flows, bench.vpp.packets = 3, 100
    bench.drain()
    bench.wait(life - 10)
    bench.vpp.packets += 1
    bench.wait(life)
    assert bench.view()["phase"] == "draining"
    bench.wait(SLACK + 3 * POLL)
    assert (bench.view()["phase"], bench.view()["flows"]) == ("drained", 0)
    assert bench.view()["detail"] == f"no packet for {life} s: its 3 flows have timed out"


def test_silence_that_is_not_read_does_not_count(bench):
    bench.vpp.flows, bench.vpp.counted = 3, False
    bench.drain()
    bench.wait(200)
    assert bench.view()["phase"] == "draining"
    bench.vpp.counted = True
    bench.vpp.read_counts = lambda: Counts({}, {})
    bench.wait(200)
    assert bench.view()["phase"] == "draining"


def test_the_same_reading_does_not_count_as_silence(bench):
    bench.vpp.flows = 3
    reading = Counts({}, {"10.0.0.1": RouteCounts(5, 0)})
    bench.vpp.read_counts = lambda: reading
    bench.drain()
    bench.wait(200)
    assert bench.view()["phase"] == "draining"


def test_it_is_disabled_when_it_is_drained_if_that_was_ordered(bench):
    bench.drain(disable=True, duration=7200)
    assert bench.board.backend("a").state is State.DISABLED
    override = bench.overrides.get(TARGET)
    assert (override.value, override.who, override.reason) == (BackendOrder.DISABLE, "ann", "disk")
    assert override.until == override.at + 7200
    assert bench.view() is None
    assert result_of(Deferred.fromCoroutine(bench.watch.progress("a")))["phase"] == "drained"
    assert [each.action for each in bench.events if isinstance(each, OverrideEvent)] == ["set", "set"]


def test_a_disabling_that_is_refused_leaves_it_drained(bench, monkeypatch):
    def refuse(*_, **__):
        raise RefusedError("the guard says no")

    monkeypatch.setattr(bench.overrides, "settle", refuse)
    bench.drain(disable=True)
    assert bench.view()["detail"] == "not disabled: the guard says no"
    assert bench.view()["phase"] == "drained"


@pytest.mark.parametrize(
    ("event", "said"),
    [(Lifecycle.ENABLE, "the drain was cleared by ann"), (Lifecycle.DISABLE, "disable was ordered by ann")],
)
def test_another_order_ends_it(bench, event, said):
    bench.vpp.flows = 3
    bench.drain()
    waiting = Deferred.fromCoroutine(bench.watch.progress("a"))
    bench.overrides.happen("a", event, remark_by(ANN))
    ended = result_of(waiting)
    assert (ended["phase"], ended["detail"]) == ("ended", said)
    assert bench.view() is None
    assert bench.watch.outcomes[DrainPhase.ENDED] == 1


def test_another_drain_starts_over(bench):
    bench.vpp.flows = 3
    bench.drain()
    waiting = Deferred.fromCoroutine(bench.watch.progress("a"))
    bench.drain(flows=3)
    assert result_of(waiting)["phase"] == "ended"
    bench.wait(POLL)
    assert bench.view()["phase"] == "drained"


def test_an_override_of_a_weight_is_none_of_its_business(bench):
    bench.vpp.flows = 3
    bench.drain()
    bench.overrides.set_weight(Target("a", "web", "pool0"), 7, remark_by(ANN))
    assert bench.view()["phase"] == "draining"


def test_who_waits_hears_of_each_look_and_may_go_away(bench):
    bench.vpp.flows = 3
    bench.drain()
    first, gone = (Deferred.fromCoroutine(bench.watch.progress("a")) for _ in range(2))
    gone.addErrback(lambda _: None)
    gone.cancel()
    assert not first.called
    bench.wait(POLL)
    assert result_of(first)["flows"] == 3


def test_there_is_nothing_to_wait_for_without_a_drain(bench):
    with pytest.raises(NotFoundError, match="backend b has no drain to wait for"):
        result_of(Deferred.fromCoroutine(bench.watch.progress("b")))


def test_progress_is_an_event_now_and_then(bench):
    bench.vpp.flows = 9
    bench.drain()
    for flows in range(8, 0, -1):
        bench.vpp.flows = flows
        bench.wait(POLL)
    assert bench.phases()[1:] == [
        (DrainPhase.DRAINING, 9 - REPORT / POLL),
    ]
    assert list(bench.watch.active()) == [("a", 1)]


def test_a_restart_goes_on_with_the_drains_of_the_last_run():
    first = Drained()
    first.vpp.flows = 3
    first.drain(timeout=600.0)
    kept = first.overrides.get(TARGET)
    again = Drained(Restored("", first.board.config, (kept,)))
    again.wait(0)
    assert again.view()["phase"] == "drained"
    done = attrs.evolve(kept, goal=None)
    assert Drained(Restored("", first.board.config, (done,))).view() is None


def test_a_stop_tells_who_waits_that_nothing_is_confirmed(bench):
    bench.vpp.flows = 3
    bench.drain()
    waiting = Deferred.fromCoroutine(bench.watch.progress("a"))
    bench.watch.stopService()
    stopped = result_of(waiting)
    assert (stopped["phase"], stopped["detail"]) == ("unconfirmed", "maglevd stops")


def test_a_removed_backend_is_forgotten(bench):
    bench.vpp.flows = 3
    bench.drain()
    bench.overrides.apply(make_config([make_frontend(pools=(("b",), ("c",)))]))
    bench.wait(POLL)
    assert bench.view() is None
    assert list(bench.watch.active()) == []


def test_an_answer_that_comes_after_the_end_changes_nothing(bench):
    bench.vpp.waiting = Deferred()
    bench.drain()
    bench.overrides.happen("a", Lifecycle.ENABLE, remark_by(ANN))
    bench.vpp.waiting.errback(VppLostError("gone"))
    bench.wait(0)
    assert bench.watch.outcomes[DrainPhase.UNCONFIRMED] == 0


def test_an_answer_that_fails_confirms_nothing(bench):
    bench.vpp.cli = lambda _: fail(VppLostError("gone"))
    bench.drain(timeout=1.0)
    bench.wait(2 * POLL)
    assert bench.view()["phase"] == "unconfirmed"
