"""Histories of results, orders, reloads, time and restarts, up to a VPP in memory: what must hold at every moment.

What operators ordered goes through the file of overrides at each start. A restart may find that file cut at any byte,
or come between an order and the file.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from twisted.internet.task import Clock

from maglev.control.guard import refuse_to_take_out, refuse_weight
from maglev.control.restored import restore
from maglev.control.timekeeping import Timekeeper
from maglev.model.blindness_rule import Blindness
from maglev.model.config import Backend, CheckerConfig, MinUp, WeightScale, WhenNoneEligible
from maglev.model.errors import RefusedError
from maglev.model.health import Lifecycle, State
from maglev.model.override import BackendOrder, Override, Target
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.state.decision import decide
from maglev.state.override_file import FILE_NAME, encode
from maglev.state.overrides import order_in
from maglev.vpp.lb.state import key_of
from maglev.vpp.sync.service import VppService
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.lb import FakeConnector, FakeLb

NAMES = "abcdef"
PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON, "refused")
HOLD = WhenNoneEligible.HOLD

names = st.sampled_from(NAMES)
weights = st.sampled_from([100, 50, 1])
members = st.lists(st.tuples(names, weights), min_size=1, max_size=5, unique_by=lambda member: member[0]).map(tuple)
least = st.sampled_from([MinUp(), MinUp(2), MinUp(3), MinUp(5000, share=True)])
pools = st.lists(st.tuples(members, least), min_size=1, max_size=3)
frontends = st.tuples(
    pools, st.sampled_from(WhenNoneEligible), st.sampled_from([0.0, 5.0]), st.sampled_from(WeightScale), st.booleans()
)
DOUBT = 20.0
"""Seconds for which a doubt lasts at most."""

changes = st.lists(st.tuples(least, st.sampled_from(WhenNoneEligible)), min_size=6, max_size=6)
blindness = st.sampled_from([None, None, Blindness(50.0, 5.0, DOUBT), Blindness(60.0, 5.0, DOUBT, "a")])
ORDERS = {
    BackendOrder.PAUSE: Lifecycle.PAUSE,
    BackendOrder.DISABLE: Lifecycle.DISABLE,
    BackendOrder.DRAIN: Lifecycle.DRAIN,
}


def frontend_of(number, shape):
    """Return a frontend of a drawn shape."""
    placed, when, delay, scale, flush = shape
    made = make_frontend(
        f"f{number}",
        f"192.0.2.{number}",
        tuple(some for some, _ in placed),
        when_none_eligible=when,
        failback_delay=delay,
        weights=scale,
        flush_on_down=flush,
    )
    pools = tuple(attrs.evolve(pool, min_up=each) for pool, (_, each) in zip(made.pools, placed, strict=True))
    return attrs.evolve(made, pools=pools)


class JudgedLb(FakeLb):
    """A VPP that asks, at each moment at which a VIP has servers and no weight, whether anything should serve it then.

    Attributes:
        should_serve: Says so for a VIP.
        wrong_moments: The writes that led to moments at which something should.
    """

    def __init__(self):
        super().__init__()
        self.should_serve = None
        self.wrong_moments = []

    def _watch(self, operations):
        known = len(self.zero_moments)
        super()._watch(operations)
        self.wrong_moments += [each for each in self.zero_moments[known:] if self.should_serve(each.key)]


class DecisionHistories(RuleBasedStateMachine):
    """One daemon after the other, and one VPP."""

    @initialize(shapes=st.lists(frontends, min_size=1, max_size=2), doubt=blindness)
    def begin(self, shapes, doubt):
        self.clock = Clock()
        self.lb = JudgedLb()
        self.lb.should_serve = self.should_serve
        self.orders = {}
        self.folder = TemporaryDirectory()
        self.file = Path(self.folder.name) / FILE_NAME
        self.blind_since = {}
        self.doubts_changed = False
        backends = [Backend(name, f"10.0.0.{number}", "tcp") for number, name in enumerate(NAMES, 1)]
        self.checks = [make_check(rise=1, fall=1)]
        self.backends = backends
        self.config = self.configured(shapes, doubt)
        self.service = None
        self.before = {}
        self.start()

    def configured(self, shapes, doubt):
        made = [frontend_of(number, shape) for number, shape in enumerate(shapes, 1)]
        config = make_config(made, self.backends, self.checks)
        return attrs.evolve(config, checker=CheckerConfig(blindness=doubt))

    def start(self):
        """Start a daemon: it knows what operators ordered, as far as the file says so, and what it finds in VPP."""
        restored = restore(str(self.file), self.config, self.clock.seconds())
        self.orders = dict(restored.orders)
        self.board = Board(self.clock.seconds, restored.config, self.orders, self.clock.seconds)
        self.blind_since.clear()
        self.board.subscribe(blindness_changed=self.blindness_changed)
        work = Cooperator(self.clock).queue("vpp")
        self.service = VppService(work, self.board, FakeConnector(self.lb), lambda: 1.0)
        self.keeper = Timekeeper(self.clock, self.board)
        self.service.startService()
        self.keeper.startService()
        self.settle()

    def blindness_changed(self, event):
        """Remember since when each view is in doubt."""
        self.doubts_changed = True
        if event.blind:
            self.blind_since[event.scope, event.name] = self.clock.seconds()
        else:
            self.blind_since.pop((event.scope, event.name))

    def keep(self):
        """Write the file, as the daemon does before it answers to an order."""
        self.file.write_bytes(encode(self.orders.values()))

    def stop(self):
        self.service.stopService()
        self.keeper.stopService()

    def settle(self):
        for _ in range(20):
            self.clock.advance(0.05)

    def decided(self, name):
        return decide(self.board.situation(name))

    def should_serve(self, key):
        return any(
            self.decided(name)[0].serves
            for name, status in self.board.frontends.items()
            if key_of(status.frontend) == key
        )

    # What happens

    @rule(name=names, result=st.sampled_from([PASS, FAIL]))
    def probe(self, name, result):
        self.board.record(name, result)

    @rule(some=st.lists(names, min_size=2), result=st.sampled_from([PASS, FAIL]))
    def probe_many(self, some, result):
        for name in some:
            self.board.record(name, result)

    @rule(fewer=names, seconds=st.sampled_from([0.25, 4.0, 30.0]))
    def fail_together(self, fewer, seconds):
        for name in NAMES:
            self.board.record(name, PASS)
        for name in NAMES:
            if name != fewer:
                self.board.record(name, FAIL)
        self.wait(seconds)

    @rule(name=names, order=st.sampled_from(list(ORDERS)), force=st.booleans())
    def order(self, name, order, force):
        serving = {each for each, status in self.board.frontends.items() if status.active is not None}
        try:
            if not force:
                refuse_to_take_out(self.board, [name])
            self.board.happen(name, ORDERS[order])
        except RefusedError:
            return
        self.orders[name] = Override(Target(name), order, BackendOrder.ENABLE, "ann", "", "", self.clock.seconds())
        self.keep()
        if not force:
            for each in serving:
                guarded = self.board.frontends[each].frontend.when_none_eligible is HOLD
                assert self.board.frontends[each].active is not None or not guarded

    @rule(number=st.integers(0, 9), order=st.sampled_from(list(ORDERS)))
    def take_out_one_after_the_other(self, number, order):
        name = list(self.board.frontends)[number % len(self.board.frontends)]
        for backend in self.board.frontends[name].frontend.backends:
            self.order(backend, order, force=False)

    @rule(name=names)
    def put_back(self, name):
        if order_in(self.board.backends[name].health) is not BackendOrder.ENABLE:
            paused = self.board.backends[name].state is State.PAUSED
            self.board.happen(name, Lifecycle.RESUME if paused else Lifecycle.ENABLE)
            del self.orders[name]
            self.keep()

    @rule(number=st.integers(0, 99), weight=weights)
    def weigh(self, number, weight):
        places = [
            (frontend.name, pool.name, member.backend)
            for frontend in self.config.frontends.values()
            for pool in frontend.pools
            for member in pool.members
        ]
        frontend, pool, backend = places[number % len(places)]
        refuse_weight(self.board, Target(backend, frontend, pool), weight)
        self.board.set_weight(frontend, pool, backend, weight)
        self.config = self.board.config

    @rule(seconds=st.sampled_from([1.0, 4.0, 30.0]))
    def wait(self, seconds):
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)

    @rule(changes=changes, doubt=blindness)
    def reload(self, changes, doubt):
        rest = iter(changes)
        made = {}
        for name, frontend in self.config.frontends.items():
            min_up, when = next(rest)
            pools = tuple(attrs.evolve(pool, min_up=min_up) for pool in frontend.pools)
            made[name] = attrs.evolve(frontend, pools=pools, when_none_eligible=when)
        self.config = attrs.evolve(self.config, frontends=made, checker=CheckerConfig(blindness=doubt))
        self.board.apply(self.config)

    @rule()
    def deploy_a_check(self):
        (check,) = self.checks
        self.checks = [attrs.evolve(check, interval=check.interval + 1.0)]
        self.config = attrs.evolve(self.config, healthchecks={check.name: self.checks[0]})
        self.board.apply(self.config)

    @rule()
    @precondition(lambda self: self.clock.seconds() > 3)
    def restart(self):
        self.stop()
        self.start()

    @rule(number=st.integers(0, 9999))
    @precondition(lambda self: self.clock.seconds() > 3 and self.file.exists())
    def restart_with_a_cut_file(self, number):
        content = self.file.read_bytes()
        place = number % (len(content) + 1)
        self.file.write_bytes(content[:place])
        before = self.orders.keys()
        self.stop()
        self.start()
        # All of it or nothing; only the last byte, the end of the last line, says nothing.
        assert self.orders.keys() == (before if place >= len(content) - 1 else set())
        assert self.file.exists() == (place >= len(content) - 1)

    @rule(name=names, order=st.sampled_from(list(ORDERS)), number=st.integers(0, 9999))
    @precondition(lambda self: self.clock.seconds() > 3)
    def restart_between_an_order_and_the_file(self, name, order, number):
        before = dict(self.orders)
        try:
            self.board.happen(name, ORDERS[order])
        except RefusedError:
            return
        made = Override(Target(name), order, BackendOrder.ENABLE, "ann", "", "", self.clock.seconds())
        draft = encode({**before, name: made}.values())
        self.file.with_name(FILE_NAME + ".new").write_bytes(draft[: number % len(draft)])
        self.stop()
        self.start()
        assert {each: found.value for each, found in self.orders.items()} == {
            each: found.value for each, found in before.items()
        }

    # What must hold

    @invariant()
    def all_is_well(self):
        if not hasattr(self, "service"):
            return
        self.settle()
        # No doubt outlasts its time, whatever happens meanwhile.
        now = self.clock.seconds()
        assert {(str(view.scope), view.name) for view, _ in self.board.doubts.blind()} == self.blind_since.keys()
        assert all(now - since <= DOUBT + 1.0 for since in self.blind_since.values())
        ordered = {name for name, status in self.board.backends.items() if status.ordered_out}
        assert ordered == self.orders.keys()
        addresses = {each.name: each.address for each in self.backends}
        for name, status in self.board.frontends.items():
            decision, trace = self.decided(name)
            key = key_of(status.frontend)
            held = {address: server.weight for address, server in self.lb.vips[key].servers.items()}
            # What the trace concludes is what VPP has; and it says so for every step of the way.
            assert {addresses[each.backend]: each.programmed for each in trace.backends.values()} == held
            assert status.desired == decision.desired
            assert status.pools == decision.pools
            # What an operator took out has no weight.
            assert not any(held[addresses[each]] for each in ordered & trace.backends.keys())
            serves = any(held.values())
            assert serves == decision.serves
            states = {each: self.board.backends[each].state for each in trace.backends if each not in ordered}
            # Nothing serves nothing while a backend is up; nor while the guard has anybody to keep.
            if State.UP in states.values():
                assert serves
            if status.frontend.when_none_eligible is HOLD and State.DOWN in states.values():
                assert serves
            # And in between, there was no moment without any weight while anything should serve; nor any other reason
            # for one, except that who fails first is not doubted yet, and that doubt ends before all have passed.
            if self.before.get(name):
                assert key not in {operation.key for operation in self.lb.wrong_moments}
                if serves and not self.doubts_changed:
                    assert key not in {operation.key for operation in self.lb.zero_moments}
            self.before[name] = serves
        self.lb.zero_moments.clear()
        self.lb.wrong_moments.clear()
        self.doubts_changed = False

    def teardown(self):
        if hasattr(self, "service") and self.service is not None:
            self.stop()
            self.folder.cleanup()


DecisionHistories.TestCase.settings = settings(max_examples=40, stateful_step_count=30)
TestDecisionHistories = DecisionHistories.TestCase
