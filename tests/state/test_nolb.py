"""A backend whose health page answers that it wants no new flows: disable-on-404."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.check_set import CheckSet
from maglev.model.config import Backend
from maglev.model.events import FrontendState
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, Result
from maglev.state.decision import decide
from maglev.state.standing import Cause
from maglev.state.weights import WeightReason
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.random_boards import FAIL, PASS, TimedBoard
from tests.fakes.subscribers import RecordingSubscriber

NOT_FOUND = Result(Code.L7OKC, "status 404")


def make_board(healthcheck="web", pools=(("a", "b"), ("c",)), **frontend):
    checks = [make_check(name, rise=2, fall=2, l4_port=port) for port, name in enumerate(("web", "gre"), 80)]
    backends = [Backend("a", "10.0.0.1", healthcheck), Backend("b", "10.0.0.2", "web"), Backend("c", "10.0.0.3", "web")]
    board = TimedBoard(make_config([make_frontend(pools=pools, **frontend)], backends, checks))
    for name in (*board.backend("a").probe_names, "b", "c"):
        board.record(name, PASS)
    return board


def weights(board):
    return {name: each.weight for name, each in board.frontend("web").desired.items()}


def test_404_drains_what_is_up_at_once_without_a_flush_and_the_next_answer_ends_it():
    board = make_board()
    subscriber = RecordingSubscriber(board)
    board.record("a", NOT_FOUND)
    assert (board.backend("a").state, weights(board)) == (State.UP, {"a": 0, "b": 100, "c": 0})
    assert board.frontend("web").flushes == set()
    assert board.frontend("web").desired["a"].reason is WeightReason.NOLB
    assert not board.frontend("web").desired["a"].flush
    board.record("a", NOT_FOUND)
    board.record("a", PASS)
    assert weights(board) == {"a": 100, "b": 100, "c": 0}
    assert [move for move in subscriber.moves() if move.startswith("a ")] == ["a up>up L7OKC", "a up>up L4OK"]


def test_a_failure_after_404_counts_as_ever():
    board = make_board()
    board.record("a", PASS)
    board.record("a", NOT_FOUND)
    board.record("a", FAIL)
    assert (board.backend("a").state, weights(board)["a"]) == (State.UP, 100)
    board.record("a", NOT_FOUND)
    assert weights(board)["a"] == 0


def test_what_is_down_does_not_come_up_by_404():
    board = make_board()
    for _ in range(3):
        board.record("a", FAIL)
    for _ in range(5):
        board.record("a", NOT_FOUND)
    assert (board.backend("a").state, board.backend("a").health.value) == (State.DOWN, 0)
    board.record("a", PASS)
    board.record("a", PASS)
    assert (board.backend("a").state, weights(board)["a"]) == (State.UP, 100)


def test_the_first_answer_of_all_may_be_404():
    board = TimedBoard(make_config())
    board.record("a", NOT_FOUND)
    assert (board.backend("a").state, board.frontend("web").state) == (State.UP, FrontendState.DOWN)
    assert board.frontend("web").desired["a"].reason is WeightReason.NOLB


def test_another_pool_takes_over_when_all_of_one_want_no_flows():
    board = make_board()
    board.record("a", NOT_FOUND)
    board.record("b", NOT_FOUND)
    assert weights(board) == {"a": 0, "b": 0, "c": 100}
    assert board.frontend("web").state is FrontendState.UP


def test_an_order_prevails_and_what_is_not_probed_is_left_alone():
    board = make_board()
    board.record("a", NOT_FOUND)
    board.happen("a", Lifecycle.PAUSE)
    history = board.backend("a").transitions
    board.record("a", PASS)
    assert (board.backend("a").transitions, board.backend("a").state) == (history, State.PAUSED)
    board.happen("a", Lifecycle.RESUME)
    board.happen("a", Lifecycle.DRAIN)
    board.record("a", NOT_FOUND)
    assert board.frontend("web").desired["a"].reason is WeightReason.DRAINED
    board.happen("a", Lifecycle.ENABLE)
    assert board.frontend("web").desired["a"].reason is WeightReason.NOLB


@pytest.mark.parametrize("needed", [1, 2])
def test_of_several_checks_one_is_enough(needed):
    board = make_board(CheckSet(("web", "gre"), needed))
    board.record("a/web", NOT_FOUND)
    assert (board.backend("a").state, weights(board)["a"]) == (State.UP, 0)
    last = board.backend("a").transitions[0]
    assert (last.code, last.healthcheck, last.detail) == ("L7OKC", "web", "web: status 404")
    board.record("a/gre", PASS)
    assert weights(board)["a"] == 0
    board.record("a/web", PASS)
    assert weights(board)["a"] == 100


def test_a_check_of_several_that_is_down_does_not_come_up_by_404():
    board = make_board(CheckSet(("web", "gre"), 2))
    for _ in range(3):
        board.record("a/web", FAIL)
    board.record("a/web", NOT_FOUND)
    board.record("a/web", NOT_FOUND)
    assert board.backend("a").state is State.DOWN


def test_the_decision_names_the_check_as_the_cause():
    board = make_board()
    board.record("a", NOT_FOUND)
    trace = decide(board.situation("web"))[1].backends["a"]
    assert trace.reason is WeightReason.NOLB
    assert Cause.CHECK in trace.causes


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([PASS, FAIL, NOT_FOUND])), max_size=40))
def test_the_board_comes_to_what_the_decision_says(results):
    board = make_board()
    for name, result in results:
        board.record(name, result)
        decision = decide(board.situation("web"))[0]
        assert dict(decision.desired) == dict(board.frontend("web").desired)
        assert weights(board)[name] == 0 or not board.backend(name).nolb or board.backend(name).state is not State.UP


def test_a_reload_that_changes_something_else_leaves_it_drained():
    board = make_board()
    board.record("a", NOT_FOUND)
    frontends = {"web": attrs.evolve(board.config.frontends["web"], description="new")}
    board.apply(attrs.evolve(board.config, frontends=frontends))
    assert weights(board)["a"] == 0
