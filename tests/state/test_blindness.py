"""Many backends that go down together: what is doubted, from when on, and until when."""

from __future__ import annotations

import attrs
import pytest

from maglev.model.blindness_rule import Blindness
from maglev.model.config import Backend, CheckerConfig, WhenNoneEligible
from maglev.model.events import BlindnessEvent
from maglev.model.health import Lifecycle, State
from maglev.state.blindness import Scope, View, views_of
from maglev.state.weights import WeightReason
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.random_boards import FAIL, PASS, TimedBoard

NAMES = "abcdefghij"
RULE = Blindness(50.0, window=30.0, hold=100.0)
WEB, PATH, ALL = View(Scope.HEALTHCHECK, "web"), View(Scope.PATH, "IPv4"), View(Scope.ALL)


def config_with(rule=RULE, names=NAMES, others=("x", "y"), check="web", when=WhenNoneEligible.DOWN, source=None):
    """Return a configuration with a frontend of ten backends, and two other backends of another healthcheck."""
    checks = [make_check(each, rise=1, fall=1) for each in ("web", "other", "new")]
    checks[0] = attrs.evolve(checks[0], probe_ipv4_src=source)
    backends = [Backend(name, f"10.0.0.{number}", check) for number, name in enumerate(names, 1)]
    backends += [Backend(name, f"10.0.1.{number}", "other") for number, name in enumerate(others, 1)]
    frontends = [make_frontend(pools=(tuple(names),), when_none_eligible=when)]
    config = make_config(frontends, backends, checks)
    return attrs.evolve(config, checker=attrs.evolve(config.checker, blindness=rule))


class Blinded(TimedBoard):
    """A board on which everything is up."""

    def __init__(self, config):
        super().__init__(config)
        for name in self.backends:
            self.record(name, PASS)

    def fail(self, names):
        for name in names:
            self.record(name, FAIL)

    def recover(self, names):
        for name in names:
            self.record(name, PASS)

    @property
    def blind(self):
        return [view for view, _ in self.doubts.blind()]

    @property
    def doubted(self):
        return "".join(sorted(name for name in self.backends if self.doubts.doubted(name)))

    @property
    def serving(self):
        return "".join(name for name, each in self.frontends["web"].desired.items() if each.weight)

    @property
    def told(self):
        return [(e.scope, e.blind, e.backends, e.total, e.why) for e in self.events if isinstance(e, BlindnessEvent)]


def test_without_a_rule_nothing_is_ever_doubted():
    board = Blinded(config_with(None))
    board.fail(NAMES)
    assert (board.blind, board.doubted, board.serving, board.next_due) == ([], "", "", None)


def test_so_many_down_together_are_doubted_and_serve_as_if_they_were_up():
    board = Blinded(config_with())
    board.fail("abcd")
    assert (board.serving, board.blind) == ("efghij", [])
    board.fail("e")
    assert (board.doubted, board.serving, board.blind) == ("abcde", NAMES, [WEB])
    assert board.told == [("healthcheck", True, 5, 10, "share")]
    board.fail("fghij")
    assert (board.doubted, board.serving) == (NAMES, NAMES)
    assert board.blind == [View(Scope.ALL), WEB, View(Scope.PATH, "IPv4")]
    assert {each.reason for each in board.frontends["web"].desired.values()} == {WeightReason.DOUBTED}
    assert board.backends["a"].state is State.DOWN


def test_failures_that_are_far_apart_do_not_add_up():
    board = Blinded(config_with())
    for name in NAMES:
        board.fail(name)
        board.wait(16.0)
    assert (board.blind, board.serving) == ([], "")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_two_backends_are_never_enough(count):
    board = Blinded(config_with(names=NAMES[:count], others=()))
    board.fail(NAMES[:count])
    assert bool(board.blind) == (count == 3)


def test_doubt_ends_when_results_say_so_and_what_is_still_down_is_believed():
    board = Blinded(config_with())
    board.fail("abcdef")
    board.recover("abc")
    assert (board.doubted, set(board.blind)) == ("def", {WEB, PATH, ALL})
    board.recover("d")
    assert (board.doubted, board.blind, board.serving) == ("", [], "abcdghij")
    assert ("healthcheck", False, 2, 10, "recovered") in board.told


