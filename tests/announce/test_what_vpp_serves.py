"""The announcer over a board, the service, and a VPP in memory that outlives maglevd: what VPP serves decides."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maglev.announce.announcer import TICK
from maglev.model.announce import Needed
from maglev.model.config import WhenNoneEligible
from maglev.model.errors import VppShortageError
from maglev.model.health import Lifecycle
from tests.fakes.announced_site import LOST_DELAY, STAY, VIP, WARM_UP, Site, address_of
from tests.fakes.configs import make_frontend
from tests.fakes.lb import FakeLb
from tests.fakes.vpp_bench import WEB

SLACK = 3 * TICK


@pytest.fixture
def site():
    made = []

    def make(**policy):
        made.append(Site(**policy).settled())
        return made[-1]

    yield make
    for each in made:
        each.stop()
        assert each.clock.getDelayedCalls() == []


def always(site, seconds):
    """Wait, and let the route stay all the time."""
    site.wait(seconds, lambda: pytest.fail(site.announcer.entries[VIP].state.why) if not site.route else None)


@pytest.mark.parametrize("after", [0.0, 10.0])
def test_a_reload_that_replaces_all_servers_by_healthy_ones_leaves_the_route(site, after):
    world = site()
    world.policy = {"after": after}
    world.reload("cd")
    assert world.serving() == set("ab")
    always(world, 2)
    assert "by servers that leave" in world.announcer.entries[VIP].state.why
    world.probe({"c": True})
    always(world, 1)
    world.probe({"d": True})
    always(world, 20)
    assert world.serving() == set("cd")


def test_a_dead_successor_leaves_the_route_for_as_long_as_the_old_servers_serve(site):
    world = site()
    world.reload("c")
    always(world, 1)
    world.probe({"c": False})
    always(world, STAY - 1 - 2 * TICK)
    assert world.serving() == set("ab")
    world.wait(3 * TICK)
    assert world.serving() == set()
    world.wait(TICK)
    assert not world.route


def test_what_an_operator_lets_go_takes_the_route_with_it(site):
    world = site()
    world.reload("c")
    always(world, 1)
    world.service.departures.release()
    world.wait(3 * TICK)
    assert (world.serving(), world.route) == (set(), False)


@pytest.mark.parametrize("passed", [True, False])
def test_a_restart_with_a_file_that_replaces_all_servers_leaves_the_route_until_vpp_lets_go(site, passed):
    world = site()
    world.restart("cd")
    always(world, 1)
    assert world.serving() == set("ab")
    world.probe({"c": passed, "d": passed})
    always(world, 30)
    assert world.serving() == set("cd" if passed else "ab")
    if passed:
        always(world, 60)
    else:
        world.wait(40)
        assert (world.serving(), world.route) == (set(), False)


def test_a_restart_with_other_servers_of_which_nothing_is_known_leaves_the_route_for_the_warm_up(site):
    world = site()
    world.restart("cd")
    always(world, WARM_UP + STAY - 1)
    assert world.serving() == set("ab")
    world.wait(3)
    assert (world.serving(), world.route) == (set(), False)


def test_a_restart_that_finds_everything_down_before_vpp_answers_leaves_the_route_until_vpp_was_read(site):
    world = site()
    lb, world.connector.lb = world.connector.lb, None
    world.restart("cd")
    world.probe({"c": False, "d": False})
    always(world, 3)
    world.connector.lb = lb
    world.connector.boots += 1
    always(world, 10)
    assert world.serving() == set("ab")


def test_vpp_may_start_again_while_only_servers_that_leave_serve(site):
    world = site()
    world.reload("c")
    world.probe({"c": False})
    always(world, 1)
    world.connector.kill_vpp()
    always(world, 5)
    world.connector.start_vpp()
    always(world, 10)
    assert world.serving() == set("ab")


def test_vpp_may_take_its_time_to_get_the_servers_that_leave_again(site):
    world = site()
    world.reload("c")
    world.probe({"c": False})
    always(world, 1)
    world.connector.kill_vpp()
    world.connector.start_vpp(slow := FakeLb())
    slow.manual = True
    for _ in range(60):
        always(world, TICK)
        slow.answer(min(1, len(slow.waiting)))
    assert slow.weights()[WEB].keys() >= {address_of("a"), address_of("b")}


def test_vpp_that_stays_away_while_only_servers_that_leave_serve_takes_the_route_with_it_in_time(site):
    world = site()
    world.reload("c")
    world.probe({"c": False})
    always(world, 1)
    world.connector.kill_vpp()
    always(world, LOST_DELAY - 2 * TICK)
    world.wait(4 * TICK)
    assert not world.route


@pytest.mark.parametrize("started", [False, True])
def test_a_vpp_out_of_reach_for_a_reason_of_ours_takes_no_route_with_it(site, started):
    world = site()
    lb = world.connector.lb
    world.connector.error = VppShortageError("out of file descriptors")
    world.connector.kill_vpp()
    if started:
        world.restart("ab")
    always(world, 4 * LOST_DELAY)
    world.probe({"a": True})
    always(world, LOST_DELAY)
    assert world.service.hindered
    world.probe({"a": False, "b": False})
    world.wait(1)
    assert world.route is started  # what VPP had, nobody has read yet
    world.probe({"a": True})
    world.connector.start_vpp(lb)
    world.wait(20)
    assert (world.serving(), world.route, world.service.hindered) == ({"a"}, True, False)


def test_a_vpp_that_turns_out_to_be_away_takes_the_route_with_it_in_time(site):
    world = site()
    world.connector.error = VppShortageError("out of file descriptors")
    world.connector.kill_vpp()
    always(world, 2 * LOST_DELAY)
    world.connector.error = "refused"
    world.connector.boots += 1
    always(world, LOST_DELAY - 1)
    world.wait(8)
    assert not world.route


def test_an_operator_who_takes_out_the_whole_frontend_withdraws_whatever_serves(site):
    world = site()
    world.reload("c")
    always(world, 1)
    world.board.set_out("web", out=True)
    world.wait(TICK)
    assert not world.route


@pytest.mark.parametrize("order", [Lifecycle.DRAIN, Lifecycle.DISABLE, Lifecycle.PAUSE])
def test_a_server_without_a_result_that_an_operator_takes_out_does_not_count(site, order):
    world = site()
    world.restart("ab")
    always(world, 1)
    world.connector.kill_vpp()
    for name in "ab":
        world.board.happen(name, order, "by ann")
    world.wait(TICK)
    assert not world.route


def test_servers_that_leave_announce_nothing_that_is_withdrawn(site):
    world = site()
    world.off = "by ann"
    world.reload("c")
    world.wait(6)
    world.off = ""
    world.wait(10)
    assert (world.serving(), world.route) == (set("ab"), False)
    world.probe({"c": True})
    world.wait(1)
    assert world.route


def test_all_frontends_may_be_needed_of_which_one_only_has_servers_that_leave(site):
    world = site(frontends=Needed.ALL)
    world.reload("cd", [make_frontend(pools=("c",)), make_frontend("mail", pools=("d",), port=25)])
    world.wait(TICK)
    assert not world.route  # nothing has ever served mail


def never(site, seconds):
    """Wait, and let there be no route at any time."""
    site.wait(seconds, lambda: pytest.fail(site.announcer.entries[VIP].state.why) if site.route else None)


@pytest.mark.parametrize("passed", [True, False])
def test_a_start_does_not_announce_what_was_withdrawn_for_weights_that_are_merely_kept(site, passed):
    held = [make_frontend(pools=("ab",), when_none_eligible=WhenNoneEligible.HOLD)]
    world = site(when_held=False)
    world.reload("ab", held)
    world.probe({"a": False, "b": False})
    world.wait(1)
    assert (world.serving(), world.route) == (set("ab"), False)
    world.restart("ab", held)
    never(world, 40)  # as long as the checks have no result, or no way to have one
    world.probe({"a": False})
    never(world, 1)
    world.probe({"b": passed})
    world.wait(1)
    assert world.route is passed


def test_a_start_leaves_a_route_of_which_only_the_guard_is_left_and_does_not_make_one(site):
    held = [make_frontend(pools=("ab",), when_none_eligible=WhenNoneEligible.HOLD)]
    world = site()
    world.reload("ab", held)
    world.probe({"a": False, "b": False})
    always(world, 1)
    world.restart("ab", held)
    always(world, 40)
    world.probe({"a": False, "b": False})
    always(world, 40)
    world.off = "by ann"
    world.wait(6)
    world.off = ""
    never(world, 10)
    world.probe({"a": True})
    world.wait(1)
    assert world.route


@pytest.mark.parametrize("first", [0.2, 3.0, 8.0])
def test_vpp_and_maglevd_may_start_again_together(site, first):
    world = site()
    world.connector.kill_vpp()
    world.stop()
    world.connector.start_vpp()
    world.start("ab")
    always(world, first)
    assert world.serving() == set()
    world.probe({"a": True, "b": True})
    always(world, 10)
    assert world.serving() == set("ab")


def test_a_start_that_finds_vpp_empty_and_has_no_results_withdraws_in_time(site):
    world = site()
    world.connector.kill_vpp()
    world.stop()
    world.connector.start_vpp()
    world.start("ab")
    always(world, LOST_DELAY - 4 * TICK)
    world.wait(8 * TICK)
    assert not world.route


def test_a_start_with_another_port_keeps_the_route_for_as_long_as_vpp_serves_the_one_before(site):
    other = [make_frontend(pools=("ab",), port=81)]
    world = site()
    world.restart("ab", other)
    always(world, WARM_UP - 5)
    assert world.serving() == set("ab")
    world.probe({"a": True, "b": True})
    always(world, 10)
    assert (world.serving(), world.connector.lb.weights()["tcp://192.0.2.1:81"]) == (
        set(),
        {address_of("a"): 100, address_of("b"): 100},
    )
    world.restart("ab", [make_frontend(pools=("ab",), port=82)])
    world.probe({"a": False, "b": False})
    world.wait(1)
    assert not world.route  # what serves on the other port is known to be down


# The two promises, over whatever may happen

ACTIONS = st.one_of(
    st.tuples(st.just("probe"), st.dictionaries(st.sampled_from("abcd"), st.booleans(), min_size=1)),
    st.tuples(st.sampled_from(["reload", "restart"]), st.sets(st.sampled_from("abcd"), min_size=1, max_size=3)),
    st.tuples(st.just("vpp"), st.sampled_from(["kill", "start"])),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 6.0, 12.0, 35.0])),
)


class Oracle:
    """Watches the route, VPP and the results, without asking the announcer why."""

    def __init__(self, site):
        self.site = site
        self.route = site.route
        self.served = site.serving()
        self.idle = self.away = 0.0

    def look(self):
        site, serving = self.site, self.site.serving()
        self.away = 0.0 if site.connector.lb is not None else self.away + TICK
        self.idle = 0.0 if serving else self.idle + TICK
        if self.route and not site.route:
            # Withdrawn: then nothing serves now, or all that serves has failed, or VPP was away for too long.
            failed = {name for name, passed in site.proved.items() if not passed}
            assert (
                serving <= failed or not serving or self.away >= LOST_DELAY - SLACK or self.idle >= LOST_DELAY - SLACK
            )
        if site.route:
            # Announced: then something serves, or did a moment ago.
            assert self.idle <= LOST_DELAY + SLACK
            if site.connector.lb is not None and self.idle > SLACK:
                assert any(site.proved.get(name, True) for name in site.names)
        self.route = site.route


def do(site, action, value, look):
    match action:
        case "probe":
            site.probe({name: passed for name, passed in value.items() if name in site.names})
        case "reload":
            site.reload("".join(sorted(value)))
        case "restart":
            site.restart("".join(sorted(value)))
        case "vpp" if value == "kill" and site.connector.lb is not None and site.service.sync is not None:
            site.connector.kill_vpp()
        case "vpp" if value == "start" and site.connector.lb is None:
            site.connector.start_vpp()
        case "wait":
            site.wait(value, look)
    site.wait(2 * TICK, look)


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, max_size=8))
def test_it_is_never_withdrawn_while_vpp_serves_and_never_announced_for_long_when_it_does_not(actions):
    site = Site("ab").settled()
    oracle = Oracle(site)
    for action, value in actions:
        do(site, action, value, oracle.look)
    site.stop()
