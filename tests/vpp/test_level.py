"""VIPs of which only what changed is compared: the writes are those of comparing them as a whole, one by one."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev import status as status_module
from maglev.model import Backend
from maglev.vpp import sync as sync_module
from maglev.vpp.lb import Features
from maglev.vpp.lbstate import AddServer, ApplicationServer, DeleteServer, Encap, SetWeight, Vip, VipKey
from maglev.vpp.level import Levels
from maglev.vpp.plan import WantedServer, WantedVip, plan_servers, plan_vip
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.lb import FakeLb
from tests.fakes.random_boards import act, configs, histories
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, Bench, results_of

KEY = VipKey("192.0.2.1", 32, 6, 80)


class NoLevels(Levels):
    """Has every VIP compared as a whole, always."""

    def changed(self, key, status):
        return None


events = st.one_of(
    st.tuples(st.just("hold")),
    st.tuples(st.just("answer"), st.integers(1, 4)),
    st.tuples(st.just("release")),
    st.tuples(st.just("refuse"), st.sampled_from([None, SetWeight, AddServer, DeleteServer])),
    st.tuples(st.just("drift"), st.integers(0, 99), st.integers(0, 100)),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 1.0, 31.0])),
    st.tuples(st.just("restart")),
)


features = st.sampled_from([Features(weights=True, src_ip_sticky=True), Features(weights=False, src_ip_sticky=False)])


@st.composite
def stories(draw):
    """Draw what happens to the board, and to VPP in between."""
    story = []
    for step in draw(histories):
        story.append(step)
        if draw(st.integers(0, 3)) == 0:
            story.append(draw(events))
    return story


def happen(bench, what, *arguments):
    """Let something happen to a bench."""
    lb = bench.lb
    match what, arguments:
        case "hold", ():
            bench.holds = True
        case "answer", (count,):
            lb.answer(min(count, len(lb.waiting)))
        case "release", ():
            bench.holds = False
        case "refuse", (kind,):
            lb.refuse = {kind: -1}
        case "drift", (number, weight):
            drift(lb, number, weight)
        case "wait", (seconds,):
            for _ in range(10):
                bench.clock.advance(seconds / 10)
                answer_all(bench)
        case "restart", ():
            restart(bench, lb.features)
        case _:
            act(bench.board, what, *arguments)
    answer_all(bench)


def answer_all(bench):
    while bench.lb.waiting and not bench.holds:
        bench.lb.answer(1)


def drift(lb, number, weight):
    """Change the weight of one of the servers behind our back."""
    places = [(vip, address) for vip in lb.vips.values() for address in vip.servers]
    if places:
        vip, address = places[number % len(places)]
        vip.servers[address] = ApplicationServer(address, weight)


def restart(bench, features):
    bench.connector.kill_vpp()
    start_vpp(bench, features)
    happen(bench, "wait", 6)


def start_vpp(bench, features):
    bench.lb, bench.holds = FakeLb(), False
    bench.lb.features, bench.lb.manual = features, True
    bench.connector.start_vpp(bench.lb)


def bench_of(config, features, levels):
    """Return a bench whose syncs make their levels so."""
    bench = Bench(config, vpp=False)
    bench.levels = levels
    start_vpp(bench, features)
    return bench


def both_do(benches, what, *arguments):
    for bench in benches:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sync_module, "Levels", bench.levels)
            patch.setattr(status_module, "LATEST", 5)
            happen(bench, what, *arguments)


def facts(bench):
    """Return what VPP was told and holds, what is believed of it, and what is still to be flushed."""
    sync = bench.service.sync
    return (
        bench.lb.writes,
        bench.lb.scripts,
        bench.lb.weights(),
        bench.lb.zero_moments,
        dict(sync.ledger.vips) if sync else None,
        bench.service.tally.writes,
        bench.service.tally.drifts,
        {name: status.flushes for name, status in bench.board.frontends.items()},
    )


@given(features, configs(), stories())
def test_every_write_is_that_of_comparing_everything(features, config, story):
    benches = [bench_of(config, features, levels) for levels in (Levels, NoLevels)]
    both_do(benches, "wait", 6)
    for step in story:
        both_do(benches, *step)
        assert facts(benches[0]) == facts(benches[1]), step
    for bench in benches:
        happen(bench, "release")
        bench.stop()


def watched(monkeypatch):
    """Return a list that grows by the addresses of which each partial comparison takes a look."""
    looks = []

    def looking(wanted, held):
        if wanted.servers:
            looks.append(list(wanted.servers))
        return plan_servers(wanted, held)

    monkeypatch.setattr(sync_module, "plan_servers", looking)
    return looks


@pytest.fixture
def bench():
    made = Bench(make_config(frontends=[make_frontend(pools=("abcdef", "xy"))], checks=QUICK))
    yield made
    made.stop()


def test_only_what_changed_is_compared(bench, monkeypatch):
    looks = watched(monkeypatch)
    bench.record(a=FAIL)
    assert looks == []
    bench.record(b=FAIL)
    bench.record(a=PASS)
    assert looks == [["10.0.0.2"], ["10.0.0.1"]]
    assert bench.writes()[-3:] == [
        SetWeight(KEY, "10.0.0.1", 0, 100, flush=True),
        SetWeight(KEY, "10.0.0.2", 0, 100, flush=True),
        SetWeight(KEY, "10.0.0.1", 100, 0),
    ]


def test_what_came_while_vpp_was_busy_is_compared_in_the_order_of_the_frontend(bench, monkeypatch):
    looks = watched(monkeypatch)
    bench.record(a=FAIL)
    bench.lb.manual = True
    bench.record(b=FAIL)
    bench.record(f=FAIL, d=FAIL, e=FAIL)
    while bench.lb.waiting:
        bench.lb.answer()
    assert looks == [["10.0.0.2"], ["10.0.0.4", "10.0.0.5", "10.0.0.6"]]


def test_a_switch_of_pools_raises_before_it_lowers(bench, monkeypatch):
    looks = watched(monkeypatch)
    for name in "abcdef":
        bench.record(**{name: FAIL})
    bench.writes()
    bench.record(c=PASS)
    assert looks[-1] == ["10.0.0.3", "10.0.0.7", "10.0.0.8"]
    assert bench.writes() == [
        SetWeight(KEY, "10.0.0.3", 100, 0),
        SetWeight(KEY, "10.0.0.7", 0, 100),
        SetWeight(KEY, "10.0.0.8", 0, 100),
    ]


@pytest.mark.parametrize("what", ["a reload", "a weight", "a VIP made anew", "a failed write"])
def test_what_is_no_transition_has_everything_compared_once(bench, monkeypatch, what):
    bench.record(a=FAIL)
    looks = watched(monkeypatch)
    config = bench.board.config
    match what:
        case "a reload":
            moved = {**config.backends, "b": Backend("b", "10.9.9.9", "tcp")}
            bench.board.apply(attrs.evolve(config, backends=moved))
        case "a weight":
            bench.board.set_weight("web", "pool0", "b", 5)
        case "a VIP made anew":
            sticky = attrs.evolve(config.frontends["web"], src_ip_sticky=True)
            bench.board.apply(attrs.evolve(config, frontends={"web": sticky}))
        case "a failed write":
            bench.lb.refuse[SetWeight] = -1
            bench.record(d=FAIL)
            looks.clear()
            bench.lb.refuse.clear()
            bench.record(c=FAIL)
            assert {each.address for each in bench.writes()[-2:]} == {"10.0.0.3", "10.0.0.4"}
    assert looks == []
    bench.record(e=FAIL)
    assert looks == [["10.0.0.5"]]


def test_after_a_read_that_found_something_else_everything_is_compared_once(bench, monkeypatch):
    bench.record(a=FAIL)
    bench.lb.vips[KEY].servers["10.0.0.3"] = ApplicationServer("10.0.0.3", 7)
    looks = watched(monkeypatch)
    bench.lb.manual = True
    results_of(bench.service.sync_now())
    bench.record(b=FAIL)
    bench.record(d=FAIL)  # waits for the one before, and has its turn after the read but before the repair
    bench.writes()
    while bench.lb.waiting:
        bench.lb.answer(1)
    assert looks == [["10.0.0.2"]]
    assert bench.writes() == [
        SetWeight(KEY, "10.0.0.2", 0, 100, flush=True),
        SetWeight(KEY, "10.0.0.3", 100, 7),
        SetWeight(KEY, "10.0.0.4", 0, 100, flush=True),
    ]


def test_backends_that_share_an_address_are_always_compared_together(monkeypatch):
    backends = [Backend(name, "10.0.0.1", "tcp") for name in "ab"]
    bench = Bench(make_config([make_frontend(pools=("ab",))], backends, QUICK))
    looks = watched(monkeypatch)
    bench.record(a=FAIL)
    assert bench.weights() == {"tcp://192.0.2.1:80": {"10.0.0.1": 100}}
    bench.record(b=FAIL)
    assert bench.weights() == {"tcp://192.0.2.1:80": {"10.0.0.1": 0}}
    assert looks == []
    bench.stop()


servers = st.dictionaries(st.sampled_from([f"10.0.0.{index}" for index in range(6)]), st.integers(0, 3))
wishes = st.builds(
    lambda weight, flush, now: WantedServer(weight, flush, now and not weight),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)


@given(
    st.dictionaries(st.sampled_from([f"10.0.0.{index}" for index in range(6)]), wishes),
    servers,
    st.booleans(),
    st.sets(st.integers(0, 5)),
)
def test_the_plan_for_some_servers_is_what_the_whole_plan_has_for_them(wishes, held, weighted, some):
    vip = Vip(KEY, Encap.GRE4, False, 1024, {address: ApplicationServer(address, w) for address, w in held.items()})
    present = wishes if weighted else {address: each for address, each in wishes.items() if each.weight}
    absent = {address: each for address, each in wishes.items() if address not in present}
    wanted = WantedVip("web", KEY, Encap.GRE4, False, 1024, present, absent)
    chosen = {f"10.0.0.{index}" for index in some} & wishes.keys()
    part = attrs.evolve(
        wanted,
        servers={address: each for address, each in present.items() if address in chosen},
        absent={address: each for address, each in absent.items() if address in chosen},
    )
    whole = plan_vip(wanted, vip)
    assert plan_servers(part, vip) == tuple(each for each in whole if each.address in chosen)
