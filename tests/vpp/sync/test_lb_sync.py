"""The sync against a VPP in memory: VIPs recreated, drift, mass changes, older VPPs, previews."""

import attrs

from maglev.model.config import Backend, ForeignVips
from maglev.model.health import Lifecycle
from maglev.vpp.lb.calls import Features
from maglev.vpp.lb.state import (
    AddServer,
    AddVip,
    ApplicationServer,
    DeleteServer,
    DeleteVip,
    Encap,
    SetWeight,
    Vip,
    VipKey,
)
from tests.fakes.configs import CONF, make_config, make_frontend
from tests.fakes.lb import FakeLb
from tests.fakes.plans import operations_of
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, results_of

KEY = VipKey("192.0.2.1", 32, 6, 80)
HTTPS = KEY._replace(port=443)
FOREIGN = VipKey("192.0.2.99", 32, 6, 80)
WEB = "tcp://192.0.2.1:80"
SLOW = {"startup_min_delay": 5.0, "startup_max_delay": 30.0}


def hold(lb, key, servers, **changes):
    """Let VPP hold a VIP."""
    values = {"encap": Encap.GRE4, "src_ip_sticky": False, "table_length": 1024, **changes}
    lb.vips[key] = Vip(key, servers={a: ApplicationServer(a, w) for a, w in servers.items()}, **values)


def of_family(prefix, *frontends, **settings):
    """Return a configuration whose backends are all of one family."""
    backends = [Backend(name, f"{prefix}{index}", "tcp") for index, name in enumerate("abcx", 1)]
    return make_config(frontends=frontends, backends=backends, checks=QUICK, **settings)


PORTS = make_frontend(), make_frontend("tls", port=443, pools=(("x",),))


# VIPs recreated


def test_a_vip_is_recreated_in_one_message_and_the_reason_is_told(bench, told):
    bench.board.apply(make_config(frontends=[make_frontend(src_ip_sticky=True, table_length=64)], checks=QUICK))
    (script,) = bench.lb.scripts
    assert script[:2] == [DeleteVip(KEY), AddVip(KEY, Encap.GRE4, True, 64)]
    assert told("vpp-lbsync-vip-recreate") == [
        {
            "vip": WEB,
            "frontend": "web",
            "reason": "src-ip-sticky false -> true, new-flows-table-length 1024 -> 64",
        }
    ]
    counts = bench.service.tally.writes
    assert (counts["all", "vip_removed"], counts["all", "as_removed"], counts["all", "vip_added"]) == (1, 3, 2)
    bench.writes()
    bench.wait(61)
    assert bench.writes() == []


def test_the_vips_of_an_address_change_their_family_in_one_message():
    bench = VppInMemory(of_family("10.0.0.", *PORTS))
    bench.lb.scripts.clear()
    bench.board.apply(of_family("2001:db8::", *PORTS))
    bench.record(a=PASS, b=PASS, c=PASS)
    # What is on the address serves as before until all of it can be made again.
    assert bench.lb.scripts == []
    assert bench.weights() == {WEB: {"10.0.0.1": 100, "10.0.0.2": 100}, "tcp://192.0.2.1:443": {"10.0.0.4": 100}}
    bench.record(x=PASS)
    (script,) = bench.lb.scripts
    assert script[:2] in ([DeleteVip(KEY), DeleteVip(HTTPS)], [DeleteVip(HTTPS), DeleteVip(KEY)])
    assert {vip.encap for vip in bench.lb.vips.values()} == {Encap.GRE6}
    bench.stop()


