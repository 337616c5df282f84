"""The owner of coroutines that nobody waits for."""

import pytest
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from maglev.runtime.logs.render import name_of
from maglev.runtime.tasks import MAX_PAUSE, Tasks


def test_a_coroutine_runs_and_is_forgotten_when_it_ends():
    tasks, gate, seen = Tasks(), Deferred(), []

    async def run():
        seen.append(await gate)

    tasks.start(run())
    assert len(tasks._running) == 1
    gate.callback("done")
    assert seen == ["done"]
    assert not tasks._running


def test_one_that_ends_at_once_is_not_kept():
    tasks = Tasks()

    async def run():
        return 1

    tasks.start(run())
    assert not tasks._running


def test_what_one_raises_is_logged_as_a_bug_and_the_others_go_on(logged_failures):
    tasks, gate, seen, events = Tasks(), Deferred(), [], []

    async def fail():
        await gate
        raise ValueError("x")

    async def go_on():
        await gate
        seen.append("on")

    globalLogPublisher.addObserver(events.append)
    try:
        tasks.start(fail())
        tasks.start(go_on())
        gate.callback(None)
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert [name_of(event) for event in events] == ["task-failed"]
    assert len(logged_failures.flush(ValueError)) == 1
    assert seen == ["on"]
    assert not tasks._running


def test_all_are_cancelled_at_the_end_and_that_is_not_a_bug():
    tasks, cleaned = Tasks(), []

    async def run():
        try:
            await Deferred()
        except CancelledError:
            cleaned.append("up")
            raise

    for _ in range(3):
        tasks.start(run())
    tasks.cancel()
    assert cleaned == ["up"] * 3
    assert not tasks._running


def test_one_that_cancels_the_others_while_it_is_cancelled_breaks_nothing():
    tasks = Tasks()

    async def run():
        try:
            await Deferred()
        finally:
            tasks.cancel()

    tasks.start(run())
    tasks.start(run())
    tasks.cancel()
    assert not tasks._running
    tasks.cancel()
    assert not tasks._running


def test_a_gathering_that_is_cancelled_is_not_a_bug_either():
    tasks = Tasks()

    async def run():
        inner = gatherResults([Deferred(), Deferred()], consumeErrors=True)
        await gatherResults([inner], consumeErrors=True)

    tasks.start(run())
    tasks.cancel()
    assert not tasks._running


def test_of_a_gathering_that_fails_the_log_tells_why(logged_failures):
    tasks, gate = Tasks(), Deferred()

    async def run():
        await gatherResults([gatherResults([gate], consumeErrors=True)], consumeErrors=True)

    tasks.start(run())
    gate.errback(ValueError("x"))
    assert len(logged_failures.flush(ValueError)) == 1


class Loop:
    """A loop whose steps do what `script` says: return a number or None, raise, or wait for a Deferred."""

    def __init__(self, *script, delay=0.0):
        self.clock, self.tasks, self.script = Clock(), Tasks(), list(script)
        self.times, self.failures = [], 0
        self.tasks.repeat(self.clock, "test", self.step, self.failed, delay)

    async def step(self):
        self.times.append(self.clock.seconds())
        what = self.script.pop(0) if self.script else 1000.0
        if isinstance(what, Exception):
            raise what
        return await what if isinstance(what, Deferred) else what

    def failed(self):
        self.failures += 1

    def wait(self, seconds):
        for _ in range(seconds * 4):
            self.clock.advance(0.25)


def test_a_loop_takes_its_steps_when_they_say_until_one_says_none():
    loop = Loop(2.0, 3.0, None, delay=1.0)
    loop.wait(20)
    assert loop.times == [1.0, 3.0, 6.0]
    assert not loop.tasks._running


@pytest.mark.parametrize("error", [ValueError("x"), CancelledError(), RecursionError(), TimeoutError()])
def test_a_loop_outlives_what_a_step_raises_and_backs_off(logged_failures, error):
    loop = Loop(error, error, error, 0.0, error, 5.0)
    loop.wait(20)
    assert loop.times == [0.0, 0.25, 0.75, 1.75, 1.75, 2.0, 7.0]
    assert loop.failures == 4
    assert len(logged_failures.flush(type(error))) == 4
    loop.tasks.cancel()
    assert not loop.tasks._running


def test_the_pause_of_a_loop_has_a_bound(logged_failures):
    loop = Loop(*[ValueError("x")] * 20)
    loop.wait(300)
    assert loop.times[-1] - loop.times[-2] == MAX_PAUSE
    assert logged_failures.flush(ValueError)


@pytest.mark.parametrize("swallow", [False, True])
def test_a_cancelled_loop_ends_even_when_its_step_swallows_the_cancellation(swallow):
    waiting = Deferred()
    if swallow:
        waiting.addErrback(lambda _: 1.0)
    loop = Loop(waiting)
    loop.tasks.cancel()
    loop.wait(20)
    assert loop.times == [0.0]
    assert not loop.tasks._running
    assert loop.failures == 0
