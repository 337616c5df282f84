"""An operator's word is evidence: it is written during the warm-up, too, and nothing else is."""

import pytest

from maglev.model.health import Lifecycle
from maglev.model.override import BackendOrder, Override, Target
from maglev.vpp.lb.state import ApplicationServer, DeleteServer, Encap, SetWeight, Vip, key_of
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory

WARM = {"startup_min_delay": 5.0, "startup_max_delay": 30.0}
HELD = {"10.0.0.1": 100, "10.0.0.2": 50, "10.0.0.3": 0}
KEY = key_of(make_frontend())


def order(name, value):
    return Override(Target(name), value, BackendOrder.ENABLE, "ann", "ssh", "disk swap", 0.0)


class Restarted(VppInMemory):
    """A daemon that has just started over a VPP that serves; it knows of orders, and nothing of backends."""

    def __init__(self, *orders, held=HELD):
        config = make_config(checks=QUICK, **WARM)
        super().__init__(config, vpp=False, known=False, orders={each.target.backend: each for each in orders})
        self.lb.vips[KEY] = Vip(KEY, Encap.GRE4, False, 1024, {a: ApplicationServer(a, w) for a, w in held.items()})
        self.lb.conf = self.board.config.vpp.conf

    def connect(self):
        self.connector.start_vpp(self.lb)
        self.wait(0.5)


@pytest.mark.parametrize(
    ("value", "flush"), [(BackendOrder.DISABLE, True), (BackendOrder.PAUSE, False), (BackendOrder.DRAIN, False)]
)
def test_a_backend_that_was_ordered_out_loses_its_weight_as_soon_as_vpp_is_read(value, flush):
    bench = Restarted(order("a", value))
    bench.connect()
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 0, 100, flush=flush)]
    bench.wait(3)
    assert bench.writes() == []
    bench.stop()


def test_a_backend_that_is_down_and_ordered_to_drain_loses_its_weight_during_the_warm_up():
    bench = Restarted()
    bench.connect()
    bench.record(a=FAIL)
    assert bench.writes() == []
    bench.board.happen("a", Lifecycle.DRAIN)
    assert [(each.address, each.weight) for each in bench.writes()] == [("10.0.0.1", 0)]
    bench.stop()


def test_a_frontend_that_was_disabled_loses_all_its_servers_as_soon_as_vpp_is_read_and_its_flows():
    bench = Restarted()
    bench.board.set_out("web", out=True)
    bench.connect()
    assert [(each.address, each.weight, each.flush) for each in bench.writes()] == [
        ("10.0.0.1", 0, True),
        ("10.0.0.2", 0, True),
    ]
    bench.stop()


def test_a_frontend_that_was_disabled_loses_servers_that_left_the_file_as_well_as_soon_as_vpp_is_read():
    bench = Restarted(held={**HELD, "10.0.0.77": 40, "10.0.0.78": 0})
    bench.board.set_out("web", out=True)
    bench.connect()
    assert SetWeight(KEY, "10.0.0.77", 0, 40, flush=True) in bench.writes()
    assert bench.weights()["tcp://192.0.2.1:80"]["10.0.0.77"] == 0
    bench.record(a=PASS, b=PASS, c=PASS)
    bench.wait(6)
    assert bench.weights()["tcp://192.0.2.1:80"] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 0}
    bench.stop()


def test_a_frontend_that_is_disabled_during_the_warm_up_loses_its_servers_at_once():
    bench = Restarted()
    bench.connect()
    bench.board.set_out("web", out=True)
    assert {each.weight for each in bench.writes()} == {0}
    bench.stop()


def test_a_backend_that_drains_loses_its_weight_as_soon_as_vpp_is_read_although_it_is_down_by_then():
    bench = Restarted(order("a", BackendOrder.DRAIN))
    bench.record(a=FAIL)
    bench.connect()
    assert [(each.address, each.weight) for each in bench.writes()] == [("10.0.0.1", 0)]
    bench.stop()


def test_a_backend_that_has_no_weight_already_is_left_alone():
    bench = Restarted(order("c", BackendOrder.DISABLE))
    bench.connect()
    bench.wait(3)
    assert bench.writes() == []
    bench.stop()


def test_an_order_during_the_warm_up_is_written_at_once_and_nothing_else_is_but_what_takes_over():
    bench = Restarted()
    bench.connect()
    bench.record(b=FAIL, c=PASS)
    assert bench.writes() == []
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.writes() == [SetWeight(KEY, "10.0.0.3", 100, 0), SetWeight(KEY, "10.0.0.1", 0, 100, flush=True)]
    assert bench.weights()["tcp://192.0.2.1:80"]["10.0.0.2"] == 50
    bench.wait(6)
    assert bench.weights()["tcp://192.0.2.1:80"] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 100}
    bench.stop()


def test_the_server_of_another_backend_at_the_same_address_stays():
    bench = Restarted()
    bench.connect()
    bench.board.backends["b"].address = "10.0.0.1"
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.writes() == []
    bench.stop()


def test_a_vpp_without_weights_loses_the_server():
    bench = Restarted(order("a", BackendOrder.DISABLE), held={"10.0.0.1": 100, "10.0.0.2": 100})
    bench.lb.features = bench.lb.features._replace(weights=False)
    bench.connect()
    (write,) = bench.writes()
    assert isinstance(write, DeleteServer)
    assert write.address == "10.0.0.1"
    bench.stop()


def test_a_vip_that_vpp_does_not_have_is_not_made_for_an_order():
    bench = Restarted()
    bench.lb.vips.clear()
    bench.connect()
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.writes() == []
    bench.stop()
