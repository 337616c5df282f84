"""What serves goes on until its replacement is known."""

import attrs
import pytest

from maglev.model.config import WhenNoneEligible
from maglev.model.health import Lifecycle
from maglev.vpp.lb.state import AddServer, ApplicationServer, DeleteServer, Encap, SetWeight, VipKey
from tests.fakes.configs import make_check, make_config
from tests.fakes.vpp_bench import (
    FAIL,
    PASS,
    QUICK,
    VppInMemory,
    backends,
    reload,
    restart_vpp,
    results_of,
    servers,
    web,
)

KEY = VipKey("192.0.2.1", 32, 6, 80)


@pytest.fixture
def bench(web_of_two):
    return web_of_two


# Replacements


def test_servers_that_are_all_replaced_serve_until_all_successors_are_known(bench):
    reload(bench, [web(("x", "y"))], backends(x="10.0.0.8", y="10.0.0.9"))
    old = {"10.0.0.1": 100, "10.0.0.2": 100}
    assert servers(bench) == {**old, "10.0.0.8": 0, "10.0.0.9": 0}
    bench.record(x=PASS)
    assert servers(bench) == {**old, "10.0.0.8": 100, "10.0.0.9": 0}
    bench.record(y=FAIL)
    assert servers(bench) == {"10.0.0.8": 100, "10.0.0.9": 0}


HOLD = {"when_none_eligible": WhenNoneEligible.HOLD}


def test_what_the_guard_keeps_does_not_succeed_and_gets_no_weight_while_servers_that_leave_serve(bench):
    old = {"10.0.0.1": 100, "10.0.0.2": 100}
    made = backends(x="10.0.0.8", y="10.0.0.9")
    reload(bench, [web(("x", "y"), **HOLD)], made, removal_max_delay=20.0)
    bench.record(x=FAIL, y=FAIL)
    assert bench.board.frontends["web"].guarded == {"x", "y"}
    bench.wait(19)
    assert servers(bench) == {**old, "10.0.0.8": 0, "10.0.0.9": 0}
    # When their time is over there is nothing better, and VPP never is without any weight.
    bench.wait(2)
    assert servers(bench) == {"10.0.0.8": 100, "10.0.0.9": 100}
    assert bench.lb.zero_moments == []


def test_a_guarded_newcomer_that_is_proved_up_succeeds(bench):
    reload(bench, [web(("x", "y"), **HOLD)], backends(x="10.0.0.8", y="10.0.0.9"))
    bench.record(x=FAIL, y=FAIL)
    bench.record(y=PASS)
    assert servers(bench) == {"10.0.0.8": 0, "10.0.0.9": 100}
    assert bench.lb.zero_moments == []


def test_an_operator_who_lets_servers_go_gets_what_the_guard_keeps(bench):
    reload(bench, [web(("x",), **HOLD)], backends(x="10.0.0.8"))
    bench.record(x=FAIL)
    bench.service.departures.release()
    assert servers(bench) == {"10.0.0.8": 100}
    assert bench.lb.zero_moments == []


def test_the_guard_keeps_what_serves_beside_servers_that_leave():
    frontend = web(("a", "b"), **HOLD)
    bench = VppInMemory(make_config(frontends=[frontend], checks=QUICK))
    bench.record(a=FAIL)
    bench.record(b=FAIL)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100}
    reload(bench, [web(("b", "x"), **HOLD)], backends(b="10.0.0.2", x="10.0.0.8"))
    bench.record(x=FAIL)
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.8": 0}
    bench.stop()


def test_after_a_restart_with_another_file_the_guard_does_not_replace_what_serves():
    first = VppInMemory(make_config(frontends=[web(("a", "b"), **HOLD)], checks=QUICK))
    first.stop()
    made = backends(x="10.0.0.8", y="10.0.0.9")
    config = make_config(frontends=[web(("x", "y"), **HOLD)], backends=made, checks=QUICK, startup_max_delay=30.0)
    second = VppInMemory(config, vpp=False, known=False)
    second.lb = first.lb
    second.connector.start_vpp(first.lb)
    second.record(x=FAIL, y=FAIL)
    second.wait(40)
    old = {"10.0.0.1": 100, "10.0.0.2": 100}
    assert servers(second) == {**old, "10.0.0.8": 0, "10.0.0.9": 0}
    second.record(x=PASS)
    second.wait(2)
    assert servers(second) == {"10.0.0.8": 100, "10.0.0.9": 0}
    assert first.lb.zero_moments == []
    second.stop()


def test_once_their_time_is_over_nothing_is_expected_of_a_later_reload(bench):
    reload(bench, [web(("x", "y"))], backends(x="10.0.0.8", y="10.0.0.9"), removal_max_delay=20.0)
    bench.record(x=FAIL)
    bench.wait(21)
    assert servers(bench) == {"10.0.0.8": 0, "10.0.0.9": 0}
    bench.record(x=PASS)
    # y is still unknown. What leaves now has all of its time.
    reload(bench, [web(("y",))], backends(y="10.0.0.9"), removal_max_delay=20.0)
    bench.wait(19)
    assert servers(bench) == {"10.0.0.8": 100, "10.0.0.9": 0}
    bench.wait(2)
    assert servers(bench) == {"10.0.0.9": 0}


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


def test_servers_that_are_leaving_go_at_once_with_a_frontend_that_an_operator_takes_out(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    bench.writes()
    bench.board.set_out("web", out=True)
    assert bench.writes()[1:] == [DeleteServer(KEY, f"10.0.0.{last}", flush=True) for last in (1, 2)]
    assert not bench.service.departures.departing(KEY)
    # They do not come back with it, nor with a restart of VPP.
    bench.board.set_out("web", out=False)
    restart_vpp(bench)
    assert servers(bench) == {"10.0.0.8": 0}
    bench.record(x=PASS)
    assert servers(bench) == {"10.0.0.8": 100}


def test_servers_that_leave_a_frontend_that_is_out_do_not_stay(bench):
    bench.board.set_out("web", out=True)
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    assert servers(bench) == {"10.0.0.8": 0}
    assert not bench.service.departures.departing(KEY)


def test_a_server_that_drains_after_it_left_goes_at_once_with_its_frontend(bench):
    reload(bench, [web(("b",))], backends(b="10.0.0.2"), removal_drain=30.0)
    assert servers(bench) == {"10.0.0.1": 0, "10.0.0.2": 100}
    bench.board.set_out("web", out=True)
    assert servers(bench) == {"10.0.0.2": 0}


def test_the_former_address_of_a_backend_goes_with_a_frontend_that_an_operator_takes_out(bench):
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.8", b="10.0.0.9"))
    assert servers(bench) == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.8": 0, "10.0.0.9": 0}
    bench.board.set_out("web", out=True)
    assert servers(bench) == {"10.0.0.8": 0, "10.0.0.9": 0}


def test_what_a_sync_would_do_with_a_frontend_that_is_out_keeps_no_server_that_left(bench):
    reload(bench, [web(("x",))], backends(x="10.0.0.8"))
    bench.board.frontends["web"].out = True
    (preview,) = results_of(bench.service.sync.preview())
    (wanted,) = preview.wanted.values()
    assert {address: server.weight for address, server in wanted.servers.items()} == {"10.0.0.8": 0}


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
