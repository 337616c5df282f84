"""The board: states, weights, holds, flushes, events and subscribers."""

import attrs
import pytest

from maglev.model.config import Backend
from maglev.model.errors import NotFoundError, RefusedError
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, Result
from maglev.state.board import Board
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.subscribers import RecordingSubscriber

PASS = Result(Code.L4OK)
FAIL = Result(Code.L4CON, "refused")


def make_board(config=None):
    board = Board(lambda: 1000.0, config or make_config())
    return board, RecordingSubscriber(board)


def all_up(board):
    for name in board.backends:
        board.record(name, PASS)


def weights(board, frontend="web"):
    return {name: each.weight for name, each in board.frontend(frontend).desired.items()}


def test_a_backend_starts_with_a_transition_of_its_own():
    board, _ = make_board()
    first = board.backend("a").transitions[0]
    assert (first.old, first.new, first.code, first.at) == (State.UNKNOWN, State.UNKNOWN, "start", 1000.0)
    assert [event.seq for event in board.events] == [1, 2, 3]


def test_a_transition_is_told_with_its_cause_then_the_frontend_then_the_weights():
    board, subscriber = make_board()
    board.record("a", FAIL)
    board.record("b", PASS)
    assert [what for what, _ in subscriber.heard] == ["backend", "frontend", "weights"] * 2
    assert subscriber.moves() == [
        "a unknown>down L4CON",
        "web unknown>down",
        "b unknown>up L4OK",
        "web down>up",
    ]
    assert board.backend("a").transitions[0].detail == "refused"
    assert subscriber.heard[-1] == ("weights", frozenset({"web"}))
    assert board.backend("a").last_result == FAIL


def test_results_that_change_nothing_are_not_told():
    board, subscriber = make_board()
    board.record("a", PASS)
    subscriber.heard.clear()
    board.record("a", PASS)
    assert subscriber.heard == []


def test_results_of_unknown_backends_are_ignored():
    board, subscriber = make_board()
    board.record("nope", PASS)
    assert subscriber.heard == []


def test_history_is_newest_first_and_capped():
    board, _ = make_board(make_config(history=3, checks=[make_check(rise=1, fall=1)]))
    for result in (PASS, FAIL, PASS, FAIL):
        board.record("a", result)
    assert [str(each.new) for each in board.backend("a").transitions] == ["down", "up", "down"]


def test_failover_and_back():
    board, _ = make_board(make_config(checks=[make_check(rise=1, fall=1)]))
    all_up(board)
    assert weights(board) == {"a": 100, "b": 100, "c": 0}
    board.record("a", FAIL)
    board.record("b", FAIL)
    assert weights(board) == {"a": 0, "b": 0, "c": 100}
    board.record("b", PASS)
    assert weights(board) == {"a": 0, "b": 100, "c": 0}


def test_a_drain_takes_the_weight_and_flushes_nothing_and_its_end_gives_it_back():
    board, subscriber = make_board()
    board.record("a", PASS)
    subscriber.heard.clear()
    board.happen("a", Lifecycle.DRAIN, "by ann")
    assert (board.backend("a").state, weights(board)["a"], flushes(board)) == (State.DRAINING, 0, set())
    board.record("a", PASS)
    board.happen("a", Lifecycle.ENABLE)
    assert (board.backend("a").state, weights(board)["a"]) == (State.UP, 100)


def test_a_backend_that_is_down_says_that_it_drains_and_never_serves_on_coming_back():
    board, _ = make_board()
    board.record("a", FAIL)
    board.happen("a", Lifecycle.DRAIN, "by ann")
    (last, *_) = board.backend("a").transitions
    assert (last.old, last.new, last.code, last.detail) == (State.DOWN, State.DOWN, "draining", "by ann")
    for _ in range(3):
        board.record("a", PASS)
        assert weights(board)["a"] == 0
    assert board.backend("a").state is State.DRAINING


def test_events_that_make_no_sense_are_refused_with_a_text_for_a_person():
    board, subscriber = make_board()
    board.happen("a", Lifecycle.DISABLE)
    subscriber.heard.clear()
    with pytest.raises(RefusedError, match="backend a can't be paused: it is disabled"):
        board.happen("a", Lifecycle.PAUSE)
    with pytest.raises(RefusedError, match="backend a can't be drained: it is disabled"):
        board.happen("a", Lifecycle.DRAIN)
    with pytest.raises(NotFoundError, match="unknown backend 'nope'"):
        board.happen("nope", Lifecycle.PAUSE)
    with pytest.raises(NotFoundError, match="unknown frontend 'nope'"):
        board.frontend("nope")
    assert subscriber.heard == []


def test_pausing_twice_changes_nothing():
    board, subscriber = make_board()
    board.happen("a", Lifecycle.PAUSE)
    subscriber.heard.clear()
    board.happen("a", Lifecycle.PAUSE)
    assert subscriber.heard == []


def flushes(board):
    return board.frontend("web").flushes


