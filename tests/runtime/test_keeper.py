"""A value that is kept in a file: coalesced, off the reactor, again after a failure, and nobody waits for ever."""

from pathlib import Path

import pytest

from maglev.runtime.keeper import DEADLINE, LATE, MAX_RETRY, STOP_DEADLINE, Keeper
from tests.fakes.logs import recorded_events
from tests.fakes.outcomes import result_of
from tests.fakes.reactor import FakeReactor


class KeeperRig:
    def __init__(self, folder):
        self.reactor = FakeReactor()
        self.folder = folder
        self.value = b"0"
        self.path = str(folder / "state" / "file")
        self.keeper = Keeper(self.reactor, self.path, lambda: self.value, lambda value: value)

    def set(self, value):
        self.value = value
        return self.keeper.changed()

    def read(self):
        return Path(self.path).read_bytes()

    def break_folder(self):
        (self.folder / "state").write_text("in the way")

    def mend_folder(self):
        (self.folder / "state").unlink()


@pytest.fixture
def rig(tmp_path):
    return KeeperRig(tmp_path)


def test_the_answer_comes_after_the_write_and_that_is_in_a_thread(rig):
    answer = rig.set(b"1")
    assert not answer.called
    assert not Path(rig.path).exists()
    rig.reactor.run_threads()
    assert result_of(answer) == ""
    assert rig.read() == b"1"
    assert rig.reactor.getDelayedCalls() == []


def test_changes_during_a_write_are_written_together(rig):
    first = rig.set(b"1")
    others = [rig.set(b"%d" % number) for number in range(2, 10)]
    assert len(rig.reactor.work) == 1
    on_result, function, args, kwargs = rig.reactor.work.pop()
    function(*args, **kwargs)
    on_result(True, None)
    rig.reactor.advance(0)
    assert first.called
    assert rig.read() == b"1"
    assert not any(each.called for each in others)
    assert len(rig.reactor.work) == 1
    rig.reactor.run_threads()
    assert [result_of(each) for each in others] == [""] * 8
    assert rig.read() == b"9"


def test_a_failure_is_told_and_tried_again_until_it_is_mended(rig):
    rig.break_folder()
    with recorded_events() as events:
        answer = rig.set(b"1")
        rig.reactor.run_threads()
        problem = result_of(answer)
        assert problem in {"File exists", "Not a directory"}
        assert (rig.keeper.problem, rig.keeper.failures) == (problem, 1)
        for _ in range(10):
            rig.reactor.advance(MAX_RETRY)
            rig.reactor.run_threads()
        assert rig.keeper.failures > 5
        rig.mend_folder()
        rig.reactor.advance(MAX_RETRY)
        rig.reactor.run_threads()
    assert rig.keeper.problem == ""
    assert rig.read() == b"1"
    assert [name for name, _ in events] == ["state-file-not-kept", "state-file-kept"]
    assert rig.reactor.getDelayedCalls() == []


def test_the_next_change_does_not_wait_for_the_pause_after_a_failure(rig):
    rig.break_folder()
    rig.set(b"1")
    rig.reactor.run_threads()
    rig.mend_folder()
    answer = rig.set(b"2")
    rig.reactor.run_threads()
    assert result_of(answer) == ""
    assert rig.reactor.getDelayedCalls() == []


def test_changes_during_a_write_that_fails_get_an_answer_of_their_own(rig):
    rig.break_folder()
    first, second = rig.set(b"1"), rig.set(b"2")
    rig.reactor.run_threads()
    assert result_of(first)
    assert result_of(second)
    assert rig.keeper.failures == 2


def test_a_disk_that_does_not_answer_holds_up_nobody(rig):
    first, second = rig.set(b"1"), rig.set(b"2")
    with recorded_events() as events:
        rig.reactor.advance(DEADLINE)
        assert (result_of(first), result_of(second)) == (LATE, LATE)
        assert rig.keeper.problem == LATE
        rig.reactor.run_threads()
    assert rig.keeper.problem == ""
    assert rig.read() == b"2"
    assert [name for name, _ in events] == ["state-file-not-kept", "state-file-kept"]


def test_an_error_other_than_of_the_disk_is_told_and_tried_again(rig):
    rig.keeper = Keeper(rig.reactor, rig.path, lambda: rig.value, lambda value: value.decode("ascii"))
    answer = rig.set(b"1")
    rig.reactor.run_threads()
    assert "unexpected TypeError" in result_of(answer)
    assert len(rig.reactor.getDelayedCalls()) == 1


def test_without_a_path_nothing_is_kept_and_nobody_waits(rig):
    rig.keeper.path = ""
    assert result_of(rig.set(b"1")) == ""
    assert rig.reactor.work == []


def test_a_stop_waits_for_the_writes_under_way(rig):
    rig.set(b"1")
    rig.set(b"2")
    stopped = rig.keeper.stop()
    assert not stopped.called
    rig.reactor.run_threads()
    assert stopped.called
    assert rig.read() == b"2"
    assert rig.reactor.getDelayedCalls() == []


def test_a_stop_does_not_wait_long_for_a_disk_that_hangs(rig):
    rig.set(b"1")
    stopped = rig.keeper.stop()
    rig.reactor.advance(STOP_DEADLINE)
    assert stopped.called
    rig.reactor.run_threads()


def test_a_stop_gives_up_what_was_to_be_tried_again(rig):
    rig.break_folder()
    rig.set(b"1")
    rig.reactor.run_threads()
    assert rig.keeper.stop().called
    assert rig.reactor.getDelayedCalls() == []
    assert rig.reactor.work == []
    rig.set(b"2")
    rig.reactor.run_threads()
    assert rig.reactor.getDelayedCalls() == []
