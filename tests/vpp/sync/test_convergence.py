"""Random histories of board and sync: names and addresses change, VPP is slow and refuses, writes are under way.

An oracle that knows the facts only (`tests.fakes.facts`) judges every message to VPP: a weight is lowered, or a server
deleted, with a ground only, and never the last one while a server is proved up. Whenever VPP has answered everything
and nothing was refused, and at rest in any case, it holds exactly what the facts say: nothing is left over, no update
is lost.

`ScaledHistories` plays the same with frontends that are told least-moving or as written, and change that. A change of
scale lowers numbers without lowering a share, so it judges only whether a server has weight, and at rest the numbers
by the board's.

`MovingHistories` plays with what happens around reloads that move VIPs, or add one and take it out again, while VPP is
slow and otherwise does what it is told: there, each step ends with everything answered, and is judged.

A longer run: ``MAGLEV_TEST_ROUNDS=2000 pytest tests/vpp/sync/test_convergence.py``.
"""

from __future__ import annotations

import os

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from maglev.model.config import Backend, ForeignVips, Frontend, Pool, PoolMember, Transport, WeightScale
from maglev.model.errors import RefusedError
from maglev.model.health import Lifecycle
from maglev.vpp.lb.state import AddServer, AddVip, ApplicationServer, DeleteServer, DeleteVip, SetWeight, key_of
from tests.fakes.configs import make_check, make_config
from tests.fakes.facts import Facts
from tests.fakes.lb import FakeLb
from tests.fakes.vpp_bench import FAIL, PASS, results_of
from tests.fakes.vpp_bench import VppInMemory as Bench

ROUNDS = int(os.environ.get("MAGLEV_TEST_ROUNDS", "250"))

VIPS = [("192.0.2.1", 80), ("192.0.2.1", 443), ("192.0.2.2", 80), ("192.0.2.3", 0)]
NAMES = ["web", "tls", "new", "old"]
BACKENDS = ["a", "b", "c", "d", "e"]
ADDRESSES = [f"10.0.0.{number}" for number in range(1, 7)]
CHECKS = [make_check(rise=1, fall=1), make_check(rise=1, fall=1, timeout=0.5)]
KINDS = [AddVip, AddServer, SetWeight, DeleteServer, DeleteVip]
STAY = 15.0
TICK = 0.05
"""Seconds by which a clock in steps may be early."""