def test_a_neighbour_that_stays_is_changed_apart_from_that():
    config = of_family("10.0.0.", *PORTS)
    bench = VppInMemory(config)
    bench.record(x=FAIL)
    bench.lb.scripts.clear()
    bench.writes()
    sticky = {**config.frontends, "web": attrs.evolve(PORTS[0], src_ip_sticky=True)}
    backends = {**config.backends, "x": Backend("x", "10.0.0.9", "tcp")}
    bench.board.apply(attrs.evolve(config, frontends=sticky, backends=backends))
    (script,) = bench.lb.scripts
    assert {operation.key for operation in script} == {KEY}
    assert {operation.key for operation in bench.writes()} == {KEY, HTTPS}
    assert bench.weights()["tcp://192.0.2.1:443"] == {"10.0.0.9": 0}
    bench.stop()


def test_a_transition_during_that_is_written_after_it():
    bench = VppInMemory(of_family("10.0.0.", *PORTS))
    bench.lb.manual = True
    bench.board.apply(of_family("2001:db8::", *PORTS, removal_max_delay=0.0))
    bench.record(a=FAIL, b=PASS, x=FAIL)
    while bench.lb.waiting:
        bench.lb.answer()
    assert bench.weights() == {
        WEB: {"2001:db8::1": 0, "2001:db8::2": 100, "2001:db8::3": 0},
        "tcp://192.0.2.1:443": {"2001:db8::4": 0},
    }
    bench.stop()


def test_a_message_that_fails_half_way_is_made_good_by_the_next_sync(bench):
    bench.lb.refuse[AddServer] = -1
    bench.board.apply(make_config(frontends=[make_frontend(src_ip_sticky=True)], checks=QUICK))
    assert bench.weights() == {WEB: {}}
    bench.lb.refuse.clear()
    bench.wait(1.1)
    assert bench.weights() == {WEB: {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}}


def test_very_many_servers_are_recreated_without_waiting_in_between(monkeypatch):
    monkeypatch.setattr("maglev.vpp.sync.writer.MAX_SCRIPT", 100)
    config = large(100)
    bench = VppInMemory(config)
    bench.lb.scripts.clear()
    bench.lb.manual = True
    sticky = {"web": attrs.evolve(config.frontends["web"], src_ip_sticky=True)}
    bench.board.apply(attrs.evolve(config, frontends=sticky))
    bench.lb.answer(1)  # the read before
    bench.clock.advance(0.01)  # the rest that VPP is given after it rebuilt the table
    assert len(bench.lb.waiting) == 102
    bench.lb.answer()
    assert bench.lb.scripts == [[DeleteVip(KEY)]]
    assert (len(bench.weights()[WEB]), bench.lb.vips[KEY].src_ip_sticky) == (100, True)
    bench.stop()


def bench_with_both(config):
    """Return a bench that finds both VIPs in VPP, and knows nothing of their backends."""
    bench = VppInMemory(config, vpp=False, known=False)
    bench.connector.start_vpp(bench.lb)
    hold(bench.lb, KEY, {"10.0.0.1": 100})
    hold(bench.lb, HTTPS, {"10.0.0.4": 100})
    bench.wait(0.5)
    return bench


def test_during_the_warm_up_a_change_of_family_waits_for_the_neighbours(told):
    bench = bench_with_both(of_family("2001:db8::", *PORTS, **SLOW))
    bench.record(a=PASS, b=PASS, c=PASS)
    bench.wait(6)
    assert set(bench.lb.vips) == {KEY, HTTPS}
    assert {vip.encap for vip in bench.lb.vips.values()} == {Encap.GRE4}
    assert told("vpp-lbsync-vip-postponed") == [{"vip": WEB, "because_of": "tcp://192.0.2.1:443"}]
    bench.record(a=FAIL)
    assert bench.lb.vips[KEY].servers.keys() == {"10.0.0.1"}
    bench.record(x=PASS)
    assert {vip.encap for vip in bench.lb.vips.values()} == {Encap.GRE6}
    assert bench.weights()["tcp://192.0.2.1:443"] == {"2001:db8::4": 100}
    assert len(bench.lb.scripts) == 1
    assert len(told("vpp-lbsync-vip-postponed")) == 1
    bench.stop()


