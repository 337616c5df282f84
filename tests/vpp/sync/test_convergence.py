"""Random histories of board and sync: names and addresses change, VPP is slow and refuses, writes are under way.

However it goes, it ends with exactly what the file says, nothing that left it stays, and on the way no write takes the
last weight from a VIP for which the board knows a server in service.
"""

from __future__ import annotations

import contextlib
import os

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from maglev.model.config import Backend, ForeignVips, Frontend, Pool, PoolMember, Transport
from maglev.model.errors import RefusedError
from maglev.model.health import PROBED, Lifecycle
from maglev.vpp.lb.state import AddServer, AddVip, ApplicationServer, DeleteServer, DeleteVip, SetWeight, key_of
from tests.fakes.configs import make_check, make_config
from tests.fakes.lb import FakeLb
from tests.fakes.vpp_bench import FAIL, PASS
from tests.fakes.vpp_bench import VppInMemory as Bench

ROUNDS = int(os.environ.get("MAGLEV_TEST_ROUNDS", "25"))

VIPS = [("192.0.2.1", 80), ("192.0.2.1", 443), ("192.0.2.2", 80), ("192.0.2.3", 0)]
NAMES = ["web", "tls", "new", "old"]
BACKENDS = ["a", "b", "c", "d", "e"]
ADDRESSES = [f"10.0.0.{number}" for number in range(1, 7)]
CHECKS = [make_check(rise=1, fall=1), make_check(rise=1, fall=1, timeout=0.5)]
KINDS = [AddVip, AddServer, SetWeight, DeleteServer, DeleteVip]


class WatchedLb(FakeLb):
    """A VPP that foresees what it will hold when all that was sent to it is done, if it refuses nothing.

    Attributes:
        wanted: Returns whether the board knows a server in service for a VIP.
        darkened: Writes that took the last weight from such a VIP.
    """

    def __init__(self):
        super().__init__()
        self.wanted = lambda _: False
        self.darkened = []
        self.expected = FakeLb()
        self.trusted = True
        self.answering = False

    def apply(self, operation):
        self.foresee([operation])
        return super().apply(operation)

    def apply_at_once(self, operations):
        self.foresee(operations)
        return super().apply_at_once(operations)

    def answer(self, count=None):
        if self.answering:
            return  # whatever an answer leads to is for the loop below
        self.answering = True
        while self.waiting and count != 0:
            super().answer(1)
            count = None if count is None else count - 1
        self.answering = False
        if not self.waiting:
            self.expected.vips = self._state().vips
            self.trusted = True

    def foresee(self, operations):
        for operation in operations:
            before = self.weight(operation.key)
            try:
                self.expected._do(operation)
            except Exception:
                self.trusted = False
        for key in {operation.key for operation in operations}:
            lowered = any(not isinstance(each, AddVip | AddServer) for each in operations if each.key == key)
            if self.trusted and lowered and before and not self.weight(key) and self.wanted(key):
                self.darkened.append(operations)

    def weight(self, key):
        vip = self.expected.vips.get(key)
        return sum(server.weight for server in vip.servers.values()) if vip is not None else 0


def frontends_strategy(draw):
    vips = draw(st.lists(st.sampled_from(VIPS), max_size=3, unique=True))
    # VPP refuses an all-port VIP beside another one on its address; so does our own check of the file.
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
        frontends.append(Frontend(name, address, transport, port, tuple(pools), src_ip_sticky=sticky))
    used = {name for frontend in frontends for name in frontend.backends}
    return make_config(
        frontends=frontends,
        backends=[backend for backend in backends if backend.name in used or draw(st.booleans())],
        checks=[draw(st.sampled_from(CHECKS))],
        foreign_vips=draw(st.sampled_from(ForeignVips)),
        sync_interval=10.0,
        removal_max_delay=15.0,
    )


