"""The cooperator: the budget of all work in slices, shared fairly, whatever one piece of it does."""

import itertools

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from maglev.runtime.budget import ANSWERS, EXPIRY, SLICED_WORK, STARTS, TURN
from maglev.runtime.cooperator import BUCKETS, Cooperator

MANY = 1000


class TurningClock(Clock):
    """A clock whose turns are those of a reactor: what is scheduled in one turn comes in the next at the earliest."""

    def __init__(self):
        super().__init__()
        self.scheduled = 0

    def callLater(self, delay, call, *args, **kwargs):
        self.scheduled += 1
        return super().callLater(delay, call, *args, **kwargs)

    def turn(self):
        """Make the calls of one turn; return the seconds that they took."""
        start = self.rightNow
        due, self.calls = self.calls, []
        for call in due:
            call.func(*call.args)
        return self.rightNow - start

    def turns(self):
        """Go on until there is nothing to do; return the seconds that each turn took."""
        return list(iter(lambda: self.turn() if self.calls else None, None))


class Work:
    """Work of several kinds that takes time, and the order in which it was done."""

    def __init__(self, clock):
        self.clock = clock
        self.cooperator = Cooperator(clock)
        self.done = []

    def call(self, kind, what, seconds=0.0):
        self.cooperator.queue(kind).soon(lambda: self.take(what, seconds))

    def take(self, what, seconds):
        self.done.append(what)
        self.clock.rightNow += seconds

    def steps(self, what, count, seconds):
        for _ in range(count):
            self.take(what, seconds)
            yield
        return what

    def run(self, kind, what, count=1, seconds=0.0, *, later=True):
        results = []
        self.cooperator.queue(kind).run(self.steps(what, count, seconds), later=later).addBoth(results.append)
        return results


@pytest.fixture
def clock():
    return TurningClock()


@pytest.fixture
def work(clock):
    return Work(clock)


# The budget


def test_the_bound_of_a_turn_of_the_reactor_is_one_number():
    assert pytest.approx(SLICED_WORK + ANSWERS + EXPIRY + STARTS) == TURN


def test_a_turn_has_a_budget_and_what_does_not_fit_has_the_next(clock, work):
    for number in range(5):
        work.call("ssh", number, SLICED_WORK / 2)
    seen = []
    while clock.calls:
        clock.turn()
        seen.append(len(work.done))

    assert seen == [2, 4, 5]
    assert work.done == [0, 1, 2, 3, 4]


def test_all_kinds_together_take_no_longer_than_the_budget_and_one_step(clock, work):
    step = SLICED_WORK / 50
    for kind in ("control", "vpp", "reload"):
        for number in range(10):
            work.run(kind, (kind, number), 100, step)
    for kind in ("ssh", "pb", "metrics"):
        for number in range(500):
            work.call(kind, (kind, number), step)
    took = clock.turns()

    assert sum(took) == pytest.approx(4500 * step)
    assert max(took) < SLICED_WORK + 2 * step


def test_nothing_is_done_at_once_that_is_to_be_done_later(clock, work):
    results = work.run("vpp", "a")
    work.call("ssh", "b")
    waiting = work.cooperator.queue("pb").turn()
    assert (work.done, results, waiting.called) == ([], [], False)
    clock.turn()
    assert (work.done, results, waiting.called) == (["a", "b"], ["a"], True)
    assert clock.calls == []


def test_what_asks_for_another_turn_does_not_get_this_one(clock, work):
    def again(kind, name):
        work.done.append(name)
        work.cooperator.queue(kind).soon(lambda: again(kind, name))

    again("ssh", "a")
    again("pb", "b")
    again("ssh", "c")
    for turns in range(1, 4):
        assert len(work.done) == 3 * turns
        clock.turn()


# Fairness


def test_a_hundred_sessions_do_not_starve_the_sync_nor_the_sync_them(clock, work):
    step = SLICED_WORK / 100
    for _ in range(100):
        work.run("ssh", "ssh", MANY, step)
    work.run("vpp", "vpp", MANY, step)
    for _ in range(10):
        clock.turn()

    assert len(work.done) == pytest.approx(10 * 100, abs=20)
    assert work.done.count("vpp") == pytest.approx(len(work.done) / 2, abs=20)


