"""How late the reactor is known to run."""

import pytest
from twisted.internet.task import Clock

from maglev.healthcheck.lag import IDLE_PERIOD, PERIOD, LagMonitor
from maglev.model.config import CheckType
from maglev.model.result import Code, Result
from tests.fakes.clocks import LateClock


def running():
    clock = LateClock()
    lag = LagMonitor(clock)
    lag.attend("somebody", really=True)
    lag.start()
    return clock, lag


def test_a_reactor_on_time_has_no_lag():
    clock, lag = running()
    clock.pump([PERIOD] * 100)
    assert lag.worst_since(0.0) == 0.0
    assert lag.quantile(0.99) <= 0.001


def test_a_stall_is_seen_by_those_it_touched_and_no_others():
    clock, lag = running()
    clock.pump([PERIOD] * 10)
    clock.stall(3.0)
    after = clock.seconds()
    clock.pump([PERIOD] * 10)
    assert 2.8 < lag.worst_since(0.5) < 3.0
    assert 0.9 < lag.worst_since(after - 1.0) < 1.01
    assert lag.worst_since(after + 0.05) == 0.0


def test_a_tick_that_is_overdue_counts_before_it_runs():
    clock, lag = running()
    clock.rightNow += 2.0
    assert lag.worst_since(0.0) > 1.8
    assert 0.09 < lag.worst_since(1.9) < 0.11


@pytest.mark.parametrize(
    ("result", "excused"),
    [
        (Result(Code.L7TOUT, duration=1.0), True),
        (Result(Code.L7RSP, duration=3.0), True),  # read when time was up already
        (Result(Code.L7RSP, duration=0.9), False),
        (Result(Code.L7OK, duration=3.0), False),
        (Result(Code.L4CON, duration=3.0), False),
    ],
)
def test_lateness_excuses_what_failed_when_time_was_up(result, excused):
    clock, lag = running()
    clock.pump([PERIOD] * 10)
    assert not lag.excuses(result, 0.0, 1.0), "on time"
    clock.stall(3.0)
    assert lag.excuses(result, 0.5, 1.0) is excused
    assert not lag.excuses(result, 0.5, 60.0), "little beside its time"


ONE_STEP = [
    (Result(Code.L4TOUT, duration=1.0), CheckType.HTTP),
    (Result(Code.L4TOUT, duration=1.0), None),
    (Result(Code.L7TOUT, duration=1.0), CheckType.ICMP),
]


@pytest.mark.parametrize(("result", "kind"), ONE_STEP)
def test_what_only_the_kernel_has_to_take_is_excused_by_stalls_of_half_the_time(result, kind):
    clock, lag = running()
    clock.pump([PERIOD] * 10)
    clock.stall(0.4)
    began = clock.seconds() - 1.0
    assert not lag.excuses(result, began, 1.0, kind)
    assert lag.excuses(Result(Code.L7TOUT, duration=1.0), began, 1.0, CheckType.HTTP)
    clock.stall(0.8)
    assert lag.excuses(result, began, 1.0, kind)


@pytest.mark.parametrize(("result", "kind"), ONE_STEP)
def test_what_waits_to_be_read_excuses_them_as_it_does_the_others(result, kind):
    clock, lag = running()
    clock.pump([PERIOD] * 10)
    lag.behind("somebody", really=True)
    clock.pump([PERIOD] * 3)
    assert lag.excuses(result, 0.5, 1.0, kind)
    lag.behind("somebody", really=False)
    assert lag.excuses(result, 0.5, 1.0, kind)
    assert not lag.excuses(result, clock.seconds(), 1.0, kind)


@pytest.mark.parametrize("timeout", [0.1, 0.2, 0.5])
def test_a_stall_between_two_ticks_does_not_go_unnoticed_by_short_probes(timeout):
    clock, lag = running()
    lag.heed(timeout)
    lag.heed(60.0)
    clock.pump([0.01] * 20)
    began = clock.seconds()
    clock.stall(0.9 * timeout)
    assert lag.worst_since(began) >= 0.79 * timeout


def test_the_shortest_probes_do_not_make_it_tick_all_the_time():
    clock, lag = running()
    lag.heed(0.01)
    clock.pump([PERIOD] + [0.001] * 1000)
    assert sum(lag.counts) in range(95, 105)


def test_the_histogram_counts_every_tick():
    clock, lag = running()
    clock.pump([PERIOD] * 9)
    clock.stall(1.1)
    assert sum(lag.counts) == 10
    assert 0.9 < lag.total < 1.1
    assert lag.quantile(0.5) == 0.001
    assert lag.quantile(1.0) == 1.0


def test_more_than_the_last_bucket_is_infinite():
    clock, lag = running()
    clock.stall(60)
    assert lag.quantile(1.0) == float("inf")


def test_stopping_leaves_nothing_behind():
    clock, lag = running()
    lag.stop()
    assert clock.getDelayedCalls() == []
    clock.rightNow += 5
    assert lag.worst_since(0) == 0.0
    lag.stop()


def test_work_that_is_left_counts_as_a_stall_until_it_is_done():
    clock, lag = running()
    clock.pump([PERIOD] * 10)
    lag.behind("poller", really=False)
    lag.behind("poller", really=True)
    clock.pump([PERIOD] * 5)
    lag.behind("poller", really=True)
    assert lag.worst_since(0.0) == pytest.approx(0.5), "since it was first said"
    assert lag.worst_since(clock.seconds() - 0.2) == pytest.approx(0.2), "a probe suffers for as long as it lasts"
    lag.behind("poller", really=False)
    begun = clock.seconds()
    clock.pump([PERIOD] * 5)
    assert lag.worst_since(0.0) == pytest.approx(0.5), "those that were under way remember it"
    assert lag.worst_since(begun) == 0.0


def test_the_worst_of_several_counts():
    clock, lag = running()
    lag.behind("one", really=True)
    clock.pump([PERIOD])
    lag.behind("other", really=True)
    clock.pump([PERIOD])
    assert lag.worst_since(0.0) == pytest.approx(0.2)
    lag.behind("one", really=False)
    clock.pump([PERIOD])
    assert lag.worst_since(clock.seconds() - PERIOD) == pytest.approx(PERIOD)


def test_it_ticks_seldom_while_nobody_could_ask():
    clock = Clock()
    lag = LagMonitor(clock)
    lag.start()

    def due():
        (tick,) = clock.getDelayedCalls()
        return tick.getTime() - clock.seconds()

    assert due() == pytest.approx(IDLE_PERIOD)
    clock.advance(0.2)
    lag.attend("probes", really=True)
    assert due() == pytest.approx(PERIOD), "at once as often as they need it"
    clock.advance(0.04)
    lag.attend("others", really=True)
    assert due() == pytest.approx(PERIOD - 0.04), "a tick that comes soon enough is left alone"
    lag.attend("probes", really=False)
    lag.attend("probes", really=False)
    clock.advance(PERIOD)
    assert due() == pytest.approx(PERIOD), "there are others"
    lag.attend("others", really=False)
    clock.advance(PERIOD)
    assert due() == pytest.approx(IDLE_PERIOD, abs=PERIOD)
    lag.stop()
    lag.attend("probes", really=True)
    assert clock.getDelayedCalls() == []


def test_who_begins_in_a_stall_does_not_make_it_forgotten():
    clock, lag = running()
    lag.attend("somebody", really=False)
    clock.advance(PERIOD)
    clock.rightNow += 2.0
    lag.attend("somebody", really=True)
    assert lag.worst_since(0.0) == pytest.approx(2.0 - IDLE_PERIOD, abs=PERIOD)
