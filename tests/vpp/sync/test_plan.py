"""Plans: what is done, in which order, and what is left alone."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.config import Transport
from maglev.state.weights import DesiredWeight
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
from maglev.vpp.sync.plan import (
    WantedServer,
    WantedVip,
    differs,
    fitted,
    key_of,
    plan_address,
    plan_all,
    plan_vip,
    raises,
    want,
    why_recreate,
)
from tests.fakes.configs import CONF, make_frontend
from tests.fakes.lb import FakeLb
from tests.fakes.plans import operations_of

KEY = VipKey("192.0.2.1", 32, 6, 80)
HTTPS = KEY._replace(port=443)


def wanted(servers, key=KEY, **changes):
    values = {"encap": Encap.GRE4, "src_ip_sticky": False, "table_length": 1024, **changes}
    made = {a: w if isinstance(w, WantedServer) else WantedServer(w) for a, w in servers.items()}
    return WantedVip("web", key, servers=made, **values)


def held(servers, key=KEY, **changes):
    values = {"encap": Encap.GRE4, "src_ip_sticky": False, "table_length": 1024, **changes}
    return Vip(key, servers={a: ApplicationServer(a, w) for a, w in servers.items()}, **values)


def test_an_empty_vpp_gets_the_vip_and_its_servers():
    assert plan_vip(wanted({"10.0.0.1": 100, "10.0.0.2": 0}), None) == (
        AddVip(KEY, Encap.GRE4, False, 1024),
        AddServer(KEY, "10.0.0.1", 100),
        AddServer(KEY, "10.0.0.2", 0),
    )


def test_what_is_as_it_should_be_is_left_alone():
    assert plan_vip(wanted({"10.0.0.1": 100}), held({"10.0.0.1": 100})) == ()


def test_raises_come_before_lowers_and_those_before_deletions():
    plan = plan_vip(
        wanted({"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.4": 50}),
        held({"10.0.0.1": 100, "10.0.0.2": 0, "10.0.0.3": 100}),
    )
    assert plan == (
        AddServer(KEY, "10.0.0.4", 50),
        SetWeight(KEY, "10.0.0.2", 100, 0),
        SetWeight(KEY, "10.0.0.1", 0, 100),
        DeleteServer(KEY, "10.0.0.3"),
    )
    assert [raises(operation) for operation in plan] == [True, True, False, False]


def test_lowering_to_0_flushes_if_the_state_calls_for_it():
    plan = plan_vip(wanted({"10.0.0.1": WantedServer(0, flush=True)}), held({"10.0.0.1": 100}))
    assert plan == (SetWeight(KEY, "10.0.0.1", 0, 100, flush=True),)


def test_a_weight_of_0_is_not_flushed_at_each_sync():
    assert plan_vip(wanted({"10.0.0.1": WantedServer(0, flush=True)}), held({"10.0.0.1": 0})) == ()


def test_a_weight_of_0_is_flushed_when_that_is_due():
    plan = plan_vip(wanted({"10.0.0.1": WantedServer(0, True, True)}), held({"10.0.0.1": 0}))
    assert plan == (SetWeight(KEY, "10.0.0.1", 0, 0, flush=True),)


def test_the_key_of_a_frontend():
    assert key_of(make_frontend()) == KEY
    assert key_of(make_frontend(port=0)) == VipKey("192.0.2.1", 32, 255, 0)
    udp = attrs.evolve(make_frontend(address="2001:db8::1"), transport=Transport.UDP)
    assert key_of(udp) == VipKey("2001:db8::1", 128, 17, 80)


def test_the_encapsulation_goes_by_the_family_of_the_backends():
    frontend = make_frontend(pools=(("a",),), src_ip_sticky=True, table_length=4096)
    made = want(frontend, {"a": "2001:db8::1"}, {"a": DesiredWeight(7, flush=False)}, frozenset())
    assert (made.encap, made.src_ip_sticky, made.table_length) == (Encap.GRE6, True, 4096)
    assert made.servers == {"2001:db8::1": WantedServer(7)}


def test_two_backends_of_one_address_get_the_higher_weight():
    frontend = make_frontend(pools=(("a", "b"),))
    for first, second in ((0, 50), (50, 0)):
        desired = {"a": DesiredWeight(first, flush=not first), "b": DesiredWeight(second, flush=not second)}
        made = want(frontend, {"a": "10.0.0.1", "b": "10.0.0.1"}, desired, {"a", "b"})
        assert made.servers == {"10.0.0.1": WantedServer(50)}


def test_what_cannot_change_on_a_live_vip_asks_for_a_new_one():
    same = wanted({})
    assert why_recreate(same, held({})) == ()
    assert why_recreate(same, held({}, encap=Encap.GRE6)) == ("encapsulation gre6 -> gre4",)
    assert why_recreate(same, held({}, src_ip_sticky=True, table_length=2048)) == (
        "src-ip-sticky true -> false",
        "new-flows-table-length 2048 -> 1024",
    )
    assert why_recreate(same, held({}, src_ip_sticky=None, table_length=0)) == ()


def test_recreation_deletes_the_vip_first():
    vip = held({"10.0.0.1": 100}, src_ip_sticky=True)
    plan = plan_address({KEY: wanted({"10.0.0.1": 100})}, {KEY: vip}, set())
    assert plan.recreated == {KEY: ("src-ip-sticky true -> false",)}
    assert list(plan.making) == [
        DeleteVip(KEY),
        AddVip(KEY, Encap.GRE4, False, 1024),
        AddServer(KEY, "10.0.0.1", 100),
    ]


def test_what_nobody_wants_is_removed_last_unless_it_is_in_the_way():
    other = KEY._replace(address="192.0.2.9")
    all_ports = KEY._replace(protocol=255, port=0)
    vips = {other: held({}, key=other), all_ports: held({}, key=all_ports)}
    plan = plan_all({KEY: wanted({})}, vips, {other, all_ports})
    assert plan[KEY[:2]].clearing == (all_ports,)
    assert plan[other[:2]].removing == (other,)
    assert operations_of(plan) == (DeleteVip(all_ports), AddVip(KEY, Encap.GRE4, False, 1024), DeleteVip(other))


def test_a_doomed_neighbour_of_another_encapsulation_is_in_the_way_only_of_what_is_new():
    vips = {HTTPS: held({}, key=HTTPS, encap=Encap.GRE6)}
    assert plan_address({KEY: wanted({})}, vips, {HTTPS}).clearing == (HTTPS,)
    vips[KEY] = held({})
    plan = plan_address({KEY: wanted({})}, vips, {HTTPS})
    assert (plan.clearing, plan.removing) == ((), (HTTPS,))


def test_all_vips_of_an_address_change_their_encapsulation_together():
    vips = {key: held({"10.0.0.1": 9}, key=key) for key in (KEY, HTTPS)}
    wants = {key: wanted({"2001:db8::1": 9}, key=key, encap=Encap.GRE6) for key in (KEY, HTTPS)}
    plan = plan_address(wants, vips, set())
    assert set(plan.clearing) == {KEY, HTTPS}
    assert [type(each) for each in plan.making] == [DeleteVip, DeleteVip, AddVip, AddServer, AddVip, AddServer]


def test_a_vip_waits_for_a_neighbour_that_must_stay_for_now():
    vips = {KEY: held({"10.0.0.1": 9}), HTTPS: held({"10.0.0.1": 9}, key=HTTPS)}
    plan = plan_address({KEY: wanted({"2001:db8::1": 9}, encap=Encap.GRE6)}, vips, set())
    assert plan.postponed == {KEY: HTTPS}
    assert (plan.clearing, plan.vips, plan.recreated, plan.removing) == ((), {}, {}, ())
    del vips[KEY]
    assert plan_address({KEY: wanted({}, encap=Encap.GRE6)}, vips, set()).postponed == {KEY: HTTPS}


def test_a_neighbour_that_stays_is_not_a_hindrance_to_another_stickiness_or_length():
    vips = {KEY: held({}), HTTPS: held({}, key=HTTPS)}
    plan = plan_address({KEY: wanted({}, src_ip_sticky=True)}, vips, set())
    assert (plan.clearing, plan.postponed) == ((KEY,), {})


def test_vips_that_are_neither_wanted_nor_doomed_are_left_alone():
    assert plan_all({}, {HTTPS: held({"10.0.0.1": 5}, key=HTTPS)}, set()) == {}


# What a VPP without weights can hold


def test_without_weights_a_weight_of_0_is_absence_and_every_other_is_100():
    made = fitted(wanted({"10.0.0.1": 50, "10.0.0.2": 0}), weights=False, src_ip_sticky=True)
    assert made.servers == {"10.0.0.1": WantedServer(100)}
    assert plan_vip(made, held({"10.0.0.1": 100})) == ()


def test_without_weights_lowering_to_0_deletes_and_flushes_if_the_state_calls_for_it():
    both = {"10.0.0.1": WantedServer(0, flush=True), "10.0.0.2": WantedServer(0)}
    made = fitted(wanted(both), weights=False, src_ip_sticky=True)
    assert plan_vip(made, held({"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 100})) == (
        DeleteServer(KEY, "10.0.0.3", flush=True),
        DeleteServer(KEY, "10.0.0.1", flush=True),
        DeleteServer(KEY, "10.0.0.2", flush=False),
    )


def test_without_weights_an_absent_server_is_flushed_when_that_is_due():
    made = fitted(wanted({"10.0.0.1": WantedServer(0, True, True)}), weights=False, src_ip_sticky=True)
    assert plan_vip(made, held({})) == (DeleteServer(KEY, "10.0.0.1", flush=True),)


def test_what_vpp_cannot_do_is_not_asked_for():
    sticky = wanted({"10.0.0.1": 7}, src_ip_sticky=True)
    assert fitted(sticky, weights=True, src_ip_sticky=True) == sticky
    assert fitted(sticky, weights=True, src_ip_sticky=False) == attrs.evolve(sticky, src_ip_sticky=False)


def test_settings_differ_only_where_vpp_says_so():
    assert differs(CONF, None)
    assert not differs(CONF, CONF)
    assert not differs(CONF, attrs.evolve(CONF, sticky_buckets_per_core=0, flow_timeout=0))
    for change in ({"flow_timeout": 1}, {"sticky_buckets_per_core": 2}, {"ipv4_src_address": "192.0.2.7"}):
        assert differs(CONF, attrs.evolve(CONF, **change))


def test_a_vip_reads_as_people_write_it():
    assert str(KEY) == "tcp://192.0.2.1:80"
    assert str(VipKey("2001:db8::1", 128, 17, 53)) == "udp://[2001:db8::1]:53"
    assert str(VipKey("192.0.2.0", 24, 255, 0)) == "192.0.2.0/24"
    assert str(VipKey("2001:db8::1", 128, 255, 0)) == "2001:db8::1"
    assert str(VipKey("192.0.2.0", 24, 47, 1)) == "47://192.0.2.0/24:1"


addresses = st.sampled_from([f"10.0.0.{index}" for index in range(6)])
weights = st.dictionaries(addresses, st.integers(0, 3))


@given(weights, weights)
def test_a_plan_done_is_a_plan_fulfilled_without_a_moment_of_nothing(before, after):
    lb = FakeLb()
    lb.vips[KEY] = held(dict(before))
    plan = plan_vip(wanted(after), lb.vips[KEY])
    lowest = None
    for operation in plan:
        lb.apply(operation)
        total = sum(server.weight for server in lb.vips[KEY].servers.values())
        lowest = total if lowest is None else min(lowest, total)
    assert lb.weights()[str(KEY)] == after
    assert plan_vip(wanted(after), lb.vips[KEY]) == ()
    if plan and any(before.values()) and any(after.values()):
        assert lowest > 0
    assert all(each.weight != each.previous for each in plan if isinstance(each, SetWeight))


keys = st.builds(
    VipKey,
    st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    st.just(32),
    st.just(6),
    st.sampled_from([80, 443]),
)
shapes = st.fixed_dictionaries({"src_ip_sticky": st.booleans(), "table_length": st.sampled_from([1024, 2048])})


@given(
    st.dictionaries(keys, st.tuples(weights, shapes)),
    st.dictionaries(keys, st.tuples(weights, shapes)),
    st.booleans(),
    st.booleans(),
)
def test_any_state_is_brought_to_any_other_and_then_nothing_is_left_to_do(before, after, six_before, six_after):
    lb = FakeLb()
    encap = [Encap.GRE4, Encap.GRE6]
    lb.vips = {key: held(servers, key, encap=encap[six_before], **shape) for key, (servers, shape) in before.items()}
    wants = {key: wanted(servers, key, encap=encap[six_after], **shape) for key, (servers, shape) in after.items()}
    to_delete = lb.vips.keys() - wants.keys()
    failures = []
    for operation in operations_of(plan_all(wants, lb.vips, to_delete)):
        lb.apply(operation).addErrback(failures.append)
    assert failures == []
    assert plan_all(wants, lb.vips, lb.vips.keys() - wants.keys()) == {}
    assert lb.vips.keys() == wants.keys()