class WatchedLb(FakeLb):
    """A VPP whose messages are judged when it handles them, by what was known when they were sent.

    Attributes:
        facts: What is known.
        drain: Seconds for which a server drains.
        faults: What was done without a ground.
        trusted: Whether nobody has meddled, and nothing was refused or lost, since VPP was last at rest.
        stopping: Whether the daemon lets go of VPP.
        level: What of a weight is judged.
        long_reads: Whether a read takes two messages: what is sent meanwhile is answered before it, and not in it.
    """

    long_reads = False

    def __init__(self, level):
        super().__init__()
        self.level = level
        self.facts = None
        self.drain = 0.0
        self.faults = []
        self.trusted = True
        self.stopping = False
        self.answering = False
        self.writing = 0

    def read_state(self):
        read = super().read_state()
        return read.addCallback(lambda state: self._ask(lambda: state)) if self.long_reads else read

    def apply(self, operation):
        return self._judged([operation], super().apply)

    def apply_at_once(self, operations):
        return self._judged(operations, super().apply_at_once)

    def answer(self, count=None):
        if self.answering:
            return  # whatever an answer leads to is for the loop below
        self.answering = True
        while self.waiting and count != 0:
            super().answer(1)
            count = None if count is None else count - 1
        self.answering = False

    def lose(self):
        if self.stopping and self.writing:
            self.faults.append("lost a write while stopping")
        self.trusted = False
        super().lose()

    def _judged(self, operations, send):
        self.pending = {operation.key: self.facts.sending(operation.key) for operation in operations}
        self.writing += 1
        return send(operations[0] if send.__name__ == "apply" else operations).addBoth(self._written)

    def _written(self, result):
        self.writing -= 1
        return result

    def _ask(self, handle):
        pending, self.pending = getattr(self, "pending", {}), {}
        return super()._ask(lambda: self._handle(handle, pending))

    def _handle(self, handle, pending):
        self.facts.moment += 1
        before = {key: self._servers(key) for key in pending}
        try:
            result = handle()
        except Exception:
            self.trusted = False
            raise
        for key, window in pending.items() if self.trusted else ():
            self._compare(key, before[key], window)
        return result

    def _compare(self, key, before, window):
        after = self._servers(key)
        if not any(all(self._has_ground(key, judgment, before, after, a) for a in before) for judgment in window):
            self.faults.append((str(key), before, after, window))
        self._note_drains(key, before, after, window)
        eligible = frozenset.intersection(*(judgment.eligible for judgment in window))
        if any(before.values()) and not any(after.values()) and eligible & before.keys():
            self.faults.append((str(key), "took the last weight", before, after, window))

    def _has_ground(self, key, judgment, before, after, address):
        was, now = before[address], after.get(address)
        if not judgment.configured or now == was:
            return True
        seconds = self.facts.clock.seconds()
        if address in judgment.floors and (was or address in judgment.members):
            floor = judgment.floors[address]
            floor = None if floor is None else self.level(floor)
            if now is None:
                return floor == 0 and address not in judgment.members
            return now >= was or (floor is not None and now >= floor)
        over = seconds >= self.facts.left.get(key, seconds) + STAY - TICK
        if now is None:
            begun = self.facts.drained.get((key, address))
            drained = begun is None or seconds >= begun + self.drain - TICK
            return over or (drained if not was else not self.drain and any(after.values()))
        return over or now > was or any(after.values())

    def _note_drains(self, key, before, after, window):
        """Note which servers begin to drain: what was lowered because it is down need not, should it leave next."""
        for address, was in before.items():
            if address not in after:
                self.facts.drained.pop((key, address), None)
            elif after[address] < was and not any(address in judgment.floors for judgment in window):
                self.facts.drained[key, address] = self.facts.clock.seconds()

    def _servers(self, key):
        vip = self.vips.get(key)
        return {} if vip is None else {a: self.level(server.weight) for a, server in vip.servers.items()}


def frontends_strategy(draw):
    # VPP refuses an all-port VIP beside another one on its address; so does our own check of the file.
    vips = draw(st.lists(st.sampled_from(VIPS), max_size=3, unique=True))
    names = draw(st.permutations(NAMES))
    return [(name, *vip) for name, vip in zip(names, vips, strict=False)]


@st.composite
def configs(draw):
    """Return a valid configuration."""
    addresses = draw(st.permutations(ADDRESSES))
    enabled = draw(st.sets(st.sampled_from(BACKENDS), min_size=3))
    backends = [
        Backend(name, address, "tcp", enabled=name in enabled)
        for name, address in zip(BACKENDS, addresses, strict=False)
    ]
    frontends = []
    for name, address, port in frontends_strategy(draw):
        pools, left = [], list(draw(st.permutations(BACKENDS)))
        for number in range(draw(st.integers(1, 2))):
            members, left = left[:2], left[2:]
            weights = [draw(st.sampled_from([0, 50, 100, 100])) for _ in members]
            pools.append(Pool(f"p{number}", tuple(map(PoolMember, members, weights))))
        transport = Transport.TCP if port else None
        sticky = draw(st.integers(0, 9)) == 0
        weights = draw(st.sampled_from(WeightScale))
        frontends.append(Frontend(name, address, transport, port, tuple(pools), src_ip_sticky=sticky, weights=weights))
    used = {name for frontend in frontends for name in frontend.backends}
    return make_config(
        frontends=frontends,
        backends=[backend for backend in backends if backend.name in used or draw(st.booleans())],
        checks=[draw(st.sampled_from(CHECKS))],
        removal_max_delay=STAY,
    )


OPERATED = [each for each in Lifecycle if each not in {Lifecycle.START, Lifecycle.CHANGE, Lifecycle.REMOVE}]
"""What operators do."""


