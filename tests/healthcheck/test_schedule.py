"""When probes begin."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from maglev.healthcheck.schedule import SLOT, SLOTTED, Schedule, ScheduleEntry
from maglev.runtime.budget import STARTS


class Named(ScheduleEntry):
    __slots__ = ("name",)

    def __init__(self, name):
        super().__init__()
        self.name = name


class RecordingSchedule:
    """A schedule whose entries tell when they were started."""

    def __init__(self, cost=0.0):
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.began = {}
        self.cost = cost
        self.busy = False
        self.schedule = Schedule(self.clock, self.start, lambda: self.busy)

    def start(self, entry):
        self.began[entry.name] = self.clock.seconds() - 1000.0
        self.clock.rightNow += self.cost

    def add(self, name, delay):
        entry = Named(name)
        self.schedule.add(entry, delay)
        return entry

    def run(self, seconds, step=0.001):
        self.clock.pump([step] * round(seconds / step))


def test_a_long_delay_is_kept_to_half_a_slot():
    rig = RecordingSchedule()
    delays = [SLOTTED + 0.0037 * step for step in range(100)]
    for delay in delays:
        rig.add(delay, delay)
    rig.run(1.0)
    assert len(rig.began) == 100
    assert all(abs(begun - delay) <= SLOT / 2 + 0.0011 for delay, begun in rig.began.items())


def test_those_of_one_slot_cost_the_reactor_one_call():
    rig = RecordingSchedule()
    for step in range(1000):
        rig.add(step, 1.0 + SLOT * step / 1000)
    assert len(rig.clock.getDelayedCalls()) == 1
    rig.run(1.1)
    assert len(set(rig.began.values())) == 2, "the slots on both sides"


def test_a_short_delay_is_kept_exactly():
    rig = RecordingSchedule()
    rig.add("a", 0.0)
    rig.add("b", 0.0123)
    rig.clock.advance(0)
    assert rig.began == {"a": 0.0}
    rig.clock.advance(0.0122)
    assert "b" not in rig.began
    rig.clock.advance(0.0002)
    assert "b" in rig.began


def test_an_earlier_entry_is_not_kept_waiting_by_a_later_one():
    rig = RecordingSchedule()
    rig.add("late", 10.0)
    rig.add("early", 1.0)
    rig.run(1.1)
    assert list(rig.began) == ["early"]


def test_what_is_taken_out_is_not_started():
    rig = RecordingSchedule()
    entry, other = rig.add("a", 1.0), rig.add("b", 1.0)
    rig.schedule.remove(entry)
    rig.schedule.remove(entry)
    assert entry.slot is None
    rig.run(1.1)
    assert list(rig.began) == ["b"]
    assert other.slot is None


def test_it_can_be_taken_out_while_it_waits_for_its_turn():
    rig = RecordingSchedule()
    rig.busy = True
    entry, _ = rig.add("a", 0.0), rig.add("b", 0.0)
    rig.run(0.01)
    rig.schedule.remove(entry)
    rig.busy = False
    rig.run(0.01)
    assert list(rig.began) == ["b"]


def test_an_entry_may_come_back_from_within_its_start():
    rig = RecordingSchedule()
    entry = Named("a")
    log = []

    def start(entry):
        log.append("start")
        rig.clock.callLater(0, log.append, "reactor")
        if len(log) < 5:
            rig.schedule.add(entry, 0.0)

    rig.schedule = Schedule(rig.clock, start, lambda: False)
    rig.schedule.add(entry, 0.0)
    rig.clock.advance(0)
    assert log == ["start", "reactor"] * 3, "a probe that ends at once must not keep the reactor"


def test_the_reactor_has_its_turn_when_starting_takes_long():
    rig = RecordingSchedule(cost=STARTS / 4)
    for name in range(10):
        rig.add(name, 0.0)
    begun = []
    rig.clock.callLater(0, lambda: begun.append(len(rig.began)))
    rig.clock.callLater(STARTS, lambda: begun.append(len(rig.began)))
    rig.clock.advance(0)
    assert begun == [4, 4], "both were due when the first four had been started"
    assert len(rig.began) == 10


def test_none_is_started_while_answers_wait_and_the_oldest_goes_first():
    rig = RecordingSchedule()
    rig.busy = True
    for step in range(3):
        rig.add(step, 0.2 + step * 0.1)
    rig.run(1.0)
    assert rig.began == {}
    assert rig.schedule.overdue() == pytest.approx(0.8, abs=0.001)
    rig.busy = False
    rig.run(0.001)
    assert list(rig.began) == [0, 1, 2]
    assert rig.schedule.overdue() == 0.0


def test_the_overdue_are_those_that_are_still_in():
    rig = RecordingSchedule()
    assert rig.schedule.overdue() == 0.0
    first, second = rig.add("a", 1.0), rig.add("b", 2.0)
    rig.clock.rightNow += 5.0  # a reactor that stalls
    assert rig.schedule.overdue() == pytest.approx(4.0)
    rig.schedule.remove(first)
    assert rig.schedule.overdue() == pytest.approx(3.0)
    rig.busy = True
    rig.clock.advance(0)
    assert rig.schedule.overdue() == pytest.approx(3.0)
    rig.schedule.remove(second)
    assert rig.schedule.overdue() == 0.0


def test_a_start_that_raises_stops_none_of_the_others():
    rig = RecordingSchedule()

    def start(entry):
        rig.start(entry)
        if entry.name == "bad":
            raise ValueError("bug")

    rig.schedule = Schedule(rig.clock, start, lambda: False)
    for name in ("good", "bad", "better"):
        rig.add(name, 0.0 if name == "better" else 0.01)
    rig.add("later", 1.0)
    with pytest.raises(ValueError, match="bug"):
        rig.run(0.02)
    rig.run(2.0)
    assert set(rig.began) == {"good", "bad", "better", "later"}


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5), st.sampled_from([0.0, 0.001, 0.019, 0.1, 0.2, 0.21, 0.5, 1.0])),
        st.tuples(st.just("remove"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("busy"), st.booleans(), st.just(0)),
        st.tuples(st.just("advance"), st.just(0), st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.0])),
        st.tuples(st.just("stall"), st.just(0), st.sampled_from([0.001, 0.02, 0.3, 3.0])),
        st.tuples(st.just("react"), st.integers(0, 5), st.sampled_from(["again", "remove", "add", "take long"])),
    ),
    max_size=40,
)


class Model:
    """A schedule, and when each of six entries is due in truth."""

    def __init__(self):
        self.clock = Clock()
        self.clock.advance(1000.013)
        self.entries = [ScheduleEntry() for _ in range(6)]
        self.due = {}
        self.reactions = {}
        self.is_busy = False
        self.schedule = Schedule(self.clock, self.start, lambda: self.is_busy)

    def start(self, entry):
        number = self.entries.index(entry)
        assert entry.slot is None
        assert self.clock.seconds() >= self.due.pop(number) - SLOT / 2 - 1e-6
        reaction, neighbour = self.reactions.pop(number, None), (number + 1) % 6
        if reaction == "again":
            self.add(number, 0.0)
        elif reaction == "add":
            self.add(neighbour, 0.3)
        elif reaction == "remove":
            self.remove(neighbour, 0)
        elif reaction == "take long":
            self.clock.rightNow += 2 * STARTS

    def add(self, number, delay):
        if number not in self.due:
            self.due[number] = self.clock.seconds() + delay
            self.schedule.add(self.entries[number], delay)

    def remove(self, number, _):
        self.due.pop(number, None)
        self.schedule.remove(self.entries[number])

    def busy(self, is_busy, _):
        self.is_busy = is_busy

    def advance(self, _, seconds):
        self.clock.advance(seconds)

    def stall(self, _, seconds):
        self.clock.rightNow += seconds

    def react(self, number, how):
        self.reactions[number] = how

    def check(self):
        assert {number for number, entry in enumerate(self.entries) if entry.slot is not None} == set(self.due)
        assert len(self.clock.getDelayedCalls()) in ((1,) if self.due else (0, 1))
        waits = [self.clock.seconds() - due for due in self.due.values()]
        assert self.schedule.overdue() == pytest.approx(max([0.0, *waits]), abs=SLOT / 2 + 1e-6)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_whatever_happens_each_entry_is_started_once_and_in_time(steps):
    model = Model()
    for name, *arguments in steps:
        getattr(model, name)(*arguments)
        model.check()
    model.is_busy = False
    model.reactions.clear()
    model.clock.pump([0.01] * 150)
    assert model.due == {}
    model.schedule.close()
    assert model.clock.getDelayedCalls() == []


def test_closed_from_within_a_start_it_starts_nothing_more():
    rig = RecordingSchedule()
    entries = [rig.add(name, 0.0) for name in range(3)]
    rig.add("later", 1.0)

    def start(entry):
        rig.began[entry.name] = 0.0
        for each in entries:
            rig.schedule.remove(each)
        rig.schedule.close()

    rig.schedule._start = start
    rig.run(2.0)
    assert len(rig.began) == 1
    assert rig.clock.getDelayedCalls() == []


def test_closed_it_leaves_no_call_behind():
    rig = RecordingSchedule()
    rig.add("a", 1.0)
    rig.schedule.close()
    rig.schedule.close()
    assert rig.clock.getDelayedCalls() == []
