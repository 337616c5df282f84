"""The warm-up: what is known is written, and the rest waits for it or for its end."""

from maglev.control.guard import refuse_to_take_out
from maglev.model.config import Backend, WhenNoneEligible
from maglev.model.health import Lifecycle
from maglev.model.override import BackendOrder, Override, Target
from maglev.vpp.lb.state import Encap, SetWeight, Vip, VipKey
from tests.fakes.configs import CONF, make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, backends

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


# Orders


def over_what_another_one_left(*pools, down=(), config=None, **frontend):
    """Return a daemon in its warm-up, that knows nothing yet, over the VPP that another one has left."""
    first = VppInMemory(make_config(frontends=[make_frontend(pools=pools, **frontend)], checks=QUICK))
    first.record(**dict.fromkeys(down, FAIL))
    first.stop()
    made = config or make_config(frontends=[make_frontend(pools=pools, **frontend)], checks=QUICK, **SLOW)
    bench = VppInMemory(made, vpp=False, known=False)
    bench.lb = first.lb
    bench.connector.start_vpp(first.lb)
    bench.wait(1)
    bench.writes()
    bench.lb.zero_moments.clear()
    return bench


def test_an_order_in_the_warm_up_raises_what_is_proved_before_it_lowers():
    bench = over_what_another_one_left(("a",), ("b", "c"))
    bench.record(a=PASS, b=PASS)
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.writes() == [SetWeight(KEY, "10.0.0.2", 100, 0), SetWeight(KEY, "10.0.0.1", 0, 100, flush=True)]
    assert bench.lb.zero_moments == []
    # c was never proved, and what is not ordered waits.
    bench.record(b=FAIL)
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.wait(30)
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.stop()


def test_what_is_proved_after_an_order_in_the_warm_up_is_raised_at_once():
    for order in (Lifecycle.DISABLE, Lifecycle.DRAIN, Lifecycle.PAUSE):
        bench = over_what_another_one_left(("a",), ("b", "c"))
        bench.board.happen("a", order)
        assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 0}
        bench.record(c=PASS)
        assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 100}
        assert not bench.service.warm_up.begun
        bench.stop()


def test_a_frontend_that_is_put_back_in_the_warm_up_serves_at_once():
    bench = over_what_another_one_left(("a", "b"), ("c",))
    bench.record(a=PASS)
    bench.board.set_out("web", out=True)
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.board.set_out("web", out=False)
    # What is not proved has the weight that it had.
    assert bench.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.stop()


def restarted_with_a_file_that_disables(**settings):
    members = make_frontend(pools=(("a",), ("b", "c")))
    made = [Backend("a", "10.0.0.1", "tcp", enabled=False), *backends(b="10.0.0.2", c="10.0.0.3")]
    return make_config(frontends=[members], backends=made, checks=QUICK, **SLOW, **settings)


def test_the_word_of_the_file_lowers_and_what_is_proved_serves_at_once():
    bench = over_what_another_one_left(("a",), ("b", "c"), config=restarted_with_a_file_that_disables())
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.record(b=PASS)
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.stop()


def test_what_was_proved_before_vpp_was_read_serves_before_the_file_lowers():
    first = VppInMemory(make_config(frontends=[make_frontend(pools=(("a",), ("b", "c")))], checks=QUICK))
    first.stop()
    first.lb.zero_moments.clear()
    bench = VppInMemory(restarted_with_a_file_that_disables(), vpp=False, known=False)
    bench.record(b=PASS)
    bench.connector.start_vpp(first.lb)
    bench.wait(1)
    assert first.lb.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    assert first.lb.zero_moments == []
    bench.stop()


def test_a_reload_in_the_warm_up_that_disables_raises_first():
    bench = over_what_another_one_left(("a",), ("b", "c"))
    bench.record(a=PASS, b=PASS)
    bench.board.apply(restarted_with_a_file_that_disables())
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    assert bench.lb.zero_moments == []
    bench.stop()


def test_a_server_that_is_new_in_the_file_takes_over_for_one_that_an_order_takes_out_in_the_warm_up():
    made = backends(a="10.0.0.1", x="10.0.0.8", y="10.0.0.9")
    config = make_config(frontends=[make_frontend(pools=(("a", "x", "y"),))], backends=made, checks=QUICK, **SLOW)
    bench = over_what_another_one_left(("a",), config=config)
    bench.record(a=PASS, x=PASS)
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.weights()[WEB] == {"10.0.0.8": 100, "10.0.0.1": 0}
    assert bench.lb.zero_moments == []
    bench.stop()


def test_an_order_that_the_guard_allows_in_the_warm_up_leaves_what_the_guard_keeps_in_vpp():
    hold = {"when_none_eligible": WhenNoneEligible.HOLD}
    bench = over_what_another_one_left(("a", "b", "c"), down=("b", "c"), **hold)
    assert bench.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.record(a=PASS, b=FAIL, c=FAIL)
    refuse_to_take_out(bench.board, ["a"])
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 100}
    assert bench.lb.zero_moments == []
    bench.stop()


def test_a_vip_of_the_other_family_is_not_made_again_in_the_warm_up():
    made = backends(a="10.0.0.1", x="2001:db8::8")
    first = VppInMemory(make_config(frontends=[make_frontend(pools=(("a",),))], checks=QUICK))
    first.stop()
    six = make_config(frontends=[make_frontend(pools=(("x",),))], backends=made[1:], checks=QUICK, **SLOW)
    bench = VppInMemory(six, vpp=False, known=False)
    bench.connector.start_vpp(first.lb)
    bench.record(x=PASS)
    bench.board.set_out("web", out=True)
    bench.wait(1)
    assert first.lb.weights()[WEB] == {"10.0.0.1": 0}
    bench.board.set_out("web", out=False)
    assert first.lb.weights()[WEB] == {"10.0.0.1": 0}
    bench.wait(6)
    assert first.lb.weights()[WEB] == {"2001:db8::8": 100}
    bench.stop()


def test_a_backend_that_is_out_already_lets_nothing_be_written():
    first = VppInMemory()
    first.board.happen("a", Lifecycle.DISABLE)
    first.stop()
    first.writes()
    override = Override(Target("a"), BackendOrder.DISABLE, BackendOrder.ENABLE, "ann", "", "", 0.0)
    second = VppInMemory(vpp=False, known=False, orders={"a": override}, **SLOW)
    second.connector.start_vpp(first.lb)
    second.wait(2)
    second.record(b=PASS, c=FAIL)
    second.wait(2)
    assert first.writes() == []
    second.stop()
