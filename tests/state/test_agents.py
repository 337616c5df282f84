"""Agents: they lower what the checks say and never raise it, and their last word holds for a time."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.agent import NEUTRAL, AgentWord
from maglev.model.blindness_rule import Blindness
from maglev.model.check_params import AgentParams
from maglev.model.check_set import CheckSet
from maglev.model.config import Backend, CheckType, WeightScale, WhenNoneEligible
from maglev.model.events import AgentEvent, BackendEvent, FrontendState
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, Result
from maglev.state.changes import Step, step_between
from maglev.state.decision import decide
from maglev.state.standing import Cause, Standing, causes_of, evidence_of, standing_of
from maglev.state.weights import WeightReason
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.random_boards import FAIL, PASS, SAID, TimedBoard

HOLD = 10.0
U, D, X = State.UP, State.DOWN, State.UNKNOWN


def said(text):
    return Result(Code.L7STS if text.split()[0] in {"down", "fail", "stopped"} else Code.L7OK, text)


def config_of(pools=(("a", "b"), ("c",)), healthcheck="web", agent="load", blindness=None, **frontend):
    checks = [make_check(name, rise=1, fall=1, l4_port=port) for port, name in enumerate(("web", "gre"), 80)]
    checks += [make_check(name, type=CheckType.AGENT, agent=AgentParams(hold=HOLD)) for name in ("load", "other")]
    backends = [
        Backend("a", "10.0.0.1", healthcheck, agent_check=agent),
        *(Backend(name, f"10.0.0.{last}", "web") for last, name in enumerate("bc", 2)),
    ]
    names = {name for pool in pools for name in (each if isinstance(each, str) else each[0] for each in pool)}
    backends = [each for each in backends if each.name in names]
    config = make_config([make_frontend(pools=pools, **frontend)], backends, checks)
    return attrs.evolve(config, checker=attrs.evolve(config.checker, blindness=blindness))


def make_board(*words, **arguments):
    """Return a board of which all backends are up, and the agent has said this."""
    board = TimedBoard(config_of(**arguments))
    for name in ("b", "c"):
        board.record(name, PASS)
    for name in board.backend("a").probe_names[:-1]:
        board.record(name, PASS)
    for word in words:
        board.record("a/load", said(word))
    return board


def weights(board):
    return {name: each.weight for name, each in board.frontend("web").desired.items()}


def agent_events(board):
    return [(each.old, each.new, each.code) for each in board.events if isinstance(each, AgentEvent)]


# What it says


@pytest.mark.parametrize(
    ("word", "weight", "reason", "flush", "owed"),
    [
        ("up", 100, WeightReason.ACTIVE, False, False),
        ("50%", 50, WeightReason.AGENT_WEIGHT, False, False),
        ("1%", 1, WeightReason.AGENT_WEIGHT, False, False),
        ("0%", 0, WeightReason.AGENT_DRAIN, False, False),
        ("drain", 0, WeightReason.AGENT_DRAIN, False, False),
        ("maint", 0, WeightReason.AGENT_MAINT, True, True),
        ("down #disk", 0, WeightReason.AGENT_DOWN, True, True),
        ("fail", 0, WeightReason.AGENT_DOWN, True, True),
        ("stopped", 0, WeightReason.AGENT_DOWN, True, True),
        ("down maint", 0, WeightReason.AGENT_MAINT, True, True),
        ("down drain", 0, WeightReason.AGENT_DRAIN, True, True),
    ],
)
def test_each_word_has_its_weight_its_cause_and_its_flush(word, weight, reason, flush, owed):
    board = make_board("up", word)
    desired = board.frontend("web").desired["a"]
    assert (desired.weight, desired.reason, desired.flush) == (weight, reason, flush)
    assert board.frontend("web").flushes == ({"a"} if owed else set())
    assert board.backend("a").state is U, "the agent is kept apart from the health"
    trace = decide(board.situation("web"))[1].backends["a"]
    assert (Cause.AGENT in trace.causes) == (word != "up")
    board.record("a/load", said("up ready 100%"))
    assert weights(board)["a"] == 100
    assert board.frontend("web").flushes == set()


def test_without_flush_on_down_what_an_agent_takes_down_keeps_its_flows():
    board = make_board("down", flush_on_down=False)
    assert not board.frontend("web").desired["a"].flush
    board.record("a/load", said("maint"))
    assert board.frontend("web").desired["a"].flush


def test_an_agent_never_raises_what_the_checks_say():
    board = make_board("up ready 500%")
    assert weights(board)["a"] == 100
    board.record("a", FAIL)
    board.record("a/load", said("up ready 100%"))
    assert (board.backend("a").state, weights(board)["a"]) == (D, 0)
    assert board.backend("a").health.value == 0


def test_it_is_flushed_once_whichever_of_the_two_takes_it_down_first():
    board = make_board("up")
    board.record("a/load", said("down"))
    board.flushed("web", ["a"])
    board.record("a/load", said("fail"))
    assert board.frontend("web").flushes == set()
    board.record("a", FAIL)
    board.record("a/load", said("up"))
    assert board.frontend("web").flushes == {"a"}, "it is still down by its check"
    board.record("a", PASS)
    assert board.frontend("web").flushes == set()
    board.record("a/load", said("maint"))
    board.record("a", FAIL)
    board.record("a", PASS)
    assert board.frontend("web").flushes == {"a"}, "it is still being worked on"


def test_another_pool_takes_over_when_agents_leave_nothing_in_service():
    board = make_board("drain", pools=(("a",), ("c",)))
    assert weights(board) == {"a": 0, "c": 100}
    board.record("a/load", said("ready 10%"))
    assert weights(board) == {"a": 10, "c": 0}
    assert board.frontend("web").state is FrontendState.UP


def test_scales_follow_the_configured_weights_alone():
    board = make_board("30%", pools=((("a", 100), ("b", 50)),), weights=WeightScale.LEAST_MOVING)
    scales = board.frontend("web").scales
    programmed = {name: each.programmed for name, each in board.frontend("web").desired.items()}
    assert programmed == {"a": 1, "b": 1}, "the nearest integers of 2:1"
    board.record("a/load", said("100%"))
    assert board.frontend("web").scales == scales


# Who prevails


@pytest.mark.parametrize(
    ("evidence", "held", "standing"),
    [
        (evidence_of(U, agent=AgentWord("down")), 0, Standing.AGENT_DOWN),
        (evidence_of(D, agent=AgentWord("down")), 0, Standing.DOWN),
        (evidence_of(D, doubted=True), 0, Standing.DOUBTED),
        # The agent confirms what was doubted.
        (evidence_of(D, doubted=True, agent=AgentWord("down")), 0, Standing.DOWN),
        (evidence_of(D, doubted=True, agent=AgentWord(percent=40)), 0, Standing.DOUBTED),
        (evidence_of(D, agent=AgentWord(order="maint")), 0, Standing.AGENT_MAINT),
        (evidence_of(X, agent=AgentWord("down")), 50, Standing.AGENT_DOWN),
        (evidence_of(X, agent=AgentWord(order="drain")), 50, Standing.AGENT_DRAIN),
        (evidence_of(X, agent=AgentWord(percent=40)), 50, Standing.HELD),
        (evidence_of(U, drained=True, agent=AgentWord("down")), 0, Standing.DRAINED),
        (evidence_of(State.PAUSED, agent=AgentWord("down")), 0, Standing.PAUSED),
        (evidence_of(U, nolb=True, agent=AgentWord("down")), 0, Standing.NOLB),
        (evidence_of(U, nolb=True, agent=AgentWord(order="maint")), 0, Standing.AGENT_MAINT),
        (evidence_of(U, agent=AgentWord()), 0, Standing.UP),
    ],
)
def test_orders_before_evidence_and_both_whatever_the_checks_say(evidence, held, standing):
    assert standing_of(evidence, held) is standing
    assert (Cause.AGENT in causes_of(evidence)) == (evidence.agent != NEUTRAL)


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        (WeightReason.ACTIVE, WeightReason.AGENT_WEIGHT, Step.AGENT),
        (WeightReason.AGENT_WEIGHT, WeightReason.AGENT_WEIGHT, Step.AGENT),
        (WeightReason.ACTIVE, WeightReason.ACTIVE, Step.WEIGHT),
        (WeightReason.DOWN, WeightReason.AGENT_MAINT, Step.AGENT),
        (WeightReason.AGENT_DOWN, WeightReason.ACTIVE, Step.AGENT),
        (WeightReason.AGENT_DOWN, WeightReason.DOWN, Step.HEALTH),
        (WeightReason.AGENT_WEIGHT, WeightReason.DOWN, Step.HEALTH),
        (WeightReason.AGENT_WEIGHT, WeightReason.STANDBY, Step.POOL),
        (WeightReason.AGENT_DOWN, WeightReason.GUARDED, Step.GUARD),
        (WeightReason.AGENT_DRAIN, WeightReason.DRAINED, Step.ORDER),
    ],
)
def test_which_step_made_the_difference(old, new, step):
    assert step_between(old, new) is step
    assert step_between(new, old) is step


def test_an_operator_prevails():
    board = make_board("50%")
    board.set_weight("web", "pool0", "a", 40)
    assert weights(board)["a"] == 20
    board.happen("a", Lifecycle.DRAIN)
    assert board.frontend("web").desired["a"].reason is WeightReason.DRAINED
    board.record("a/load", said("maint"))
    board.happen("a", Lifecycle.ENABLE)
    assert board.frontend("web").desired["a"].reason is WeightReason.AGENT_MAINT


def test_the_guard_keeps_what_agents_take_down_and_not_what_they_order_out():
    board = make_board("down", pools=(("a",),), when_none_eligible=WhenNoneEligible.HOLD)
    assert (weights(board)["a"], board.frontend("web").desired["a"].reason) == (100, WeightReason.GUARDED)
    board.record("a/load", said("50%"))
    assert weights(board)["a"] == 50
    board.record("a/load", said("drain"))
    assert weights(board)["a"] == 0


def test_the_guard_prefers_what_passes_its_checks():
    board = make_board("down", pools=(("a", "b"),), when_none_eligible=WhenNoneEligible.HOLD)
    board.config = attrs.evolve(board.config)
    board.record("b", FAIL)
    assert weights(board) == {"a": 100, "b": 100}, "nothing else is in service"
    situation = board.situation("web")
    pool = attrs.evolve(situation.frontend.pools[0], min_up=attrs.evolve(situation.frontend.pools[0].min_up, amount=2))
    evidence = {"a": evidence_of(U, agent=AgentWord("down"), rank=1), "b": evidence_of(D, rank=2), "c": evidence_of(U)}
    members = (*pool.members, attrs.evolve(pool.members[0], backend="c"))
    frontend = attrs.evolve(situation.frontend, pools=(attrs.evolve(pool, members=members),))
    decision = decide(attrs.evolve(situation, frontend=frontend, evidence=evidence))[0]
    assert decision.guarded == {"a"}


def test_an_agent_says_nothing_of_the_checks_so_they_are_not_doubted_for_it():
    board = make_board("down", blindness=Blindness(1.0))
    assert not board.doubts.doubted("a")


# For how long


def test_its_last_word_holds_for_a_time_and_then_it_is_as_if_it_had_said_nothing():
    board = make_board("up", "drain 50%")
    for _ in range(9):
        board.wait(1.0)
        board.record("a/load", Result(Code.L4CON, "refused"))
    assert weights(board)["a"] == 0
    board.wait(1.0)
    board.record("a/load", Result(Code.L7RSP, "not a word"))
    assert weights(board)["a"] == 100
    board.record("a/load", said("50%"))
    assert weights(board)["a"] == 50, "what it said before its silence is forgotten"
    assert agent_events(board) == [
        ("up", "drain 50%", "L7OK"),
        ("drain 50%", "silent", "L7RSP"),
        ("silent", "50%", "L7OK"),
    ]


def test_time_alone_does_not_show_that_it_is_silent():
    board = make_board("drain")
    board.wait(10 * HOLD)
    assert weights(board)["a"] == 0
    board.record("a/load", said("maxconn:5"))
    assert weights(board)["a"] == 0, "an answer that leaves it out"


def test_steps_of_a_percentage_are_not_told_one_by_one():
    board = make_board("90%", "80%", "70%", "0%", "10%", "100%")
    assert [new for _, new, _ in agent_events(board)] == ["90%", "0%", "10%", "up"]


def test_a_board_without_the_backend_or_the_agent_ignores_what_it_says():
    board = make_board("up", agent=None, healthcheck="web")
    before = list(board.events)
    board.record("a/load", said("down"))
    board.record("z/load", said("down"))
    assert (list(board.events), board.probed("a/load"), board.probed("z/load")) == (before, None, None)


# What is not known yet


def test_a_backend_does_not_come_up_before_its_agent_was_heard_and_keeps_what_vpp_holds():
    board = TimedBoard(config_of())
    board.holds.know_programmed(lambda _: {"10.0.0.1": 30})
    board.hold_programmed(["web"])
    board.record("a", PASS)
    assert (board.backend("a").state, weights(board)["a"]) == (X, 30)
    board.record("a", PASS)
    assert board.frontend("web").desired["a"].reason is WeightReason.HELD
    board.record("a/load", said("60%"))
    assert (board.backend("a").state, weights(board)["a"]) == (U, 60)
    last = board.backend("a").transitions[0]
    assert (last.old, last.new, last.code, last.healthcheck, last.detail) == (X, U, "L7OK", "load", "load: 60%")


@pytest.mark.parametrize("word", ["drain", "0%", "maint", "down"])
def test_what_the_agent_had_drained_before_a_restart_is_not_raised_by_the_checks(word):
    board = TimedBoard(config_of())
    board.holds.know_programmed(lambda _: {"10.0.0.2": 100})
    board.hold_programmed(["web"])
    board.record("a", PASS)
    assert weights(board)["a"] == 0
    board.record("a/load", said(word))
    assert (weights(board)["a"], board.frontend("web").flushes) == (0, set())


def test_an_agent_that_is_never_heard_keeps_a_backend_out_for_its_time_only():
    board = TimedBoard(config_of())
    board.record("a", PASS)
    board.record("a/load", Result(Code.L4CON, "refused"))
    assert (board.backend("a").state, agent_events(board)) == (X, [])
    board.wait(HOLD)
    board.record("a/load", Result(Code.L4TOUT))
    assert (board.backend("a").state, weights(board)["a"]) == (U, 100)
    assert agent_events(board) == [("unknown", "silent", "L4TOUT")]


def test_an_agent_may_lower_what_is_unknown():
    board = TimedBoard(config_of())
    board.holds.know_programmed(lambda _: {"10.0.0.1": 100})
    board.hold_programmed(["web"])
    board.record("a/load", said("drain"))
    assert (board.backend("a").state, weights(board)["a"]) == (X, 0)


def test_what_fails_while_the_agent_is_waited_for_is_down_and_stays_so_until_it_is_heard():
    board = TimedBoard(config_of())
    board.record("a", FAIL)
    assert board.backend("a").state is D
    board.record("a", PASS)
    assert board.backend("a").state is D
    board.record("a/load", said("up"))
    assert board.backend("a").state is U
    board.record("a", FAIL)
    board.record("a", PASS)
    assert board.backend("a").state is U


def test_a_known_agent_lifts_nothing_that_has_not_passed():
    board = TimedBoard(config_of())
    board.record("a/load", said("up"))
    assert board.backend("a").state is X
    board.record("a", PASS)
    assert board.backend("a").state is U


@pytest.mark.parametrize("needed", [1, 2])
def test_a_backend_with_several_checks_waits_as_well(needed):
    board = TimedBoard(config_of(healthcheck=CheckSet(("web", "gre"), needed)))
    assert board.backend("a").probe_names == ("a/web", "a/gre", "a/load")
    board.record("a/web", PASS)
    board.record("a/gre", PASS)
    assert board.backend("a").state is X
    board.record("a/load", said("20%"))
    assert (board.backend("a").state, weights(board)["a"]) == (U, 20)
    board.record("a/web", FAIL)
    board.record("a/gre", FAIL)
    assert board.backend("a").state is D


def test_a_static_backend_may_have_an_agent():
    board = TimedBoard(config_of(healthcheck=None))
    board.record("a", Result(Code.STATIC))
    assert board.backend("a").state is X
    board.record("a/load", said("up"))
    assert board.backend("a").state is U


def test_an_order_that_stops_the_probes_makes_it_forget():
    board = make_board("drain")
    board.happen("a", Lifecycle.PAUSE)
    board.record("a/load", said("up"))
    assert not board.backend("a").agent.known
    board.happen("a", Lifecycle.RESUME)
    board.record("a", PASS)
    assert (board.backend("a").state, weights(board)["a"]) == (X, 0)
    board.record("a/load", said("up"))
    assert weights(board)["a"] == 100


def test_a_drain_that_ends_before_the_agent_was_heard_leaves_the_backend_unknown():
    board = TimedBoard(config_of())
    board.happen("a", Lifecycle.DRAIN)
    board.record("a", PASS)
    assert board.backend("a").state is State.DRAINING
    board.happen("a", Lifecycle.ENABLE)
    assert board.backend("a").state is X
    board.happen("a", Lifecycle.DRAIN)
    board.record("a/load", said("up"))
    board.record("a", PASS)
    board.happen("a", Lifecycle.ENABLE)
    assert board.backend("a").state is U


# Reloads


def reloaded(board, **arguments):
    board.apply(config_of(**arguments))
    return board.backend("a")


def test_a_reload_that_does_not_concern_it_leaves_its_word():
    board = make_board("drain 50%")
    status = board.backend("a").agent
    board.apply(config_of(description="new"))
    assert board.backend("a").agent is status
    assert (weights(board)["a"], board.backend("a").state) == (0, U)


def test_an_agent_that_stays_goes_on_while_the_checks_are_proved_again():
    board = make_board("40%")
    reloaded(board, healthcheck="gre")
    assert (board.backend("a").state, weights(board)["a"]) == (X, 40)
    board.record("a", PASS)
    assert (board.backend("a").state, weights(board)["a"]) == (U, 40)


@pytest.mark.parametrize("was", [None, "other"])
def test_a_new_agent_is_waited_for_and_the_last_weight_kept(was):
    board = make_board(agent=was)
    if was:
        board.record("a/other", said("70%"))
    before = weights(board)["a"]
    status = reloaded(board)
    board.record("a", PASS)
    assert (status.state, weights(board)["a"]) == (X, before)
    board.record("a/load", said("30%"))
    assert weights(board)["a"] == 30


def test_without_its_agent_a_backend_has_its_weight_when_it_is_proved():
    board = make_board("drain")
    status = reloaded(board, agent=None)
    assert (status.agent, status.word) == (None, NEUTRAL)
    board.record("a", PASS)
    assert (status.state, weights(board)["a"]) == (U, 100)


def test_at_another_address_it_is_another_agent():
    board = make_board("drain")
    old = board.config
    backends = {**old.backends, "a": attrs.evolve(old.backends["a"], address="10.0.0.9")}
    board.apply(attrs.evolve(old, backends=backends))
    assert not board.backend("a").agent.known


def test_one_check_that_is_left_of_several_does_not_go_on_without_a_new_agent():
    several = CheckSet(("web", "gre"), 2)
    board = make_board(healthcheck=several, agent="other")
    board.record("a/other", said("up"))
    status = reloaded(board, healthcheck="web")
    assert status.state is X
    board.record("a", PASS)
    board.record("a/load", said("up"))
    assert status.state is U


@given(st.lists(st.sampled_from([("a", PASS), ("a", FAIL), *(("a/load", each) for each in SAID)]), max_size=30))
def test_nothing_is_more_than_the_checks_alone_would_give(results):
    with_agent, without = TimedBoard(config_of()), TimedBoard(config_of(agent=None))
    for name, result in results:
        with_agent.record(name, result)
        without.record(name, result)
        assert weights(with_agent)["a"] <= weights(without)["a"]
        assert with_agent.backend("a").state in {without.backend("a").state, X, D}
    moves = [each.transition.new for each in with_agent.events if isinstance(each, BackendEvent)]
    assert set(moves) <= {X, U, D}
