"""Explanations: what they conclude is what VPP has, and each step is told in words."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.announce.announcer import SinkStatus
from maglev.announce.decision import Footing
from maglev.control.explain import (
    ANNOUNCED,
    CHANGES,
    ELIGIBLE,
    FOOTINGS,
    REASONS,
    explain_announcement,
    explain_backend,
    explain_frontend,
)
from maglev.model.announce import AnnouncePolicy, Announcing, Needed
from maglev.model.config import Backend, MinUp, WeightScale, WhenNoneEligible
from maglev.model.health import Lifecycle
from maglev.model.override import BackendOrder, Override, Target
from maglev.model.result import Code, Result
from maglev.state.changes import Step
from maglev.state.standing import Standing
from maglev.state.weights import WeightReason
from maglev.vpp.lb.state import ApplicationServer, Encap, Vip, key_of
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_announce, make_check, make_config, make_frontend
from tests.fakes.random_boards import TimedBoard
from tests.fakes.vpp_bench import VppInMemory

PASS, FAIL = Result(Code.L7OK, "status 200"), Result(Code.L4CON, "refused")


def bench_of(announce=None, **frontend):
    made = make_frontend(pools=(("a", ("b", 50)), ("c",)), weights=WeightScale.LEAST_MOVING, **frontend)
    return VppInMemory(make_config([made], checks=[make_check(rise=1, fall=1)], announce=announce))


def texts(view):
    return [(each["step"], each["text"]) for each in view["steps"]]


def explained(bench, name="a", override=None):
    vips = {} if bench.service.sync is None else bench.service.sync.ledger.vips
    return explain_backend(bench.board, bench.board.backends[name], override, vips, lambda _: None)


def frontend_explained(bench):
    return explain_frontend(bench.board, bench.board.frontends["web"], bench.service.sync.ledger.vips, {}, None, [])


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


def over_a_vpp_that_holds(weight, vpp=True):
    """Return a bench that has just started over a VPP that serves a with a weight, and knows nothing yet."""
    config = make_config([make_frontend(pools=(("a",),))], checks=[make_check(rise=1, fall=1)], startup_max_delay=30.0)
    bench = VppInMemory(config, vpp=False, known=False)
    key = key_of(make_frontend())
    bench.lb.vips[key] = Vip(key, Encap.GRE4, False, 1024, {"10.0.0.1": ApplicationServer("10.0.0.1", weight)})
    if vpp:
        bench.connector.start_vpp(bench.lb)
        bench.wait(1)
    return bench


def test_a_weight_that_was_found_in_vpp_has_not_changed():
    bench = over_a_vpp_that_holds(37)
    (web,) = explained(bench)["frontends"]
    assert (web["effective_weight"], web["vpp_weight"], web["changed"]) == (37, 37, None)
    kept = "it is unknown, and keeps what it had: 37 is not configured; VPP held it, or the configuration before"
    assert ("weight", f"effective 37, programmed 37: {kept}") in texts(web)
    bench.board.record("a", PASS)
    changed = explained(bench)["frontends"][0]["changed"]
    assert (changed["from"], changed["to"], changed["step"]) == (37, 100, "health")
    bench.stop()


def test_a_weight_that_vpp_held_and_that_is_configured_is_not_remarked_on():
    bench = over_a_vpp_that_holds(100)
    assert ("weight", "effective 100, programmed 100: it is unknown, and keeps what it had") in texts(
        explained(bench)["frontends"][0]
    )
    bench.stop()


@pytest.mark.parametrize(
    ("held", "result", "change"), [(100, PASS, None), (37, PASS, (37, 100)), (37, FAIL, (37, 0)), (0, PASS, (0, 100))]
)
def test_what_changed_before_vpp_was_read_is_judged_by_what_it_held(held, result, change):
    bench = over_a_vpp_that_holds(held, vpp=False)
    bench.board.record("a", result)
    bench.connector.start_vpp(bench.lb)
    bench.wait(1)
    changed = explained(bench)["frontends"][0]["changed"]
    assert (changed and (changed["from"], changed["to"])) == change
    bench.connector.kill_vpp()
    bench.wait(1)
    bench.connector.start_vpp(bench.lb)
    bench.wait(1)
    assert explained(bench)["frontends"][0]["changed"] == changed
    bench.stop()


def test_a_pool_that_has_enough_without_any_weight_does_not_serve():
    bench = bench_of()
    for name in "ab":
        bench.board.set_weight("web", "pool0", name, 0)
    steps = texts(frontend_explained(bench))
    assert steps[0][1].startswith("pool0: 2 of 2 in service, with 0 of 0 weight: enough")
    assert steps[2] == ("active", "none: what is in service has weight 0")
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


def test_a_server_that_another_backend_shares_has_the_weight_of_that_one():
    backends = [Backend("a", "10.0.0.1", "tcp"), Backend("b", "10.0.0.1", "tcp")]
    made = make_frontend(pools=(("a", ("b", 50)),))
    bench = VppInMemory(make_config([made], backends, [make_check(rise=1, fall=1)]))
    bench.board.record("a", PASS)
    bench.board.record("b", PASS)
    bench.wait(1)
    assert ("vpp", "holds 100") in texts(explained(bench)["frontends"][0])
    assert ("vpp", "holds 100 for a, which has the same address") in texts(explained(bench, "b")["frontends"][0])
    bench.board.happen("a", Lifecycle.DISABLE)
    bench.wait(1)
    assert ("vpp", "holds 50") in texts(explained(bench, "b")["frontends"][0])
    assert ("vpp", "holds 50 for b, which has the same address") in texts(explained(bench)["frontends"][0])
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
    guard = "keeps nothing (when-none-eligible: down, but the frontend is disabled)"
    assert texts(frontend_explained(bench))[3] == ("guard", guard)
    bench.stop()


def test_every_word_has_a_text():
    assert ELIGIBLE.keys() == set(Standing)
    assert REASONS.keys() == set(WeightReason)
    assert CHANGES.keys() == set(Step)
    assert ANNOUNCED.keys() == set(Announcing)
    assert FOOTINGS.keys() == set(Footing)


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
    view = explain_frontend(board, board.frontends["web"], {}, {}, None, [])
    assert view["steps"][0]["text"].endswith(f"enough (min-up 1) for {seconds:.1f}s")


# The announcement

VIP = "192.0.2.1"
BIRD = SinkStatus("bird", "/run/bird/bird.ctl", 1)


class AnnouncedWorld:
    """A bench whose VIP is announced, and who explains that."""

    def __init__(self, off="", **policy):
        self.bench = bench_of(make_announce(AnnouncePolicy(VIP, **policy)), when_none_eligible=WhenNoneEligible.HOLD)
        self.off = off
        self.announcer = announcer_of(self.bench.board, self.bench.clock, self.bench.service, lambda _: self.off)
        self.announcer.startService()

    def trace(self):
        return self.announcer.trace(VIP)

    def steps(self, *sinks):
        return texts(explain_announcement(self.trace(), sinks))

    def stop(self):
        self.announcer.stopService()
        self.bench.stop()


@pytest.fixture
def announced():
    worlds = []

    def make(**settings):
        worlds.append(AnnouncedWorld(**settings))
        return worlds[-1]

    yield make
    for world in worlds:
        world.stop()


def test_an_explanation_goes_on_to_the_announcement(announced):
    world = announced()
    world.bench.wait(3)
    board, vips = world.bench.board, world.bench.service.known
    view = explain_frontend(board, board.frontends["web"], vips, {}, world.trace(), [BIRD])["announcement"]
    assert (view["address"], view["state"], view["changes_in"]) == (VIP, "announced", None)
    assert texts(view) == [
        ("needed", "any frontend of the address with at least 1 in service (min-up)"),
        ("frontend", "web serves: frontend web has 2 backends in service"),
        ("orders", "none: no operator takes it out"),
        ("after", "it has served for 3.0s, and has to for 0s"),
        (
            "announce",
            "192.0.2.1 is announced since 1970-01-01T00:16:40.000Z: frontend web has 2 backends in service",
        ),
        ("receivers", "bird at /run/bird/bird.ctl: reached"),
    ]
    (web,) = explain_backend(board, board.backends["a"], None, vips, world.announcer.trace)["frontends"]
    assert texts(web)[-1] == texts(view)[-2]


def test_an_explanation_says_that_an_address_is_not_announced_where_others_are(announced):
    world = announced()
    assert world.announcer.trace("192.0.2.9") is None
    assert frontend_explained(world.bench)["announcement"] is None
    (web,) = explained(world.bench)["frontends"]
    said = ("announce", "192.0.2.1 is not under announce in the file: maglevd does not announce it")
    assert texts(web)[-1] == texts(frontend_explained(world.bench))[-1] == said


def test_an_operator_who_keeps_it_off_is_in_the_explanation(announced):
    world = announced(off="kept off by ann: new linecard", frontends=Needed.ALL, min_up=2)
    steps = world.steps()
    assert steps[0] == ("needed", "every frontend of the address with at least 2 in service (min-up)")
    assert ("orders", "kept off by ann: new linecard") in steps
    assert steps[-2][1] == "192.0.2.1 is withdrawn since 1970-01-01T00:16:40.000Z: kept off by ann: new linecard"
    assert steps[-1] == ("receivers", "nobody: neither BIRD nor a hook is configured")


def test_a_time_that_has_to_pass_is_in_the_explanation(announced):
    world = announced(after=5.0)
    world.bench.wait(2)
    steps = world.steps(SinkStatus("hook pager", "/usr/bin/page", 0, "ended with status 1"))
    assert steps[3] == ("after", "it has served for 2.0s, and has to for 5s")
    assert steps[4][1].endswith("but not yet for 5 s; announced in 3.0s unless that changes")
    assert steps[5] == ("receivers", "hook pager at /usr/bin/page: ended with status 1")
    assert explain_announcement(world.trace(), [])["changes_in"] == pytest.approx(3.0)


def test_the_absence_of_vpp_is_in_the_explanation(announced):
    world = announced()
    world.bench.wait(1)
    world.bench.connector.kill_vpp()
    world.bench.wait(4)
    steps = world.steps()
    assert steps[1] == ("frontend", "web not known to serve: VPP has not acknowledged a sync")
    assert steps[3][0] == "vpp"
    assert steps[3][1].endswith("VPP has not been known to serve it; after 10s it is withdrawn (vpp-lost-delay)")
    assert "; withdrawn in 6." in steps[4][1]
    world.bench.wait(7)
    assert world.steps()[4][1].startswith("192.0.2.1 is withdrawn")


@pytest.mark.parametrize(
    ("when_held", "keeps", "state"),
    [(True, "keeps it announced, but announces nothing", "announced"), (False, "does not count", "withdrawn")],
)
def test_what_only_the_guard_keeps_is_in_the_explanation(announced, when_held, keeps, state):
    world = announced(when_held=when_held)
    for name in "abc":
        world.bench.board.record(name, FAIL)
    world.bench.wait(1)
    steps = world.steps()
    assert ("held", f"what only the guard keeps in service {keeps} (when-held)") in steps
    assert f"192.0.2.1 is {state} since" in steps[-2][1]


def test_an_explanation_does_not_lag_behind_what_it_explains(announced):
    world = announced(when_held=False)
    world.bench.wait(1)
    for name in "abc":
        world.bench.board.record(name, FAIL)
    assert world.trace().state.now is Announcing.WITHDRAWN
