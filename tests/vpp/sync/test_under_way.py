"""Writes under way: what is decided while VPP has not answered yet."""

from __future__ import annotations

import pytest

from maglev.model.config import Backend, ForeignVips
from maglev.model.events import FrontendState
from maglev.vpp.lb.state import AddServer, SetWeight, VipKey
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, results_of

WEB, TLS = "tcp://192.0.2.1:80", "tcp://192.0.2.1:443"
KEY = VipKey("192.0.2.1", 32, 6, 80)
A, B, C = (f"10.0.0.{number}" for number in (1, 2, 3))
BACKENDS = [Backend("a", A, "tcp"), Backend("b", B, "tcp"), Backend("c", C, "tcp")]


def config(*ports, names=("web", "tls"), **settings):
    frontends = [
        make_frontend(name, port=port, pools=(("a", "b", "c"),)) for name, port in zip(names, ports, strict=False)
    ]
    return make_config(frontends, BACKENDS, QUICK, **settings)


@pytest.fixture
def bench():
    made = VppInMemory(config(80, foreign_vips=ForeignVips.KEEP))
    made.writes()
    yield made
    made.stop()


def answer_all(bench):
    while bench.lb.waiting:
        bench.lb.answer(1)
    bench.lb.manual = False


def test_a_change_that_waits_for_a_vip_does_not_stand_for_another_vip_of_the_same_frontend(bench):
    bench.lb.manual = True
    bench.record(a=FAIL)
    bench.record(b=FAIL)
    bench.board.apply(config(443, foreign_vips=ForeignVips.KEEP))
    answer_all(bench)
    bench.record(c=FAIL)
    assert bench.weights() == {TLS: {A: 0, B: 0, C: 0}}


def test_a_vip_that_was_added_and_taken_out_again_while_vpp_was_slow_is_gone(bench):
    bench.lb.manual = True
    results_of(bench.service.sync_now())
    bench.board.apply(config(80, 443, foreign_vips=ForeignVips.KEEP))
    bench.board.apply(config(80, foreign_vips=ForeignVips.KEEP))
    answer_all(bench)
    bench.wait(1)
    assert bench.weights() == {WEB: {A: 100, B: 100, C: 100}}


def test_a_full_sync_compares_a_vip_that_is_being_written_when_the_write_is_done(bench):
    sync = bench.service.sync
    wanted = {KEY: sync._wanted.whole(bench.board.frontend("web"), sync.ledger.vips[KEY])}

    def concerned():
        coroutines = list(sync._making({}, wanted, read=False))
        for coroutine in coroutines:
            coroutine.close()
        return len(coroutines)

    assert concerned() == 0
    bench.lb.manual = True
    bench.record(a=FAIL)
    assert concerned() == 1
    answer_all(bench)
    assert concerned() == 0


def test_a_stop_waits_for_writes_under_way():
    bench = VppInMemory(config(80))
    link = bench.connector.links[-1]
    bench.writes()
    bench.lb.manual = True
    bench.record(a=FAIL)
    stopped = []
    bench.service.stopService().addBoth(stopped.append)
    assert (link.closed, stopped) == (False, [])
    answer_all(bench)
    assert (link.closed, len(stopped)) == (True, 1)
    assert bench.writes() == [SetWeight(KEY, A, 0, 100, flush=True)]
    assert bench.clock.getDelayedCalls() == []


def replaced(*names):
    """Return a configuration with one frontend that has these backends only."""
    frontends = [make_frontend(port=80, pools=(names,))]
    return make_config(frontends, [each for each in BACKENDS if each.name in names], QUICK, removal_max_delay=60.0)


