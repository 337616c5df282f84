"""Explanations: what they conclude is what VPP has, and each step is told in words."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.control.explain import CHANGES, ELIGIBLE, REASONS, explain_backend, explain_frontend
from maglev.model.config import Backend, MinUp, WeightScale, WhenNoneEligible
from maglev.model.health import Lifecycle
from maglev.model.override import BackendOrder, Override, Target
from maglev.model.result import Code, Result
from maglev.state.changes import Step
from maglev.state.standing import Standing
from maglev.state.weights import WeightReason
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.random_boards import TimedBoard
from tests.fakes.vpp_bench import VppInMemory

PASS, FAIL = Result(Code.L7OK, "status 200"), Result(Code.L4CON, "refused")


def bench_of(**frontend):
    made = make_frontend(pools=(("a", ("b", 50)), ("c",)), weights=WeightScale.LEAST_MOVING, **frontend)
    return VppInMemory(make_config([made], checks=[make_check(rise=1, fall=1)]))


def texts(view):
    return [(each["step"], each["text"]) for each in view["steps"]]


def explained(bench, name="a", override=None):
    vips = {} if bench.service.sync is None else bench.service.sync.ledger.vips
    return explain_backend(bench.board, bench.board.backends[name], override, vips)


def frontend_explained(bench):
    return explain_frontend(bench.board, bench.board.frontends["web"], bench.service.sync.ledger.vips)


def test_from_results_to_vpp():
    bench = bench_of()
    bench.board.record("a", PASS)
    bench.wait(1)
    view = explained(bench)
    assert texts(view) == [
        ("results", "the last one passed, L7OK: status 200"),
        ("health", "up since 1970-01-01T00:00:00.000Z; the counter is 1 of 0..1, and up from 1 on"),
        ("orders", "none: neither an operator nor the file takes it out"),
    ]
    (web,) = view["frontends"]
    assert texts(web) == [
        ("eligible", "yes: it is up"),
        ("pool", "pool0, active; configured weight 100"),
        ("active", "pool0: the first that has enough"),
        ("weight", "effective 100, programmed 2: it is up, in the active pool"),
        ("vpp", "holds 2"),
    ]
    assert web["changed"]["step"] == "health"
    assert (web["changed"]["from"], web["changed"]["to"]) == (0, 100)
    bench.stop()


def test_why_it_is_not_as_before():
    bench = bench_of()
    for name in "ab":
        bench.board.record(name, FAIL)
    (web,) = explained(bench, "c")["frontends"]
    changed = web["changed"]
    assert (changed["step"], changed["from"], changed["to"]) == ("pool", 0, 100)
    assert changed["text"] == (
        "another pool became the active one: before, it is in service, but its pool is not the active one; "
        "now, it is up, in the active pool"
    )
    bench.stop()


def test_orders_and_a_weight_that_vpp_does_not_have_yet():
    bench = bench_of()
    bench.wait(1)
    bench.lb.manual = True
    override = Override(Target("a"), BackendOrder.DISABLE, BackendOrder.ENABLE, "ann", "ssh", "disk swap", 0.0)
    bench.board.happen("a", Lifecycle.DISABLE)
    bench.board.set_weight("web", "pool0", "b", 10)
    view = explained(bench, override=override)
    assert texts(view)[-1] == ("orders", "disable, by ann: disk swap; the file says enable")
    (web,) = view["frontends"]
    assert texts(web)[-2:] == [
        ("weight", "effective 0, programmed 0: it is disabled"),
        ("vpp", "holds 2: not written yet"),
    ]
    (web,) = explained(bench, "b")["frontends"]
    assert texts(web)[1] == ("pool", "pool0, active; configured weight 10 (the file says 50)")
    bench.lb.manual = False
    bench.lb.answer()
    bench.stop()


def test_a_backend_that_the_file_has_disabled_and_one_without_a_result():
    backends = [Backend("a", "10.0.0.1", "tcp", enabled=False), Backend("b", "10.0.0.2", "tcp")]
    bench = VppInMemory(make_config([make_frontend(pools=(("a", "b"),))], backends), vpp=False, known=False)
    assert texts(explained(bench))[0] == ("results", "none yet")
    assert texts(explained(bench))[-1] == ("orders", "disabled by the file")
    (web,) = explained(bench, "b")["frontends"]
    assert texts(web)[2:] == [
        ("active", "none: nothing is in service"),
        ("weight", "effective 0, programmed 0: it has had no result yet"),
        ("vpp", "not known to have it"),
    ]
    assert web["changed"] is None
    bench.stop()


def test_a_frontend_with_its_pools():
    bench = bench_of(failback_delay=10.0)
    assert texts(frontend_explained(bench)) == [
        ("pool", "pool0: 2 of 2 in service, with 150 of 150 weight: enough (min-up 1) for 0.0s"),
        ("pool", "pool1: 1 of 1 in service, with 100 of 100 weight: enough (min-up 1) for 0.0s"),
        ("active", "pool0: the first that has enough"),
        ("guard", "keeps nothing (when-none-eligible: down)"),
    ]
    for name, result in (("a", FAIL), ("b", FAIL), ("b", PASS)):
        bench.board.record(name, result)
    assert texts(frontend_explained(bench))[2] == ("active", "pool1: pool0 has enough, and takes over in 10.0s")
    bench.stop()


def test_a_frontend_that_lacks_something_is_guarded_or_disabled():
    bench = bench_of(when_none_eligible=WhenNoneEligible.HOLD)
    for name in "abc":
        bench.board.record(name, FAIL)
    steps = texts(frontend_explained(bench))
    assert steps[0] == ("pool", "pool0: 0 of 2 in service, with 0 of 150 weight: not enough (min-up 1)")
    assert steps[2:] == [
        ("active", "pool1: no pool has enough; the guard keeps it in service"),
        ("guard", "keeps c: the first of them is released first"),
    ]
    (web,) = explained(bench, "c")["frontends"]
    assert ("guard", "keeps it in service") in texts(web)
    status = bench.board.frontends["web"]
    config = bench.board.config
    pools = (attrs.evolve(status.frontend.pools[0], min_up=MinUp(2)), status.frontend.pools[1])
    changed = attrs.evolve(status.frontend, pools=pools, when_none_eligible=WhenNoneEligible.DOWN)
    bench.board.apply(attrs.evolve(config, frontends={"web": changed}))
    bench.board.record("a", PASS)
    steps = texts(frontend_explained(bench))
    assert steps[2] == ("active", "pool0: no pool has enough; it is the first that has anything")
    status.out = True
    bench.board.set_weight("web", "pool0", "a", 7)
    assert texts(frontend_explained(bench))[2] == ("active", "none: the frontend is disabled")
    bench.stop()


def test_every_word_has_a_text():
    assert ELIGIBLE.keys() == set(Standing)
    assert REASONS.keys() == set(WeightReason)
    assert CHANGES.keys() == set(Step)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([PASS, FAIL])), max_size=8))
def test_what_an_explanation_concludes_is_what_vpp_holds(results):
    bench = bench_of()
    for name, result in results:
        bench.board.record(name, result)
    bench.wait(1)
    for view in frontend_explained(bench)["backends"]:
        assert view["vpp_weight"] == view["programmed_weight"]
        assert view["effective_weight"] == bench.board.frontends["web"].desired[view["backend"]].weight
    bench.stop()


@pytest.mark.parametrize("seconds", [0.0, 4.0])
def test_a_pool_is_said_to_have_enough_for_as_long_as_it_has(seconds):
    board = TimedBoard(make_config(checks=[make_check(rise=1, fall=1)]))
    board.record("a", PASS)
    board.wait(seconds)
    view = explain_frontend(board, board.frontends["web"], {})
    assert view["steps"][0]["text"].endswith(f"enough (min-up 1) for {seconds:.1f}s")