class Histories(RuleBasedStateMachine):
    """One daemon's board and sync, over one VPP.

    Attributes:
        scaled: Whether frontends may be told least-moving.
        level: What of a weight is judged.
    """

    scaled = False
    level = staticmethod(int)

    @initialize(
        config=configs(),
        manual=st.booleans(),
        foreign=st.sampled_from(ForeignVips),
        drain=st.sampled_from([0.0, 1.0]),
        interval=st.sampled_from([10.0, 1000.0]),
        known=st.booleans(),
    )
    def start(self, config, manual, foreign, drain, interval, known):
        self.settings = {"foreign_vips": foreign, "removal_drain": drain, "sync_interval": interval}
        config = self.with_settings(config)
        self.lb = WatchedLb(self.level)
        self.lb.drain = drain
        self.bench = Bench(config, vpp=False, known=False)
        self.lb.facts = self.facts = Facts(config, self.bench.clock)
        self.bench.lb = self.lb
        self.bench.connector.start_vpp(self.lb)
        self.lb.manual = manual
        if known:
            self.record_all(PASS)
        self.bench.wait(0.5)

    def with_settings(self, config):
        config = attrs.evolve(config, vpp=attrs.evolve(config.vpp, **self.settings))
        if self.scaled:
            return config
        written = {name: attrs.evolve(f, weights=WeightScale.AS_WRITTEN) for name, f in config.frontends.items()}
        return attrs.evolve(config, frontends=written)

    def apply(self, config):
        config = self.with_settings(config)
        self.facts.apply(config)
        self.bench.board.apply(config)

    def record(self, name, result):
        self.facts.record(name, result.ok)
        self.bench.board.record(name, result)

    def record_all(self, result):
        for name in list(self.facts.backends):
            self.record(name, result)

    def config(self):
        return self.bench.board.config

    # Reloads

    @rule(config=configs())
    def reload(self, config):
        self.apply(config)

    @rule(configs=st.lists(configs(), min_size=2, max_size=3))
    def reload_quickly(self, configs):
        for config in configs:
            self.apply(config)

    @rule(vip=st.sampled_from(VIPS), syncing=st.booleans(), slow=st.booleans())
    def add_and_remove(self, vip, syncing, slow):
        """Add a VIP, or take one out, and undo that before VPP has answered."""
        before = self.config()
        self.lb.manual = self.lb.manual or slow
        if syncing and self.bench.service.sync is not None:
            results_of(self.bench.service.sync_now())
        same = [name for name, each in before.frontends.items() if (each.address, each.l4_port) == vip]
        frontends = {name: each for name, each in before.frontends.items() if name not in same}
        if not same and before.backends:
            free = next(name for name in NAMES if name not in frontends)
            pool = Pool("p0", (PoolMember(next(iter(before.backends))),))
            frontends[free] = Frontend(free, vip[0], Transport.TCP if vip[1] else None, vip[1], (pool,))
        self.apply(attrs.evolve(before, frontends=frontends))
        self.apply(before)

    @rule(vips=st.permutations(VIPS), slow=st.booleans())
    def move_frontends(self, vips, slow):
        """Let frontends keep their names and take other VIPs."""
        config = self.config()
        self.lb.manual = self.lb.manual or slow
        frontends = {
            name: attrs.evolve(each, address=address, l4_port=port, transport=Transport.TCP if port else None)
            for (name, each), (address, port) in zip(config.frontends.items(), vips, strict=False)
        }
        self.apply(attrs.evolve(config, frontends=frontends))

    @rule(vips=st.permutations(VIPS), results=st.lists(st.sampled_from([PASS, FAIL]), min_size=3, max_size=5))
    def move_frontends_between_changes(self, vips, results):
        """Let frontends take other VIPs while changes of theirs wait for VPP, and change again when it has answered."""
        self.lb.manual = True
        for name, result in zip(BACKENDS, results, strict=False):
            self.record(name, result)
        self.move_frontends(vips=vips, slow=True)
        self.pace(manual=False)
        for name, result in zip(BACKENDS, reversed(results), strict=False):
            self.record(name, result)

    @rule(names=st.permutations(NAMES))
    def rename_frontends(self, names):
        config = self.config()
        new = zip(config.frontends.values(), names, strict=False)
        self.apply(attrs.evolve(config, frontends={name: attrs.evolve(each, name=name) for each, name in new}))

    @rule(names=st.permutations(BACKENDS))
    def rename_backends(self, names):
        config = self.config()
        new = dict(zip(BACKENDS, names, strict=True))
        frontends = {}
        for name, each in config.frontends.items():
            pools = tuple(
                attrs.evolve(p, members=tuple(attrs.evolve(m, backend=new[m.backend]) for m in p.members))
                for p in each.pools
            )
            frontends[name] = attrs.evolve(each, pools=pools)
        backends = {new[name]: attrs.evolve(each, name=new[name]) for name, each in config.backends.items()}
        self.apply(attrs.evolve(config, frontends=frontends, backends=backends))

    @rule(addresses=st.permutations(ADDRESSES))
    def move_backends(self, addresses):
        config = self.config()
        new = zip(config.backends.items(), addresses, strict=False)
        self.apply(attrs.evolve(config, backends={n: attrs.evolve(b, address=a) for (n, b), a in new}))

    # What is known

    @rule(name=st.sampled_from(BACKENDS), result=st.sampled_from([PASS, FAIL]))
    def probe(self, name, result):
        self.record(name, result)

    @rule(result=st.sampled_from([PASS, FAIL]))
    def probe_all(self, result):
        self.record_all(result)

    @rule(results=st.lists(st.tuples(st.sampled_from(BACKENDS), st.sampled_from([PASS, FAIL])), min_size=2, max_size=5))
    def probe_while_slow(self, results):
        self.lb.manual = True
        for name, result in results:
            self.record(name, result)

    @rule(name=st.sampled_from(BACKENDS), event=st.sampled_from(OPERATED))
    def operate(self, name, event):
        if name in self.facts.backends:
            if self.facts.operate(name, event.value):
                self.bench.board.happen(name, event)
            else:
                with pytest.raises(RefusedError):
                    self.bench.board.happen(name, event)

    @rule(weight=st.sampled_from([0, 10, 100]), data=st.data())
    def weigh(self, weight, data):
        frontends = self.facts.frontends.values()
        members = [(f.name, p.name, m.backend) for f in frontends for p in f.pools for m in p.members]
        if members:
            chosen = data.draw(st.sampled_from(members))
            self.facts.weigh(*chosen, weight)
            self.bench.board.set_weight(*chosen, weight)

    # VPP

    @rule()
    def sync(self):
        if self.bench.service.sync is not None:
            results_of(self.bench.service.sync_now())

    @rule(count=st.integers(1, 3))
    def answer(self, count):
        self.lb.answer(min(count, len(self.lb.waiting)))

    @rule()
    def answer_all(self):
        while self.lb.waiting:
            self.lb.answer()

    @rule(manual=st.booleans())
    def pace(self, manual):
        self.lb.manual = manual
        if not manual:
            self.answer_all()

    @rule(kind=st.sampled_from(KINDS), retval=st.sampled_from([None, -81, -6]))
    def refuse(self, kind, retval):
        self.lb.refuse = {} if retval is None else {kind: retval}

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 11.0]))
    def wait(self, seconds):
        self.bench.wait(seconds)

    @precondition(lambda self: self.bench.connector.links)
    @rule(empty=st.booleans())
    def lose_connection(self, empty):
        """Let the connection end, because VPP restarts empty or for no reason."""
        self.bench.connector.kill_vpp()
        if empty:
            self.lb.vips.clear()
        self.bench.connector.start_vpp(self.lb)

    @rule(data=st.data(), weight=st.sampled_from([0, 7]))
    def meddle(self, data, weight):
        """Change something in VPP by hand."""
        servers = [(key, address) for key, vip in self.lb.vips.items() for address in vip.servers]
        if servers and not self.lb.waiting:
            key, address = data.draw(st.sampled_from(servers))
            self.lb.vips[key].servers[address] = ApplicationServer(address, weight)
            self.lb.trusted = False

    @rule()
    def rest(self):
        """Let VPP answer everything, and time pass beyond all delays."""
        self.lb.refuse = {}
        self.pace(manual=False)
        self.record_all(PASS)
        for _ in range(4):
            self.bench.wait(5)
        results_of(self.bench.service.sync_now())
        self.bench.wait(20)
        assert self.held() == self.exact()
        self.facts.rest()
        self.lb.trusted = True

    def held(self):
        return {key: {a: self.level(s.weight) for a, s in vip.servers.items()} for key, vip in self.lb.vips.items()}

    def exact(self):
        return {key: self.levels(self.facts.judge(key).exact) for key in sorted(self.facts.keys())}

    def levels(self, weights):
        return None if weights is None else {address: self.level(weight) for address, weight in weights.items()}

    @invariant()
    def every_message_had_its_ground(self):
        if hasattr(self, "lb"):
            assert self.lb.faults == []

    @invariant()
    def nothing_is_lost_or_left_over_when_vpp_has_answered(self):
        if not hasattr(self, "lb") or not self.lb.trusted or self.lb.waiting or self.lb.refuse:
            return
        self.bench.wait(0.2)
        if self.lb.waiting or not self.lb.trusted:
            return
        held, exact = self.held(), self.exact()
        assert held.keys() == exact.keys()
        for key, weights in exact.items():
            if weights is not None:
                mine = {address: weight for address, weight in held[key].items() if address in weights}
                others = {address for address in held[key] if address not in weights}
                assert mine == weights
                assert not others or key in self.facts.left

    def teardown(self):
        if not hasattr(self, "bench"):
            return
        self.rest()
        writes = len(self.lb.writes)
        self.bench.wait(25)
        assert len(self.lb.writes) == writes
        self.lb.manual = self.lb.stopping = True
        self.record_all(FAIL)
        self.bench.service.stopService()
        self.answer_all()
        assert self.bench.clock.getDelayedCalls() == []
        self.every_message_had_its_ground()


