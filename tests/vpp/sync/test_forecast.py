"""Forecasts: what a plan does to each VIP and to its new flows."""

import attrs
import pytest

from maglev.model.config import Backend
from maglev.vpp.lb.state import AddServer, AddVip, DeleteVip, Encap, SetWeight, VipKey
from maglev.vpp.lb.table import flow_table
from maglev.vpp.sync.forecast import VipForecast, as_held, forecast_steps, recreation_steps
from maglev.vpp.sync.plan import WantedServer, WantedVip, plan_all
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.outcomes import run_steps

KEY = VipKey("192.0.2.1", 32, 6, 80)
HTTPS = KEY._replace(port=443)
TEN = {f"10.0.0.{index}": 100 for index in range(1, 11)}


def wanted(servers, key=KEY, **changes):
    values = {"encap": Encap.GRE4, "src_ip_sticky": False, "table_length": 1024, **changes}
    return WantedVip("web", key, servers={a: WantedServer(w) for a, w in servers.items()}, **values)


def forecast(before, after, to_delete=frozenset(), weights=True):
    held = {vip.key: as_held(vip) for vip in before}
    wants = {vip.key: vip for vip in after}
    return run_steps(forecast_steps(plan_all(wants, held, to_delete), wants, held, weights=weights))


def recreations(old, new, known=None, **features):
    return run_steps(recreation_steps(old, new, known, **features))


def moved(before, after, **more):
    (change,) = forecast([before], [after], **more)
    return change.moved


def test_the_share_that_moves_is_that_of_the_tables():
    after = {**TEN, "10.0.0.1": 0}
    (change,) = forecast([wanted(TEN)], [wanted(after)])
    pairs = list(zip(flow_table(TEN, 1024), flow_table(after, 1024), strict=True))
    assert change == VipForecast(
        KEY, "web", "change", (), (SetWeight(KEY, "10.0.0.1", 0, 100),), sum(a != b for a, b in pairs) / 1024
    )
    assert 0.2 < change.moved < 0.3  # 25 % where 10 % have to: facts about the table of this length


def test_a_new_server_takes_what_it_gets_from_the_others():
    (change,) = forecast([wanted(TEN)], [wanted({**TEN, "10.0.0.11": 100})])
    assert change.operations == (AddServer(KEY, "10.0.0.11", 100),)
    assert 1 / 11 < change.moved < 0.3


def test_when_nobody_has_weight_any_more_all_flows_move():
    assert moved(wanted(TEN), wanted(dict.fromkeys(TEN, 0))) == 1.0


def test_a_vip_without_flows_before_has_none_that_move():
    (change,) = forecast([], [wanted(TEN)])
    assert (change.action, change.moved, len(change.operations)) == ("add", None, 11)
    assert moved(wanted(dict.fromkeys(TEN, 0)), wanted(TEN)) is None


def test_a_longer_table_moves_some():
    (change,) = forecast([wanted(TEN)], [wanted(TEN, table_length=4096)])
    assert (change.action, change.reasons) == ("recreate", ("new-flows-table-length 1024 -> 4096",))
    short, long = flow_table(TEN, 1024), flow_table(TEN, 4096)
    assert change.moved == sum(owner != short[index % 1024] for index, owner in enumerate(long)) / 4096
    assert change.operations[:2] == (DeleteVip(KEY), AddVip(KEY, Encap.GRE4, False, 4096))


def test_another_stickiness_shuffles_everything():
    assert moved(wanted(TEN), wanted(TEN, src_ip_sticky=True)) == pytest.approx(0.9, abs=0.001)


def test_a_length_that_vpp_did_not_tell_is_taken_for_that_wanted():
    before = wanted({**TEN, "10.0.0.1": 1})
    known = moved(before, wanted(TEN))
    assert moved(attrs.evolve(before, table_length=0, src_ip_sticky=None), wanted(TEN)) == known


def test_flushing_alone_moves_nothing():
    flush = wanted({**TEN, "10.0.0.1": 0})
    servers = {**flush.servers, "10.0.0.1": WantedServer(0, flush=True, flush_now=True)}
    assert moved(flush, attrs.evolve(flush, servers=servers)) == 0.0


def test_a_vip_that_goes_takes_its_flows_with_it():
    assert forecast([wanted(TEN)], [], {KEY}) == (VipForecast(KEY, None, "remove", (), (DeleteVip(KEY),), 1.0),)


