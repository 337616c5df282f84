"""The decision about a frontend: each step of the chain, and the trace that says why."""

from __future__ import annotations

import attrs
import pytest

from maglev.model.agent import AgentWord
from maglev.model.config import MinUp, WhenNoneEligible
from maglev.model.events import FrontendState
from maglev.model.health import Lifecycle, State
from maglev.model.scale import scales_of
from maglev.state.changes import Step, step_between
from maglev.state.decision import Situation, decide
from maglev.state.pools import Memory, PoolReason, no_memory, remembered
from maglev.state.standing import Cause, Standing, causes_of, evidence_of, standing_of
from maglev.state.weights import WeightReason
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.random_boards import FAIL, PASS, TimedBoard

U, D, X, P, B = State.UP, State.DOWN, State.UNKNOWN, State.PAUSED, State.DISABLED
HOLD = WhenNoneEligible.HOLD


def frontend_of(*pools, min_up=(), **settings):
    frontend = make_frontend(pools=pools, **settings)
    least = [*min_up, *[MinUp()] * len(pools)]
    made = tuple(attrs.evolve(pool, min_up=each) for pool, each in zip(frontend.pools, least, strict=False))
    return attrs.evolve(frontend, pools=made)


def down_in_turn(names):
    """Return evidence of backends that went down one after another."""
    return {name: evidence_of(D, rank=rank) for rank, name in enumerate(names, 1)}


def reasons(trace):
    return {name: each.reason for name, each in trace.backends.items()}


@pytest.mark.parametrize(
    ("evidence", "held", "standing", "causes"),
    [
        (evidence_of(U), 0, Standing.UP, {Cause.CHECK}),
        (evidence_of(D), 50, Standing.DOWN, {Cause.CHECK}),
        (evidence_of(D, doubted=True), 0, Standing.DOUBTED, {Cause.CHECK, Cause.BLINDNESS}),
        (evidence_of(U, doubted=True), 0, Standing.UP, {Cause.CHECK}),
        (evidence_of(X), 1, Standing.HELD, set()),
        (evidence_of(X), 0, Standing.UNPROVED, set()),
        (evidence_of(U, drained=True), 0, Standing.DRAINED, {Cause.CHECK, Cause.OPERATOR}),
        (evidence_of(X, drained=True), 7, Standing.DRAINED, {Cause.OPERATOR}),
        # What an operator took out is neither doubted nor kept by the guard, whatever the checks say.
        (
            evidence_of(D, drained=True, doubted=True, rank=3, agent=AgentWord(percent=50)),
            0,
            Standing.DRAINED,
            {*Cause} - {Cause.CONFIG, Cause.GUARD},
        ),
        (evidence_of(P), 9, Standing.PAUSED, {Cause.OPERATOR}),
        (evidence_of(B), 9, Standing.DISABLED, {Cause.OPERATOR}),
        (evidence_of(B, by_file=True), 9, Standing.DISABLED, {Cause.CONFIG}),
        (evidence_of(U, by_file=True), 0, Standing.UP, {Cause.CHECK}),
        (evidence_of(State.REMOVED), 9, Standing.REMOVED, {Cause.CONFIG}),
    ],
)
def test_causes_stay_apart_and_one_prevails(evidence, held, standing, causes):
    assert standing_of(evidence, held) is standing
    assert causes_of(evidence) == causes


def test_a_pool_has_to_have_enough_in_backends_or_in_weights():
    for least, enough in (((2, False), 2), ((5000, True), 2), ((2500, True), 1), ((7600, True), 3)):
        frontend = frontend_of((("a", 50), ("b", 50), "c"), ("z",), min_up=[MinUp(*least)])
        for up in range(1, 4):
            states = {name: U if number < up else D for number, name in enumerate("abc")}
            evidence = {name: evidence_of(state) for name, state in {**states, "z": U}.items()}
            decision, trace = decide(Situation(frontend, evidence))
            assert decision.active == (0 if up >= enough else 1), (least, up)
            assert trace.pools[0].enough == (up >= enough)


