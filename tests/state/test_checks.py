"""Several checks of one backend: the state that they make together, and what becomes of it by orders and reloads."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.blindness_rule import Blindness
from maglev.model.check_set import CheckSet, check_names, named, probe_name, split_probe_name
from maglev.model.config import Backend
from maglev.model.events import BackendEvent, CheckEvent
from maglev.model.health import Health, Lifecycle, State
from maglev.model.probing import probe_of
from maglev.model.result import Code, Result
from maglev.state.blindness import Scope, View
from maglev.state.checks import CombinedHealth, combined
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.random_boards import FAIL, PASS, TimedBoard

UP, DOWN, UNKNOWN = State.UP, State.DOWN, State.UNKNOWN
KNOWN = st.sampled_from([UP, DOWN, UNKNOWN])
ONE = {"rise": 1, "fall": 1}
SETS = {"all": 3, "any": 1, "two": 2}


def config_of(needed=2, names=("web", "gre"), checks=None, **changes):
    """Return a configuration of one frontend with the backends a and b; a has these checks, b only ``web``."""
    checks = checks or [make_check(name, l4_port=port, **ONE) for port, name in enumerate(("web", "gre", "dns"), 80)]
    several = CheckSet(names, needed) if len(names) > 1 else names[0]
    backends = [Backend("a", "10.0.0.1", several, **changes), Backend("b", "10.0.0.2", "web")]
    return make_config([make_frontend(pools=(("a", "b"),))], backends, checks)


def make_board(*arguments, **changes):
    return TimedBoard(config_of(*arguments, **changes))


def state(board):
    return board.backend("a").state


def weight(board):
    return board.frontend("web").desired["a"].weight


# The combination


@given(st.lists(KNOWN, min_size=1, max_size=6), st.data())
def test_what_is_known_later_never_turns_what_was_known_enough_before(states, data):
    needed = data.draw(st.integers(1, len(states)))
    said = combined(states, needed)
    later = [data.draw(st.sampled_from([UP, DOWN])) if each is UNKNOWN else each for each in states]
    assert combined(later, needed) in {UP, DOWN}, "all known: decided"
    if said is not UNKNOWN:
        assert combined(later, needed) is said


@given(st.lists(KNOWN, min_size=1, max_size=6), st.data())
def test_the_combination_is_up_or_down_exactly_if_no_completion_says_otherwise(states, data):
    needed = data.draw(st.integers(1, len(states)))
    best = [UP if each is UNKNOWN else each for each in states]
    worst = [DOWN if each is UNKNOWN else each for each in states]
    ends = {combined(best, needed), combined(worst, needed)}
    assert combined(states, needed) is (ends.pop() if len(ends) == 1 else UNKNOWN)


@given(st.lists(KNOWN, min_size=1, max_size=6), st.randoms())
def test_the_order_of_checks_does_not_matter(states, random):
    shuffled = random.sample(states, len(states))
    assert all(combined(states, needed) is combined(shuffled, needed) for needed in range(1, len(states) + 1))


@given(st.lists(KNOWN, min_size=1, max_size=6), st.data())
def test_a_check_that_gets_better_never_lowers(states, data):
    needed = data.draw(st.integers(1, len(states)))
    index = data.draw(st.integers(0, len(states) - 1))
    order = [DOWN, UNKNOWN, UP]
    better = [*states[:index], order[min(order.index(states[index]) + 1, 2)], *states[index + 1 :]]
    assert order.index(combined(better, needed)) >= order.index(combined(states, needed))


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=40), st.integers(1, 3))
def test_a_backend_is_what_its_checks_say_and_nothing_unknown_lowers_it(results, needed):
    checks = [make_check(name, rise=2, fall=2) for name in ("web", "gre", "dns")]
    board = make_board(needed, ("web", "gre", "dns"), checks)
    alone = [Health(2, 2) for _ in checks]
    before = UNKNOWN
    for which, passed in results:
        board.record(probe_name("a", checks[which].name), PASS if passed else FAIL)
        alone[which].record(passed)
        said = combined([each.state for each in alone], needed)
        assert state(board) is (before if said is UNKNOWN else said)
        assert board.backend("a").health.value == sum(each.state is UP for each in alone)
        assert [each.health.value for each in board.backend("a").checks] == [each.value for each in alone]
        before = state(board)


@pytest.mark.parametrize("name", ["all", "any", "two"])
def test_the_counter_of_the_backend_counts_the_checks_that_are_up(name):
    board = make_board(SETS[name], ("web", "gre", "dns"))
    health = board.backend("a").health
    for check in ("web", "gre", "dns"):
        board.record(f"a/{check}", PASS)
        assert (health.state is UP) == (health.value >= health.rise)
    assert (health.value, health.top) == (3, 3)


# On the board


def test_nothing_is_up_until_enough_checks_are():
    board = make_board()
    board.record("a/web", PASS)
    assert state(board) is UNKNOWN
    board.record("a/gre", PASS)
    assert (state(board), weight(board)) == (UP, 100)


def test_the_transition_and_the_events_name_the_check_that_failed():
    board = make_board()
    board.record("a/web", PASS)
    board.record("a/gre", PASS)
    board.record("a/gre", Result(Code.L7TOUT, "no reply"))
    last = board.backend("a").transitions[0]
    assert (last.old, last.new, last.healthcheck, last.code, last.detail) == (
        UP,
        DOWN,
        "gre",
        "L7TOUT",
        "gre: no reply",
    )
    event = board.events[-1]
    assert isinstance(event, CheckEvent)
    assert (event.backend, event.healthcheck, event.old, event.new, event.state) == ("a", "gre", UP, DOWN, DOWN)
    assert next(each for each in board.events if isinstance(each, BackendEvent)).transition.healthcheck == ""


def test_the_result_that_is_shown_is_that_of_a_check_that_fails():
    board = make_board(1)
    board.record("a/web", PASS)
    board.wait(1)
    board.record("a/gre", FAIL)
    board.wait(1)
    board.record("a/web", PASS)
    assert state(board) is UP
    assert board.backend("a").last_result == FAIL
    board.record("a/gre", PASS)
    assert board.backend("a").last_result == PASS


def test_a_failure_that_is_not_counted_yet_is_shown_too():
    board = make_board(checks=[make_check("web"), make_check("gre"), make_check("dns")])
    for _ in range(3):
        board.record("a/web", PASS)
        board.record("a/gre", PASS)
    board.record("a/gre", FAIL)
    board.record("a/web", PASS)
    assert (state(board), board.backend("a").last_result) == (UP, FAIL)


def test_a_check_that_fails_where_another_is_enough_is_told_and_changes_no_weight():
    board = make_board(1)
    told = []
    board.subscribe(check_changed=told.append, backend_changed=told.append)
    board.record("a/web", PASS)
    board.record("a/gre", FAIL)
    board.record("a/gre", PASS)
    board.record("a/gre", PASS)
    assert [type(each) for each in told] == [BackendEvent, CheckEvent, CheckEvent], "a first pass is not worth an event"
    assert weight(board) == 100


@pytest.mark.parametrize("name", ["a/none", "z/web", "a/", "/web"])
def test_a_result_for_what_is_not_there_is_ignored(name):
    board = make_board()
    board.record(name, FAIL)
    board.record("b/web", FAIL)
    assert (state(board), board.backend("b").state) == (UNKNOWN, UNKNOWN)


def test_out_of_service_no_result_counts_and_afterwards_all_is_proved_again():
    board = make_board()
    for order, back in ((Lifecycle.PAUSE, Lifecycle.RESUME), (Lifecycle.DISABLE, Lifecycle.ENABLE)):
        board.record("a/web", PASS)
        board.record("a/gre", PASS)
        board.happen("a", order)
        held = {each.state for each in board.backend("a").checks}
        assert held == {state(board)}
        board.record("a/gre", FAIL)
        assert {each.state for each in board.backend("a").checks} == held
        board.happen("a", back)
        assert {each.state for each in board.backend("a").checks} == {UNKNOWN}
        assert (state(board), board.backend("a").health.value) == (UNKNOWN, 0)
        board.record("a/web", PASS)
        assert state(board) is UNKNOWN


def test_a_drain_lets_the_checks_go_on_and_ends_with_what_they_say():
    board = make_board()
    board.record("a/web", PASS)
    board.happen("a", Lifecycle.DRAIN)
    assert state(board) is State.DRAINING
    board.record("a/gre", PASS)
    assert state(board) is State.DRAINING
    board.record("a/gre", FAIL)
    assert state(board) is DOWN
    board.record("a/gre", PASS)
    assert (state(board), weight(board)) == (State.DRAINING, 0)
    board.happen("a", Lifecycle.ENABLE)
    assert (state(board), weight(board)) == (UP, 100)


def test_a_drain_of_what_was_paused_has_everything_to_prove():
    board = make_board()
    board.happen("a", Lifecycle.PAUSE)
    board.happen("a", Lifecycle.DRAIN)
    assert {each.state for each in board.backend("a").checks} == {UNKNOWN}


# Reloads


def test_a_check_that_is_added_is_proved_while_the_weight_is_kept():
    board = make_board()
    for check in ("web", "gre"):
        board.record(f"a/{check}", PASS)
    board.apply(config_of(3, ("web", "gre", "dns")))
    assert (state(board), weight(board)) == (UNKNOWN, 100)
    assert [each.state for each in board.backend("a").checks] == [UP, UP, UNKNOWN]
    board.record("a/dns", PASS)
    assert state(board) is UP


def test_a_failing_check_that_is_removed_fails_nothing_any_longer():
    board = make_board(3, ("web", "gre", "dns"))
    for check, result in (("web", PASS), ("gre", FAIL), ("dns", PASS)):
        board.record(f"a/{check}", result)
    board.apply(config_of(2, ("web", "dns")))
    assert (state(board), weight(board)) == (UP, 100)


def test_what_a_check_has_found_holds_under_another_name_and_not_with_another_content():
    board = make_board()
    board.record("a/web", PASS)
    board.record("a/gre", PASS)
    renamed = [make_check(name, l4_port=port, **ONE) for port, name in enumerate(("site", "gre", "web"), 80)]
    board.apply(config_of(2, ("site", "gre"), renamed))
    assert (state(board), board.backend("a").probe_names) == (UP, ("a/site", "a/gre"))
    assert board.backend("a").checks[0].last_result == PASS
    renamed[0] = attrs.evolve(renamed[0], l4_port=8080)
    board.apply(config_of(2, ("site", "gre"), renamed))
    assert (state(board), weight(board)) == (UNKNOWN, 100)
    assert [each.state for each in board.backend("a").checks] == [UNKNOWN, UP]


def test_two_checks_of_the_same_content_do_not_share_what_they_find():
    alike = [make_check(name, **ONE) for name in ("web", "gre", "dns")]
    board = make_board(1, ("web",), alike)
    board.record("a", PASS)
    board.apply(config_of(1, ("gre", "dns"), alike))
    board.record("a/gre", FAIL)
    assert [each.state for each in board.backend("a").checks] == [DOWN, UP]


def test_another_number_of_required_checks_decides_at_once():
    board = make_board()
    board.record("a/web", PASS)
    board.record("a/gre", FAIL)
    assert state(board) is DOWN
    board.apply(config_of(1))
    assert (state(board), weight(board)) == (UP, 100)


@pytest.mark.parametrize(("result", "expected"), [(PASS, UP), (FAIL, DOWN)])
def test_one_check_becomes_one_of_several_and_again_the_only_one_with_what_it_has_found(result, expected):
    board = make_board(1, ("web",))
    board.record("a", result)
    board.apply(config_of(2))
    assert [each.state for each in board.backend("a").checks] == [expected, UNKNOWN]
    assert state(board) is (DOWN if expected is DOWN else UNKNOWN)
    board.apply(config_of(1, ("web",)))
    assert (state(board), board.backend("a").last_result, board.backend("a").checks) == (expected, result, ())


def test_one_check_that_drains_goes_on_as_one_of_several_and_back():
    board = make_board(1, ("web",))
    board.record("a", PASS)
    board.happen("a", Lifecycle.DRAIN)
    board.apply(config_of(2))
    assert (state(board), board.backend("a").checks[0].state) == (State.DRAINING, UP)
    board.apply(config_of(1, ("web",)))
    assert state(board) is State.DRAINING
    board.happen("a", Lifecycle.ENABLE)
    assert state(board) is UP


def test_one_unproved_check_that_drains_stays_unproved():
    board = make_board(1, ("web",), checks=[make_check(each) for each in ("web", "gre", "dns")])
    board.happen("a", Lifecycle.DRAIN)
    board.apply(config_of(2, checks=[make_check(each) for each in ("web", "gre", "dns")]))
    assert board.backend("a").checks[0].state is UNKNOWN


def test_what_is_paused_stays_so_whatever_its_checks_become():
    board = make_board()
    board.happen("a", Lifecycle.PAUSE)
    for config in (config_of(3, ("web", "gre", "dns")), config_of(1, ("web",)), config_of(2)):
        board.apply(config)
        assert state(board) is State.PAUSED
        assert {each.state for each in board.backend("a").checks} <= {State.PAUSED}


def test_a_static_backend_gets_checks_and_loses_them():
    board = make_board(1, ("web",))
    static = attrs.evolve(config_of(), backends={"a": Backend("a", "10.0.0.1"), "b": Backend("b", "10.0.0.2")})
    board.apply(static)
    board.apply(config_of(2))
    assert [each.state for each in board.backend("a").checks] == [UNKNOWN, UNKNOWN]
    board.apply(static)
    assert board.backend("a").checks == ()


def test_another_address_has_everything_to_prove():
    board = make_board()
    board.record("a/web", PASS)
    board.record("a/gre", PASS)
    config = config_of()
    board.apply(
        attrs.evolve(config, backends={**config.backends, "a": attrs.evolve(config.backends["a"], address="10.0.0.9")})
    )
    assert [each.state for each in board.backend("a").checks] == [UNKNOWN, UNKNOWN]
    assert (state(board), weight(board)) == (UNKNOWN, 100)


def test_an_unchanged_check_goes_on_as_the_same_object():
    board = make_board()
    before = board.backend("a").checks
    board.apply(config_of(3, ("web", "gre", "dns")))
    assert board.backend("a").checks[:2] == before


# Names


def test_each_check_is_probed_under_a_name_of_its_own():
    board = make_board()
    assert [board.probed(name) for name in ("b", "a/gre", "a/none", "z/web")] == [
        board.backend("b"),
        board.backend("a").checks[1],
        None,
        None,
    ]
    backend, check = probe_of(board.config, "a/gre")
    assert (backend.name, backend.address, check.name) == ("a/gre", "10.0.0.1", "gre")
    assert probe_of(board.config, "b")[1].name == "web"
    assert split_probe_name("b") == ("b", "")
    assert (check_names(None), check_names("web"), named("", "x"), named("gre", "")) == ((), ("web",), "x", "gre")


@pytest.mark.parametrize(("needed", "word"), [(3, "all"), (2, "2"), (1, "any")])
def test_what_is_required_in_a_word(needed, word):
    assert CheckSet(("web", "gre", "dns"), needed).require == word
    assert isinstance(make_board(needed, ("web", "gre", "dns")).backend("a").health, CombinedHealth)


# Blindness


def blind_board(rule=None):
    checks = [make_check(name, **ONE) for name in ("web", "gre")]
    backends = [
        Backend(name, f"10.0.0.{number}", CheckSet(("web", "gre"), 2)) for number, name in enumerate("abcdef", 1)
    ]
    others = [Backend(name, f"10.0.1.{number}", "web") for number, name in enumerate("uvwxyz", 1)]
    config = make_config([make_frontend(pools=(("abcdef"), ("uvwxyz")))], [*backends, *others], checks)
    checker = attrs.evolve(config.checker, blindness=rule or Blindness(50.0, window=30.0, hold=100.0))
    board = TimedBoard(attrs.evolve(config, checker=checker))
    for name in (*(f"{each}/{check}" for each in "abcdef" for check in ("web", "gre")), *"uvwxyz"):
        board.record(name, PASS)
    return board


def doubted(board):
    return "".join(name for name in board.backends if board.doubts.doubted(name))


def test_a_healthcheck_that_fails_everywhere_is_doubted_and_the_other_is_not():
    board = blind_board()
    for name in "abc":
        board.record(f"{name}/gre", FAIL)
    assert [view for view, _ in board.doubts.blind()] == [View(Scope.HEALTHCHECK, "gre")]
    assert doubted(board) == "abc"
    assert sum(each.weight for each in board.frontend("web").desired.values()) == 600


def test_what_the_other_check_confirms_is_not_doubted_any_longer():
    board = blind_board()
    for name in "abcd":
        board.record(f"{name}/gre", FAIL)
    board.record("a/web", FAIL)
    assert doubted(board) == "bcd"
    assert board.frontend("web").desired["a"].weight == 0
    board.record("a/web", FAIL)
    board.record("a/web", PASS)
    assert state(board) is DOWN


def test_a_reload_keeps_what_is_doubted_by_the_check_that_failed():
    board = blind_board()
    for name in "abcd":
        board.record(f"{name}/gre", FAIL)
    checker = attrs.evolve(board.config.checker, blindness=Blindness(50.0, window=20.0, hold=100.0))
    board.apply(attrs.evolve(board.config, checker=checker))
    assert doubted(board) == "abcd"
    assert {view.name for view, _ in board.doubts.blind()} == {"gre"}


def test_without_a_rule_nothing_is_confirmed():
    board = make_board()
    board.record("a/web", FAIL)
    board.record("a/gre", FAIL)
    assert board.doubts.confirmed("a", "gre") == frozenset()