def test_doubt_ends_after_a_time_and_the_guard_takes_over():
    board = Blinded(config_with(when=WhenNoneEligible.HOLD))
    board.fail(NAMES)
    assert board.next_due == 100.0
    board.wait(99.0)
    assert (board.doubted, board.frontends["web"].guarded) == (NAMES, set())
    board.wait(1.0)
    assert (board.doubted, board.serving, board.blind, board.next_due) == ("", NAMES, [], None)
    assert board.frontends["web"].guarded == set(NAMES)
    assert {told[-1] for told in board.told if not told[1]} == {"hold"}


def test_the_canary_shows_that_a_view_is_clear_but_only_one_that_it_shares():
    rule = attrs.evolve(RULE, canary="x")
    board = Blinded(config_with(rule))
    board.fail(NAMES)
    # It has another healthcheck, so it says nothing about this one; but the path is clear.
    assert board.blind == [WEB]
    board = Blinded(config_with(attrs.evolve(RULE, canary="j")))
    board.fail(NAMES[:-1])
    assert (board.blind, board.serving) == ([], "j")
    board.fail("j")
    assert set(board.blind) == {WEB, PATH, ALL}
    assert board.serving == NAMES
    board.recover("j")
    assert (board.blind, board.serving) == ([], "j")
    assert {told[-1] for told in board.told if not told[1]} == {"canary"}


def test_what_an_operator_takes_out_is_not_doubted_and_does_not_count():
    board = Blinded(config_with())
    board.fail("abcde")
    board.happen("a", Lifecycle.DISABLE)
    board.happen("b", Lifecycle.DRAIN)
    assert board.serving == "cdefghij"
    assert board.doubted == "cde"
    for name in "cdefg":
        board.happen(name, Lifecycle.PAUSE)
    assert (board.blind, board.serving) == ([], "hij")


def test_a_backend_that_did_not_serve_is_not_doubted():
    board = Blinded(config_with(attrs.evolve(RULE, window=1.0)))
    board.fail("ab")
    board.wait(10.0)
    board.fail("cdefg")
    assert board.doubted == "cdefg"
    assert board.serving == "cdefghij"


def test_a_bad_check_is_deployed_by_a_reload():
    board = Blinded(config_with())
    board.fail("a")
    board.wait(60.0)
    board.apply(config_with(check="new"))
    assert board.serving == "bcdefghij"
    board.fail(NAMES)
    assert set(board.blind) == {View(Scope.HEALTHCHECK, "new"), PATH, ALL}
    assert board.serving == "bcdefghij"
    # The good one is deployed again: what was doubted serves until it is proved.
    board.apply(config_with())
    assert board.serving == "bcdefghij"
    board.recover("bcdefghij")
    assert (board.serving, board.blind, board.doubted) == ("bcdefghij", [], "")


def test_a_start_with_a_bad_check_keeps_what_vpp_has():
    board = TimedBoard(config_with())
    found = {f"10.0.0.{number}": 100 for number in range(1, 9)}
    board.holds.know_programmed(lambda _: found)
    board.hold_programmed(["web"])
    for name in NAMES:
        board.record(name, FAIL)
    assert Blinded.serving.fget(board) == NAMES[:8]


def test_a_reload_that_turns_it_on_counts_what_is_up_and_one_that_turns_it_off_ends_doubt():
    board = Blinded(config_with(None))
    board.fail("ab")
    board.apply(config_with())
    board.fail("cdef")
    assert board.doubted == "cdef"
    board.apply(config_with())
    assert board.doubted == "cdef"
    board.apply(config_with(None))
    assert (board.doubted, board.blind, board.serving) == ("", [], "ghij")
    assert board.told[-1][-1] == "config"


