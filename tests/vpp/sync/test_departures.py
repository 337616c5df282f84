"""What serves goes on until something is known: starts, renames, moves and replacements."""

import attrs
import pytest

from maglev.model.config import Backend
from maglev.model.health import Lifecycle
from maglev.vpp.lb.state import AddServer, ApplicationServer, Encap, SetWeight, Vip, VipKey
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, results_of

WEB = "tcp://192.0.2.1:80"
KEY = VipKey("192.0.2.1", 32, 6, 80)


def servers(bench):
    return bench.weights()[WEB]


def backends(**addresses):
    return [Backend(name, address, "tcp") for name, address in addresses.items()]


def web(*pools, name="web", **changes):
    return make_frontend(name, pools=pools, **changes)


@pytest.fixture
def bench():
    made = VppInMemory(make_config(frontends=[web(("a", "b"))], checks=QUICK))
    made.writes()
    yield made
    made.stop()


def reload(bench, frontends, made, checks=QUICK, **settings):
    bench.board.apply(make_config(frontends=frontends, backends=made, checks=checks, **settings))


# A start


def started(held, **settings):
    """Return a daemon that has just started over a VPP that serves already, and knows nothing of its backends."""
    bench = VppInMemory(
        make_config(frontends=[web(("a", "b"), ("c",))], checks=QUICK, **settings), vpp=False, known=False
    )
    bench.lb.vips[KEY] = Vip(KEY, Encap.GRE4, False, 1024, {a: ApplicationServer(a, w) for a, w in held.items()})
    bench.lb.conf = bench.board.config.vpp.conf
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    return bench


HELD = {"10.0.0.1": 100, "10.0.0.2": 50, "10.0.0.3": 0}


def test_a_checker_that_never_learns_anything_changes_nothing():
    bench = started(HELD, startup_min_delay=5.0, startup_max_delay=30.0)
    bench.wait(100)
    assert bench.writes() == []
    assert servers(bench) == HELD
    assert bench.board.frontend("web").held == {"a": 100, "b": 50}
    bench.stop()


def test_what_is_known_is_written_and_the_rest_is_held():
    bench = started(HELD, startup_max_delay=2.0)
    bench.record(a=FAIL, c=PASS)
    bench.wait(3)
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 0, 100, flush=True)]
    bench.record(b=PASS)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.stop()


