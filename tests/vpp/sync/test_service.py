"""The VPP service against a VPP in memory: writing, repairing, reloads, and syncs on demand."""

import attrs

from maglev.model.config import Backend, ForeignVips
from maglev.model.errors import NotFoundError, VppNotConnectedError, VppOffError
from maglev.model.health import Lifecycle
from maglev.runtime.cooperator import Cooperator
from maglev.vpp.lb.state import AddServer, AddVip, ApplicationServer, DeleteVip, Encap, SetWeight, Vip, VipKey
from maglev.vpp.sync.service import VppService
from tests.fakes.configs import CONF, make_check, make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, results_of

KEY = VipKey("192.0.2.1", 32, 6, 80)
WEB = "tcp://192.0.2.1:80"
FOREIGN = VipKey("192.0.2.99", 32, 6, 80)


def test_connecting_writes_the_settings_and_everything_wanted(bench):
    assert bench.writes() == [
        CONF,
        AddVip(KEY, Encap.GRE4, False, 1024),
        AddServer(KEY, "10.0.0.1", 100),
        AddServer(KEY, "10.0.0.2", 100),
        AddServer(KEY, "10.0.0.3", 0),
    ]
    assert bench.service.info.pid == 4711


def test_what_vpp_has_acknowledged_is_said_of_the_present_connection_only():
    bench = VppInMemory(vpp=False)
    assert not bench.service.acknowledged
    bench.lb.manual = True
    bench.connector.start_vpp(bench.lb)
    bench.wait(0.2)
    while bench.lb.waiting:
        assert (bench.service.info is not None, bench.service.acknowledged) == (True, False)
        bench.lb.answer(1)
    assert bench.service.acknowledged
    bench.connector.kill_vpp()
    assert not bench.service.acknowledged
    bench.stop()


def test_connecting_to_a_vpp_that_has_it_all_writes_nothing():
    first = VppInMemory()
    second = VppInMemory(vpp=False)
    first.stop()
    first.writes()
    second.connector.start_vpp(first.lb)
    second.wait(1)
    assert first.writes() == []
    assert second.service.info is not None
    second.wait(100)
    assert first.writes() == []
    second.stop()


def test_a_transition_writes_one_weight_without_any_read(bench):
    bench.writes()
    reads = bench.lb.reads
    bench.record(a=FAIL)
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 0, 100, flush=True)]
    assert bench.lb.reads == reads
    assert bench.service.tally.writes["vip", "as_weight_updated"] == 1


def test_a_result_without_transition_writes_nothing(bench):
    bench.writes()
    bench.record(a=PASS, b=PASS)
    assert bench.writes() == []


def test_a_pool_switch_raises_first_and_waits_for_the_answer(bench):
    bench.record(a=FAIL)
    bench.writes()
    bench.lb.manual = True
    bench.record(b=FAIL)
    assert len(bench.lb.waiting) == 1
    bench.lb.answer()
    assert bench.writes() == [SetWeight(KEY, "10.0.0.3", 100, 0)]
    bench.lb.answer()
    assert bench.writes() == [SetWeight(KEY, "10.0.0.2", 0, 100, flush=True)]
    bench.record(a=PASS)
    bench.lb.answer()
    bench.lb.answer()
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 100, 0), SetWeight(KEY, "10.0.0.3", 0, 100)]
    assert bench.lb.zero_moments == []


def test_what_serves_goes_on_when_the_raise_is_refused(bench):
    bench.record(a=FAIL)
    bench.writes()
    bench.lb.refuse[SetWeight] = -1
    bench.record(b=FAIL)
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.lb.refuse.clear()
    bench.wait(1.2)
    assert bench.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 0, "10.0.0.3": 100}
    assert bench.lb.zero_moments == []