def test_what_one_kind_does_not_need_is_for_those_after_it(clock, work):
    step = SLICED_WORK / 100
    work.run("ssh", "ssh", 1, step)
    work.run("vpp", "vpp", MANY, step)
    clock.turn()

    assert work.done.count("vpp") == pytest.approx(99, abs=2)


def test_who_found_no_time_left_is_first_in_the_next_turn(clock, work):
    for kind in ("a", "b", "c"):
        for _ in range(3):
            work.call(kind, kind, 2 * SLICED_WORK)
    clock.turns()

    assert work.done == ["a", "b", "c"] * 3


def test_within_one_kind_it_is_first_come_first_served(clock, work):
    work.run("vpp", "a", 3, SLICED_WORK)
    work.run("vpp", "b", 2, SLICED_WORK)
    work.call("vpp", "c", SLICED_WORK)
    clock.turns()

    assert work.done == ["a", "b", "c", "a", "b", "a"]


# Efficiency


def test_a_lone_computation_has_the_whole_budget_and_costs_one_call_a_turn(clock, work):
    count, step = 1000, SLICED_WORK / 100
    results = work.run("vpp", "a", count, step)
    took = clock.turns()

    assert results == ["a"]
    assert len(took) == clock.scheduled <= count * step / SLICED_WORK + 1
    assert min(took[:-1]) >= SLICED_WORK


def test_many_short_pieces_cost_one_call(clock, work):
    for number in range(MANY):
        work.call("ssh", number)
        work.cooperator.queue("pb").turn()
        work.run("vpp", number)
    clock.turns()

    assert clock.scheduled == 1


def test_a_short_computation_is_done_at_once_and_costs_no_call(clock, work):
    results = work.run("vpp", "a", 10, later=False)

    assert (results, clock.scheduled) == (["a"], 0)


def test_computations_that_begin_at_once_share_the_budget_of_one_turn(clock, work):
    step = SLICED_WORK / 10
    results = [work.run(kind, kind, 4, step, later=False) for kind in ("a", "b", "c", "d")]
    assert results == [["a"], ["b"], [], []]
    assert clock.rightNow == pytest.approx(SLICED_WORK)
    assert clock.scheduled == 1
    took = clock.turns()

    assert results == [["a"], ["b"], ["c"], ["d"]]
    assert took == [pytest.approx(6 * step)]


def test_the_next_turn_has_its_own_budget(clock, work):
    for _ in range(3):
        assert work.run("a", "a", 1, SLICED_WORK, later=False) == []
        clock.turns()
    assert work.done == ["a"] * 3


def test_a_computation_does_not_begin_at_once_while_others_wait(clock, work):
    work.call("ssh", "a")
    work.run("vpp", "b", later=False)
    clock.turns()

    assert work.done == ["a", "b"]


def test_a_computation_that_another_one_asks_for_is_done_after_it(clock, work):
    results = []

    def steps():
        results.append(work.run("control", "b", later=False))
        yield
        work.done.append("a")

    work.cooperator.queue("vpp").run(steps())
    assert (work.done, results) == (["a"], [[]])
    clock.turns()
    assert (work.done, results) == (["a", "b"], [["b"]])


# Bugs


def test_what_raises_is_logged_and_does_not_stop_the_others(clock, work, logged_failures):
    work.call("ssh", "a")
    work.cooperator.queue("ssh").soon(lambda: 1 / 0)
    work.call("ssh", "b")
    work.call("vpp", "c")
    clock.turns()

    assert work.done == ["a", "b", "c"]
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_what_a_computation_raises_is_for_who_waits_for_it(clock, work):
    def steps():
        yield
        raise ValueError("a bug")

    failures = []
    work.cooperator.queue("vpp").run(steps()).addErrback(lambda failure: failures.append(failure.value))
    results = work.run("vpp", "b")
    clock.turns()

    assert [str(failure) for failure in failures] == ["a bug"]
    assert results == ["b"]