def test_a_standby_pool_that_served_before_a_restart_goes_on_serving():
    bench = started({"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 100})
    assert bench.board.frontend("web").active == 1
    bench.record(c=PASS)
    assert servers(bench)["10.0.0.3"] == 100
    bench.record(a=PASS)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.stop()


def test_the_explicit_weight_0_of_the_file_needs_no_evidence():
    bench = VppInMemory(
        make_config(frontends=[web((("a", 0), "b"))], checks=QUICK, startup_max_delay=1.0), vpp=False, known=False
    )
    bench.lb.vips[KEY] = Vip(
        KEY, Encap.GRE4, False, 1024, {a: ApplicationServer(a, 100) for a in ("10.0.0.1", "10.0.0.2")}
    )
    bench.connector.start_vpp(bench.lb)
    bench.wait(2)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 100}
    bench.stop()


def test_servers_that_were_replaced_while_we_were_away_serve_until_a_successor_does():
    bench = started({"10.0.0.8": 100, "10.0.0.9": 100}, startup_max_delay=1.0)
    bench.wait(3)
    assert servers(bench) == {"10.0.0.8": 100, "10.0.0.9": 100, "10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.record(a=PASS)
    assert servers(bench)["10.0.0.8"] == 100  # b and c may be about to serve as well
    bench.record(b=PASS, c=PASS)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.stop()


# VPP restarts during our warm-up


def restart_vpp(bench, lb=None):
    """Let VPP start again, empty, and give us time to see it."""
    bench.connector.kill_vpp()
    bench.connector.start_vpp(lb)
    bench.lb = bench.connector.lb
    bench.wait(0.5)


def test_a_vpp_that_restarts_empty_during_the_warm_up_gets_at_once_what_is_known_and_held():
    bench = started(HELD, startup_min_delay=5.0, startup_max_delay=30.0)
    bench.record(a=FAIL)
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 50, "10.0.0.3": 0}
    assert bench.lb.conf == bench.board.config.vpp.conf
    # From now on it is kept up to date, and other frontends are none of its business.
    bench.record(b=PASS)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.stop()


def test_a_vip_that_vpp_never_held_waits_for_the_warm_up():
    frontends = [web(("a", "b"), ("c",)), web(("a", "b"), name="tls", port=443)]
    made = backends(a="10.0.0.1", b="10.0.0.2", c="10.0.0.3")
    bench = VppInMemory(
        make_config(frontends=frontends, backends=made, checks=QUICK, startup_min_delay=5.0, startup_max_delay=30.0),
        vpp=False,
        known=False,
    )
    bench.lb.vips[KEY] = Vip(KEY, Encap.GRE4, False, 1024, {a: ApplicationServer(a, w) for a, w in HELD.items()})
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    restart_vpp(bench)
    assert bench.weights() == {WEB: HELD}
    bench.wait(30)
    assert bench.weights() == {WEB: HELD, "tcp://192.0.2.1:443": {"10.0.0.1": 0, "10.0.0.2": 0}}
    bench.stop()


def test_a_first_start_with_an_empty_vpp_waits_for_the_warm_up():
    bench = VppInMemory(
        make_config(checks=QUICK, startup_min_delay=5.0, startup_max_delay=30.0), vpp=False, known=False
    )
    bench.connector.start_vpp(bench.lb)
    bench.wait(1)
    restart_vpp(bench)
    assert bench.weights() == {}
    bench.wait(30)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.stop()


def test_a_vip_written_during_the_warm_up_is_written_again_under_another_name():
    warming = {"startup_min_delay": 0.0, "startup_max_delay": 30.0}
    other = web(("c",), name="tls", port=443)
    bench = VppInMemory(
        make_config(frontends=[web(("a", "b")), other], checks=QUICK, **warming), vpp=False, known=False
    )
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    bench.record(a=PASS, b=PASS)
    made = backends(a="10.0.0.1", b="10.0.0.2", c="10.0.0.3")
    reload(bench, [web(("a", "b", "c"), name="www"), other], made, **warming)
    restart_vpp(bench)
    assert bench.weights() == {WEB: {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}}
    bench.stop()


def test_a_vip_that_was_deleted_by_hand_during_the_warm_up_is_back_with_the_next_sync():
    bench = started(HELD, startup_min_delay=50.0, startup_max_delay=100.0)
    del bench.lb.vips[KEY]
    bench.wait(29)
    assert bench.weights() == {}
    plan = results_of(bench.service.sync.preview())[0]
    assert [str(each) for address in plan.plan.values() for each in address.vips[KEY]][1:] == [
        f"add {address} to {WEB} with weight {weight}" for address, weight in HELD.items()
    ]
    assert plan.waiting == 0
    bench.wait(2)
    assert servers(bench) == HELD
    bench.stop()


# Renames and moves


def test_renaming_every_backend_writes_nothing(bench):
    reload(bench, [web(("x", "y"))], backends(x="10.0.0.1", y="10.0.0.2"))
    bench.wait(70)
    assert bench.writes() == []
    bench.record(x=PASS, y=FAIL)
    assert bench.writes() == [SetWeight(KEY, "10.0.0.2", 0, 100, flush=True)]


def test_renaming_a_frontend_while_its_check_changes_writes_nothing(bench):
    slower = [make_check(rise=1, fall=1, timeout=0.2)]
    reload(bench, [web(("a", "b"), name="www")], backends(a="10.0.0.1", b="10.0.0.2"), slower)
    bench.wait(70)
    assert bench.writes() == []


def test_renaming_and_moving_to_another_pool_keeps_what_serves(bench):
    made = backends(new="10.0.0.7", x="10.0.0.1", y="10.0.0.2")
    reload(bench, [web(("new",), ("x", "y"))], made)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.7": 0}
    bench.record(x=PASS, y=PASS)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.7": 0}
    bench.record(new=PASS)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.7": 100}


def test_a_server_that_was_down_is_not_held_up_by_a_new_name(bench):
    bench.record(a=FAIL)
    bench.writes()
    reload(bench, [web(("x", "b"))], backends(x="10.0.0.1", b="10.0.0.2"))
    assert (bench.writes(), servers(bench)["10.0.0.1"]) == ([], 0)


def test_backends_that_swap_addresses_keep_both_in_service(bench):
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.2", b="10.0.0.1"))
    assert bench.writes() == []
    bench.record(a=PASS, b=PASS)
    assert bench.writes() == []


def test_a_move_that_fails_at_the_new_address_ends_at_the_old_one(bench):
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.7", b="10.0.0.2"))
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.7": 0}
    bench.record(a=FAIL)
    assert servers(bench) == {"10.0.0.2": 100, "10.0.0.7": 0}


def test_moving_back_before_the_proof_is_as_if_nothing_had_happened(bench):
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.7", b="10.0.0.2"))
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.1", b="10.0.0.2"))
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100}