class Histories(RuleBasedStateMachine):
    """One daemon's board and sync, over one VPP."""

    @initialize(config=configs(), manual=st.booleans())
    def start(self, config, manual):
        self.lb = WatchedLb()
        self.bench = Bench(attrs.evolve(config), vpp=False, known=False)
        self.lb.wanted = self.has_service
        self.bench.lb = self.lb
        self.bench.connector.start_vpp(self.lb)
        self.lb.manual = manual
        self.bench.wait(0.5)

    def has_service(self, key):
        """Return whether the board wants weight for the VIP of this key, and some of its servers are in VPP."""
        board = self.bench.board
        for status in board.frontends.values():
            if key_of(status.frontend) == key:
                servers = self.lb.expected.vips[key].servers if key in self.lb.expected.vips else {}
                serving = [board.backends[name].serving_address for name, each in status.desired.items() if each.weight]
                return any(address in servers for address in serving)
        return False

    @rule(config=configs())
    def reload(self, config):
        self.bench.board.apply(config)

    @rule(configs=st.lists(configs(), min_size=2, max_size=3))
    def reload_quickly(self, configs):
        for config in configs:
            self.bench.board.apply(config)

    @rule(name=st.sampled_from(BACKENDS), result=st.sampled_from([PASS, FAIL]))
    def probe(self, name, result):
        self.bench.board.record(name, result)

    @rule(result=st.sampled_from([PASS, FAIL]))
    def probe_all(self, result):
        for name in list(self.bench.board.backends):
            self.bench.board.record(name, result)

    @rule(name=st.sampled_from(BACKENDS), event=st.sampled_from(list(Lifecycle)[1:5]))
    def operate(self, name, event):
        if name in self.bench.board.backends:
            with contextlib.suppress(RefusedError):
                self.bench.board.happen(name, event)

    @rule(weight=st.sampled_from([0, 10, 100]), data=st.data())
    def weigh(self, weight, data):
        board = self.bench.board
        frontends = board.config.frontends.values()
        members = [(f.name, p.name, m.backend) for f in frontends for p in f.pools for m in p.members]
        if members:
            board.set_weight(*data.draw(st.sampled_from(members)), weight)

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

    @rule(kind=st.sampled_from(KINDS), refused=st.booleans())
    def refuse(self, kind, refused):
        self.lb.refuse = {kind: -81} if refused else {}

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 11.0]))
    def wait(self, seconds):
        self.bench.wait(seconds)

    @rule(data=st.data(), weight=st.sampled_from([0, 7]))
    def meddle(self, data, weight):
        """Change something in VPP by hand."""
        servers = [(key, address) for key, vip in self.lb.vips.items() for address in vip.servers]
        if servers and not self.lb.waiting:
            key, address = data.draw(st.sampled_from(servers))
            self.lb.vips[key].servers[address] = ApplicationServer(address, weight)

    def wanted(self):
        board = self.bench.board
        found = {}
        for status in board.frontends.values():
            servers: dict[str, int] = {}
            for name, each in status.desired.items():
                address = board.backends[name].address
                servers[address] = max(each.weight, servers.get(address, 0))
            found[key_of(status.frontend)] = servers
        return found

    def teardown(self):
        if not hasattr(self, "bench"):
            return
        self.lb.refuse = {}
        self.pace(manual=False)
        for name, status in self.bench.board.backends.items():
            if status.state in PROBED:
                self.bench.board.record(name, PASS if name < "d" else FAIL)
        self.bench.wait(80)
        held = {key: {a: s.weight for a, s in vip.servers.items()} for key, vip in self.lb.vips.items()}
        wanted = self.wanted()
        writes = len(self.lb.writes)
        self.bench.wait(25)
        idle = len(self.lb.writes) == writes
        self.bench.stop()
        assert held == wanted
        assert idle
        assert self.lb.darkened == []


Histories.TestCase.settings = settings(max_examples=ROUNDS, stateful_step_count=25, deadline=None)
HistoriesTests = Histories.TestCase
