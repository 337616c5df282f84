"""Transitions weighed by what they change: in every frontend and after every step the same as weighed from scratch."""

from __future__ import annotations

from fractions import Fraction

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.config import Backend, WeightScale
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, Result
from maglev.model.scale import AS_WRITTEN, scales_of
from maglev.state import status as status_module
from maglev.state.decision import decide
from maglev.state.pools import choose, count, no_memory, still_chosen
from maglev.state.scales import kept_weights
from maglev.state.standing import Standing, evidence_of, standing_of
from maglev.state.status import FrontendStatus
from maglev.state.weights import FrontendWeights, WeightReason
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.random_boards import NAMES, PASS, TimedBoard, act, configs, histories
from tests.fakes.subscribers import RecordingSubscriber

U, D, X = State.UP, State.DOWN, State.UNKNOWN


class ScratchBoard(TimedBoard):
    """A board that weighs everything from scratch at each change."""

    def _weigh(self, status, backends):
        super()._weigh(status, None)


def evidence_in(states):
    return {name: evidence_of(state) for name, state in states.items()}


def weighed(frontend, states, held=()):
    return FrontendWeights(frontend, evidence_in(states), dict(held), no_memory(frontend), 0.0)


def shifted(weights, states):
    """Shift weights; return the new ones of those that it says may have changed."""
    old = weights.shift(evidence_in(states), {}, 0.0)
    return {name: weights.desired[name].weight for name in old}


def decided(board, status):
    """Return what the reference says of a frontend: choice, active pool, weights, what is desired, guard, state."""
    decision, trace = decide(board.situation(status.frontend.name))
    for name, each in trace.backends.items():
        assert (each.effective, each.programmed) == (decision.desired[name].weight, decision.desired[name].programmed)
    assert trace.active == decision.active
    return (
        decision.choice,
        decision.active,
        decision.pools,
        list(decision.desired.items()),
        decision.guarded,
        decision.state,
    )


def facts(board):
    """Return everything that a board knows of its frontends, in its order."""
    return [
        (
            name,
            each.state,
            each.active,
            each.choice,
            each.last_changes,
            [list(pool.items()) for pool in each.pools],
            list(each.desired.items()),
            each.held,
            each.flushes,
            each.scale,
            each.knows_all,
        )
        for name, each in board.frontends.items()
    ]


@given(configs(), histories)
def test_after_every_step_all_is_as_if_weighed_from_scratch(config, some_steps):
    board, scratch = TimedBoard(config), ScratchBoard(config)
    heard, heard_there = RecordingSubscriber(board), RecordingSubscriber(scratch)
    for step in some_steps:
        act(board, *step)
        act(scratch, *step)
        assert facts(board) == facts(scratch)
        for status in board.frontends.values():
            found = (status.choice, status.active, status.pools, list(status.desired.items()), status.guarded)
            assert (*found, status.state) == decided(board, status)
            states = [board.backends[name].state for name in status.frontend.backends]
            assert status.knows_all == (X not in states)
            assert all(board.backends[name].state is X for name in status.held)
            assert status.flushes <= set(status.frontend.backends)
    assert heard.heard == heard_there.heard
    assert list(board.events) == list(scratch.events)


@given(
    configs(), st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(State), st.sampled_from([0, 50])), max_size=9)
)
def test_who_is_still_chosen_would_be_chosen_again(config, changes):
    frontend = next(iter(config.frontends.values()))
    now, choice = 0.0, None
    evidence, held = dict.fromkeys(frontend.backends, evidence_of(X)), {}
    for name, state, holds in [(frontend.backends[0], U, 0), *changes]:
        now += 1.0
        evidence |= {name: evidence_of(state, rank=int(now))} if name in evidence else {}
        held[name] = holds
        standings = {each: standing_of(found, held.get(each, 0)) for each, found in evidence.items()}
        totals = [sum(member.weight for member in pool.members) for pool in frontend.pools]
        counts = [count(frontend, pool, standings) for pool in frontend.pools]
        memory = no_memory(frontend) if choice is None else choice.memory
        chosen = choose(frontend, totals, counts, memory, now, out=False)
        if choice is not None and still_chosen(frontend, totals, counts, choice):
            assert chosen == choice
        choice = chosen