def test_changes_during_a_write_are_written_after_it_once(bench):
    bench.writes()
    bench.lb.manual = True
    bench.record(a=FAIL)
    bench.record(b=FAIL)
    bench.record(a=PASS)
    bench.record(a=FAIL)
    bench.record(a=PASS)
    while bench.lb.waiting:
        bench.lb.answer()
    assert bench.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 0, "10.0.0.3": 0}
    assert bench.writes() == [
        SetWeight(KEY, "10.0.0.1", 0, 100, flush=True),
        SetWeight(KEY, "10.0.0.1", 100, 0),
        SetWeight(KEY, "10.0.0.2", 0, 100, flush=True),
    ]


def test_a_flush_is_done_once_and_not_at_each_sync(bench):
    bench.board.happen("c", Lifecycle.DISABLE)
    bench.writes()
    bench.wait(100)
    assert bench.lb.reads > 3
    assert bench.writes() == []


def test_a_backend_at_0_that_is_disabled_is_flushed_once(bench):
    bench.writes()
    bench.board.happen("c", Lifecycle.DISABLE)
    assert bench.writes() == [SetWeight(KEY, "10.0.0.3", 0, 0, flush=True)]
    bench.board.happen("c", Lifecycle.ENABLE)
    assert bench.writes() == []


def test_drift_is_repaired_at_the_next_sync(bench):
    bench.writes()
    bench.lb.vips[KEY].servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 7)
    del bench.lb.vips[KEY].servers["10.0.0.2"]
    bench.lb.conf = attrs.evolve(CONF, flow_timeout=99)
    bench.lb.vips[FOREIGN] = Vip(FOREIGN, Encap.GRE4, False, 1024, {"10.9.9.9": ApplicationServer("10.9.9.9", 1)})
    bench.wait(31)
    assert bench.writes() == [
        CONF,
        AddServer(KEY, "10.0.0.2", 100),
        SetWeight(KEY, "10.0.0.1", 100, 7),
        DeleteVip(FOREIGN),
    ]
    assert bench.service.tally.writes["all", "vip_removed"] == 1
    assert bench.service.tally.writes["all", "as_removed"] == 1
    bench.wait(31)
    assert bench.writes() == []


def test_foreign_vips_are_kept_if_so_configured():
    bench = VppInMemory(foreign_vips=ForeignVips.KEEP)
    bench.lb.vips[FOREIGN] = Vip(FOREIGN, Encap.GRE4, False, 1024, {})
    bench.wait(100)
    assert FOREIGN in bench.lb.vips
    bench.board.apply(make_config(frontends=[], backends=[], foreign_vips=ForeignVips.KEEP))
    assert list(bench.lb.vips) == [FOREIGN]
    bench.stop()


def test_a_transition_during_a_full_read_does_not_wait_for_it(bench):
    bench.writes()
    bench.lb.manual = True
    bench.wait(31)
    assert len(bench.lb.waiting) == 1
    bench.record(a=FAIL)
    assert len(bench.lb.waiting) == 2
    bench.lb.answer()
    bench.lb.answer()
    assert bench.weights()[WEB]["10.0.0.1"] == 0
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 0, 100, flush=True)]


# Reload


def test_a_reload_adds_removes_and_moves(bench):
    bench.writes()
    reads = bench.lb.reads
    backends = [Backend("a", "10.7.7.7", "tcp"), Backend("b", "10.0.0.2", "tcp"), Backend("c", "10.0.0.3", "tcp")]
    frontends = [make_frontend(pools=(("a", ("b", 50)), ("c",))), make_frontend("new", "192.0.2.2", pools=(("b",),))]
    bench.board.apply(make_config(frontends=frontends, backends=backends, checks=QUICK))
    # What has moved serves where it was until it is proved where it is.
    assert bench.weights() == {
        WEB: {"10.0.0.1": 100, "10.0.0.2": 50, "10.0.0.3": 0, "10.7.7.7": 0},
        "tcp://192.0.2.2:80": {"10.0.0.2": 100},
    }
    bench.record(a=PASS)
    assert bench.weights() == {
        WEB: {"10.0.0.2": 50, "10.0.0.3": 0, "10.7.7.7": 100},
        "tcp://192.0.2.2:80": {"10.0.0.2": 100},
    }
    assert bench.lb.reads == reads
    bench.board.apply(make_config(frontends=frontends[1:], backends=backends, checks=QUICK))
    assert list(bench.weights()) == ["tcp://192.0.2.2:80"]