def test_during_the_warm_up_a_change_of_stickiness_waits_for_nobody():
    frontends = attrs.evolve(PORTS[0], src_ip_sticky=True), PORTS[1]
    bench = bench_with_both(of_family("10.0.0.", *frontends, **SLOW))
    bench.record(a=PASS, b=PASS, c=PASS)
    bench.wait(6)
    assert bench.lb.vips[KEY].src_ip_sticky
    assert bench.weights()["tcp://192.0.2.1:443"] == {"10.0.0.4": 100}
    bench.stop()


def test_a_kept_foreign_vip_in_the_way_is_told_once_and_not_fought(told):
    bench = VppInMemory(foreign_vips=ForeignVips.KEEP, vpp=False)
    lb = FakeLb()
    hold(lb, HTTPS, {"2001:db8::9": 1}, encap=Encap.GRE6)
    bench.connector.start_vpp(lb)
    bench.wait(100)
    assert list(lb.vips) == [HTTPS]
    assert lb.writes == [CONF]
    assert len(told("vpp-lbsync-vip-postponed")) == 1
    del lb.vips[HTTPS]
    bench.wait(31)
    assert list(lb.vips) == [KEY]
    bench.stop()


def test_a_sync_of_one_frontend_recreates_its_vip_and_removes_none(bench):
    hold(bench.lb, KEY, {"10.0.0.1": 1}, table_length=64)
    hold(bench.lb, FOREIGN, {})
    bench.lb.scripts.clear()
    (done,) = results_of(bench.service.sync_now("web"))
    assert [type(each) for each in done] == [DeleteVip, AddVip, AddServer, AddServer, AddServer]
    assert set(bench.lb.vips) == {KEY, FOREIGN}


def test_a_sync_of_a_frontend_that_is_not_released_writes_nothing():
    bench = VppInMemory(**SLOW)
    assert results_of(bench.service.sync_now("web")) == [()]
    assert bench.writes() == []
    bench.stop()


# Drift


def test_what_was_changed_by_hand_is_told_with_what_was_found_and_repaired_once(bench, told):
    hold(bench.lb, KEY, {"10.0.0.1": 7, "10.0.0.3": 0, "10.9.9.9": 5})
    hold(bench.lb, FOREIGN, {"10.9.9.9": 1})
    bench.lb.conf = attrs.evolve(CONF, flow_timeout=99)
    bench.writes()
    bench.wait(31)
    settings, web, foreign = sorted(told("vpp-lbsync-drift"), key=lambda event: event["what"] != "settings")
    assert settings["what"] == "settings"
    assert "flow_timeout 99" in settings["found"]
    assert "flow_timeout 40" in settings["wanted"]
    web, foreign = sorted((web, foreign), key=lambda event: event["what"])
    assert web == {
        "what": WEB,
        "frontend": "web",
        "differences": 3,
        "found": "10.0.0.1 weight 7, 10.0.0.2 absent, 10.9.9.9 weight 5",
        "wanted": "10.0.0.1 weight 100, 10.0.0.2 weight 100, 10.9.9.9 absent",
    }
    assert foreign["found"] == "a VIP with 1 application servers"
    assert (foreign["wanted"], foreign["frontend"]) == ("absent", "")
    assert len(bench.writes()) == 5
    assert bench.lb.vips[KEY].servers == {
        f"10.0.0.{n}": ApplicationServer(f"10.0.0.{n}", w) for n, w in ((1, 100), (2, 100), (3, 0))
    }
    bench.wait(61)
    assert bench.writes() == []
    assert len(told("vpp-lbsync-drift")) == 3


def test_a_vip_recreated_by_hand_is_recreated_again(bench, told):
    hold(bench.lb, KEY, {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}, src_ip_sticky=True, table_length=64)
    bench.wait(31)
    (event,) = told("vpp-lbsync-drift")
    assert event["found"] == "src-ip-sticky true, 64 buckets"
    assert (bench.lb.vips[KEY].src_ip_sticky, bench.lb.vips[KEY].table_length) == (False, 1024)