# Replacements


def test_servers_that_are_all_replaced_serve_until_all_successors_are_known(bench):
    reload(bench, [web(("x", "y"))], backends(x="10.0.0.8", y="10.0.0.9"))
    old = {"10.0.0.1": 100, "10.0.0.2": 100}
    assert servers(bench) == {**old, "10.0.0.8": 0, "10.0.0.9": 0}
    bench.record(x=PASS)
    assert servers(bench) == {**old, "10.0.0.8": 100, "10.0.0.9": 0}
    bench.record(y=FAIL)
    assert servers(bench) == {"10.0.0.8": 100, "10.0.0.9": 0}


def test_a_server_leaves_at_once_where_another_one_serves(bench):
    reload(bench, [web(("x", "b"))], backends(x="10.0.0.8", b="10.0.0.2"))
    assert servers(bench) == {"10.0.0.8": 0, "10.0.0.2": 100}


def test_without_a_successor_it_is_over_after_the_configured_time(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"), removal_max_delay=20.0)
    bench.record(x=FAIL)
    bench.wait(19)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.8": 0}
    departing = bench.service.departures.departing(KEY)
    assert {address: (each.weight, round(each.seconds)) for address, each in departing.items()} == {
        "10.0.0.1": (100, 1),
        "10.0.0.2": (100, 1),
    }
    bench.wait(2)
    assert servers(bench) == {"10.0.0.8": 0}
    assert not bench.service.departures.departing(KEY)


def test_a_server_that_is_leaving_serves_again_after_a_restart_of_vpp(bench):
    bench.board.set_weight("web", "pool0", "b", 40)
    reload(bench, [web(("x",))], backends(x="10.0.0.8"), removal_max_delay=20.0)
    bench.wait(5)
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 40, "10.0.0.8": 0}
    # Not longer than it would have served without the restart.
    bench.wait(13)
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 40, "10.0.0.8": 0}
    bench.wait(2)
    assert servers(bench) == {"10.0.0.8": 0}
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.8": 0}


def test_a_server_that_is_leaving_serves_again_until_a_successor_does(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    restart_vpp(bench)
    bench.record(x=PASS)
    assert servers(bench) == {"10.0.0.8": 100}
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.8": 100}


def test_a_server_of_the_other_family_that_is_leaving_serves_again_after_a_restart_of_vpp(bench):
    reload(bench, [web(("x",))], backends(x="2001:db8::8"))
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100}
    assert bench.lb.vips[KEY].encap is Encap.GRE4
    bench.record(x=PASS)
    assert servers(bench) == {"2001:db8::8": 100}


def test_servers_replaced_while_vpp_is_away_serve_until_their_successors_are_known(bench):
    bench.record(b=FAIL)
    bench.connector.kill_vpp()
    bench.wait(1)
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    bench.connector.start_vpp()
    bench.lb = bench.connector.lb
    bench.wait(0.5)
    # Of b it is known that it was down.
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.8": 0}
    bench.record(x=PASS)
    assert servers(bench) == {"10.0.0.8": 100}


def test_a_weight_that_was_changed_by_hand_is_repaired_for_a_server_that_is_leaving(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    bench.lb.vips[KEY].servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 0)
    del bench.lb.vips[KEY].servers["10.0.0.2"]
    bench.wait(31)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.8": 0}


