"""What is said of an agent: in views, explanations, events, the log, metrics, and what a reload would do."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest

from maglev.commands.render.backends import backend_lines
from maglev.commands.render.events import event_line
from maglev.config.load import load_text
from maglev.control.after_reload import decided_after, is_proven
from maglev.control.event_views import event_view
from maglev.control.served import configuration_hash
from maglev.control.transition_log import TransitionLog
from maglev.metrics.collectors import BoardCollector
from maglev.model.events import AgentEvent
from maglev.model.health import State
from maglev.model.result import Code, Result
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.logs.render import fields_of, name_of
from tests.fakes.control_setup import ControlSetup, answer_of

FILE = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe"}}
  healthchecks:
    web: {type: tcp, port: 80, interval: 2s, timeout: 1s, rise: 1, fall: 1}
    load: {type: agent, port: 9999, interval: 2s, timeout: 1s}
  backends:
    a: {address: 198.51.100.1, healthcheck: web, agent-check: load}
    b: {address: 198.51.100.2, healthcheck: web}
  frontends:
    site: {address: 192.0.2.1, protocol: tcp, port: 80, pools: [{name: p, backends: {a: , b: }}]}
"""
DRAIN = Result(Code.L7OK, "drain 50% #busy", 0.002)
GONE = Result(Code.L4CON, "connection refused")


@pytest.fixture
def bench():
    made = ControlSetup(load_text(FILE).config)
    yield made
    made.stop()


def step(bench):
    steps = answer_of(bench.viewer.explain_backend("a"))["steps"]
    return next(each["text"] for each in steps if each["step"] == "agent")


def test_what_an_agent_says_is_told_everywhere(bench):
    assert step(bench).startswith("load: not heard for 0.0s: until then, or for 15s, nothing is raised; no answer yet")
    bench.board.record("a", Result(Code.L4OK))
    assert answer_of(bench.viewer.backend("a"))["agent"]["says"] == "unknown"
    bench.board.record("a/load", DRAIN)
    assert step(bench) == "load: says drain 50%, heard 0.0s ago; the last answer L7OK: drain 50% #busy"
    view = answer_of(bench.viewer.backend("a"))["agent"]
    assert {key: view[key] for key in ("healthcheck", "says", "percent", "hold")} == {
        "healthcheck": "load",
        "says": "drain 50%",
        "percent": 0,
        "hold": 15.0,
    }
    assert view["last_result"]["detail"] == "drain 50% #busy"
    weight = answer_of(bench.viewer.explain_backend("a"))["frontends"][0]
    assert (weight["reason"], weight["effective_weight"]) == ("agent-drain", 0)
    member = answer_of(bench.viewer.frontend("site"))["pools"][0]["backends"][0]
    assert (member["state"], member["reason"]) == ("up", "agent-drain")
    bench.board.backends["a"].agent.heard -= 15.0
    bench.board.record("a/load", GONE)
    assert "takes nothing away; the last answer L4CON: connection refused" in step(bench)


def test_events_and_lines(bench):
    bench.board.record("a/load", DRAIN)
    (event,) = [each for each in bench.board.events if isinstance(each, AgentEvent)]
    view = event_view(event)
    assert {key: view[key] for key in ("type", "backend", "healthcheck", "before", "now", "code", "detail")} == {
        "type": "agent",
        "backend": "a",
        "healthcheck": "load",
        "before": "unknown",
        "now": "drain 50%",
        "code": "L7OK",
        "detail": "drain 50% #busy",
    }
    assert event_line(view).plain.endswith("agent load of a unknown -> drain 50% L7OK drain 50% #busy")
    (line,) = [each.plain for each in backend_lines(answer_of(bench.viewer.backend("a"))) if "agent " in each.plain]
    assert "load drain 50%, heard 0s ago, L7OK in 2ms drain 50% #busy" in line


def test_without_an_answer_the_line_says_since_when_it_is_asked(bench):
    (line,) = [each.plain for each in backend_lines(answer_of(bench.viewer.backend("a"))) if "agent " in each.plain]
    assert line.endswith("load unknown, asked since 0s ago")


def test_it_is_logged(bench):
    seen = []
    log = TransitionLog(bench.board)
    log._log = EventLogger(observer=seen.append)
    bench.board.record("a/load", DRAIN)
    (event,) = [each for each in seen if name_of(each) == "agent-changed"]
    assert fields_of(event)["now"] == "drain 50%"


def test_metrics(bench):
    def scraped():
        text = "".join(BoardCollector(bench.board, bench.vpp.departures, Counter()).scrape())
        return [
            line for line in text.splitlines() if line.startswith("maglev_backend_agent") and not line.endswith(" 0")
        ]

    assert scraped() == [
        'maglev_backend_agent{backend="a",says="unknown"} 1',
        'maglev_backend_agent_percent{backend="a"} 100',
    ]
    bench.board.record("a/load", DRAIN)
    assert scraped() == [
        'maglev_backend_agent{backend="a",says="drain"} 1',
        'maglev_backend_agent_percent{backend="a"} 50',
    ]
    bench.board.record("a/load", Result(Code.L7STS, "ready stopped"))
    assert scraped()[0] == 'maglev_backend_agent{backend="a",says="down"} 1'
    bench.board.record("a/load", Result(Code.L7OK, "up"))
    assert scraped()[0] == 'maglev_backend_agent{backend="a",says="up"} 1'


def test_a_reload_is_forecast_with_what_agents_say_now(bench):
    for name, result in (("a", Result(Code.L4OK)), ("b", Result(Code.L4OK)), ("a/load", DRAIN)):
        bench.board.record(name, result)
    config = bench.board.config
    frontend = config.frontends["site"]
    states = {"a": State.UP, "b": State.UP}

    def weights_after(new):
        decision = decided_after(bench.board, new, frontend, bench.board.frontends["site"], states)
        return {name: each.weight for name, each in decision.desired.items()}

    assert weights_after(config) == {"a": 0, "b": 100}
    alone = {**config.backends, "a": attrs.evolve(config.backends["a"], agent_check=None)}
    assert weights_after(attrs.evolve(config, backends=alone)) == {"a": 100, "b": 100}
    assert not is_proven(bench.board, attrs.evolve(config, backends=alone), alone["a"])
    assert weights_after(attrs.evolve(config, backends={**config.backends, "c": config.backends["a"]}))["a"] == 0


def test_balancers_that_ask_agents_otherwise_do_not_agree(bench):
    config = bench.board.config
    frontend = config.frontends["site"]
    same = configuration_hash(config, frontend)
    alone = {**config.backends, "a": attrs.evolve(config.backends["a"], agent_check=None)}
    assert configuration_hash(attrs.evolve(config, backends=alone), frontend) != same
    slow = {**config.healthchecks, "load": attrs.evolve(config.healthchecks["load"], interval=9.0)}
    assert configuration_hash(attrs.evolve(config, healthchecks=slow), frontend) != same


def test_a_healthcheck_of_agents_counts_who_uses_it(bench):
    rows = {each["name"]: each["backends"] for each in answer_of(bench.viewer.healthchecks())["rows"]}
    assert rows == {"web": 2, "load": 1}