def test_our_own_writes_are_no_drift(bench, told):
    bench.lb.manual = True
    bench.record(a=FAIL)
    bench.wait(30.1)  # a read is under way
    bench.record(b=FAIL)
    while bench.lb.waiting:
        bench.lb.answer(1)
    bench.lb.manual = False
    bench.board.apply(make_config(frontends=[], backends=[], checks=QUICK))
    bench.wait(61)
    assert told("vpp-lbsync-drift") == []


def test_what_a_new_connection_finds_is_not_drift(bench, told):
    bench.connector.kill_vpp()
    bench.connector.start_vpp()
    bench.wait(1)
    assert told("vpp-lbsync-drift") == []


def test_what_others_do_to_a_foreign_vip_that_is_kept_is_not_drift(told):
    bench = VppInMemory(foreign_vips=ForeignVips.KEEP)
    hold(bench.lb, FOREIGN, {})
    bench.wait(31)
    hold(bench.lb, FOREIGN, {"10.9.9.9": 5})
    bench.wait(31)
    assert told("vpp-lbsync-drift") == []
    bench.stop()


# Mass changes


def large(count, **settings):
    names = [f"b{index}" for index in range(count)]
    backends = [Backend(name, f"10.1.{index // 250}.{index % 250}", "tcp") for index, name in enumerate(names)]
    return make_config(frontends=[make_frontend(pools=(names,))], backends=backends, checks=QUICK, **settings)


def test_a_large_vip_is_made_by_one_message_and_told_in_one_line(told):
    bench = VppInMemory(large(1000))
    (script,) = bench.lb.scripts
    assert len(script) == 1001
    assert told("vpp-lbsync-as-added") == []
    assert [(event["servers"], event["weighing"]) for event in told("vpp-lbsync-vip-added")] == [(1000, 1000)]
    assert bench.service.tally.writes["all", "as_added"] == 1000
    bench.stop()


def test_backends_that_fail_one_after_the_other_are_written_together(told):
    bench = VppInMemory(large(1000))
    bench.wait(1)
    bench.lb.scripts.clear()
    bench.writes()
    for index in range(500):
        bench.record(**{f"b{index}": FAIL})
    # The first at once, then a rest for VPP, in which the others gather.
    assert bench.writes() == [SetWeight(KEY, "10.1.0.0", 0, 100, flush=True)]
    bench.wait(0.2)
    lowering, *flushes = bench.lb.scripts
    assert len(lowering) == 499
    assert not any(each.flush for each in lowering)
    assert {each.flush for script in flushes for each in script} == {True}
    assert [len(script) for script in flushes] == [32] * 15 + [19]
    assert sum(1 for weight in bench.weights()[WEB].values() if weight) == 500
    assert bench.service.tally.writes["vip", "as_weight_updated"] == 500
    assert [event["as_weight_updated"] for event in told("vpp-lbsync-many")] == [499]
    bench.wait(61)
    assert len(bench.lb.scripts) == 17
    bench.stop()


def test_they_come_back_without_a_moment_of_nothing():
    bench = VppInMemory(large(500))
    for index in range(500):
        bench.record(**{f"b{index}": FAIL})
    bench.wait(2)
    assert set(bench.weights()[WEB].values()) == {0}
    bench.lb.zero_moments.clear()
    for index in range(500):
        bench.record(**{f"b{index}": PASS})
    bench.wait(2)
    assert set(bench.weights()[WEB].values()) == {100}
    assert bench.lb.zero_moments == []
    bench.stop()


def test_a_small_vip_is_never_left_waiting(bench):
    bench.writes()
    for _ in range(50):
        bench.record(a=FAIL)
        bench.record(a=PASS)
    assert len(bench.writes()) == 100