def test_going_down_calls_for_one_flush():
    board, _ = make_board(make_config(checks=[make_check(rise=1, fall=1)]))
    all_up(board)
    board.record("a", FAIL)
    assert flushes(board) == {"a"}
    board.flushed("web", {"a"})
    board.record("b", FAIL)
    assert flushes(board) == {"b"}


def test_a_backend_in_service_again_needs_no_flush_any_more():
    board, _ = make_board(make_config(checks=[make_check(rise=1, fall=1)]))
    all_up(board)
    board.record("a", FAIL)
    board.record("a", PASS)
    assert flushes(board) == set()


def test_without_flush_on_down_only_disabling_calls_for_a_flush():
    config = make_config(frontends=[make_frontend(flush_on_down=False)], checks=[make_check(rise=1, fall=1)])
    board, _ = make_board(config)
    all_up(board)
    board.record("a", FAIL)
    assert flushes(board) == set()
    board.happen("a", Lifecycle.DISABLE)
    assert flushes(board) == {"a"}


def test_a_standby_at_weight_0_that_is_disabled_calls_for_a_flush():
    board, _ = make_board()
    all_up(board)
    board.happen("c", Lifecycle.DISABLE)
    assert flushes(board) == {"c"}


def test_down_or_disabled_from_the_start_calls_for_no_flush():
    backends = [Backend("a", "10.0.0.1", "tcp"), Backend("b", "10.0.0.2", "tcp", enabled=False)]
    board, _ = make_board(make_config(frontends=[make_frontend(pools=(("a", "b"),))], backends=backends))
    board.record("a", FAIL)
    assert flushes(board) == set()
    assert board.backend("b").state is State.DISABLED


def test_a_backend_that_fails_after_a_pause_is_flushed():
    board, _ = make_board()
    all_up(board)
    board.happen("a", Lifecycle.PAUSE)
    assert (weights(board)["a"], flushes(board)) == (0, set())
    board.happen("a", Lifecycle.RESUME)
    assert weights(board)["a"] == 0
    board.record("a", FAIL)
    assert flushes(board) == {"a"}


def test_flushed_tolerates_frontends_that_are_gone():
    board, _ = make_board()
    all_up(board)
    board.happen("a", Lifecycle.DISABLE)
    assert flushes(board) == {"a"}
    board.flushed("nope", {"a"})
    assert flushes(board) == {"a"}


# Reload


def with_check(config, **changes):
    return attrs.evolve(config, healthchecks={"tcp": make_check(**changes)})


def test_the_same_configuration_again_touches_nothing():
    board, subscriber = make_board()
    all_up(board)
    before = [(each.state, each.health.value, list(each.transitions)) for each in board.backends.values()]
    subscriber.heard.clear()
    board.apply(make_config())
    assert [what for what, _ in subscriber.heard] == ["config"]
    assert [(each.state, each.health.value, list(each.transitions)) for each in board.backends.values()] == before
    assert board.generation == 2


def test_a_changed_healthcheck_is_proved_again_while_the_weight_is_kept():
    board, subscriber = make_board()
    all_up(board)
    history = list(board.backend("a").transitions)
    subscriber.heard.clear()
    board.apply(with_check(board.config, interval=9.0))
    assert [board.backend(name).state for name in "abc"] == [State.UNKNOWN] * 3
    assert weights(board) == {"a": 100, "b": 100, "c": 0}
    assert list(board.backend("a").transitions)[1:] == history
    # The standby proves itself first: that is not a reason to switch to it.
    board.record("c", PASS)
    assert weights(board) == {"a": 100, "b": 100, "c": 0}
    board.record("a", FAIL)
    board.record("b", FAIL)
    assert weights(board) == {"a": 0, "b": 0, "c": 100}


def test_a_changed_address_is_the_same_and_shows_at_once():
    config = make_config()
    board, _ = make_board(config)
    all_up(board)
    moved = {**config.backends, "a": Backend("a", "10.9.9.9", "tcp")}
    board.apply(attrs.evolve(config, backends=moved))
    assert (board.backend("a").state, board.backend("a").address) == (State.UNKNOWN, "10.9.9.9")
    assert board.backend("b").state is State.UP
    assert weights(board)["a"] == 100


def test_new_thresholds_are_in_force_after_a_reload():
    board, _ = make_board()
    board.apply(with_check(board.config, rise=1, fall=1))
    board.record("a", PASS)
    board.record("a", FAIL)
    assert board.backend("a").state is State.DOWN


def test_a_paused_or_disabled_backend_stays_so_when_its_check_changes():
    board, _ = make_board()
    board.happen("a", Lifecycle.PAUSE)
    board.happen("b", Lifecycle.DISABLE)
    board.apply(with_check(board.config, interval=9.0))
    assert (board.backend("a").state, board.backend("b").state) == (State.PAUSED, State.DISABLED)


