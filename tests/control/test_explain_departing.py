"""Explanations of frontends in which servers go on serving that left the file."""

from maglev.control.explain import explain_backend, explain_frontend
from maglev.model.config import Backend, WhenNoneEligible
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, QUICK, VppInMemory


def texts(view):
    return [(each["step"], each["text"]) for each in view["steps"]]


def test_the_guard_waits_for_servers_that_left_the_file():
    hold = {"when_none_eligible": WhenNoneEligible.HOLD}
    bench = VppInMemory(make_config([make_frontend(pools=(("a", "b"),), **hold)], checks=QUICK))
    bench.wait(1)
    frontend = make_frontend(pools=(("x",),), **hold)
    bench.board.apply(make_config([frontend], [Backend("x", "10.0.0.9", "tcp")], checks=QUICK))
    bench.board.record("x", FAIL)
    bench.wait(1)
    board, vips = bench.board, bench.service.sync.ledger.vips
    why = "not written yet, or servers that left the file serve: the guard raises nobody beside them"
    waits = ("vpp", f"holds 0: {why}")
    assert texts(explain_frontend(board, board.frontends["web"], vips, {}, None, [])["backends"][0])[-1] == waits
    (of_backend,) = explain_backend(board, board.backends["x"], None, vips, lambda _: None)["frontends"]
    assert waits in texts(of_backend)
    bench.stop()