def test_an_operator_can_let_them_go_at_once(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    bench.service.departures.release()
    assert servers(bench) == {"10.0.0.8": 0}


def test_a_delay_of_0_removes_at_once(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"), removal_max_delay=0.0)
    assert servers(bench) == {"10.0.0.8": 0}


def test_a_server_that_comes_back_is_no_longer_leaving(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    reload(bench, [web(("z", "x"))], backends(z="10.0.0.1", x="10.0.0.8"))
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.8": 0}
    bench.record(x=FAIL, z=PASS)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.8": 0}


def test_servers_of_the_other_family_take_over_when_one_of_them_serves(bench):
    reload(bench, [web(("x", "y"))], backends(x="2001:db8::8", y="2001:db8::9"))
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100}
    bench.record(x=PASS)
    assert servers(bench) == {"2001:db8::8": 100, "2001:db8::9": 0}
    assert bench.lb.vips[KEY].encap is Encap.GRE6


def test_a_server_added_by_hand_never_counts_as_one_that_leaves(bench):
    bench.record(a=FAIL, b=FAIL)
    bench.lb.vips[KEY].servers["10.0.0.66"] = ApplicationServer("10.0.0.66", 100)
    bench.wait(31)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 0}


# Small print


def test_two_names_of_one_address_are_flushed_when_one_calls_for_it():
    config = make_config(frontends=[web(("a", "b", "c"))], backends=backends(a="10.0.0.1", b="10.0.0.1", c="10.0.0.3"))
    bench = VppInMemory(attrs.evolve(config, healthchecks={"tcp": QUICK[0]}))
    bench.board.happen("a", Lifecycle.PAUSE)
    bench.writes()
    bench.board.happen("b", Lifecycle.DISABLE)
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 0, 100, flush=True)]
    bench.stop()


def test_a_changed_check_writes_nothing_for_a_disabled_backend(bench):
    bench.board.happen("a", Lifecycle.DISABLE)
    bench.writes()
    slower = [make_check(rise=1, fall=1, timeout=0.2)]
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.1", b="10.0.0.2"), slower)
    assert bench.writes() == []


def test_a_frontend_whose_only_server_vpp_refuses_is_not_up():
    bench = VppInMemory(make_config(frontends=[web(("a",))], checks=QUICK), vpp=False)
    bench.lb.refuse[AddServer] = -97
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.5)
    assert str(bench.board.frontend("web").state) == "down"
    bench.lb.refuse.clear()
    bench.wait(5)
    assert (str(bench.board.frontend("web").state), servers(bench)) == ("up", {"10.0.0.1": 100})
    bench.stop()


def test_a_frontend_with_another_server_stays_up_when_vpp_refuses_one():
    bench = VppInMemory(make_config(frontends=[web(("a", "b"))], checks=QUICK))
    bench.board.happen("a", Lifecycle.DISABLE)
    bench.board.happen("a", Lifecycle.ENABLE)
    bench.lb.refuse[SetWeight] = -97
    bench.record(a=PASS)
    assert bench.board.frontend("web").refused == {"10.0.0.1"}
    assert str(bench.board.frontend("web").state) == "up"
    bench.stop()


# Reloads that follow one another before anything is known


def test_a_backend_in_standby_that_takes_the_address_of_one_in_service_keeps_its_weight(bench):
    reload(bench, [web(("a",), ("b",))], backends(a="10.0.0.1", b="10.0.0.2"))
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 0}
    reload(bench, [web(("b",), ("c",))], backends(b="10.0.0.1", c="10.0.0.3"))
    bench.wait(1)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.3": 0}
    bench.record(b=FAIL)
    bench.wait(1)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.3": 0}


def test_what_serves_for_a_backend_that_has_moved_stays_when_that_is_replaced_before_it_is_known(bench):
    reload(bench, [web(("a",))], backends(a="10.0.0.1"))
    reload(bench, [web(("a",))], backends(a="10.0.0.5"))
    bench.wait(1)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.5": 0}
    reload(bench, [web(("n",))], backends(n="10.0.0.6"))
    bench.wait(1)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.6": 0}
    bench.record(n=PASS)
    bench.wait(1)
    assert servers(bench) == {"10.0.0.6": 100}


