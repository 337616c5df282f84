"""Transitions weighed by what they change: in every frontend and after every step the same as weighed from scratch."""

from __future__ import annotations

import contextlib

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev import status as status_module
from maglev.board import Board
from maglev.errors import RefusedError
from maglev.health import Lifecycle, State
from maglev.model import Backend
from maglev.result import Code, Result
from maglev.status import FrontendStatus
from maglev.weights import Weighed, active_pool, deserved, frontend_state, pool_weights, shift
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.observers import RecordingObserver

NAMES = "abcd"
PASS = Result(Code.L4OK)
FAIL = Result(Code.L4CON, "refused")
U, D, X = State.UP, State.DOWN, State.UNKNOWN

names = st.sampled_from(NAMES)
weights = st.sampled_from([100, 50, 1, 0])
members = st.lists(st.tuples(names, weights), min_size=1, max_size=3, unique_by=lambda member: member[0])
pools = st.lists(members.map(tuple), min_size=2, max_size=3).map(tuple)
shapes = st.lists(st.tuples(pools, st.booleans()), min_size=1, max_size=3)
backends = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["tcp", "slow", None]), st.booleans()),
    min_size=len(NAMES),
    max_size=len(NAMES),
)


@st.composite
def configs(draw):
    """Draw a configuration of up to three frontends that share four backends, some of which share an address."""
    frontends = [
        make_frontend(f"f{index}", f"192.0.2.{index}", pools, flush_on_down=flush)
        for index, (pools, flush) in enumerate(draw(shapes), 1)
    ]
    used = {name for frontend in frontends for name in frontend.backends}
    made = [
        Backend(name, f"10.0.0.{last}", check, enabled=enabled or draw(st.booleans()))
        for name, (last, check, enabled) in zip(NAMES, draw(backends), strict=True)
        if name in used
    ]
    interval = draw(st.sampled_from([2.0, 3.0]))
    checks = [make_check(rise=1, fall=1), make_check("slow", rise=2, fall=2, interval=interval)]
    return make_config(frontends, made, checks)


results = st.tuples(st.just("record"), names, st.sampled_from([PASS, FAIL]))
steps = st.one_of(
    results,
    results,
    results,
    st.tuples(st.just("happen"), names, st.sampled_from([each for each in Lifecycle if each is not Lifecycle.REMOVE])),
    st.tuples(st.just("set_weight"), st.integers(0, 99), weights),
    st.tuples(st.just("flushed"), st.integers(0, 99), st.sets(names)),
    st.tuples(st.just("apply"), configs()),
    st.tuples(st.just("recheck"), st.sampled_from([4.0, 5.0])),
)
histories = st.lists(steps, max_size=25).map(lambda some: [("record", name, PASS) for name in NAMES] + some)


class ScratchBoard(Board):
    """A board that weighs everything from scratch at each change."""

    def _weigh(self, status, backends):
        super()._weigh(status, None)


def act(board, what, *arguments):
    """Do one step, as far as it makes sense there."""
    match what, arguments:
        case "record", (name, result):
            board.record(name, result)
        case "happen", (name, event) if name in board.backends and event not in {Lifecycle.START, Lifecycle.CHANGE}:
            with contextlib.suppress(RefusedError):
                board.happen(name, event)
        case "set_weight", (number, weight):
            places = [
                (frontend.name, pool.name, member.backend)
                for frontend in board.config.frontends.values()
                for pool in frontend.pools
                for member in pool.members
            ]
            board.set_weight(*places[number % len(places)], weight)
        case "flushed", (number, names):
            board.flushed(list(board.frontends)[number % len(board.frontends)], names)
        case "apply", (config,):
            board.apply(config)
        case "recheck", (interval,):
            checks = {name: attrs.evolve(each, interval=interval) for name, each in board.config.healthchecks.items()}
            board.apply(attrs.evolve(board.config, healthchecks=checks))


def from_scratch(board, status):
    """Return what the reference says of a frontend: active pool, weights, what is deserved, state."""
    states = {name: board.backends[name].state for name in status.frontend.backends}
    active = active_pool(status.frontend, states, status.held)
    weights = pool_weights(status.frontend, states, status.held, active)
    due = deserved(status.frontend, states, weights)
    return active, weights, list(due.items()), frontend_state(states, due)


def facts(board):
    """Return everything that a board knows of its frontends, in its order."""
    return [
        (
            name,
            each.state,
            each.active,
            [list(pool.items()) for pool in each.pools],
            list(each.deserved.items()),
            each.held,
            each.flushes,
            each.knows_all,
        )
        for name, each in board.frontends.items()
    ]