class ScaledHistories(Histories):
    """The same, with a change of the programmed weights' scale in many reloads and weights set at run time."""

    scaled = True
    level = staticmethod(lambda weight: min(weight, 1))

    @rule()
    def rest(self):
        super().rest()
        held = {key: {a: server.weight for a, server in vip.servers.items()} for key, vip in self.lb.vips.items()}
        assert held == {key_of(status.frontend): self.programmed(status) for status in self.frontends()}

    def frontends(self):
        return self.bench.board.frontends.values()

    def programmed(self, status):
        weights = {}
        for name, each in status.desired.items():
            address = self.bench.board.backends[name].address
            weights[address] = max(each.programmed, weights.get(address, 0))
        return weights


class MovingHistories(Histories):
    """A VPP that is slow and refuses nothing, while VIPs move and changes are undone before it has answered."""

    reload = reload_quickly = move_backends = refuse = lose_connection = meddle = None

    @initialize(
        config=configs(),
        foreign=st.sampled_from(ForeignVips),
        interval=st.sampled_from([10.0, 1000.0]),
        long_reads=st.booleans(),
        vips=st.permutations(VIPS),
        name=st.sampled_from(BACKENDS),
    )
    def start(self, config, foreign, interval, long_reads, vips, name):
        super().start(config, False, foreign, 0.0, interval, True)
        self.lb.long_reads = long_reads
        self.move_frontends_among_changes(vips, name)

    @rule(vips=st.permutations(VIPS), name=st.sampled_from(BACKENDS))
    def move_frontends_among_changes(self, vips, name):
        """Let a backend change while its frontends wait for VPP, before and after they take other VIPs."""
        self.pace(manual=False)
        self.record_all(PASS)
        self.lb.manual = True
        for result in (FAIL, PASS):
            self.record(name, result)
        self.move_frontends(vips=vips, slow=True)
        self.record(name, FAIL)
        self.pace(manual=False)
        self.nothing_is_lost_or_left_over_when_vpp_has_answered()
        self.record(name, PASS)

    @rule(vip=st.sampled_from(VIPS))
    def add_and_remove_while_reading(self, vip):
        """Add a VIP, or take one out, and undo that before a sync has read VPP."""
        self.pace(manual=False)
        self.add_and_remove(vip=vip, syncing=True, slow=True)
        self.pace(manual=False)


def rounds(count):
    return settings(
        max_examples=count,
        stateful_step_count=25,
        deadline=None,
        derandomize="MAGLEV_TEST_ROUNDS" not in os.environ,
    )


Histories.TestCase.settings = rounds(ROUNDS)
ScaledHistories.TestCase.settings = rounds(ROUNDS // 2)
MovingHistories.TestCase.settings = rounds(ROUNDS * 4)
HistoriesTests = Histories.TestCase
ScaledHistoriesTests = ScaledHistories.TestCase
MovingHistoriesTests = MovingHistories.TestCase