# An address that moves, and a second reload before it is known

A, X, Y = "10.0.0.1", "10.0.0.5", "10.0.0.6"
MOVED = web(("n",)), {"n": X}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (MOVED, (web(("z",)), {"z": Y})),
        ((web(("n", "q")), {"n": X, "q": Y}), (web(("q",)), {"q": Y})),
        (MOVED, (web(("m",)), {"m": X})),
        (MOVED, (web(("n",), name="www"), {"n": X})),
        ((web(("n",), name="www"), {"n": X}), (web(("n",)), {"n": A})),
        ((web(("n",), name="www"), {"n": X}), (web(("m",)), {"m": A})),
    ],
)
def test_the_server_that_serves_is_never_lowered_by_a_second_reload(first, second):
    bench = VppInMemory(make_config(frontends=[web(("n",))], backends=backends(n=A), checks=QUICK))
    assert servers(bench) == {A: 100}
    for frontend, made in (first, second):
        reload(bench, [frontend], backends(**made))
        bench.wait(0.5)
        assert servers(bench)[A] == 100
    assert bench.lb.zero_moments == []
    bench.stop()


def test_addresses_that_all_move_to_dead_servers_leave_the_last_one_serving_for_a_while(bench):
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.8", b="10.0.0.9"), removal_max_delay=20.0)
    bench.record(a=FAIL)
    assert servers(bench) == {"10.0.0.2": 100, "10.0.0.8": 0, "10.0.0.9": 0}
    bench.record(b=FAIL)
    assert servers(bench) == {"10.0.0.2": 100, "10.0.0.8": 0, "10.0.0.9": 0}
    bench.wait(21)
    assert servers(bench) == {"10.0.0.8": 0, "10.0.0.9": 0}


def test_a_backend_enabled_at_the_address_of_one_that_serves_keeps_that_ones_weight(bench):
    pool = web(("a", ("b", 0)))
    reload(bench, [pool], [Backend("a", "10.0.0.1", "tcp"), Backend("b", "10.0.0.2", "tcp", enabled=False)])
    bench.writes()
    swapped = [Backend("a", "10.0.0.2", "tcp", enabled=False), Backend("b", "10.0.0.1", "tcp")]
    reload(bench, [web((("a", 0), "b"))], swapped)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 0}
    bench.record(b=FAIL)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 0}


def test_a_backend_enabled_again_at_its_own_address_still_waits_for_a_result(bench):
    both = backends(a="10.0.0.1", b="10.0.0.2")
    reload(bench, [web(("a", "b"))], [both[0], attrs.evolve(both[1], enabled=False)])
    bench.writes()
    reload(bench, [web(("a", "b"))], both)
    assert (bench.writes(), servers(bench)) == ([], {"10.0.0.1": 100, "10.0.0.2": 0})


def test_a_standby_that_took_the_address_of_one_in_service_keeps_its_weight_when_vpp_restarts(bench):
    reload(bench, [web(("a",), ("c",))], backends(a="10.0.0.1", c="10.0.0.3"))
    bench.record(c=PASS)
    reload(bench, [web(("a",), ("c",))], backends(a="10.0.0.2", c="10.0.0.1"))
    restart_vpp(bench)
    bench.record(a=PASS)
    assert servers(bench) == {"10.0.0.2": 100, "10.0.0.1": 100}
    bench.record(c=FAIL)
    assert servers(bench) == {"10.0.0.2": 100, "10.0.0.1": 0}


def test_what_serves_stays_when_all_names_change_twice_before_any_result(bench):
    def rename(first, second, third):
        reload(
            bench,
            [web((first, (second, 0)), ((third, 0),))],
            backends(**{first: "10.0.0.1", second: "10.0.0.2", third: "10.0.0.3"}),
        )

    rename("a", "b", "c")
    bench.record(b=PASS, c=PASS)
    rename("b", "c", "a")
    rename("c", "a", "b")
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 0, "10.0.0.3": 0}
