"""The owner of coroutines that nobody waits for."""

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import globalLogPublisher

from maglev.runtime.logs.render import name_of
from maglev.runtime.tasks import Tasks


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


def test_all_are_cancelled_at_the_end_and_that_is_no_bug():
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


def test_a_gathering_that_is_cancelled_is_no_bug_either():
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
