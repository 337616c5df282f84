"""The requests to a VIP: the schedule, what is under way, and what this program itself is to blame for."""

import pytest
from twisted.internet.task import Clock

from maglev.healthcheck.lag import LagMonitor
from maglev.maglevt.load import BURST, VipLoad
from maglev.maglevt.measure.sample import SampleKind
from maglev.maglevt.targets import Question, VipTarget, asked_of_vip
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.clocks import LateClock
from tests.fakes.http import StepwiseClock

TARGET = VipTarget("web", "192.0.2.1", 80, asked_of_vip(None, 80, Question(0.9)))


class FakeRequester:
    """A requester whose requests end when the test says so."""

    def __init__(self, begun):
        self._begun = begun
        self.finished = None
        self.cancelled = 0

    def start(self, finished):
        assert self.finished is None
        self.finished = finished
        self._begun.append(self)

    def end(self, outcome=None, who=None):
        finished, self.finished = self.finished, None
        finished(outcome or Result(Code.L4OK), who)

    def cancel(self):
        self.cancelled += 1
        self.finished = None


class LoadBench:
    """A load with requesters that the test plays."""

    def __init__(self, clock, rate=8.0, slots=100, requester=FakeRequester):
        self.clock = clock
        self.begun = []
        self.made = []
        self.samples = []
        self.lag = LagMonitor(clock)
        self._requester = requester
        self.load = VipLoad(clock, self.lag, TARGET, self._make, rate, slots, self.samples.append)

    def _make(self):
        self.made.append(self._requester(self.begun))
        return self.made[-1]

    def kinds(self):
        return [(each.kind, each.code) for each in self.samples]


def test_requests_begin_on_schedule_whatever_becomes_of_those_before():
    bench = LoadBench(Clock())
    bench.load.start(0.0)
    bench.clock.pump([0.0625] * 10)

    assert len(bench.begun) == bench.load.under_way == 6
    for each in bench.begun[:3]:
        each.end(who="www1")
    bench.clock.pump([0.0625] * 4)
    assert [each.scheduled for each in bench.samples] == [0.0, 0.125, 0.25]
    assert bench.samples[0].who == "www1"
    assert len(bench.made) == 6  # the requesters that are idle again are used first
    bench.load.stop()


def test_latency_counts_from_the_schedule_after_a_stall_of_ours():
    bench = LoadBench(LateClock())
    bench.load.start(0.0)
    bench.clock.advance(0)
    bench.clock.stall(0.6875)
    while bench.begun:
        bench.begun.pop().end()

    assert [each.lateness for each in bench.samples] == [0.0, 0.5625, 0.4375, 0.3125, 0.1875, 0.0625]
    assert [each.latency for each in bench.samples] == [0.6875, 0.5625, 0.4375, 0.3125, 0.1875, 0.0625]
    bench.load.stop()


def test_what_is_long_overdue_is_not_sent_and_is_counted():
    bench = LoadBench(LateClock())
    bench.load.start(0.0)
    bench.clock.stall(2.0)

    assert len(bench.begun) == 8  # those of the last 0.9 seconds
    assert bench.kinds() == [(SampleKind.UNJUDGED, "unsent")] * 9
    bench.load.stop()


def test_a_long_sleep_is_caught_up_with_in_turns():
    bench = LoadBench(StepwiseClock(), rate=1000.0)
    bench.load.start(0.0)
    bench.clock.rightNow = 10.0
    for turn in range(1, 4):
        bench.clock.turn(1)
        assert len(bench.samples) == turn * BURST
    bench.load.stop()


def test_no_more_are_under_way_than_there_are_slots():
    bench = LoadBench(Clock(), slots=3)
    bench.load.start(0.0)
    bench.clock.pump([0.125] * 8)

    assert bench.load.under_way == 3
    for each in bench.begun:
        each.end()
    assert bench.kinds() == [(SampleKind.GOOD, "L4OK")] * 3 + [(SampleKind.UNJUDGED, "unsent")] * 6
    bench.load.stop()


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Result(Code.L7OK), (SampleKind.GOOD, "L7OK")),
        (Result(Code.L7STS, "status 503"), (SampleKind.FAILED, "L7STS")),
        (Result(Code.L4TOUT, "no connection in time", 0.9), (SampleKind.FAILED, "L4TOUT")),
        (LocalFault("descriptors", "Too many open files"), (SampleKind.UNJUDGED, "descriptors")),
    ],
)
def test_an_outcome_is_the_vips_or_ours(outcome, expected):
    bench = LoadBench(Clock())
    bench.load.start(0.0)
    bench.clock.advance(0)
    bench.begun[0].end(outcome)

    assert bench.kinds() == [expected]
    bench.load.stop()


def test_a_timeout_while_this_program_stood_still_says_nothing():
    bench = LoadBench(LateClock())
    bench.lag.start()
    bench.lag.heed(0.9)
    bench.lag.attend(bench, really=True)
    bench.load.start(0.0)
    bench.clock.advance(0)
    bench.clock.stall(0.9)
    bench.begun[0].end(Result(Code.L4TOUT, "no connection in time", 0.9))

    assert bench.kinds()[0] == (SampleKind.UNJUDGED, "late")
    bench.lag.stop()
    bench.load.stop()


def test_the_end_waits_for_what_is_under_way_or_cancels_it():
    bench = LoadBench(Clock())
    bench.load.start(0.0)
    bench.clock.pump([0.125, 0.125])
    ended = []
    bench.load.stop().addCallback(ended.append)
    bench.begun[1].end()
    assert not ended
    assert not bench.samples
    bench.load.cancel()

    assert ended == [None]
    assert [kind for kind, _ in bench.kinds()] == [SampleKind.UNJUDGED, SampleKind.GOOD, SampleKind.UNJUDGED]
    assert [each.cancelled for each in bench.made] == [1, 1, 1]  # also what an idle one left open
    assert not bench.clock.getDelayedCalls()


def test_a_load_that_has_nothing_under_way_ends_at_once():
    bench = LoadBench(Clock())
    bench.load.start(5.0)
    ended = []
    bench.load.stop().addCallback(ended.append)

    assert ended == [None]
    assert not bench.clock.getDelayedCalls()


class BrokenRequester(FakeRequester):
    """A requester with a bug."""

    def start(self, finished):
        super().start(finished)
        raise ZeroDivisionError


def test_a_bug_in_one_request_does_not_end_the_others(logged_failures):
    bench = LoadBench(Clock(), requester=BrokenRequester)
    bench.load.start(0.0)
    with pytest.raises(ZeroDivisionError):
        bench.clock.advance(0)
    with pytest.raises(ZeroDivisionError):
        bench.clock.advance(0.125)

    assert len(bench.begun) == 2
    bench.load.stop()
    bench.load.cancel()


def test_a_request_that_ends_while_it_begins_is_counted():
    class AtOnce(FakeRequester):
        def start(self, finished):
            finished(Result(Code.L4CON, "connection refused"), None)

    bench = LoadBench(Clock(), requester=AtOnce)
    bench.load.start(0.0)
    bench.clock.pump([0.125, 0.125])

    assert bench.kinds() == [(SampleKind.FAILED, "L4CON")] * 3
    assert len(bench.made) == 1
    bench.load.stop()
