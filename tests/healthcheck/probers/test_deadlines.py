"""Deadlines that share one delayed call."""

import pytest
from twisted.internet.task import Clock

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.deadlines import Deadlines
from maglev.runtime.budget import EXPIRY


class Probe:
    """Tells when it expired; may do something then."""

    def __init__(self, rig, name, then=None):
        self.rig, self.name, self.then = rig, name, then

    def expire(self):
        self.rig.expired.append((self.name, round(self.rig.clock.seconds(), 6)))
        if self.then is not None:
            self.then(self)


class RecordingDeadlines:
    def __init__(self, timeout=1.0):
        self.clock = Clock()
        self.deadlines = Deadlines(self.clock, timeout, LagMonitor(self.clock))
        self.expired = []

    def begin(self, name, then=None):
        probe = Probe(self, name, then)
        assert self.deadlines.begin(probe) == self.clock.seconds()
        return probe


@pytest.fixture
def rig():
    return RecordingDeadlines()


def test_each_expires_exactly_at_its_deadline(rig):
    for step in range(10):
        rig.begin(step)
        rig.clock.advance(0.0625)
    assert len(rig.clock.getDelayedCalls()) == 1
    rig.clock.pump([0.0625] * 32)
    assert rig.expired == [(step, 1.0 + step * 0.0625) for step in range(10)]
    assert rig.clock.getDelayedCalls() == []


def test_what_has_ended_does_not_expire(rig):
    first, second = rig.begin("first"), rig.begin("second")
    rig.deadlines.end(first)
    rig.deadlines.end(first)
    rig.clock.advance(1.0)
    assert rig.expired == [("second", 1.0)]
    rig.deadlines.end(second)


def test_nothing_is_left_when_all_have_ended(rig):
    for probe in [rig.begin(1), rig.begin(2)]:
        rig.deadlines.end(probe)
    assert rig.clock.getDelayedCalls() == []
    rig.begin(3)
    rig.clock.advance(1.0)
    assert rig.expired == [(3, 1.0)]


def test_a_head_that_has_ended_does_not_delay_the_next(rig):
    first = rig.begin("first")
    rig.clock.advance(0.5)
    rig.begin("second")
    rig.deadlines.end(first)
    rig.clock.pump([0.25] * 4)
    assert rig.expired == [("second", 1.5)]


def test_one_that_expires_may_begin_again_without_delaying_the_others(rig):
    rig.begin("first", then=lambda probe: rig.deadlines.begin(probe) if rig.clock.seconds() < 2 else None)
    rig.clock.advance(0.5)
    rig.begin("second")
    rig.clock.pump([0.5] * 4)
    assert rig.expired == [("first", 1.0), ("second", 1.5), ("first", 2.0)]
    assert rig.clock.getDelayedCalls() == []


def test_one_that_expires_may_end_another(rig):
    victim = []
    rig.begin("first", then=lambda _: rig.deadlines.end(victim[0]))
    victim.append(rig.begin("second"))
    rig.clock.advance(1.0)
    assert rig.expired == [("first", 1.0)]
    assert rig.clock.getDelayedCalls() == []


def test_the_reactor_has_its_turn_when_many_expire_at_once(rig):
    def slow(_):
        rig.clock.rightNow += EXPIRY / 2

    for name in range(6):
        rig.begin(name, slow)
    seen = []
    rig.clock.callLater(1.0 + EXPIRY, lambda: seen.append(len(rig.expired)))
    rig.clock.advance(1.0)
    assert seen == [2]
    assert [name for name, _ in rig.expired] == list(range(6))


def test_one_that_raises_takes_no_deadline_from_the_others(rig):
    def fail(_probe):
        raise ValueError("bug")

    rig.begin("bad", fail)
    rig.begin("good")
    rig.clock.advance(0.5)
    rig.begin("late")
    with pytest.raises(ValueError, match="bug"):
        rig.clock.advance(0.5)
    rig.clock.advance(0)
    rig.clock.advance(0.5)
    assert rig.expired == [("bad", 1.0), ("good", 1.0), ("late", 1.5)]
    assert rig.clock.getDelayedCalls() == []


def test_the_lag_is_measured_finely_while_something_is_under_way(rig):
    attended = rig.deadlines._lag._attended
    assert attended == set()
    one, other = rig.begin(1), rig.begin(2)
    rig.deadlines.end(one)
    assert attended == {rig.deadlines}
    rig.deadlines.end(other)
    assert attended == set()
    rig.begin(3)
    rig.begin("again", then=lambda probe: rig.deadlines.begin(probe) if rig.clock.seconds() < 2 else None)
    rig.clock.advance(1.0)
    assert attended == {rig.deadlines}, "one has begun again"
    rig.clock.advance(1.0)
    assert attended == set()


def test_at_the_end_everything_expires_and_nothing_is_left(rig):
    rig.begin("a")
    rig.begin("b")
    rig.deadlines.close()
    assert [name for name, _when in rig.expired] == ["a", "b"]
    assert rig.clock.getDelayedCalls() == []
