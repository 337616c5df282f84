"""Pool failover and effective weights: the specification's table, and properties that hold for every frontend."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.errors import NotFoundError, RefusedError
from maglev.model.events import FrontendState
from maglev.model.health import State
from maglev.state.decision import Situation, decide
from maglev.state.reweighted import reweighted
from maglev.state.standing import evidence_of
from maglev.state.weights import flushes
from tests.fakes.configs import make_frontend

U, D, X, P, B, N = State.UP, State.DOWN, State.UNKNOWN, State.PAUSED, State.DISABLED, State.DRAINING


def decided(frontend, states, held=None):
    evidence = {name: evidence_of(state) for name, state in states.items()}
    return decide(Situation(frontend, evidence, held or {}))[0]


def weigh(frontend, states, held=None):
    return decided(frontend, states, held).desired


def test_the_first_pool_with_an_up_backend_is_active():
    frontend = make_frontend(pools=(("a", "b"), ("c",), ("d",)))
    cases = [
        ((U, D, U, U), 0),
        ((D, U, U, U), 0),
        ((D, D, U, U), 1),
        ((D, P, B, U), 2),
        ((D, D, D, D), None),
        ((X, X, X, X), None),
        ((X, X, U, X), 1),
        ((P, P, P, P), None),
        ((B, B, B, B), None),
    ]
    for states, expected in cases:
        assert decided(frontend, dict(zip("abcd", states, strict=True))).active == expected, states


def test_no_pool_is_active_in_a_frontend_that_serves_nothing():
    frontend = make_frontend(pools=((("a", 0),), ("b",)))
    assert decided(frontend, {"a": U, "b": U}).active is None
    assert decided(frontend, {"a": D, "b": U}).active == 1


# state, in the active pool, flush-on-down -> weight of 60, flush: the table of the specification
TABLE = [
    (U, True, True, 60, False),
    (U, False, True, 0, False),
    (X, True, True, 0, False),
    (P, True, True, 0, False),
    (N, True, True, 0, False),
    (D, True, True, 0, True),
    (D, True, False, 0, False),
    (D, False, True, 0, True),
    (B, True, True, 0, True),
    (B, True, False, 0, True),
    (B, False, False, 0, True),
]


@pytest.mark.parametrize(("state", "active", "flush_on_down", "weight", "flush"), TABLE)
def test_each_state_deserves_what_the_table_says(state, active, flush_on_down, weight, flush):
    pools = ((("a", 60), "other"), ("c",)) if active else (("other",), (("a", 60),))
    frontend = make_frontend(pools=pools, flush_on_down=flush_on_down)
    states = {"a": state, "other": U, "c": U}
    got = weigh(frontend, {name: states[name] for name in frontend.backends})
    assert (got["a"].weight, got["a"].flush) == (weight, flush)


def test_a_backend_that_proves_itself_again_keeps_its_weight_and_its_pool():
    frontend = make_frontend(pools=((("a", 60),), ("b",)))
    got = weigh(frontend, {"a": X, "b": U}, held={"a": 60})
    assert (got["a"].weight, got["b"].weight) == (60, 0)


def test_a_held_weight_counts_only_while_unknown():
    frontend = make_frontend(pools=((("a", 60),), ("b",)))
    got = weigh(frontend, {"a": D, "b": U}, held={"a": 60})
    assert (got["a"].weight, got["b"].weight) == (0, 100)


def test_a_backend_in_several_pools_gets_the_highest_of_its_weights():
    frontend = make_frontend(pools=((("a", 10), "b"), (("a", 90),)))
    assert weigh(frontend, {"a": U, "b": U})["a"].weight == 10
    assert weigh(frontend, {"a": U, "b": D})["a"].weight == 10


def test_removal_always_flushes():
    assert flushes(make_frontend(flush_on_down=False), State.REMOVED)


def test_a_frontend_is_unknown_until_a_backend_is_known_then_up_or_down_by_weight():
    frontend = make_frontend(pools=(("a", ("b", 0)),))
    cases = [
        ((X, X), "unknown"),
        ((X, U), "down"),
        ((U, X), "up"),
        ((D, X), "down"),
        ((P, B), "down"),
        ((N, X), "down"),
        ((U, D), "up"),
    ]
    for states, expected in cases:
        mapping = dict(zip("ab", states, strict=True))
        assert decided(frontend, mapping).state is FrontendState(expected), states
    assert decided(make_frontend(pools=((),)), {}).state is FrontendState.UNKNOWN


names = st.sampled_from("abcdef")
members = st.lists(st.tuples(names, st.integers(0, 100)), min_size=1, max_size=4, unique_by=lambda member: member[0])
pools_of = st.lists(members, min_size=1, max_size=3)
holds = st.dictionaries(names, st.integers(0, 100))


@given(pools_of, st.lists(st.sampled_from(State), min_size=6, max_size=6), holds)
def test_no_weight_exceeds_the_configured_or_held_one_and_only_one_pool_serves(pools, all_states, held):
    frontend = make_frontend(pools=tuple(map(tuple, pools)))
    states = {name: state for name, state in zip("abcdef", all_states, strict=True) if name in frontend.backends}
    decision = decided(frontend, states, held)
    weights = decision.pools
    for index, (pool, got) in enumerate(zip(frontend.pools, weights, strict=True)):
        for member in pool.members:
            weight = got[member.backend]
            if states[member.backend] is U:
                assert weight == (member.weight if index == decision.choice.active else 0)
            elif states[member.backend] is X:
                assert weight == held.get(member.backend, 0)
            else:
                assert weight == 0
    got = decision.desired
    assert set(got) == set(frontend.backends)
    for name, each in got.items():
        assert each.weight == max(pool.get(name, 0) for pool in weights)
        assert not (each.flush and each.weight)


def test_a_weight_is_changed_in_one_pool_only():
    frontend = make_frontend(pools=(("a", "b"), ("a",)))
    changed = reweighted(frontend, "pool1", "a", 5)
    assert [[member.weight for member in pool.members] for pool in changed.pools] == [[100, 100], [5]]


@pytest.mark.parametrize(
    ("pool", "backend", "weight", "error", "text"),
    [
        ("pool0", "a", 101, RefusedError, "0..100"),
        ("pool0", "a", -1, RefusedError, "0..100"),
        ("nope", "a", 1, NotFoundError, "no pool 'nope'"),
        ("pool1", "a", 1, NotFoundError, "no backend 'a'"),
    ],
)
def test_a_weight_that_makes_no_sense_is_refused(pool, backend, weight, error, text):
    with pytest.raises(error, match=text):
        reweighted(make_frontend(), pool, backend, weight)
