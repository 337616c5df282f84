"""VIPs of which only what changed is compared: the writes are those of comparing them as a whole, one by one."""

from __future__ import annotations

import random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.model.config import Backend
from maglev.model.health import Lifecycle
from maglev.state import status as status_module
from maglev.vpp.lb.calls import Features
from maglev.vpp.lb.state import AddServer, ApplicationServer, DeleteServer, Encap, SetWeight, Vip, VipKey
from maglev.vpp.sync import lb_sync as sync_module
from maglev.vpp.sync import wanted as wanted_module
from maglev.vpp.sync.in_sync import InSyncVips
from maglev.vpp.sync.plan import WantedServer, WantedVip, plan_servers, plan_vip
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.lb import FakeLb
from tests.fakes.random_boards import act
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, VppInMemory, results_of

KEY = VipKey("192.0.2.1", 32, 6, 80)

STEPS = 1000


class NoInSyncVips(InSyncVips):
    """Has every VIP compared as a whole, always."""

    def changed(self, key, status):
        return None


def first_config():
    """Return three frontends: a large one, one that shares backends with it, and one of which backends share addresses.

    The large one is large enough for several changes to travel as a script.
    """
    names = [f"b{number}" for number in range(24)]
    backends = [Backend(name, f"10.0.0.{number % 23 + 1}", "tcp") for number, name in enumerate(names)]
    frontends = [
        make_frontend("large", "192.0.2.1", (names[1:17], names[17:20])),
        make_frontend("small", "192.0.2.2", (names[1:4], names[3:5])),
        make_frontend("sharing", "192.0.2.3", (names[22:] + names[:1], names[20:22])),
    ]
    return make_config(frontends, backends, QUICK)


def changed_config(config, chance):
    """Return a configuration in which one thing is not the same."""
    frontend = chance.choice([*config.frontends.values()])
    backend = chance.choice([*config.backends.values()])
    match chance.randrange(5):
        case 0:
            change = {"flush_on_down": not frontend.flush_on_down}
        case 1:
            change = {"src_ip_sticky": not frontend.src_ip_sticky}
        case 2:
            change = {"pools": frontend.pools[::-1]}
        case 3:
            moved = attrs.evolve(backend, address=f"10.0.0.{chance.randrange(1, 40)}")
            return attrs.evolve(config, backends={**config.backends, backend.name: moved})
        case _:
            check = attrs.evolve(config.healthchecks["tcp"], interval=chance.uniform(2, 3))
            return attrs.evolve(config, healthchecks={"tcp": check})
    return attrs.evolve(config, frontends={**config.frontends, frontend.name: attrs.evolve(frontend, **change)})


CHANCES = {"record": 24, "many": 3, "happen": 6, "set_weight": 1, "flushed": 1, "apply": 0.4} | {
    "hold": 2, "answer": 8, "release": 4, "refuse": 0.3, "accept": 3, "drift": 0.4, "wait": 5, "restart": 0.1
}  # fmt: skip


def next_step(board, chance):
    """Return what happens next: most of it to backends, some of it to VPP."""
    name = f"b{chance.randrange(24)}"
    what = chance.choices([*CHANCES], [*CHANCES.values()])[0]
    arguments = {
        "record": lambda: (name, chance.choice([PASS, FAIL])),
        "many": lambda: (chance.randrange(18), chance.randrange(18), chance.choice([PASS, FAIL])),
        "happen": lambda: (name, chance.choice([each for each in Lifecycle if each is not Lifecycle.REMOVE])),
        "set_weight": lambda: (chance.randrange(99), chance.choice([0, 1, 100])),
        "flushed": lambda: (chance.randrange(99), {name}),
        "apply": lambda: (changed_config(board.config, chance),),
        "refuse": lambda: (chance.choice([SetWeight, AddServer, DeleteServer]),),
        "drift": lambda: (chance.randrange(99), chance.randrange(100)),
        "wait": lambda: (chance.choice([0.05, 0.05, 1.0, 31.0]),),
    }
    return what, *arguments.get(what, tuple)()


def happen(bench, what, *arguments):
    """Let something happen to a bench."""
    lb = bench.lb
    match what, arguments:
        case "hold", ():
            bench.holds = True
        case "answer", ():
            lb.answer(min(1, len(lb.waiting)))
        case "release", ():
            bench.holds = False
        case ("refuse", (kind,)) | ("accept", kind):
            lb.refuse = {kind: -1} if kind else {}
        case "drift", (number, weight):
            drift(lb, number, weight)
        case "many", (first, last, result):
            bench.record(**{f"b{number}": result for number in range(first, last)})
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
    while bench.lb.waiting:
        bench.lb.lose()
    start_vpp(bench, features)
    happen(bench, "wait", 6)