def test_a_server_that_is_being_raised_while_a_reload_takes_it_out_stays_until_another_one_serves():
    def with_web(name):
        frontends = [make_frontend("web", port=80, pools=((name,),)), make_frontend("tls", port=443, pools=(("b",),))]
        return make_config(frontends, BACKENDS[:2], QUICK)

    bench = VppInMemory(with_web("a"), known=False)
    bench.record(a=FAIL, b=FAIL)
    bench.lb.manual = True
    bench.record(a=PASS)
    bench.board.apply(with_web("b"))
    answer_all(bench)
    bench.wait(1)
    assert bench.weights()[WEB] == {A: 100, B: 0}
    bench.record(b=PASS)
    bench.wait(5)
    assert bench.weights()[WEB] == {B: 100}
    bench.stop()


def test_a_stop_takes_nothing_away_that_a_reload_has_not_replaced_yet():
    bench = VppInMemory(replaced("a", "b"))
    bench.writes()
    bench.lb.manual = True
    bench.board.apply(replaced("c"))
    assert bench.lb.waiting
    bench.service.stopService()
    answer_all(bench)
    bench.wait(5)
    assert bench.weights() == {WEB: {A: 100, B: 100, C: 0}}
    assert bench.clock.getDelayedCalls() == []


def test_a_stop_lowers_nothing_while_what_takes_over_is_being_raised():
    bench = VppInMemory(replaced("a", "b"))
    bench.writes()
    bench.board.apply(replaced("c"))
    bench.lb.manual = True
    bench.record(c=PASS)
    bench.service.stopService()
    answer_all(bench)
    assert bench.weights() == {WEB: {A: 100, B: 100, C: 100}}


@pytest.mark.parametrize("code", [-81, -6])
def test_a_server_that_others_added_or_deleted_is_not_taken_for_one_that_vpp_refuses(bench, code):
    bench.record(a=FAIL, b=FAIL)
    bench.record(c=FAIL)
    bench.lb.refuse[SetWeight] = code
    bench.record(c=PASS)
    assert bench.board.frontend("web").state is FrontendState.UP
    bench.lb.refuse[SetWeight] = -1
    bench.wait(35)
    assert bench.board.frontend("web").state is FrontendState.DOWN
    bench.lb.refuse.clear()


@pytest.mark.parametrize("others", [{}, {"src_ip_sticky": True}])
def test_a_successor_that_fails_before_it_is_written_is_none(others):
    """Whether the VIP waits for another one that is made on its address, or for VPP to be read before it is remade."""
    bench = VppInMemory(make_config([make_frontend("web", pools=(("c",),))], BACKENDS, QUICK))
    bench.lb.manual = True
    web, tls = make_frontend("web", pools=(("b",),), **others), make_frontend("tls", port=443, pools=(("a",),))
    bench.board.apply(make_config([web, tls], BACKENDS, QUICK, removal_max_delay=60.0))
    bench.record(b=FAIL)
    answer_all(bench)
    bench.wait(35)
    assert bench.weights() == {WEB: {B: 0, C: 100}, TLS: {A: 100}}
    bench.record(b=PASS)
    bench.wait(5)
    assert bench.weights() == {WEB: {B: 100}, TLS: {A: 100}}
    bench.stop()


def test_a_successor_that_vpp_refuses_until_it_fails_is_none():
    bench = VppInMemory(make_config([make_frontend("web", pools=(("c",),))], BACKENDS, QUICK))
    bench.lb.refuse[AddServer] = -1
    bench.board.apply(make_config([make_frontend("web", pools=(("b",),))], BACKENDS, QUICK, removal_max_delay=60.0))
    bench.record(b=FAIL)
    bench.lb.refuse.clear()
    bench.wait(35)
    assert bench.weights() == {WEB: {B: 0, C: 100}}
    bench.wait(30)
    assert bench.weights() == {WEB: {B: 0}}
    bench.stop()


def pools(*pools):
    """Return a configuration with one frontend that has these pools, and no other backends."""
    backends = [each for each in BACKENDS if any(each.name in names for names in pools)]
    return make_config([make_frontend(port=80, pools=pools)], backends, QUICK)