def test_a_pool_that_lacks_something_serves_with_what_it_has_when_no_other_has_enough():
    frontend = frontend_of(("a", "b", "c"), ("z",), min_up=[MinUp(3), MinUp(1)])
    evidence = {"a": evidence_of(D), "b": evidence_of(U), "c": evidence_of(U), "z": evidence_of(D)}
    decision, trace = decide(Situation(frontend, evidence))
    assert (trace.active, trace.reason) == (0, PoolReason.TOO_FEW)
    assert {name: each.weight for name, each in decision.desired.items()} == {"a": 0, "b": 100, "c": 100, "z": 0}


def test_a_percentage_of_no_weight_is_met_by_one_backend():
    frontend = frontend_of((("a", 0),), ("z",), min_up=[MinUp(10000, share=True)])
    assert decide(Situation(frontend, {"a": evidence_of(U), "z": evidence_of(U)}))[0].choice.active == 0


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_the_guard_keeps_all_of_a_pool_in_service_and_nothing_without_it(count):
    names = "abcdefghij"[:count]
    for when, weights in ((WhenNoneEligible.DOWN, 0), (HOLD, 60)):
        frontend = frontend_of(tuple((name, 60) for name in names), when_none_eligible=when)
        decision, trace = decide(Situation(frontend, down_in_turn(names)))
        assert {each.weight for each in decision.desired.values()} == {weights}
        assert decision.guarded == (set(names) if when is HOLD else set())
        assert trace.pools[0].guarded == (tuple(names) if when is HOLD else ())
        assert trace.reason is (PoolReason.GUARD if when is HOLD else PoolReason.NONE_IN_SERVICE)
        assert decision.state is (FrontendState.UP if when is HOLD else FrontendState.DOWN)
        assert decision.serves == (when is HOLD)


def test_the_guard_releases_the_worst_first_as_others_recover_and_all_when_there_is_enough():
    frontend = frontend_of(tuple("abcdefghij"), min_up=[MinUp(5)], when_none_eligible=HOLD)
    evidence = down_in_turn("abcdefghij")
    serving = []
    for recovering in ("", *"jabcd"):
        if recovering:
            evidence[recovering] = evidence_of(U)
        decision, _ = decide(Situation(frontend, evidence))
        serving.append("".join(sorted(decision.guarded)))
    # Those that went down last stay; together with what has recovered there are always as many as min-up asks for.
    assert serving == ["abcdefghij", "bcdefghi", "efghi", "ghi", "hi", ""]


def test_the_guard_never_keeps_what_an_operator_or_the_file_took_out_nor_what_has_no_weight():
    frontend = frontend_of(("a", "b", "c", "d", ("e", 0)), when_none_eligible=HOLD)
    evidence = {
        "a": evidence_of(D, drained=True, rank=1),
        "b": evidence_of(P),
        "c": evidence_of(B, by_file=True),
        "d": evidence_of(D, rank=2),
        "e": evidence_of(D, rank=3),
    }
    decision, trace = decide(Situation(frontend, evidence))
    assert decision.guarded == {"d"}
    assert trace.backends["d"].causes == {Cause.CHECK, Cause.GUARD}
    evidence["d"] = evidence_of(P)
    decision, trace = decide(Situation(frontend, evidence))
    assert (trace.reason, decision.active) == (PoolReason.NONE_IN_SERVICE, None)


def test_the_guard_does_not_rely_on_a_backend_without_weight():
    frontend = frontend_of(("a", ("b", 0)), when_none_eligible=HOLD)
    decision, _ = decide(Situation(frontend, {"a": evidence_of(D), "b": evidence_of(U)}))
    assert decision.guarded == {"a"}


