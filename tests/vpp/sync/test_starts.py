"""What serves goes on when we start, or VPP does, until something is known."""

import pytest

from maglev.vpp.lb.state import ApplicationServer, Encap, SetWeight, Vip, VipKey
from tests.fakes.configs import make_config
from tests.fakes.vpp_bench import (
    FAIL,
    PASS,
    QUICK,
    WEB,
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