@given(configs(), histories)
def test_no_transition_changes_a_scale_but_that_of_the_active_pool_for_weights_that_are_kept(config, some_steps):
    board = TimedBoard(config)
    for step in some_steps:
        before = {name: (status.frontend, status.scales) for name, status in board.frontends.items()}
        act(board, *step)
        if step[0] in {"record", "happen", "flushed"}:
            assert {name: (status.frontend, status.scales) for name, status in board.frontends.items()} == before
        for status in board.frontends.values():
            assert status.scales == scales_of(status.frontend)
            assert {name: each.programmed for name, each in status.desired.items()} == {
                name: status.scale[each.weight] for name, each in status.desired.items()
            }
            active = 0 if status.choice is None else status.choice.active or 0
            kept = {each.weight for each in status.desired.values() if each.reason is WeightReason.HELD}
            if not kept and not status.carried and not status.out:
                assert status.scale == status.scales[active]
            own = {member.weight for member in status.frontend.pools[active].members} | kept
            ratios = [Fraction(status.scale[weight], weight) for weight in own if weight]
            assert max(ratios, default=1) <= min(ratios, default=1) * Fraction(102, 100)


@given(configs(), histories, histories)
def test_daemons_with_one_file_program_the_same_whatever_has_happened_to_each(config, some_steps, other_steps):
    def after(history):
        board = TimedBoard(config)
        for step in history:
            act(board, *step)
        for name in board.frontends:
            act(board, "take", list(board.frontends).index(name), False)
        board.apply(attrs.evolve(config))  # which ends what was set at run time
        for name in board.backends:
            for event in (Lifecycle.DISABLE, Lifecycle.ENABLE):
                act(board, "happen", name, event)
            act(board, "record", f"{name}/load", Result(Code.L7OK, "up ready 100%"))
            for _ in range(3):
                act(board, "record", name, PASS)
        act(board, "wait", 10.0)
        return {
            name: (status.scales, {each: desired.programmed for each, desired in status.desired.items()})
            for name, status in board.frontends.items()
        }

    assert after(some_steps) == after(other_steps) == after([])


@given(configs(), histories, st.integers(1, 5))
def test_whatever_is_not_as_before_is_among_what_changed_since(config, some_steps, often):
    board = TimedBoard(config)
    marks = {}
    for number, step in enumerate(some_steps):
        if not number % often:
            marks = {
                name: (each, each.changes, dict(each.desired), set(each.flushes))
                for name, each in board.frontends.items()
            }
        act(board, *step)
        for name, (status, changes, due, flushes) in marks.items():
            if board.frontends.get(name) is status and (changed := status.changed_since(changes)) is not None:
                assert list(status.desired) == list(due)
                assert changed <= due.keys()
                assert {each for each in due if status.desired[each] != due[each]} <= changed
                assert status.flushes - flushes <= changed


def test_a_change_that_touches_one_backend_names_only_that_one():
    frontend = make_frontend(pools=(NAMES, ("z",)))
    weights = weighed(frontend, dict.fromkeys((*NAMES, "z"), U))
    choice, desired = weights.choice, dict(weights.desired)
    old = weights.shift(evidence_in({"b": D}), {}, 0.0)
    assert old == {"b": desired["b"]}
    assert (weights.active, [each.backends for each in weights.counts]) == (0, [3, 1])
    assert (weights.known, weights.weighing) == (5, 3)
    assert weights.pools == ({"a": 100, "b": 0, "c": 100, "d": 100}, {"z": 0})
    assert {name: each for name, each in weights.desired.items() if desired[name] is not each}.keys() == {"b"}
    assert weights.choice is choice  # nobody had to choose


def test_a_switch_of_pools_names_those_of_both_that_are_up():
    frontend = make_frontend(pools=(("a", "b"), ("c", "d"), ("e",)))
    weights = weighed(frontend, dict(zip("abcde", (U, D, U, D, U), strict=True)))
    assert shifted(weights, {"a": D}) == {"a": 0, "c": 100}
    assert {name: each.weight for name, each in weights.desired.items()} == {"a": 0, "b": 0, "c": 100, "d": 0, "e": 0}
    assert shifted(weights, {"b": U}) == {"b": 100, "c": 0}


def test_a_held_weight_is_service_until_it_is_given_up():
    frontend = make_frontend(pools=(("a",), ("b",)))
    weights = weighed(frontend, {"a": X, "b": U}, {"a": 60})
    assert (weights.active, [each.backends for each in weights.counts]) == (0, [1, 1])
    shifted(weights, {"a": D})
    assert (weights.active, [each.backends for each in weights.counts]) == (1, [0, 1])
    assert weights.desired["b"].weight == 100