def test_the_guard_keeps_the_pool_that_has_been_serving():
    frontend = frontend_of(("a", "b"), ("z",), when_none_eligible=HOLD)
    evidence = down_in_turn("abz")
    serving, _ = decide(Situation(frontend, {**evidence, "z": evidence_of(U)}))
    assert decide(Situation(frontend, evidence, memory=serving.choice.memory))[0].guarded == {"z"}
    assert decide(Situation(frontend, evidence))[0].guarded == {"a", "b"}
    # What has recovered is better than what has not, in whichever pool.
    back, trace = decide(Situation(frontend, {**evidence, "a": evidence_of(U)}, memory=serving.choice.memory))
    assert (back.guarded, trace.active, trace.reason) == (set(), 0, PoolReason.ENOUGH)
    # And if an operator takes that pool out, the guard keeps another one.
    taken = {**evidence, "z": evidence_of(P)}
    assert decide(Situation(frontend, taken, memory=serving.choice.memory))[0].guarded == {"a", "b"}


def test_a_pool_takes_over_again_only_after_the_delay():
    frontend = frontend_of(("a",), ("b",), ("c",), failback_delay=10.0)
    up = dict.fromkeys("abc", evidence_of(U))
    down = {**up, "a": evidence_of(D), "b": evidence_of(D)}
    choice = decide(Situation(frontend, up, now=5.0))[0].choice
    assert (choice.active, choice.due) == (0, None)
    choice = decide(Situation(frontend, down, memory=choice.memory, now=6.0))[0].choice
    assert (choice.active, choice.due) == (2, None)
    choice = decide(Situation(frontend, {**down, "b": evidence_of(U)}, memory=choice.memory, now=20.0))[0].choice
    assert (choice.active, choice.reason, choice.due, choice.heir) == (2, PoolReason.FAILBACK_DELAY, 30.0, 1)
    choice = decide(Situation(frontend, up, memory=choice.memory, now=25.0))[0].choice
    assert (choice.active, choice.due, choice.heir) == (2, 30.0, 1)
    choice = decide(Situation(frontend, up, memory=choice.memory, now=30.0))[0].choice
    assert (choice.active, choice.reason, choice.due, choice.heir) == (1, PoolReason.FAILBACK_DELAY, 35.0, 0)
    choice = decide(Situation(frontend, up, memory=choice.memory, now=35.0))[0].choice
    assert (choice.active, choice.reason, choice.due) == (0, PoolReason.ENOUGH, None)


def test_the_delay_begins_again_when_the_pool_fails_and_does_not_keep_a_pool_that_has_not_enough():
    frontend = frontend_of(("a",), ("b",), failback_delay=10.0)
    both, first, second = ({"a": evidence_of(a), "b": evidence_of(b)} for a, b in ((U, U), (U, D), (D, U)))
    memory = no_memory(frontend)
    for now, evidence, active, due in (
        (0.0, second, 1, None),
        (1.0, both, 1, 11.0),
        (9.0, second, 1, None),
        (10.0, both, 1, 20.0),
        (12.0, first, 0, None),
        (13.0, both, 0, None),
    ):
        choice = decide(Situation(frontend, evidence, memory=memory, now=now))[0].choice
        assert (choice.active, choice.due) == (active, due), now
        memory = choice.memory


def test_a_frontend_that_an_operator_took_out_serves_nothing():
    frontend = frontend_of(("a",), ("b",), when_none_eligible=HOLD)
    evidence = {"a": evidence_of(U), "b": evidence_of(X)}
    decision, trace = decide(Situation(frontend, evidence, {"b": 50}, out=True))
    assert (decision.serves, decision.active, trace.reason) == (False, None, PoolReason.FRONTEND_DISABLED)
    assert set(reasons(trace).values()) == {WeightReason.FRONTEND_DISABLED}


def test_pools_are_remembered_by_their_names():
    old = frontend_of(("a",), ("b",))
    new = attrs.evolve(old, pools=(make_frontend(pools=((), (), ("c",))).pools[2], *old.pools[::-1]))
    assert remembered(Memory(1, (None, 3.0)), old, new) == Memory(1, (None, 3.0, None))
    assert remembered(Memory(1, (2.0, 3.0)), old, attrs.evolve(old, pools=old.pools[:1])) == Memory(None, (2.0,))
    assert remembered(no_memory(old), old, new) == no_memory(new)


