"""maglevd is restarted while the checks are in doubt: what failed before VPP was read is doubted all the same."""

from __future__ import annotations

import pytest

from maglev.model.announce import Announcing
from tests.fakes.whole_daemon import FAIL, PASS, STEP, VIP, DaemonWorld, site

TEN = "abcdefghij"
HOLD = 300.0
READ_AFTER = [0.0, 0.7, 3.0, 40.0]
"""When VPP answers, in seconds after the start: before the results, amidst them, after them, and after the window."""


@pytest.fixture
def make(tmp_path, monkeypatch, signals):
    worlds = []

    def make(names, checks=None, **frontend):
        given = site(
            pools=(names,),
            check={"interval": "2s", "rise": 1, "fall": 1},
            extra={
                "healthchecker": {"blindness": {"share": "50%", "hold": f"{HOLD:.0f}s"} | (checks or {})},
                "announce": {"vpp-lost-delay": "60s", "addresses": [{"address": VIP}]},
            },
            **frontend,
        )
        worlds.append(DaemonWorld(tmp_path, monkeypatch, given).boot(10.0))
        assert announced(worlds[-1]) is Announcing.ANNOUNCED
        return worlds[-1]

    yield make
    for world in worlds:
        world.stop()


AS_IT_WAS = Announcing.UNDECIDED
"""Announced: after a start, a weight that is only kept changes nothing of what routers have heard."""


def announced(world):
    return world.daemon.announcer.states()[VIP]


def watch(world, seconds, names):
    """Let time pass; nothing may be lowered, and the address must not be withdrawn."""
    for _ in range(round(seconds / STEP)):
        world.wait(STEP)
        assert announced(world) is not Announcing.WITHDRAWN
        assert world.serving() == names


def doubt(world, names):
    """Let all fail: the first few leave, and come back when the checks are in doubt."""
    world.answers |= dict.fromkeys(names, FAIL)
    world.wait(10.0)
    watch(world, 5.0, names)
    assert all(world.daemon.board.doubts.doubted(name) for name in names)


def restart(world, after):
    """Restart maglevd; VPP answers so much later."""
    world.stop()
    world.written()
    world.lb.manual = True
    world.boot(after)
    world.lb.manual = False
    world.lb.answer()


@pytest.mark.parametrize("after", READ_AFTER)
@pytest.mark.parametrize("when", ["down", "hold"])
@pytest.mark.parametrize("names", ["abc", TEN])
def test_a_restart_while_the_checks_are_in_doubt_lowers_nothing(make, names, when, after):
    world = make(names, when_none_eligible=when)
    doubt(world, names)
    restart(world, after)
    watch(world, 60.0, names)
    assert all(world.daemon.board.doubts.doubted(name) for name in names)
    assert announced(world) is AS_IT_WAS
    assert world.written() == []


@pytest.mark.parametrize("after", READ_AFTER)
def test_the_doubt_ends_as_if_vpp_had_been_read_at_once(make, after):
    world = make("abc")
    doubt(world, "abc")
    restart(world, after)
    watch(world, HOLD - after - 5.0, "abc")
    world.wait(10.0)
    assert (world.serving(), announced(world)) == ("", Announcing.WITHDRAWN)


def test_what_vpp_said_after_the_doubt_would_have_ended_saves_nothing(make):
    world = make("abc")
    doubt(world, "abc")
    restart(world, HOLD + 10.0)
    world.wait(10.0)
    assert (world.serving(), announced(world)) == ("", Announcing.WITHDRAWN)


@pytest.mark.parametrize("after", READ_AFTER)
def test_what_vpp_does_not_serve_is_not_doubted(make, after):
    world = make("abc")
    world.answers |= dict.fromkeys("abc", FAIL)
    world.wait(20.0 + HOLD)
    assert world.serving() == ""
    restart(world, after)
    world.wait(60.0)
    assert (world.serving(), list(world.daemon.board.doubts.blind())) == ("", [])


@pytest.mark.parametrize("after", READ_AFTER)
def test_a_canary_that_is_up_speaks_against_doubt_after_a_restart_too(make, after):
    world = make(TEN, {"canary": "j"})
    doubt(world, TEN)
    restart(world, after)
    watch(world, 20.0, TEN)
    world.answers["j"] = PASS
    world.wait(10.0)
    assert (world.serving(), list(world.daemon.board.doubts.blind())) == ("j", [])


def test_a_connection_that_is_lost_in_the_first_read_leaves_it_to_the_next(make):
    world = make("abc")
    doubt(world, "abc")
    world.stop()
    world.lb.manual = True
    world.boot(0.7)
    world.connector.links[-1].close()
    world.lb.manual = False
    watch(world, 60.0, "abc")
    assert announced(world) is AS_IT_WAS


def test_a_connection_that_is_lost_while_the_checks_are_in_doubt_changes_nothing(make):
    world = make(TEN)
    doubt(world, TEN)
    lb = world.lb
    world.connector.kill_vpp()
    watch(world, 20.0, TEN)
    world.connector.lb = lb
    watch(world, 60.0, TEN)
    assert announced(world) is Announcing.ANNOUNCED