@given(configs(), histories)
def test_after_every_step_all_is_as_if_weighed_from_scratch(config, some_steps):
    board, scratch = Board(lambda: 0.0, config), ScratchBoard(lambda: 0.0, config)
    heard, heard_there = RecordingObserver(), RecordingObserver()
    board.observe(heard)
    scratch.observe(heard_there)
    for step in some_steps:
        act(board, *step)
        act(scratch, *step)
        assert facts(board) == facts(scratch)
        for status in board.frontends.values():
            assert (status.active, status.pools, list(status.deserved.items()), status.state) == (
                from_scratch(board, status)
            )
            states = [board.backends[name].state for name in status.frontend.backends]
            assert status.knows_all == (X not in states)
            assert all(board.backends[name].state is X for name in status.held)
            assert status.flushes <= set(status.frontend.backends)
    assert heard.heard == heard_there.heard
    assert list(board.events) == list(scratch.events)


@given(configs(), histories, st.integers(1, 5))
def test_whatever_is_not_as_before_is_among_what_changed_since(config, some_steps, often):
    board = Board(lambda: 0.0, config)
    marks = {}
    for number, step in enumerate(some_steps):
        if not number % often:
            marks = {
                name: (each, each.changes, dict(each.deserved), set(each.flushes))
                for name, each in board.frontends.items()
            }
        act(board, *step)
        for name, (status, changes, due, flushes) in marks.items():
            if board.frontends.get(name) is status and (changed := status.changed_since(changes)) is not None:
                assert list(status.deserved) == list(due)
                assert changed <= due.keys()
                assert {each for each in due if status.deserved[each] != due[each]} <= changed
                assert status.flushes - flushes <= changed


def test_a_change_that_touches_one_backend_names_only_that_one():
    frontend = make_frontend(pools=(NAMES, ("z",)))
    before = Weighed(frontend, dict.fromkeys((*NAMES, "z"), U), {})
    change = shift(before, {"b": D}, {})
    assert (change.active, change.serving, change.known, change.weighing) == (0, (3, 1), 5, 3)
    assert (list(change.deserved), change.pools) == (["b"], ({"b": 0}, {}))
    assert before.deserved["b"].weight == 100


def test_a_switch_of_pools_names_those_of_both_that_are_up():
    frontend = make_frontend(pools=(("a", "b"), ("c", "d"), ("e",)))
    before = Weighed(frontend, dict(zip("abcde", (U, D, U, D, U), strict=True)), {})
    change = shift(before, {"a": D}, {})
    assert {name: each.weight for name, each in change.deserved.items()} == {"a": 0, "c": 100}
    before.take(change)
    assert {name: each.weight for name, each in before.deserved.items()} == {"a": 0, "b": 0, "c": 100, "d": 0, "e": 0}
    change = shift(before, {"b": U}, {})
    assert {name: each.weight for name, each in change.deserved.items()} == {"b": 100, "c": 0}


def test_a_held_weight_is_service_until_it_is_given_up():
    frontend = make_frontend(pools=(("a",), ("b",)))
    weighed = Weighed(frontend, {"a": X, "b": U}, {"a": 60})
    assert (weighed.active, weighed.serving) == (0, (1, 1))
    weighed.take(shift(weighed, {"a": D}, {}))
    assert (weighed.active, weighed.serving, weighed.deserved["b"].weight) == (1, (0, 1), 100)


@pytest.mark.parametrize("count", [1, 3])
def test_a_frontend_remembers_a_few_changes_and_says_when_they_are_too_many(monkeypatch, count):
    monkeypatch.setattr(status_module, "LATEST", 2)
    status = FrontendStatus(make_frontend(pools=(NAMES,)))
    assert not status.knows_all
    status.weigh(dict.fromkeys(NAMES, X))
    mark = status.changes
    assert status.changed_since(mark) == frozenset()
    assert status.changed_since(mark - 1) is None
    for name in NAMES[:count]:
        status.shift({name: U})
    assert status.changed_since(mark) == (None if count > 2 else frozenset(NAMES[:count]))
    assert status.changed_since(status.changes) == frozenset()
    status.shift({"d": D})
    assert status.changed_since(status.changes - 1) == {"d"}


def test_backends_that_get_another_weight_are_among_those_that_changed():
    status = FrontendStatus(make_frontend(pools=(("a", "b"), ("c", "d"))))
    status.weigh(dict(zip("abcd", (U, D, U, D), strict=True)))
    mark = status.changes
    status.shift({"a": D})
    assert status.changed_since(mark) == {"a", "c"}
