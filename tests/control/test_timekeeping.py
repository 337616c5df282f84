"""The board is woken up when something is due, and only then."""

import attrs
import pytest
from twisted.internet.task import Clock

from maglev.control.timekeeping import Timekeeper
from maglev.model.result import Code, Result
from maglev.state.board import Board
from tests.fakes.configs import make_check, make_config, make_frontend

PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON, "refused")


class TimedPools:
    def __init__(self):
        self.clock = Clock()
        frontend = make_frontend(pools=(("a",), ("b",)), failback_delay=10.0)
        config = make_config([frontend], checks=[make_check(rise=1, fall=1)])
        self.board = Board(lambda: 0.0, config, now=self.clock.seconds)
        self.keeper = Timekeeper(self.clock, self.board)
        self.active = lambda: self.board.frontends["web"].active


@pytest.fixture
def world():
    made = TimedPools()
    made.keeper.startService()
    yield made
    made.keeper.stopService()
    assert not made.clock.getDelayedCalls()


def test_a_pool_takes_over_again_when_its_time_has_come(world):
    for name in "ba":
        world.board.record(name, PASS)
    assert world.active() == 1
    assert len(world.clock.getDelayedCalls()) == 1
    world.clock.advance(9.9)
    assert world.active() == 1
    world.clock.advance(0.2)
    assert world.active() == 0
    assert not world.clock.getDelayedCalls()


def test_a_failure_stops_the_clock_and_a_recovery_starts_it_again(world):
    for name, result in (("b", PASS), ("a", PASS), ("a", FAIL)):
        world.board.record(name, result)
    assert not world.clock.getDelayedCalls()
    world.clock.advance(5)
    world.board.record("a", PASS)
    world.clock.advance(9)
    assert world.active() == 1
    world.clock.advance(1.1)
    assert world.active() == 0


def test_a_shorter_delay_holds_at_once(world):
    for name in "ba":
        world.board.record(name, PASS)
    world.clock.advance(3)
    config = world.board.config
    shorter = attrs.evolve(config.frontends["web"], failback_delay=4.0)
    world.board.apply(attrs.evolve(config, frontends={"web": shorter}))
    world.clock.advance(1.1)
    assert world.active() == 0


def test_a_board_that_is_not_kept_in_time_wakes_up_at_the_start():
    world = TimedPools()
    for name in "ba":
        world.board.record(name, PASS)
    assert not world.clock.getDelayedCalls()
    world.clock.advance(20)
    world.keeper.startService()
    world.clock.advance(0.1)
    assert world.active() == 0
    world.keeper.stopService()