def start_vpp(bench, features):
    bench.lb, bench.holds = FakeLb(), False
    bench.lb.features, bench.lb.manual = features, True
    bench.connector.start_vpp(bench.lb)


def bench_of(config, features, levels):
    """Return a bench whose syncs make their levels so."""
    bench = VppInMemory(config, vpp=False)
    bench.levels = levels
    start_vpp(bench, features)
    return bench


def both_do(benches, what, *arguments):
    for bench in benches:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sync_module, "InSyncVips", bench.levels)
            patch.setattr(status_module, "LATEST", 5)
            happen(bench, what, *arguments)


def facts(bench):
    """Return what VPP was told and holds, what is believed of it, and what is still to be flushed."""
    sync = bench.service.sync
    for key, vip in sync.ledger.vips.items() if sync else ():
        assert sync.ledger.sum_of_weights(key) == sum(server.weight for server in vip.servers.values())
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


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_every_write_is_that_of_comparing_everything(monkeypatch, seed, weighted):
    features = Features(weights=weighted, src_ip_sticky=weighted)
    chance = random.Random(seed)
    looks = watched(monkeypatch)
    benches = [bench_of(first_config(), features, levels) for levels in (InSyncVips, NoInSyncVips)]
    both_do(benches, "wait", 6)
    for number in range(STEPS):
        step = next_step(benches[0].board, chance)
        both_do(benches, *step)
        assert facts(benches[0]) == facts(benches[1]), (number, step)
    assert len(looks) > STEPS / 10
    for bench in benches:
        happen(bench, "release")
        bench.stop()


def watched(monkeypatch):
    """Return a list that grows by the addresses of which each partial comparison takes a look."""
    looks = []

    def looking(wanted, held):
        if wanted.servers or wanted.absent:
            looks.append([*wanted.servers, *wanted.absent])
        return plan_servers(wanted, held)

    monkeypatch.setattr(wanted_module, "plan_servers", looking)
    return looks


@pytest.fixture
def bench():
    made = VppInMemory(make_config(frontends=[make_frontend(pools=("abcdef", "xy"))], checks=QUICK))
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


@pytest.mark.parametrize("what", ["a reload", "a weight", "a VIP recreated", "a failed write"])
def test_what_is_not_a_transition_has_everything_compared_once(bench, monkeypatch, what):
    bench.record(a=FAIL)
    looks = watched(monkeypatch)
    config = bench.board.config
    match what:
        case "a reload":
            moved = {**config.backends, "b": Backend("b", "10.9.9.9", "tcp")}
            bench.board.apply(attrs.evolve(config, backends=moved))
            bench.record(b=PASS)
        case "a weight":
            bench.board.set_weight("web", "pool0", "b", 5)
        case "a VIP recreated":
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
    bench = VppInMemory(make_config([make_frontend(pools=("ab",))], backends, QUICK))
    looks = watched(monkeypatch)
    bench.record(a=FAIL)
    assert bench.weights() == {"tcp://192.0.2.1:80": {"10.0.0.1": 100}}
    bench.record(b=FAIL)
    assert bench.weights() == {"tcp://192.0.2.1:80": {"10.0.0.1": 0}}
    assert looks == []
    bench.stop()


ADDRESSES = [f"10.0.0.{number}" for number in range(1, 5)]
wishes = st.builds(
    lambda weight, flush, now: WantedServer(weight, flush, now and not weight),
    st.sampled_from([0, 0, 1, 2]),
    st.booleans(),
    st.booleans(),
)


def at_addresses(values):
    """Return a strategy of mappings of some of the addresses to these values."""
    each = st.lists(st.one_of(values, values, st.none()), min_size=len(ADDRESSES), max_size=len(ADDRESSES))
    return each.map(lambda some: {a: value for a, value in zip(ADDRESSES, some, strict=True) if value is not None})


@given(at_addresses(wishes), at_addresses(st.integers(0, 2)), st.booleans(), st.sets(st.sampled_from(ADDRESSES)))
def test_the_plan_for_some_servers_is_what_the_whole_plan_has_for_them(wishes, held, weighted, some):
    vip = Vip(KEY, Encap.GRE4, False, 1024, {address: ApplicationServer(address, w) for address, w in held.items()})
    present = wishes if weighted else {address: each for address, each in wishes.items() if each.weight}
    absent = {address: each for address, each in wishes.items() if address not in present}
    wanted = WantedVip("web", KEY, Encap.GRE4, False, 1024, present, absent)
    chosen = some & wishes.keys()
    part = attrs.evolve(
        wanted,
        servers={address: each for address, each in present.items() if address in chosen},
        absent={address: each for address, each in absent.items() if address in chosen},
    )
    whole = plan_vip(wanted, vip)
    assert plan_servers(part, vip) == tuple(each for each in whole if each.address in chosen)