def test_a_view_that_is_gone_ends_its_doubt_and_one_that_stays_keeps_it():
    board = Blinded(config_with(others=()))
    board.fail(NAMES)
    board.apply(config_with(source="192.0.2.9", others=()))
    assert View(Scope.PATH, "IPv4 from 192.0.2.9") not in board.blind
    assert ALL in board.blind
    assert ("path", False, 10, 10, "config") in board.told


def test_the_views_of_a_backend():
    config = config_with(source="192.0.2.9")
    assert views_of(config, "a") == (WEB, View(Scope.PATH, "IPv4 from 192.0.2.9"), ALL)
    assert views_of(config, "x") == (View(Scope.HEALTHCHECK, "other"), PATH, ALL)
    assert views_of(config, "nobody") == ()
    assert views_of(make_config(backends=[Backend(name, "2001:db8::1") for name in "abc"]), "a") == ()
    made = make_config(backends=[Backend(name, "2001:db8::1", "tcp") for name in "abc"])
    assert views_of(made, "a")[1] == View(Scope.PATH, "IPv6")
    assert CheckerConfig().blindness is None


def started(config=None, found=NAMES):
    """Return a board after a start, and a function that lets it read VPP, which serves these backends."""
    board = Blinded.__new__(Blinded)
    TimedBoard.__init__(board, config or config_with())

    def read():
        held = {board.backends[name].address: 100 for name in found}
        board.holds.know_programmed(lambda _: held)
        board.hold_programmed([*board.frontends, "gone"])
        board.judge_early()

    return board, read


@pytest.mark.parametrize("early", [1, 4, 10])
def test_what_failed_before_vpp_was_read_is_doubted_once_that_says_that_it_served(early):
    board, read = started()
    board.fail(NAMES[:early])
    assert (board.blind, board.serving) == ([], "")
    read()
    board.fail(NAMES[early:])
    assert (board.doubted, board.serving, board.doubts.early) == (NAMES, NAMES, {})


def test_only_what_vpp_serves_was_in_service_before_it_was_read():
    board, read = started(found="abc")
    board.fail(NAMES)
    read()
    assert (board.doubted, board.serving) == ("abc", "abc")


def test_what_failed_before_vpp_was_read_counts_at_its_own_time():
    board, read = started()
    board.fail("ab")
    board.wait(RULE.window + 1.0)
    board.fail("cd")
    read()
    assert (board.doubted, board.blind) == ("", [])
    board.fail("e")
    assert board.doubted == "cde"
    assert board.next_due == board.time + RULE.hold


def test_what_was_up_in_between_counts_among_what_failed_early_in_the_order_of_time():
    board, read = started()
    board.fail("a")
    board.wait(1.0)
    board.recover("b")
    board.fail("b")
    board.wait(1.0)
    board.fail("c")
    assert board.blind == []
    board.wait(10.0)
    read()
    assert (board.doubted, board.next_due) == ("abc", 2.0 + RULE.hold)


def test_what_failed_early_joins_a_doubt_that_has_begun_already():
    board, read = started()
    board.fail("a")
    board.recover("bcd")
    board.fail("bcd")
    assert board.doubted == "bcd"
    before = len(board.told)
    read()
    assert (board.doubted, len(board.told)) == ("abcd", before)


def test_what_failed_early_and_is_up_gone_or_changed_when_vpp_is_read_was_not_lost():
    board, read = started()
    board.fail("abcdef")
    board.recover("a")
    board.happen("b", Lifecycle.DISABLE)
    board.apply(config_with(names=NAMES, check="new"))
    assert board.doubts.early == {}
    read()
    assert (board.blind, board.doubted) == ([], "")


def test_without_a_rule_nothing_that_failed_early_is_doubted():
    board, read = started()
    board.fail(NAMES)
    board.apply(config_with(None))
    assert board.doubts.early == {}
    read()
    assert (board.blind, board.serving) == ([], "")


def test_once_vpp_has_been_read_what_did_not_serve_is_not_kept_in_mind():
    board, read = started(found="")
    read()
    board.fail(NAMES)
    assert board.doubts.early == {}
    assert board.doubts.judge_early() == frozenset()
