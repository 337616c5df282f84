"""Random orders and results in the warm-up: a VIP is never without weight while a backend that should serve is up."""

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from maglev.control.guard import refuse_frontend, refuse_to_take_out
from maglev.model.config import WhenNoneEligible
from maglev.model.errors import RefusedError
from maglev.model.health import Lifecycle
from maglev.state.weights import WeightReason
from tests.fakes.configs import make_config, make_frontend
from tests.fakes.vpp_bench import FAIL, PASS, QUICK, WEB, VppInMemory

NAMES = "abcd"
OUT = [Lifecycle.DISABLE, Lifecycle.DRAIN, Lifecycle.PAUSE]
BACK = [Lifecycle.ENABLE, Lifecycle.RESUME]
POOLS = [(("a",), ("b", "c", "d")), (("a", "b"), ("c", "d")), (("a", "b", "c", "d"),)]

names = st.sampled_from(NAMES)
results = st.sampled_from([PASS, FAIL])


class WarmUpHistories(RuleBasedStateMachine):
    """A daemon in its warm-up, over the VPP that another one has left, where at least one backend serves."""

    @initialize(pools=st.sampled_from(POOLS), hold=st.booleans(), down=st.sets(names, max_size=3), early=st.booleans())
    def start(self, pools, hold, down, early):
        when = WhenNoneEligible.HOLD if hold else WhenNoneEligible.DOWN
        self.frontend = make_frontend(pools=pools, when_none_eligible=when)
        first = VppInMemory(make_config([self.frontend], checks=QUICK))
        first.record(**dict.fromkeys(down, FAIL))
        first.stop()
        self.lb = first.lb
        self.disabled = set()
        self.forced = not hold
        self.bench = VppInMemory(self.config(), vpp=False, known=False)
        if early:
            self.bench.record(a=PASS)
        self.bench.connector.start_vpp(self.lb)
        self.bench.wait(0.5)
        self.lb.zero_moments.clear()
        self.proved = False

    def config(self):
        made = make_config([self.frontend], checks=QUICK, startup_min_delay=5.0, startup_max_delay=30.0)
        backends = {name: attrs.evolve(b, enabled=name not in self.disabled) for name, b in made.backends.items()}
        return attrs.evolve(made, backends=backends)

    @rule(name=names, result=results)
    def probe(self, name, result):
        self.bench.record(**{name: result})

    @rule(name=names, order=st.sampled_from(OUT), force=st.booleans())
    def order(self, name, order, force):
        try:
            if not force:
                refuse_to_take_out(self.bench.board, [name])
            self.bench.board.happen(name, order)
        except RefusedError:
            return
        self.forced = self.forced or force

    @rule(name=names, order=st.sampled_from(BACK))
    def put_back(self, name, order):
        try:
            self.bench.board.happen(name, order)
        except RefusedError:
            return

    @rule(out=st.booleans(), force=st.booleans())
    def order_frontend(self, out, force):
        try:
            if out and not force:
                refuse_frontend(self.bench.board, "web")
        except RefusedError:
            return
        self.forced = self.forced or out
        self.bench.board.set_out("web", out=out)

    @rule(name=names)
    def reload(self, name):
        self.disabled ^= {name}
        self.forced = True
        self.bench.board.apply(self.config())

    @rule(seconds=st.sampled_from([0.2, 1.0, 6.0, 31.0]))
    def wait(self, seconds):
        self.bench.wait(seconds)

    @invariant()
    def something_serves_while_a_backend_is_up(self):
        if not hasattr(self, "bench"):
            return
        before, self.proved = (
            self.proved,
            any(
                each.weight and each.reason is WeightReason.ACTIVE
                for each in self.bench.board.frontends["web"].desired.values()
            ),
        )
        held = self.lb.weights()[WEB]
        assert any(held.values()) or not self.proved
        # A guarded frontend is left with nothing only by force, or by the file.
        assert any(held.values()) or self.forced
        assert not (before and self.proved and self.lb.zero_moments)
        self.lb.zero_moments.clear()
        backends = self.bench.board.backends
        assert not any(held[status.address] for status in backends.values() if status.ordered_out)

    def teardown(self):
        if hasattr(self, "bench"):
            self.bench.stop()


WarmUpHistories.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None, derandomize=True)
WarmUpHistoriesTests = WarmUpHistories.TestCase
