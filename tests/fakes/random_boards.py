"""Random configurations and what may happen to a board: for tests that compare two ways to the same result."""

from __future__ import annotations

import contextlib

import attrs
from hypothesis import strategies as st

from maglev.model.blindness_rule import Blindness
from maglev.model.check_params import AgentParams
from maglev.model.config import Backend, CheckType, MinUp, WeightScale, WhenNoneEligible
from maglev.model.errors import RefusedError
from maglev.model.health import Lifecycle
from maglev.model.result import Code, Result
from maglev.state.board import Board
from tests.fakes.configs import make_check, make_config, make_frontend

NAMES = "abcd"
PASS = Result(Code.L4OK)
FAIL = Result(Code.L4CON, "refused")

SAID = [Result(Code.L7OK, text) for text in ("up", "drain 30%", "50%", "maint", "ready 100%", "0%")]
SAID += [Result(Code.L7STS, text) for text in ("down #x", "stopped 20%")]
AGENTS = [None, None, "load"]

names = st.sampled_from(NAMES)
weights = st.sampled_from([100, 50, 33, 1, 0])
min_ups = st.sampled_from([MinUp(), MinUp(), MinUp(2), MinUp(5000, share=True), MinUp(10000, share=True)])
delays = st.sampled_from([0.0, 0.0, 3.0, 10.0])
members = st.lists(st.tuples(names, weights), min_size=1, max_size=3, unique_by=lambda member: member[0])
pools = st.lists(members.map(tuple), min_size=2, max_size=3).map(tuple)
ways = st.sampled_from([*WeightScale])
rules = st.sampled_from([None, Blindness(50.0, 3.0, 10.0), Blindness(50.0, 3.0, 10.0, "a")])
whens = st.sampled_from(WhenNoneEligible)
shapes = st.lists(
    st.tuples(
        pools,
        st.booleans(),
        st.booleans(),
        ways,
        st.sampled_from(WhenNoneEligible),
        delays,
        st.lists(min_ups, min_size=3),
    ),
    min_size=1,
    max_size=3,
)
backends = st.lists(
    st.tuples(st.integers(1, 2), st.sampled_from(["tcp", "slow", None]), st.booleans(), st.sampled_from(AGENTS)),
    min_size=len(NAMES),
    max_size=len(NAMES),
)


def _frontend(pools, flush, sticky, way, when, delay, least, *, index):
    frontend = make_frontend(
        f"f{index}",
        f"192.0.2.{index}",
        pools,
        flush_on_down=flush,
        src_ip_sticky=sticky,
        weights=way,
        when_none_eligible=when,
        failback_delay=delay,
    )
    made = (attrs.evolve(pool, min_up=each) for pool, each in zip(frontend.pools, least, strict=False))
    return attrs.evolve(frontend, pools=tuple(made))


@st.composite
def configs(draw):
    """Draw a configuration of up to three frontends that share four backends, some of which share an address."""
    frontends = [_frontend(*shape, index=index) for index, shape in enumerate(draw(shapes), 1)]
    used = {name for frontend in frontends for name in frontend.backends}
    sharing = draw(st.sampled_from([False, False, True]))
    made = [
        Backend(
            name, f"10.0.{0 if sharing else index}.{last}", check, enabled or draw(st.booleans()), agent_check=agent
        )
        for index, (name, (last, check, enabled, agent)) in enumerate(zip(NAMES, draw(backends), strict=True))
        if name in used
    ]
    interval = draw(st.sampled_from([2.0, 3.0]))
    checks = [make_check(rise=1, fall=1), make_check("slow", rise=2, fall=2, interval=interval)]
    checks.append(make_check("load", type=CheckType.AGENT, agent=AgentParams(hold=5.0)))
    config = make_config(frontends, made, checks)
    return attrs.evolve(config, checker=attrs.evolve(config.checker, blindness=draw(rules)))


results = st.tuples(st.just("record"), names, st.sampled_from([PASS, FAIL]))
steps = st.one_of(
    results,
    results,
    results,
    st.tuples(st.just("record"), names.map("{}/load".format), st.sampled_from([*SAID, FAIL])),
    st.tuples(st.just("happen"), names, st.sampled_from([each for each in Lifecycle if each is not Lifecycle.REMOVE])),
    st.tuples(st.just("set_weight"), st.integers(0, 99), weights),
    st.tuples(st.just("flushed"), st.integers(0, 99), st.sets(names)),
    st.tuples(st.just("apply"), configs()),
    st.tuples(st.just("recheck"), st.sampled_from([4.0, 5.0])),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 3.0, 10.0])),
    st.tuples(st.just("take"), st.integers(0, 99), st.booleans()),
)
histories = st.lists(steps, max_size=25).map(lambda some: [("record", name, PASS) for name in NAMES] + some)


class TimedBoard(Board):
    """A board with a clock that stands still between the steps."""

    def __init__(self, config, **arguments):
        self.time = 0.0
        super().__init__(lambda: self.time, config, now=lambda: self.time, **arguments)

    def wait(self, seconds):
        """Let some seconds pass, as the daemon does: everything happens when it is due."""
        end = self.time + seconds
        while self.next_due is not None and self.next_due <= end:
            self.time = max(self.next_due, self.time)
            self.pass_time()
        self.time = end


def act(board, what, *arguments):
    """Do one step, as far as it makes sense there."""
    match what, arguments:
        case "wait", (seconds,):
            board.wait(seconds)
        case "take", (number, out):
            name = list(board.frontends)[number % len(board.frontends)]
            board.frontends[name].out = out
            board._weigh_all({name})
            board._tell()
        case "record", (name, result):
            board.record(name, result)
        case "happen", (name, event) if name in board.backends and event not in {Lifecycle.START, Lifecycle.CHANGE}:
            with contextlib.suppress(RefusedError):
                board.happen(name, event)
        case "set_weight", (number, weight):
            places = [
                (frontend.name, pool.name, member.backend)
                for frontend in board.config.frontends.values()
                for pool in frontend.pools
                for member in pool.members
            ]
            board.set_weight(*places[number % len(places)], weight)
        case "flushed", (number, names):
            board.flushed(list(board.frontends)[number % len(board.frontends)], names)
        case "apply", (config,):
            board.apply(config)
        case "recheck", (interval,):
            checks = {name: attrs.evolve(each, interval=interval) for name, each in board.config.healthchecks.items()}
            board.apply(attrs.evolve(board.config, healthchecks=checks))
