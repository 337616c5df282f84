"""The warm-up: what is known is written, and the rest waits for it or for its end."""

from maglev.vpp.lb.state import Encap, SetWeight, Vip, VipKey
from tests.fakes.configs import CONF, make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory

KEY = VipKey("192.0.2.1", 32, 6, 80)
WEB = "tcp://192.0.2.1:80"
FOREIGN = VipKey("192.0.2.99", 32, 6, 80)
SLOW = {"startup_min_delay": 5.0, "startup_max_delay": 30.0}


def two_frontends(**settings):
    frontends = [make_frontend(), make_frontend("other", "192.0.2.2", pools=(("x",),))]
    return make_config(frontends=frontends, checks=QUICK, **settings)


def test_nothing_is_written_before_the_minimum_delay():
    bench = VppInMemory(**SLOW)
    bench.wait(4.9)
    assert (bench.writes(), bench.lb.reads) == ([], 1)
    bench.wait(0.2)
    assert len(bench.writes()) == 5
    bench.stop()


def test_a_frontend_is_released_when_all_its_backends_are_known_and_the_rest_at_the_end():
    bench = VppInMemory(two_frontends(**SLOW), known=False)
    bench.lb.vips[FOREIGN] = Vip(FOREIGN, Encap.GRE4, False, 1024, {})
    bench.record(a=PASS, b=FAIL)
    bench.wait(6)
    assert bench.writes() == []
    bench.record(c=PASS)
    assert list(bench.weights()) == [str(FOREIGN), WEB]
    assert bench.lb.conf == CONF
    bench.wait(23)
    assert str(FOREIGN) in bench.weights()
    bench.wait(1.5)
    assert bench.weights() == {
        WEB: {"10.0.0.1": 100, "10.0.0.2": 0, "10.0.0.3": 0},
        "tcp://192.0.2.2:80": {"10.0.0.4": 0},
    }
    bench.stop()


def test_when_all_are_known_the_warm_up_is_over_at_once():
    bench = VppInMemory(two_frontends(**SLOW))
    bench.lb.vips[FOREIGN] = Vip(FOREIGN, Encap.GRE4, False, 1024, {})
    bench.wait(5.1)
    assert str(FOREIGN) not in bench.weights()
    assert bench.service.warm_up.over
    bench.stop()


def test_a_restart_of_ours_while_all_is_healthy_writes_nothing():
    first = VppInMemory()
    first.stop()
    first.writes()
    second = VppInMemory(vpp=False, known=False, **SLOW)
    second.connector.start_vpp(first.lb)
    second.wait(2)
    second.record(a=PASS, b=PASS, c=PASS)
    second.wait(100)
    assert first.writes() == []
    second.stop()


def test_a_restart_of_ours_while_one_is_down_and_vpp_knows_writes_nothing():
    first = VppInMemory()
    first.record(a=FAIL)
    first.stop()
    first.writes()
    second = VppInMemory(vpp=False, known=False, **SLOW)
    second.connector.start_vpp(first.lb)
    second.record(a=FAIL, b=PASS, c=PASS)
    second.wait(100)
    assert first.writes() == []
    second.stop()


def test_a_reload_does_not_restart_the_warm_up():
    bench = VppInMemory(**SLOW)
    bench.wait(6)
    bench.writes()
    frontends = [make_frontend(pools=((("a", 30), "b"), ("c",)))]
    bench.board.apply(make_config(frontends=frontends, checks=QUICK, **SLOW))
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 30, 100)]
    bench.stop()


def test_a_reload_that_removes_the_last_unknown_frontend_ends_the_warm_up():
    bench = VppInMemory(two_frontends(**SLOW), known=False)
    bench.record(a=PASS, b=PASS, c=PASS)
    bench.wait(6)
    assert not bench.service.warm_up.over
    bench.board.apply(make_config(checks=QUICK, **SLOW))
    assert bench.service.warm_up.over
    bench.stop()


def test_stopping_during_the_warm_up_leaves_nothing_behind():
    bench = VppInMemory(**SLOW)
    bench.wait(1)
    bench.stop()
    assert bench.writes() == []
