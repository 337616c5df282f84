"""A name that was never resolved keeps only servers that it may stand for."""

import pytest

from maglev.vpp.lb.state import ApplicationServer, Encap, Vip, VipKey
from maglev.vpp.sync.owners import Owners
from tests.fakes.configs import make_config
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, backends, reload, results_of, servers, web

KEY = VipKey("192.0.2.1", 32, 6, 80)
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
ABC = {"a": A, "b": B, "c": C}


def named(*members, names=("typo",)):
    """Return a frontend as it is in force while these names of it are unresolved."""
    return web(members, named_family=4, unresolved=names)


@pytest.fixture
def bench():
    """A bench whose three servers serve, and a reload has added a name that is not resolved."""
    made = VppInMemory(make_config(frontends=[web(("a", "b", "c"))], backends=backends(**ABC), checks=QUICK))
    reload(made, [named("a", "b", "c")], backends(**ABC), removal_max_delay=20.0, removal_drain=2.0)
    assert servers(made) == dict.fromkeys((A, B, C), 100)
    made.writes()
    yield made
    made.stop()


def later(bench, *members, names=("typo",)):
    """Reload a file that only has these members beside the names, or let DNS say so."""
    found = {name: ABC[name] for name in members}
    reload(bench, [named(*members, names=names)], backends(**found), removal_max_delay=20.0, removal_drain=2.0)


def test_a_backend_that_leaves_later_is_not_what_the_name_stands_for(bench):
    later(bench, "a", "b")
    assert servers(bench) == {A: 100, B: 100, C: 0}
    bench.wait(3)
    assert servers(bench) == {A: 100, B: 100}


def test_a_backend_that_had_failed_leaves_too(bench):
    bench.record(c=FAIL)
    later(bench, "a", "b")
    assert servers(bench) == {A: 100, B: 100}


def test_the_last_server_that_leaves_serves_until_its_time_is_over(bench):
    later(bench, "a")
    bench.wait(3)
    bench.record(a=FAIL)
    later(bench)
    reload(bench, [named("x")], backends(x="10.0.0.8"), removal_max_delay=20.0)
    bench.record(x=PASS)
    assert servers(bench) == {"10.0.0.8": 100}


def test_where_nothing_else_serves_it_stays_for_as_long_as_any(bench):
    later(bench)
    assert servers(bench) == dict.fromkeys((A, B, C), 100)
    bench.wait(19)
    assert servers(bench) == dict.fromkeys((A, B, C), 100)
    bench.wait(2)
    assert servers(bench) == {}


def test_what_left_before_the_name_came_goes_on_leaving():
    bench = VppInMemory(make_config(frontends=[web(("a", "b"))], backends=backends(a=A, b=B), checks=QUICK))
    reload(bench, [web(("a",))], backends(a=A), removal_drain=5.0)
    assert servers(bench) == {A: 100, B: 0}
    later(bench, "a")
    bench.wait(6)
    assert servers(bench) == {A: 100}
    bench.stop()


def test_what_leaves_with_the_reload_that_brings_a_name_stays_until_it_is_resolved(bench):
    later(bench, "a", names=("typo", "other"))
    later(bench, "a", names=("typo", "other"))
    bench.wait(60)
    assert servers(bench) == dict.fromkeys((A, B, C), 100)
    later(bench, "a", names=("typo",))
    bench.wait(60)
    assert servers(bench) == dict.fromkeys((A, B, C), 100)
    later(bench, "a", names=())
    bench.wait(60)
    assert servers(bench) == {A: 100}


def test_servers_from_before_this_run_stay_beside_those_that_leave():
    bench = VppInMemory(make_config(frontends=[named("a", "b")], backends=backends(a=A, b=B), checks=QUICK), vpp=False)
    vip = Vip(KEY, Encap.GRE4, False, 1024, {each: ApplicationServer(each, 100) for each in (A, B, C)})
    bench.lb.vips = {KEY: vip}
    bench.connector.start_vpp(bench.lb)
    bench.wait(40)
    later(bench, "a")
    bench.wait(40)
    assert servers(bench) == {A: 100, C: 100}
    bench.stop()


def test_a_plan_says_how_many_servers_stay_for_names(bench):
    def kept():
        (preview,) = results_of(bench.service.require_sync().preview())
        return preview.kept

    assert kept() == {}
    later(bench, "a", "b", names=("typo", "other"))
    assert kept() == {"web": 1}
    later(bench, "b", names=("typo", "other"))
    assert kept() == {"web": 1}
    later(bench, "b", names=())
    assert kept() == {}


def test_a_backend_that_comes_back_is_no_longer_leaving(bench):
    later(bench, "a", "b")
    later(bench, "a", "b", "c")
    bench.record(c=PASS)
    bench.wait(10)
    assert servers(bench) == dict.fromkeys((A, B, C), 100)


def test_what_is_gone_from_vpp_or_the_file_is_forgotten():
    owners = Owners()
    vip = Vip(KEY, Encap.GRE4, False, 1024, {each: ApplicationServer(each, 100) for each in (A, B, C)})
    owners.note(KEY, [A], None)
    owners.note(KEY, [B], None)
    assert set(owners.unknown(vip, [])) == {C}
    owners.note(KEY, [], [B, C])
    assert set(owners.unknown(vip, [])) == {A, C}
    assert set(owners.unknown(vip, [C])) == {A}
    owners.trim([KEY])
    assert set(owners.unknown(vip, [])) == {A, C}
    owners.trim([])
    assert set(owners.unknown(vip, [])) == {A, B, C}
    owners.note(KEY, [A], None)
    owners.forget(KEY)
    assert set(owners.unknown(vip, [])) == {A, B, C}
