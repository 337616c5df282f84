"""The oracle of the random histories: what a backend that has moved, and is not proved there yet, may claim."""

from __future__ import annotations

from twisted.internet.task import Clock

from maglev.vpp.lb.state import VipKey
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.facts import Facts
from tests.fakes.vpp_bench import QUICK, backends

KEY = VipKey("192.0.2.1", 32, 6, 80)
HERE, THERE = "10.0.0.1", "10.0.0.2"


def config(pools, **addresses):
    return make_config([make_frontend("web", pools=pools)], backends(**addresses), QUICK)


def floors(facts):
    return facts.judge(KEY).floors


def test_a_backend_that_has_moved_keeps_what_it_had_where_it_was():
    facts = Facts(config((("a", "b"),), a=HERE, b="10.0.0.9"), Clock())
    facts.record("a", True)
    facts.apply(config((("a", "b"),), a=THERE, b="10.0.0.9"))
    assert floors(facts)[HERE] == 100


def test_so_does_one_that_was_never_proved_and_keeps_what_another_one_had_at_its_address():
    facts = Facts(config((("a", "b"),), a=HERE, b="10.0.0.9"), Clock())
    facts.record("a", True)
    facts.apply(config((("new", "b"),), new=HERE, b="10.0.0.9"))
    facts.apply(config((("new", "b"),), new=THERE, b="10.0.0.9"))
    assert floors(facts)[HERE] == 100


def test_one_that_comes_to_a_vip_after_its_move_does_not_claim_what_another_one_has_where_it_was():
    facts = Facts(config((("b",),), a=HERE, b="10.0.0.9"), Clock())
    facts.record("a", True)
    facts.apply(config((("b",), ("c", "a")), a=THERE, b="10.0.0.9", c=HERE))
    facts.record("c", True)
    assert floors(facts)[HERE] == 0  # while b may be up yet
    facts.record("b", False)
    assert floors(facts)[HERE] == 100
    facts.record("b", True)
    assert floors(facts)[HERE] == 0


def test_a_weight_by_command_raises_no_claim_where_a_backend_was():
    facts = Facts(config((("b",),), a=HERE, b="10.0.0.9"), Clock())
    facts.record("a", True)
    facts.apply(config((("b", "a"), ("c",)), a=THERE, b="10.0.0.9", c=HERE))
    facts.weigh("web", "pool0", "a", 10)
    assert (floors(facts)[THERE], floors(facts)[HERE]) == (10, None)  # c is unknown
    facts.record("c", True)
    facts.record("b", True)
    assert floors(facts)[HERE] == 0


def test_a_weight_by_command_lowers_what_a_backend_keeps_where_it_was():
    facts = Facts(config((("a", "b"),), a=HERE, b="10.0.0.9"), Clock())
    facts.record("a", True)
    facts.apply(config((("a", "b"),), a=THERE, b="10.0.0.9"))
    facts.weigh("web", "pool0", "a", 10)
    assert floors(facts)[HERE] == 10