def test_the_trace_says_what_came_out_of_each_step():
    frontend = frontend_of((("a", 60), "b"), (("a", 5), "c", "d"))
    evidence = {"a": evidence_of(U), "b": evidence_of(D), "c": evidence_of(X), "d": evidence_of(X)}
    decision, trace = decide(Situation(frontend, evidence, {"c": 30}))
    assert reasons(trace) == {
        "a": WeightReason.ACTIVE,
        "b": WeightReason.DOWN,
        "c": WeightReason.HELD,
        "d": WeightReason.UNPROVED,
    }
    assert [(each.name, each.backends, each.total, each.enough) for each in trace.pools] == [
        ("pool0", 2, 160, True),
        ("pool1", 3, 205, True),
    ]
    places = [
        (each.pool, each.configured, each.active, each.weight, each.reason) for each in trace.backends["a"].places
    ]
    assert places == [
        ("pool0", 60, True, 60, WeightReason.ACTIVE),
        ("pool1", 5, False, 0, WeightReason.STANDBY),
    ]
    assert trace.backends["c"].held == 30
    scale = scales_of(frontend)[0]
    assert {name: each.programmed for name, each in trace.backends.items()} == {
        name: scale[each.weight] for name, each in decision.desired.items()
    }


def test_a_doubted_backend_counts_as_up():
    frontend = frontend_of(("a", "b"), ("c",))
    evidence = {"a": evidence_of(D, doubted=True, rank=1), "b": evidence_of(D), "c": evidence_of(D, doubted=True)}
    decision, trace = decide(Situation(frontend, evidence))
    assert reasons(trace) == {
        "a": WeightReason.DOUBTED,
        "b": WeightReason.DOWN,
        "c": WeightReason.STANDBY,
    }
    assert decision.desired["a"].weight == 100


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ("active", "down", Step.HEALTH),
        ("active", "active", Step.WEIGHT),
        ("held", "active", Step.HEALTH),
        ("held", "standby", Step.HEALTH),
        ("active", "disabled", Step.ORDER),
        ("drained", "down", Step.ORDER),
        ("standby", "active", Step.POOL),
        ("doubted", "standby", Step.POOL),
        ("down", "guarded", Step.GUARD),
        ("active", "guarded", Step.HEALTH),
        ("down", "doubted", Step.BLINDNESS),
        ("frontend-disabled", "active", Step.FRONTEND),
    ],
)
def test_the_step_that_makes_a_difference_is_known(old, new, step):
    assert step_between(WeightReason(old), WeightReason(new)) is step


def test_the_board_records_why_a_weight_is_not_as_it_was():
    board = TimedBoard(make_config())
    status = board.frontends["web"]
    for name in "abc":
        board.record(name, PASS)
        board.record(name, PASS)
    board.time = 7.0
    for name in "ab":
        for _ in range(3):
            board.record(name, FAIL)
    change = status.last_changes["c"]
    assert (change.at, change.old.weight, change.new.weight, change.step) == (7.0, 0, 100, Step.POOL)
    assert status.last_changes["a"].step is Step.HEALTH
    board.happen("a", Lifecycle.DISABLE)
    assert (status.last_changes["a"].step, status.last_changes["a"].new.weight) == (Step.ORDER, 0)
    board.set_weight("web", "pool1", "c", 30)
    assert (status.last_changes["c"].step, status.last_changes["c"].new.weight) == (Step.WEIGHT, 30)
    decision, trace = decide(board.situation("web"))
    assert trace.backends["c"].places[0].written == 100
    assert decision.desired == status.desired


def test_time_passes_on_the_board_when_something_is_due():
    frontend = frontend_of(("a",), ("b",), failback_delay=10.0)
    board = TimedBoard(make_config([frontend]))
    status = board.frontends["web"]
    for name in "ba":
        board.record(name, PASS)
        board.wait(1.0)
    assert (status.active, board.next_due) == (1, 11.0)
    board.wait(8.0)
    board.pass_time()
    assert status.active == 1
    board.wait(2.0)
    assert (status.active, board.next_due) == (0, None)
