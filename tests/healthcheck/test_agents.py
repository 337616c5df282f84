"""How the checker asks agents: beside the probes of their backends, at their own pace, and while these are probed."""

from __future__ import annotations

import attrs
import pytest

from maglev.model.check_params import AgentParams
from maglev.model.config import Backend, CheckType
from maglev.model.health import Lifecycle, State
from maglev.model.probing import agent_of, probe_of
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.checker import PASS, CheckerRig
from tests.fakes.configs import make_check, make_config, make_frontend

UP, DRAIN = Result(Code.L7OK, "up"), Result(Code.L7OK, "drain")


def config_of(check="tcp", agent="load", address=None, **changes):
    load = make_check("load", type=CheckType.AGENT, interval=5.0, fast_interval=5.0, down_interval=5.0, l4_port=9999)
    checks = [make_check(rise=1, fall=1), attrs.evolve(load, agent=AgentParams(address=address, hold=12.0))]
    backends = [Backend("a", "10.0.0.1", check, agent_check=agent), Backend("b", "10.0.0.2", "tcp")]
    return make_config([make_frontend(pools=(("a", "b"),), **changes)], backends, checks)


@pytest.fixture
def make():
    rigs = []

    def build(**arguments):
        rigs.append(CheckerRig(config_of(**arguments)))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.checker.stopService()


def weight(rig):
    return rig.board.frontend("web").desired["a"].weight


@pytest.mark.parametrize("check", ["tcp", None])
def test_an_agent_is_asked_beside_the_probes(make, check):
    rig = make(check=check)
    if check:
        rig.finish("a", PASS)
    rig.finish("a/load", UP)
    assert (rig.state("a"), weight(rig)) == (State.UP, 100)
    rig.finish("a/load", DRAIN)
    assert (rig.state("a"), weight(rig)) == (State.UP, 0)
    assert rig.checker.counters["a/load"].type == "agent"


def test_it_is_asked_at_its_own_pace_whatever_the_backend_does(make):
    rig = make()
    rig.finish("a/load", UP)
    started = rig.clock.seconds()
    rig.finish("a", Result(Code.L4CON))
    while rig["a/load"].finished is None:
        rig.clock.advance(0.1)
    assert 4.5 < rig.clock.seconds() - started < 5.5


def test_a_fault_of_ours_says_nothing_of_it(make):
    rig = make()
    rig.finish("a", PASS)
    rig.finish("a/load", DRAIN)
    rig.clock.advance(20)
    rig["a/load"].finish(LocalFault("descriptors"))
    assert weight(rig) == 0
    rig.finish("a/load", Result(Code.L4CON, "refused"))
    assert weight(rig) == 100


def test_orders_stop_the_questions_and_begin_them_again(make):
    rig = make()
    rig.finish("a", PASS)
    rig.finish("a/load", UP)
    rig.board.happen("a", Lifecycle.PAUSE)
    rig.clock.advance(60)
    assert rig["a/load"].finished is None
    rig.board.happen("a", Lifecycle.RESUME)
    rig.finish("a", PASS)
    rig.finish("a/load", DRAIN)
    assert weight(rig) == 0


def test_a_reload_that_does_not_concern_it_leaves_the_question_under_way(make):
    rig = make()
    rig.finish("a", PASS)
    rig.finish("a/load", UP)
    prober = rig["a/load"]
    rig.board.apply(config_of(description="new"))
    assert rig["a/load"] is prober
    assert rig.board.backend("a").agent.known


def test_without_an_agent_nobody_is_asked_any_longer(make):
    rig = make()
    rig.finish("a", PASS)
    rig.finish("a/load", DRAIN)
    rig.board.apply(config_of(agent=None))
    assert "a/load" not in rig.checker.counters
    rig.finish("a", PASS)
    assert weight(rig) == 100


def test_an_agent_may_be_elsewhere():
    config = config_of(address="10.0.0.9")
    backend, check = probe_of(config, "a/load")
    assert (backend.address, backend.name, check.name) == ("10.0.0.9", "a/load", "load")
    assert probe_of(config_of(), "a/load")[0].address == "10.0.0.1"
    assert agent_of(config, config.backends["a"]) is check
    assert agent_of(config, config.backends["b"]) is None
