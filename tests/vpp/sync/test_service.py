"""The VPP service against a VPP in memory: connecting, warming up, writing, repairing, coming back."""

import attrs
import pytest

from maglev.model.config import Backend, ForeignVips
from maglev.model.errors import NotFoundError, VppNotConnectedError, VppOffError, VppTimeoutError
from maglev.model.health import Lifecycle
from maglev.runtime.cooperator import Cooperator
from maglev.vpp.lb.state import (
    AddServer,
    AddVip,
    ApplicationServer,
    DeleteVip,
    Encap,
    SetWeight,
    Vip,
    VipKey,
)
from maglev.vpp.sync.service import VppService
from tests.fakes.configs import CONF, make_check, make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, results_of

KEY = VipKey("192.0.2.1", 32, 6, 80)
WEB = "tcp://192.0.2.1:80"
FOREIGN = VipKey("192.0.2.99", 32, 6, 80)


@pytest.fixture
def bench():
    made = VppInMemory()
    yield made
    made.stop()


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


# Warm-up

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


# Connection


def test_a_vpp_that_comes_later_is_found_at_once():
    bench = VppInMemory(vpp=False)
    bench.wait(60)
    attempts = bench.connector.attempts
    assert 10 < attempts < 20
    bench.connector.start_vpp()
    bench.wait(0.2)
    assert bench.connector.lb.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.stop()


def test_a_vpp_that_dies_and_comes_back_has_everything_again(bench):
    for _ in range(20):
        bench.connector.kill_vpp()
        assert bench.service.info is None
        bench.record(a=FAIL)
        bench.wait(1)
        bench.record(a=PASS)
        bench.connector.start_vpp()
        bench.wait(0.2)
        assert bench.connector.lb.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}
        assert bench.connector.lb.conf == CONF


def test_a_vpp_that_dies_during_a_write_has_everything_when_it_is_back(bench):
    bench.lb.manual = True
    bench.record(a=FAIL)
    bench.connector.kill_vpp()
    bench.connector.start_vpp()
    bench.wait(0.3)
    assert bench.connector.lb.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}


def test_a_vpp_that_hangs_is_left_and_tried_again(bench):
    bench.wait(10.1)
    link = bench.connector.links[-1]
    assert len(link.pings) == 1
    link.pings[0].errback(VppTimeoutError("no answer in 5 s"))
    assert link.closed
    bench.wait(0.5)
    assert len(bench.connector.links) == 2
    assert bench.service.info is not None


def test_pings_go_on_while_they_are_answered(bench):
    for number in range(1, 4):
        bench.wait(10.1)
        link = bench.connector.links[-1]
        assert len(link.pings) == number
        link.pings[-1].callback(4711)
    assert not link.closed


def test_a_write_without_answer_means_that_vpp_hangs(bench):
    bench.lb.manual = True
    bench.record(a=FAIL)
    _, answer = bench.lb.waiting.pop()
    answer.errback(VppTimeoutError("no answer in 5 s"))
    assert bench.connector.links[0].closed
    bench.lb.manual = False
    bench.wait(0.5)
    assert bench.weights()[WEB]["10.0.0.1"] == 0


def test_a_refused_write_is_tried_again_after_a_full_read_ever_less_often(bench):
    bench.writes()
    bench.lb.refuse[SetWeight] = -1
    bench.record(a=FAIL)
    bench.wait(29)
    assert 4 <= len(bench.writes()) <= 6
    bench.lb.refuse.clear()
    bench.wait(31)
    assert bench.weights()[WEB]["10.0.0.1"] == 0


def test_the_reason_for_no_connection_is_told_once():
    from twisted.logger import globalLogPublisher

    events = []
    globalLogPublisher.addObserver(events.append)
    try:
        bench = VppInMemory(vpp=False)
        bench.wait(60)
        bench.connector.error = "something else"
        bench.wait(10)
        bench.stop()
    finally:
        globalLogPublisher.removeObserver(events.append)
    told = [event["error"] for event in events if event.get("log_event") == "vpp-connect-failed"]
    assert told == ["nobody there", "something else"]


def test_stopping_leaves_vpp_as_it_is(bench):
    bench.writes()
    bench.service.stopService()
    assert bench.writes() == []
    assert bench.connector.links[-1].closed
    bench.record(a=FAIL)
    assert bench.writes() == []


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


# Whatever is raised, the service goes on


class FailingMethod:
    """Raises an exception that nobody expects, once, where a method of something is called."""

    def __init__(self, monkeypatch, owner, name):
        self.calls = 0
        original = getattr(owner, name)

        def call(*arguments):
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("odd")
            return original(*arguments)

        monkeypatch.setattr(owner, name, call)


def test_no_exception_of_an_attempt_to_connect_is_the_last_attempt(bench, monkeypatch, logged_failures):
    for name in ("connect", "fingerprint"):
        bench.connector.kill_vpp()
        bench.wait(1)
        bench.connector.start_vpp()
        odd = FailingMethod(monkeypatch, bench.connector, name)
        bench.wait(12)
        assert odd.calls > 1
        assert bench.service.info is not None
        assert len(logged_failures.flush(RuntimeError)) == 1


@pytest.mark.parametrize("name", ["read_state", "apply", "write_conf"])
def test_no_exception_of_the_first_sync_is_the_last_connection(name, monkeypatch, logged_failures):
    bench = VppInMemory(vpp=False)
    bench.connector.start_vpp()
    odd = FailingMethod(monkeypatch, bench.connector.lb, name)
    bench.wait(12)
    assert odd.calls > 1
    assert bench.service.info is not None
    assert len(logged_failures.flush(RuntimeError)) == 1
    assert bench.service.tally.failures == 1
    assert bench.connector.lb.weights() == {WEB: {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}}
    bench.stop()


def test_no_exception_of_the_periodic_sync_is_the_last_sync(bench, monkeypatch, logged_failures):
    odd = FailingMethod(monkeypatch, bench.lb, "read_state")
    bench.lb.vips.clear()
    bench.wait(35)
    assert odd.calls > 1
    assert bench.lb.vips
    assert len(logged_failures.flush(RuntimeError)) == 1


def test_no_exception_of_a_ping_or_of_the_counters_is_the_last_one(bench, monkeypatch, logged_failures):
    ping = FailingMethod(monkeypatch, bench.connector.links[-1], "ping")
    count = FailingMethod(monkeypatch, bench.service.counters, "read")
    bench.wait(25)
    assert ping.calls > 1
    assert count.calls > 2
    assert len(logged_failures.flush(RuntimeError)) == 2
    assert bench.service.tally.failures == 2
    assert len(bench.connector.links) == 1