def test_removed_and_new_backends_are_told():
    board, subscriber = make_board()
    all_up(board)
    subscriber.heard.clear()
    backends = [Backend("a", "10.0.0.1", "tcp"), Backend("x", "10.0.0.9", "tcp"), Backend("c", "10.0.0.3", "tcp")]
    board.apply(make_config(frontends=[make_frontend(pools=(("a", "x"), ("c",)))], backends=backends))
    assert subscriber.moves() == ["b up>removed removed", "x unknown>unknown start"]
    assert set(board.backends) == {"a", "c", "x"}
    assert weights(board) == {"a": 100, "x": 0, "c": 0}


def test_frontends_come_and_go():
    board, subscriber = make_board()
    all_up(board)
    subscriber.heard.clear()
    other = make_frontend("other", "192.0.2.2")
    board.apply(make_config(frontends=[other]))
    assert list(board.frontends) == ["other"]
    assert subscriber.heard[-1] == ("weights", frozenset({"web", "other"}))
    assert subscriber.moves() == ["other unknown>up"]


def test_enabled_follows_the_file_only_when_the_file_changes():
    config = make_config()
    board, _ = make_board(config)
    off = attrs.evolve(config, backends={**config.backends, "a": Backend("a", "10.0.0.1", "tcp", enabled=False)})
    board.apply(off)
    assert board.backend("a").state is State.DISABLED
    board.happen("a", Lifecycle.ENABLE)
    board.apply(attrs.evolve(off, checker=attrs.evolve(off.checker, transition_history=9)))
    assert board.backend("a").state is State.UNKNOWN
    board.happen("a", Lifecycle.DISABLE)
    board.apply(config)
    assert board.backend("a").state is State.UNKNOWN


def test_a_static_backend_needs_one_pass():
    board, _ = make_board(make_config(backends=[Backend(name, f"10.0.0.{ord(name)}") for name in "abc"]))
    board.record("a", Result(Code.STATIC))
    assert (board.backend("a").state, board.backend("a").health.top) == (State.UP, 1)


def test_the_history_limit_follows_the_file():
    board, _ = make_board(make_config(checks=[make_check(rise=1, fall=1)]))
    for result in (PASS, FAIL, PASS):
        board.record("a", result)
    board.apply(make_config(history=2, checks=[make_check(rise=1, fall=1)]))
    assert len(board.backend("a").transitions) == 2


def test_a_weight_set_at_run_time_lasts_until_the_file_changes_that_frontend():
    board, subscriber = make_board()
    all_up(board)
    subscriber.heard.clear()
    board.set_weight("web", "pool0", "a", 30)
    assert weights(board)["a"] == 30
    assert subscriber.heard == [("weights", frozenset({"web"}))]
    board.set_weight("web", "pool0", "a", 30)
    assert len(subscriber.heard) == 1
    board.apply(make_config())
    assert weights(board)["a"] == 100


def test_sequence_numbers_have_no_gaps():
    board, subscriber = make_board(make_config(checks=[make_check(rise=1, fall=1)]))
    all_up(board)
    board.record("a", FAIL)
    board.apply(make_config())
    numbers = [event.seq for event in board.events]
    assert numbers == list(range(1, len(numbers) + 1))
    told = [event.seq for what, event in subscriber.heard if what in {"backend", "frontend"}]
    assert told == numbers[3:]


def test_all_known_means_every_backend_of_the_frontend():
    board, _ = make_board()
    board.record("a", PASS)
    board.record("b", FAIL)
    assert not board.knows_all("web")
    board.happen("c", Lifecycle.DISABLE)
    assert board.knows_all("web")
    assert list(board.frontends_of("a")) == ["web"]
    assert list(board.frontends_of("nope")) == []


# Subscribers


class FailingObserver(RecordingSubscriber):
    def backend_changed(self, event):
        raise ValueError("mine")


def test_a_failing_subscriber_harms_no_other(logged_failures):
    board = Board(lambda: 0.0, make_config())
    FailingObserver(board)
    other = RecordingSubscriber(board)
    board.record("a", PASS)
    assert [what for what, _ in other.heard] == ["backend", "frontend", "weights"]
    assert len(logged_failures.flush(ValueError)) == 1


class MeddlingObserver(RecordingSubscriber):
    """Disables what goes down, from within the news of it."""

    def __init__(self, board):
        super().__init__(board)
        self.board = board

    def backend_changed(self, event):
        super().backend_changed(event)
        if event.transition.new is State.DOWN:
            self.board.happen(event.backend, Lifecycle.DISABLE)


def test_what_an_observer_causes_is_told_after_the_present_round():
    board = Board(lambda: 0.0, make_config())
    MeddlingObserver(board)
    second = RecordingSubscriber(board)
    board.record("a", FAIL)
    assert second.moves() == ["a unknown>down L4CON", "web unknown>down", "a down>disabled disabled"]


def test_a_subscriber_is_called_for_its_topics_only():
    board = Board(lambda: 0.0, make_config())
    applied, weighed = [], []
    board.subscribe(config_changed=lambda old, new: applied.append((old, new)))
    board.subscribe(weights_changed=weighed.append)
    before, after = board.config, make_config(history=7)
    board.record("a", PASS)
    board.apply(after)
    assert applied == [(before, after)]
    assert weighed[0] == {"web"}
