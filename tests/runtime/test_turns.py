"""Long computations in turns."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from maglev.runtime.turns import TURN, in_turns


def computation(clock, steps, seconds, seen):
    """Let time pass at each step, and take note of whether somebody waits for his turn already."""
    for _ in range(steps):
        clock.rightNow += seconds
        yield
        seen.append(len(clock.getDelayedCalls()))
    return "done"


def begun(clock, steps, seconds, seen):
    results = []
    Deferred.fromCoroutine(in_turns(clock, computation(clock, steps, seconds, seen))).addBoth(results.append)
    return results


def test_a_short_computation_takes_one_turn():
    clock = Clock()
    assert begun(clock, 10, TURN / 20, []) == ["done"]
    assert clock.getDelayedCalls() == []


def test_a_long_one_lets_others_go_first_when_its_turn_is_over():
    clock = Clock()
    seen = []
    results = begun(clock, 10, TURN / 2, seen)
    assert (results, len(seen)) == ([], 1)
    (call,) = clock.getDelayedCalls()
    assert call.getTime() == clock.seconds()
    clock.advance(0)
    assert (results, seen) == (["done"], [0] * 10)