def test_foreign_vips_of_a_kind_that_has_no_name_are_removed_too(bench):
    odd = VipKey("192.0.2.99", 32, 47, 1)
    hold(bench.lb, odd, {"10.9.9.9": 1})
    bench.lb.scripts.clear()
    bench.wait(31)
    assert list(bench.lb.vips) == [KEY]
    assert bench.lb.scripts == []


# VPPs that can do less


class OldLb(FakeLb):
    """A VPP without weights or stickiness."""

    features = Features(weights=False, src_ip_sticky=False)


def old_bench(config, **settings):
    bench = VppInMemory(config, vpp=False, **settings)
    bench.connector.start_vpp(OldLb())
    bench.wait(0.5)
    bench.lb = bench.connector.lb
    return bench


def test_without_weights_servers_are_there_or_not():
    bench = old_bench(make_config(frontends=[make_frontend(pools=((("a", 50), "b"), ("c",)))], checks=QUICK))
    assert bench.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 100}
    bench.writes()
    bench.record(a=FAIL)
    bench.record(b=FAIL)
    bench.record(a=PASS)
    bench.board.happen("a", Lifecycle.PAUSE)
    assert bench.writes() == [
        DeleteServer(KEY, "10.0.0.1", flush=True),
        AddServer(KEY, "10.0.0.3", 100),
        DeleteServer(KEY, "10.0.0.2", flush=True),
        AddServer(KEY, "10.0.0.1", 100),
        DeleteServer(KEY, "10.0.0.3", flush=False),
        AddServer(KEY, "10.0.0.3", 100),
        DeleteServer(KEY, "10.0.0.1", flush=False),
    ]
    bench.board.happen("a", Lifecycle.DISABLE)
    assert bench.writes() == [DeleteServer(KEY, "10.0.0.1", flush=True)]
    bench.wait(100)
    assert bench.writes() == []
    bench.stop()


def test_without_weights_a_change_of_weight_writes_nothing_and_a_restart_neither():
    bench = old_bench(make_config(checks=QUICK))
    bench.writes()
    bench.board.set_weight("web", "pool0", "a", 30)
    assert bench.writes() == []
    bench.stop()
    second = VppInMemory(vpp=False)
    second.connector.start_vpp(bench.lb)
    second.wait(100)
    assert bench.lb.writes == []
    assert set(second.service.tally.writes.values()) == {0}
    second.stop()


def test_without_stickiness_a_vip_is_made_without_it():
    bench = old_bench(make_config(frontends=[make_frontend(src_ip_sticky=True)], checks=QUICK))
    assert not bench.lb.vips[KEY].src_ip_sticky
    bench.writes()
    bench.wait(100)
    assert bench.writes() == []
    bench.stop()


# Previews


def test_a_preview_is_what_a_sync_then_does(bench):
    hold(bench.lb, KEY, {"10.0.0.1": 7}, table_length=64)
    hold(bench.lb, FOREIGN, {})
    bench.writes()
    (preview,) = results_of(bench.service.require_sync().preview())
    assert bench.writes() == []
    (done,) = results_of(bench.service.sync_now())
    assert tuple(done) == operations_of(preview.plan)
    assert (preview.conf, preview.waiting, preview.weights) == (None, 0, True)


def test_during_the_warm_up_a_preview_leaves_out_what_is_not_released():
    frontends = [make_frontend(), make_frontend("other", "192.0.2.2", pools=(("x",),))]
    bench = VppInMemory(make_config(frontends=frontends, checks=QUICK, **SLOW), known=False)
    bench.record(a=PASS, b=PASS, c=PASS)
    (preview,) = results_of(bench.service.require_sync().preview())
    assert (preview.conf, preview.plan, preview.waiting) == (None, {}, 2)
    bench.lb.refuse[AddVip] = -1
    bench.wait(5.1)
    (preview,) = results_of(bench.service.require_sync().preview())
    assert (list(preview.plan), preview.waiting) == ([KEY[:2]], 1)
    bench.stop()
