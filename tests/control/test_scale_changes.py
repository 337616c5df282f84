"""What is logged of each change of a scale that is in force, from whatever side it comes."""

from functools import partial
from types import SimpleNamespace

import attrs
import pytest
from twisted.internet.task import Clock

from maglev.control import scale_changes
from maglev.control.scale_changes import ScaleLog
from maglev.model.config import WeightScale
from maglev.model.health import Lifecycle
from maglev.model.override import Remark, Target
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.logs import recorded_events
from tests.fakes.overrides import overrides_of

PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON, "refused")
QUICK = [make_check(rise=1, fall=1)]
LEAST_MOVING = WeightScale.LEAST_MOVING
TARGET = Target("a", "web", "pool0")


def config(*pools, checks=QUICK, weights=LEAST_MOVING):
    return make_config([make_frontend(pools=pools or (("a", "b", "c"),), weights=weights)], checks=checks)


class Setup(SimpleNamespace):
    """A board, whose backends are up, with overrides, and with the log of its scales."""

    def __init__(self, config):
        clock = Clock()
        board = Board(lambda: 0.0, config, now=clock.seconds)
        for name in board.backends:
            board.record(name, PASS)
        super().__init__(clock=clock, board=board, overrides=overrides_of(board, clock))
        self.overrides.startService()
        self.log = ScaleLog(Cooperator(clock).queue("control"), board)

    def logged(self, *steps):
        """Return the fields of what is logged while some steps are done."""
        with recorded_events() as events:
            for step in steps:
                step()
                self.clock.advance(1)
        return [fields for name, fields in events if name == "scale-changed"]

    def set_weight(self, weight, seconds=0):
        self.overrides.set_weight(TARGET, weight, Remark("ann", "ssh", seconds))
        self.clock.advance(1)


@pytest.fixture
def setup():
    made = Setup(config())
    yield made
    made.overrides.stopService()


def test_a_weight_that_is_set_and_cleared_is_logged_with_what_the_scale_moves(setup):
    clear = partial(setup.overrides.clear, TARGET, Remark("ann", "ssh"))
    made, ended = setup.logged(partial(setup.set_weight, 30), clear)
    assert (made["frontend"], made["programmed"]) == ("web", "30 as 3 instead of 1, 100 as 10 instead of 1")
    assert (ended["frontend"], ended["programmed"]) == ("web", "100 as 1 instead of 10")
    assert 0.2 < ended["moved"] < 0.9


def test_a_weight_that_ends_by_time_is_logged(setup):
    setup.set_weight(30, 60)
    (ended,) = setup.logged(lambda: setup.clock.pump([30] * 3))
    assert ended["programmed"] == "100 as 1 instead of 10"


def test_a_weight_that_ends_by_a_reload_is_logged(setup):
    setup.set_weight(30)
    (ended,) = setup.logged(lambda: setup.overrides.apply(config((("a", 50), "b", "c"))))
    assert ended["programmed"] == "50 as 1 instead of 5, 100 as 2 instead of 10"


def test_a_result_that_ends_the_last_weight_that_was_kept_is_logged():
    setup = Setup(config((("a", 1), "b", "c")))
    setup.board.apply(config(checks=[attrs.evolve(QUICK[0], l4_port=81)]))
    # The scale stays as it was until a is proved.
    proofs = [partial(setup.board.record, name, PASS) for name in "bca"]
    (ended,) = setup.logged(*proofs)
    assert ended["programmed"] == "100 as 1 instead of 99"
    setup.overrides.stopService()


def test_transitions_and_switches_of_pools_are_not_logged():
    setup = Setup(config((("a", 100),), (("b", 100), ("c", 50))))
    results = ("a", FAIL), ("c", FAIL), ("a", PASS), ("b", FAIL)
    assert setup.logged(*[partial(setup.board.record, *each) for each in results]) == []
    out = [partial(setup.board.happen, name, Lifecycle.DISABLE) for name in "abc"]
    assert setup.logged(*out, lambda: setup.board.apply(make_config([]))) == []
    setup.overrides.stopService()


def test_what_serves_nowhere_is_told_to_nobody(setup):
    for name in "abc":
        setup.board.happen(name, Lifecycle.DISABLE)
    assert setup.logged(lambda: setup.set_weight(30)) == []


def test_where_no_weight_in_service_is_told_otherwise_nothing_is_logged(setup):
    setup.board.record("b", FAIL)
    setup.board.apply(config((("a", 100), ("b", 60), ("c", 100))))
    setup.clock.advance(1)
    # Both ways, 100 is 5; what differs is 50, which nobody has.
    before = setup.board.frontends["web"].scale
    assert setup.logged(lambda: setup.board.apply(config((("a", 100), ("b", 61), ("c", 100))))) == []
    assert setup.board.frontends["web"].scale != before


def test_of_many_frontends_at_once_it_is_not_computed_what_moves(setup, monkeypatch):
    monkeypatch.setattr(scale_changes, "COMPUTED", 0)
    (changed,) = setup.logged(lambda: setup.board.apply(config(weights=WeightScale.AS_WRITTEN)))
    assert (changed["programmed"], changed["moved"]) == ("100 as 100 instead of 1", None)


def test_a_frontend_whose_backends_have_left_meanwhile_is_not_computed(setup):
    def change():
        setup.overrides.set_weight(TARGET, 30, Remark("ann", "ssh"))
        setup.board.apply(make_config([]))

    (changed,) = setup.logged(change)
    assert changed["moved"] is None