def one_pool(*names):
    return pools(names)


def out_and_back(bench, present, absent):
    """Let a reload take a server out, and another one bring it back, before VPP has answered anything."""
    bench.board.apply(absent)
    bench.board.apply(present)
    answer_all(bench)
    bench.wait(1)


def test_a_server_that_is_being_raised_while_reloads_take_it_out_and_bring_it_back_keeps_the_weight_it_gets():
    bench = VppInMemory(one_pool("a", "b"))
    bench.record(a=FAIL)
    bench.writes()
    bench.lb.manual = True
    bench.record(a=PASS)
    out_and_back(bench, one_pool("a", "b"), one_pool("b"))
    assert bench.weights() == {WEB: {A: 100, B: 100}}
    assert bench.writes() == [SetWeight(KEY, A, 100, 0)]
    bench.record(a=FAIL)
    assert bench.weights() == {WEB: {A: 0, B: 100}}
    bench.stop()


def test_a_server_that_is_being_lowered_while_reloads_take_it_out_and_bring_it_back_is_not_raised_unproved():
    bench = VppInMemory(one_pool("a", "b"))
    bench.writes()
    bench.lb.manual = True
    bench.record(a=FAIL)
    out_and_back(bench, one_pool("a", "b"), one_pool("b"))
    assert bench.weights() == {WEB: {A: 0, B: 100}}
    assert bench.writes() == [SetWeight(KEY, A, 0, 100, flush=True)]
    bench.record(a=PASS)
    assert bench.weights() == {WEB: {A: 100, B: 100}}
    bench.stop()


def test_a_lowering_that_waits_for_a_raise_counts_as_under_way():
    bench = VppInMemory(pools(("a",), ("b",)))
    assert bench.weights() == {WEB: {A: 100, B: 0}}
    bench.writes()
    bench.lb.manual = True
    bench.record(a=FAIL)
    out_and_back(bench, pools(("a",), ("b",)), one_pool("b"))
    assert bench.weights() == {WEB: {A: 0, B: 100}}
    assert [each.address for each in bench.writes()] == [B, A]
    bench.stop()


def test_a_server_that_is_being_added_with_weight_while_reloads_take_it_out_and_bring_it_back_keeps_that():
    bench = VppInMemory(one_pool("b"))
    bench.writes()
    bench.lb.manual = True
    bench.board.apply(one_pool("a", "b"))
    bench.record(a=PASS)  # waits for the addition without weight
    bench.lb.answer(1)
    out_and_back(bench, one_pool("a", "b"), one_pool("b"))
    assert bench.weights() == {WEB: {A: 100, B: 100}}
    assert not any(isinstance(each, SetWeight) and each.weight < each.previous for each in bench.writes())
    bench.stop()


def test_a_server_that_is_being_deleted_while_a_reload_brings_it_back_keeps_its_weight():
    bench = VppInMemory(one_pool("a", "b"))
    bench.writes()
    bench.lb.manual = True
    bench.board.apply(one_pool("b"))
    assert bench.lb.waiting
    bench.board.apply(one_pool("a", "b"))
    answer_all(bench)
    bench.wait(1)
    assert bench.weights() == {WEB: {A: 100, B: 100}}
    bench.stop()


@pytest.mark.parametrize("code", [-6, -1])
def test_a_lowering_under_way_that_vpp_refuses_takes_nothing_away_from_who_is_back_unproved(bench, code):
    bench = VppInMemory(one_pool("a", "b"))
    bench.lb.manual = True
    bench.record(a=FAIL)
    bench.lb.refuse[SetWeight] = code
    bench.board.apply(one_pool("b"))
    bench.board.apply(one_pool("a", "b"))
    bench.lb.answer(1)
    bench.lb.refuse.clear()
    answer_all(bench)
    bench.wait(35)
    assert bench.weights() == {WEB: {A: 100, B: 100}}
    bench.stop()