@pytest.mark.parametrize("kind", ["ssh", "pb"])
def test_even_what_ends_the_process_leaves_the_others_their_turn(clock, work, kind):
    def end():
        raise SystemExit

    work.cooperator.queue("ssh").soon(end)
    work.call("ssh", "a")
    work.call("vpp", "b")
    with pytest.raises(SystemExit):
        clock.turn()
    clock.turns()
    work.call(kind, "c")
    clock.turns()

    assert sorted(work.done) == ["a", "b", "c"]


# Cancellation


def cancelled(waiting):
    failures = []
    waiting.addErrback(lambda failure: failures.append(failure.type))
    waiting.cancel()
    return failures


def test_one_that_gives_up_does_not_hold_up_the_others(clock, work):
    queue = work.cooperator.queue("pb")
    waiting = [queue.turn() for _ in range(3)]
    assert cancelled(waiting[0]) == [CancelledError]
    assert work.cooperator.waiting() == {"pb": 2}
    clock.turn()

    assert [each.called for each in waiting] == [True] * 3


def test_one_may_give_up_when_the_turn_has_begun(clock, work):
    queue = work.cooperator.queue("pb")
    last = []
    queue.soon(lambda: [each.cancel() for each in last])
    last.extend(queue.turn() for _ in range(2))
    results = []
    for each in last:
        each.addErrback(lambda failure: results.append(failure.type))
    clock.turns()

    assert results == [CancelledError] * 2
    work.call("pb", "a")
    clock.turns()
    assert work.done == ["a"]


@pytest.mark.parametrize("turns", [0, 1])
def test_a_computation_that_nobody_waits_for_is_closed(clock, work, turns):
    closed = []

    def steps():
        try:
            yield from work.steps("a", 3, SLICED_WORK)
        finally:
            closed.append(True)

    waiting = work.cooperator.queue("vpp").run(steps(), later=True)
    for _ in range(turns):
        clock.turn()
    assert cancelled(waiting) == [CancelledError]
    clock.turns()

    assert len(work.done) == turns
    assert closed == [True] * turns  # one that never began has nothing to close
    assert work.cooperator.waiting() == {"vpp": 0}


def test_a_computation_may_be_cancelled_by_one_of_its_own_steps(clock, work):
    closed = []
    failures = []

    def steps():
        try:
            for number in itertools.count():
                work.take(number, 0.0)
                if number == 2:
                    failures.extend(cancelled(waiting))
                yield
        finally:
            closed.append(True)

    waiting = work.cooperator.queue("vpp").run(steps(), later=True)
    clock.turns()
    assert (work.done, closed, failures) == ([0, 1, 2], [True], [CancelledError])


def test_a_computation_that_is_cancelled_by_its_last_step_has_no_result(clock, work):
    failures = []

    def steps():
        yield
        failures.extend(cancelled(waiting))
        return "result"

    waiting = work.cooperator.queue("vpp").run(steps(), later=True)
    clock.turns()
    assert failures == [CancelledError]


def test_cancelling_who_awaits_cancels_the_computation(clock, work):
    async def awaits():
        await work.cooperator.queue("vpp").run(work.steps("a", 3, SLICED_WORK), later=True)

    waiting = Deferred.fromCoroutine(awaits())
    clock.turn()
    assert cancelled(waiting) == [CancelledError]
    clock.turns()
    assert work.done == ["a"]


# Figures


def test_turns_are_measured(clock, work):
    work.call("ssh", "a", 0.0005)
    clock.turns()
    work.call("ssh", "a", 0.003)
    work.call("vpp", "b", 1.0)
    clock.turns()
    work.call("vpp", "c")
    clock.turns()

    assert work.cooperator.counts == [1, *[0] * (len(BUCKETS) - 1), 1]
    assert work.cooperator.total == pytest.approx(1.0035)


def test_what_waits_is_told_by_kind(clock, work):
    assert work.cooperator.waiting() == {}
    work.call("ssh", "a")
    work.call("ssh", "b")
    work.run("vpp", "c")
    assert work.cooperator.waiting() == {"ssh": 2, "vpp": 1}
    clock.turns()
    assert work.cooperator.waiting() == {"ssh": 0, "vpp": 0}
