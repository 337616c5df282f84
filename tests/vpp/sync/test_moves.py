"""What serves goes on while backends get other names, pools and addresses, once or twice."""

import attrs
import pytest

from maglev.model.config import Backend, WhenNoneEligible
from maglev.vpp.lb.state import SetWeight, VipKey
from tests.fakes.configs import make_check, make_config
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, backends, reload, restart_vpp, servers, web

KEY = VipKey("192.0.2.1", 32, 6, 80)


@pytest.fixture
def bench(web_of_two):
    return web_of_two


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


def test_addresses_that_all_move_to_dead_servers_leave_all_of_them_serving_for_a_while(bench):
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.8", b="10.0.0.9"), removal_max_delay=20.0)
    both = {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.8": 0, "10.0.0.9": 0}
    # What serves at its former address only has not been proved up: it does not let others go.
    bench.record(a=FAIL)
    assert servers(bench) == both
    bench.record(b=FAIL)
    assert servers(bench) == both
    bench.wait(21)
    assert servers(bench) == {"10.0.0.8": 0, "10.0.0.9": 0}


def test_the_former_address_of_a_backend_that_fails_at_the_new_one_goes_when_another_one_is_proved_up(bench):
    reload(bench, [web(("a", "b"))], backends(a="10.0.0.8", b="10.0.0.9"), removal_drain=0.0)
    bench.record(a=FAIL)
    bench.record(b=PASS)
    assert servers(bench) == {"10.0.0.8": 0, "10.0.0.9": 100}


def test_the_guard_does_not_raise_new_addresses_that_fail_while_the_former_ones_serve(bench):
    hold = {"when_none_eligible": WhenNoneEligible.HOLD}
    made = backends(a="10.0.0.8", b="10.0.0.9")
    reload(bench, [web(("a", "b"), **hold)], made, removal_max_delay=20.0)
    both = {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.8": 0, "10.0.0.9": 0}
    bench.record(a=FAIL)
    assert servers(bench) == both
    bench.record(b=FAIL)
    assert servers(bench) == both
    # When their time is over there is nothing better, and VPP never is without any weight.
    bench.wait(21)
    assert servers(bench) == {"10.0.0.8": 100, "10.0.0.9": 100}
    assert bench.lb.zero_moments == []


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