@pytest.mark.parametrize("count", [1, 3])
def test_a_frontend_remembers_a_few_changes_and_says_when_they_are_too_many(monkeypatch, count):
    monkeypatch.setattr(status_module, "LATEST", 2)
    status = FrontendStatus(make_frontend(pools=(NAMES,)))
    assert not status.knows_all
    assert (status.choice, status.guarded, status.scale) == (None, frozenset(), AS_WRITTEN)
    status.weigh(evidence_in(dict.fromkeys(NAMES, X)), 0.0, 0.0)
    mark = status.changes
    assert status.changed_since(mark) == frozenset()
    assert status.changed_since(mark - 1) is None
    for name in NAMES[:count]:
        status.shift(evidence_in({name: U}), 0.0, 0.0)
    assert status.changed_since(mark) == (None if count > 2 else frozenset(NAMES[:count]))
    assert status.changed_since(status.changes) == frozenset()
    status.shift(evidence_in({"d": D}), 0.0, 0.0)
    assert status.changed_since(status.changes - 1) == {"d"}


def test_backends_that_get_another_weight_are_among_those_that_changed():
    status = FrontendStatus(make_frontend(pools=(("a", "b"), ("c", "d"))))
    status.weigh(evidence_in(dict(zip("abcd", (U, D, U, D), strict=True))), 0.0, 0.0)
    mark = status.changes
    status.shift(evidence_in({"a": D}), 0.0, 0.0)
    assert status.changed_since(mark) == {"a", "c"}


def test_only_weights_that_backends_hold_or_carry_need_to_be_said():
    held, carried = {"a": 5, "b": 7, "gone": 9}, {"a": 3, "gone": 8}
    assert kept_weights({"a": Standing.HELD, "b": Standing.DRAINED}, held, carried) == {5, 3}
    assert kept_weights({"a": Standing.UP}, {}, {}) == frozenset()


def test_a_frontend_remembers_its_scale_until_it_leaves_its_vip():
    status = FrontendStatus(make_frontend(pools=((("a", 100), ("b", 50)),), weights=WeightScale.LEAST_MOVING))
    assert status.former_scale is None
    status.weigh(evidence_in({"a": U, "b": U}), 0.0, 0.0)
    assert (status.former_scale[100], status.former_scale[50]) == (2, 1)
    status.leave_vip()
    assert status.former_scale is None


def test_a_frontend_remembers_the_scale_that_a_transition_leaves():
    status = FrontendStatus(make_frontend(pools=(("a", "b"),), weights=WeightScale.LEAST_MOVING))
    status.held["b"] = 25
    status.weigh(evidence_in({"a": U, "b": X}), 0.0, 0.0)
    assert (status.former_scale[100], status.former_scale[25]) == (4, 1)
    status.release("b")
    status.shift(evidence_in({"b": U}), 0.0, 0.0)
    assert (status.former_scale, status.former_scale[100]) == (status.scale, 1)


def live(*frontends):
    """Return a board on which every backend of some configurations is up, one after the other, but the last."""
    board = TimedBoard(frontends[0])
    for config in frontends[1:]:
        for name in board.backends:
            board.record(name, PASS)
        board.apply(config)
    return board


@pytest.mark.parametrize("before", WeightScale)
def test_the_reference_knows_the_scale_that_was_in_force(before):
    def config(weight, weights, port):
        pools = ((("a", 100), ("b", 100), ("c", weight)),)
        return make_config([make_frontend(pools=pools, weights=weights)], checks=[make_check(rise=1, l4_port=port)])

    board = live(config(30, before, 80), config(100, WeightScale.LEAST_MOVING, 81))
    (status,) = board.frontends.values()
    programmed = (10, 10, 3) if before is WeightScale.LEAST_MOVING else (100, 100, 30)
    assert tuple(each.programmed for each in status.desired.values()) == programmed
    assert list(status.desired.items()) == decided(board, status)[3]


def test_the_reference_knows_the_weights_that_moved_backends_find():
    def config(pool, *places):
        made = [Backend(name, f"10.0.0.{place}", "tcp") for name, place in zip("abc", places, strict=False)]
        frontend = make_frontend(pools=(pool,), weights=WeightScale.LEAST_MOVING)
        return make_config([frontend], made, [make_check(rise=1)])

    # a takes the place of c, which has left.
    board = live(config((("a", 100), ("b", 100), ("c", 25)), 1, 2, 3), config(("a", "b"), 3, 2))
    (status,) = board.frontends.values()
    assert [each.programmed for each in status.desired.values()] == [4, 4]
    assert list(status.desired.items()) == decided(board, status)[3]