def test_what_is_in_the_way_goes_first():
    all_ports = KEY._replace(protocol=255, port=0)
    changes = forecast([wanted({}, key=all_ports)], [wanted({})], {all_ports})
    assert [(change.key, change.action) for change in changes] == [(all_ports, "remove"), (KEY, "add")]


def test_a_vip_that_has_to_wait_says_for_which():
    (change,) = forecast([wanted({}, HTTPS, encap=Encap.GRE6)], [wanted({})])
    assert change == VipForecast(KEY, "web", "wait", ("for tcp://192.0.2.1:443 to go",), (), 0.0)


def test_of_a_vpp_without_weights_nobody_knows_the_tables():
    assert moved(wanted(TEN), wanted({**TEN, "10.0.0.1": 0}), weights=False) is None


def test_large_tables_are_worked_out_in_many_steps():
    servers = {f"10.0.{index // 250}.{index % 250 + 1}": 100 for index in range(500)}
    held = {KEY: as_held(wanted(servers, table_length=65536))}
    wants = {KEY: wanted({**servers, "10.0.0.1": 0}, table_length=65536)}
    assert sum(1 for _ in forecast_steps(plan_all(wants, held, set()), wants, held, weights=True)) > 20


def test_which_vips_a_reload_recreates():
    old = make_config(frontends=[make_frontend(), make_frontend("tls", port=443), make_frontend("old", "192.0.2.5")])
    six = [Backend(name, f"2001:db8::{index}", "tcp") for index, name in enumerate("abc", 1)]
    renamed = make_frontend("renamed", table_length=64)
    tls = make_frontend("tls", port=443, src_ip_sticky=True)
    new = make_config(frontends=[renamed, tls, make_frontend("new", "192.0.2.6")], backends=six)
    assert recreations(old, old) == {}
    assert recreations(old, new) == {
        "renamed": ("encapsulation gre4 -> gre6", "new-flows-table-length 1024 -> 64"),
        "tls": ("encapsulation gre4 -> gre6", "src-ip-sticky false -> true"),
    }


def test_a_frontend_of_which_only_the_backends_change_is_recreated_as_well():
    old = make_config(frontends=[make_frontend()])
    six = {name: attrs.evolve(each, address=f"2001:db8::{name}") for name, each in old.backends.items()}
    assert recreations(old, attrs.evolve(old, backends=six)) == {"web": ("encapsulation gre4 -> gre6",)}


def fitting(length, enough=(), **changes):
    return make_config([make_frontend(table_length=length, table_fits=True, table_enough=enough, **changes)])


def held(length, sticky=False):
    return {KEY: as_held(wanted({}, table_length=length, src_ip_sticky=sticky))}


@pytest.mark.parametrize(
    ("old", "new", "length", "expected"),
    [
        (fitting(2048), fitting(4096), 1024, 4096),  # VPP has kept 1024, and now it is too short
        (fitting(2048), fitting(8192), 4096, None),  # VPP has kept 4096
        (fitting(1024), fitting(4096), 32768, None),
        (fitting(2048), fitting(4096, (1024,)), 1024, None),  # the shares of 1024 are good enough
        (fitting(1024), make_config([make_frontend(table_length=1024)]), 32768, 1024),
        (make_config([make_frontend(table_length=8192)]), make_config([make_frontend()]), 4096, 1024),
    ],
)
def test_whether_a_vip_is_recreated_follows_from_the_table_that_vpp_has(old, new, length, expected):
    reasons = {"web": (f"new-flows-table-length {length} -> {expected}",)} if expected else {}
    assert recreations(old, new, held(length)) == reasons


def test_nothing_is_said_of_a_length_that_vpp_may_not_have():
    assert recreations(fitting(1024), fitting(8192)) == {}
    sticky = {"web": ("src-ip-sticky false -> true",)}
    assert recreations(fitting(1024), fitting(8192, src_ip_sticky=True)) == sticky


def test_a_vip_that_vpp_does_not_hold_is_not_recreated_and_one_of_nobody_is():
    old, new = make_config([make_frontend()]), make_config([make_frontend(src_ip_sticky=True)])
    assert recreations(old, new, {}) == {}
    assert recreations(make_config([]), new, held(1024)) == {"web": ("src-ip-sticky false -> true",)}
    assert recreations(old, new, held(1024), src_ip_sticky=False) == {}