def test_a_change_of_weights_only_is_a_weight_change(bench):
    bench.writes()
    bench.board.apply(make_config(frontends=[make_frontend(pools=((("a", 30), "b"), ("c",)))], checks=QUICK))
    assert bench.writes() == [SetWeight(KEY, "10.0.0.1", 30, 100)]


def test_a_changed_check_writes_nothing_until_the_first_result(bench):
    bench.writes()
    bench.board.apply(make_config(checks=[make_check(rise=1, fall=1, timeout=0.2)]))
    assert bench.writes() == []
    bench.record(a=PASS, b=PASS, c=PASS)
    assert bench.writes() == []


def test_a_flipped_flag_recreates_the_vip(bench):
    bench.writes()
    bench.board.apply(make_config(frontends=[make_frontend(src_ip_sticky=True)], checks=QUICK))
    kinds = [type(each).__name__ for each in bench.writes()]
    assert kinds == ["DeleteVip", "AddVip"] + ["AddServer"] * 3
    assert [len(script) for script in bench.lb.scripts] == [5]
    assert bench.lb.vips[KEY].src_ip_sticky is True


def test_another_family_of_backends_flips_all_vips_of_the_address(bench):
    def config(prefix):
        backends = [Backend(name, f"{prefix}{index}", "tcp") for index, name in enumerate("abc", 1)]
        frontends = [make_frontend(), make_frontend("tls", port=443)]
        return make_config(frontends=frontends, backends=backends, checks=QUICK)

    bench.board.apply(config("10.0.0."))
    bench.board.apply(config("2001:db8::"))
    bench.record(**dict.fromkeys("abc", PASS))
    assert {vip.encap for vip in bench.lb.vips.values()} == {Encap.GRE6}
    assert len(bench.lb.vips) == 2


def test_all_ports_instead_of_one_is_cleared_first(bench):
    bench.board.apply(make_config(frontends=[make_frontend("all", port=0)], checks=QUICK))
    assert list(bench.weights()) == ["192.0.2.1"]


def test_what_a_reload_took_out_while_vpp_was_away_is_deleted_when_it_is_back():
    bench = VppInMemory(foreign_vips=ForeignVips.KEEP)
    bench.connector.links[-1].close()
    frontends = [make_frontend("new", "192.0.2.2", pools=(("b",),))]
    bench.board.apply(make_config(frontends=frontends, checks=QUICK, foreign_vips=ForeignVips.KEEP))
    bench.wait(1)
    assert list(bench.weights()) == ["tcp://192.0.2.2:80"]
    bench.stop()


# On demand


def test_a_sync_on_demand_says_what_it_did(bench):
    bench.lb.vips[KEY].servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 7)
    bench.lb.vips[FOREIGN] = Vip(FOREIGN, Encap.GRE4, False, 1024, {})
    assert results_of(bench.service.sync_now("web")) == [[SetWeight(KEY, "10.0.0.1", 100, 7)]]
    assert results_of(bench.service.sync_now()) == [[DeleteVip(FOREIGN)]]


def test_a_sync_on_demand_needs_vpp_and_a_frontend_that_exists(bench):
    (failure,) = results_of(bench.service.sync_now("nope"))
    assert failure.check(NotFoundError)
    bench.connector.kill_vpp()
    (failure,) = results_of(bench.service.sync_now())
    assert failure.check(VppNotConnectedError)
    off = VppService(Cooperator(bench.clock).queue("vpp"), bench.board, None, lambda: 1.0)
    assert off.off
    (failure,) = results_of(off.sync_now())
    assert failure.check(VppOffError)
    off.startService()
    off.stopService()
