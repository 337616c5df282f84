"""The rise/fall counter and the table of states."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.errors import RefusedError
from maglev.model.health import PROBED, TRANSITIONS, Health, Lifecycle, State

thresholds = st.integers(1, 6)


def health(state=State.UNKNOWN, rise=2, fall=3, value=None):
    made = Health(rise, fall)
    made.state = state
    made.draining = state is State.DRAINING
    if value is not None:
        made.value = value
    return made


def test_a_new_backend_is_unknown_one_pass_below_up():
    assert (Health(2, 3).state, Health(2, 3).value) == (State.UNKNOWN, 1)


@given(thresholds, thresholds)
def test_the_first_pass_makes_an_unknown_backend_up(rise, fall):
    made = Health(rise, fall)
    assert made.record(True)
    assert made.state is State.UP


@given(thresholds, thresholds)
def test_any_failure_makes_an_unknown_backend_down(rise, fall):
    made = Health(rise, fall)
    assert made.record(False)
    assert made.state is State.DOWN


@given(thresholds, thresholds)
def test_a_healthy_backend_goes_down_after_exactly_fall_failures(rise, fall):
    made = health(State.UP, rise, fall, rise + fall - 1)
    changes = [made.record(False) for _ in range(fall)]
    assert changes == [False] * (fall - 1) + [True]
    assert made.state is State.DOWN


@given(thresholds, thresholds)
def test_a_dead_backend_comes_up_after_exactly_rise_passes(rise, fall):
    made = health(State.DOWN, rise, fall, 0)
    changes = [made.record(True) for _ in range(rise)]
    assert changes == [False] * (rise - 1) + [True]
    assert made.state is State.UP


def test_failures_separated_by_passes_never_add_up():
    made = health(State.UP, 2, 3, 4)
    for _ in range(100):
        made.record(False)
        made.record(True)
    assert made.state is State.UP


@given(thresholds, thresholds, st.lists(st.booleans()))
def test_the_counter_stays_in_range_and_agrees_with_the_state(rise, fall, results):
    made = Health(rise, fall)
    for passed in results:
        before = made.state
        changed = made.record(passed)
        assert 0 <= made.value <= made.top == rise + fall - 1
        assert (made.state is State.UP) == (made.value >= rise)
        assert changed == (made.state is not before)


@pytest.mark.parametrize("state", sorted(set(State) - PROBED))
def test_results_are_ignored_in_states_that_are_not_probed(state):
    made = health(state, value=0)
    assert not made.record(True)
    assert (made.state, made.value) == (state, 0)


# What the specification says of each event in each state; None is a refusal.
EXPECTED = {
    Lifecycle.PAUSE: dict.fromkeys(("unknown", "up", "down", "draining", "paused"), "paused"),
    Lifecycle.RESUME: {"paused": "unknown"},
    Lifecycle.DRAIN: {**dict.fromkeys(("unknown", "up", "draining", "paused"), "draining"), "down": "down"},
    Lifecycle.DISABLE: dict.fromkeys(("unknown", "up", "down", "draining", "paused", "disabled"), "disabled"),
    Lifecycle.ENABLE: {"disabled": "unknown", "draining": "up"},
    Lifecycle.START: {"unknown": "unknown"},
    Lifecycle.REMOVE: dict.fromkeys(("unknown", "up", "down", "draining", "paused", "disabled"), "removed"),
    Lifecycle.CHANGE: {
        "unknown": "unknown",
        "up": "unknown",
        "down": "unknown",
        "draining": "draining",
        "paused": "paused",
        "disabled": "disabled",
    },
}


@pytest.mark.parametrize("event", Lifecycle)
@pytest.mark.parametrize("state", State)
def test_lifecycle_events_do_what_the_specification_says(event, state):
    made = health(state, value=3)
    expected = EXPECTED[event].get(state.value)
    if expected is None:
        with pytest.raises(RefusedError):
            made.happen(event)
        assert (made.state, made.value) == (state, 3)
    else:
        assert made.happen(event) == (expected != state.value or made.draining != (state is State.DRAINING))
        assert made.state.value == expected
        unproved = (state, event) in {("paused", Lifecycle.DRAIN), ("draining", Lifecycle.CHANGE)}
        assert made.value == (1 if unproved else {"unknown": 1, "paused": 0}.get(expected, 3))
        assert made.draining == (event is Lifecycle.DRAIN or expected == "draining")


def test_every_event_has_a_row():
    assert set(TRANSITIONS) == set(Lifecycle) == set(EXPECTED)


def test_a_backend_that_drains_is_probed_and_its_drain_ends_with_what_the_probes_found():
    made = health(State.UP, value=4)
    assert made.happen(Lifecycle.DRAIN)
    assert [made.record(False) for _ in range(3)] == [False, False, True]
    assert made.state is State.DOWN
    assert [made.record(True) for _ in range(2)] == [True, False]
    assert (made.state, made.value) == (State.DRAINING, 3)
    assert made.happen(Lifecycle.ENABLE)
    assert (made.state, made.value) == (State.UP, 3)


def test_a_backend_that_is_down_drains_when_it_comes_back():
    made = health(State.DOWN, value=1)
    assert made.happen(Lifecycle.DRAIN)
    assert not made.happen(Lifecycle.DRAIN)
    assert (made.state, made.value, made.draining) == (State.DOWN, 1, True)
    assert made.record(True)
    assert made.state is State.DRAINING


def test_the_drain_of_a_backend_that_is_down_ends_and_it_is_still_down():
    made = health(State.DOWN, value=1)
    made.happen(Lifecycle.DRAIN)
    assert made.happen(Lifecycle.ENABLE)
    assert (made.state, made.value, made.draining) == (State.DOWN, 1, False)
    with pytest.raises(RefusedError):
        made.happen(Lifecycle.ENABLE)


def test_a_backend_about_which_nothing_is_known_drains_and_is_unknown_after_that():
    made = Health(2, 3)
    made.happen(Lifecycle.DRAIN)
    assert made.state is State.DRAINING
    made.happen(Lifecycle.ENABLE)
    assert (made.state, made.value) == (State.UNKNOWN, 1)


def test_a_changed_backend_that_is_down_and_drains_has_to_prove_itself_and_drains():
    made = health(State.DOWN, value=0)
    made.happen(Lifecycle.DRAIN)
    made.happen(Lifecycle.CHANGE)
    assert (made.state, made.value, made.draining) == (State.DRAINING, 1, True)
    made.happen(Lifecycle.ENABLE)
    assert made.state is State.UNKNOWN


def test_new_thresholds_bound_the_counter():
    made = health(State.UP, 5, 5, 9)
    made.retune(1, 2)
    assert (made.top, made.value) == (2, 2)
