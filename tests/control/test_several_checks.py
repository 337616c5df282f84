"""What views say of a backend with several checks: in its view, its explanation and its events."""

from __future__ import annotations

import pytest

from maglev.config.load import load_text
from maglev.control.event_views import event_view
from maglev.model.check_set import CheckSet
from maglev.model.events import CheckEvent
from maglev.model.result import Code, Result
from tests.fakes.control_setup import ControlSetup, answer_of

FILE = """\
maglev:
  vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe"}}
  healthchecks:
    web: {type: tcp, port: 80, interval: 2s, timeout: 1s, rise: 1, fall: 1}
    gre: {type: tcp, port: 81, interval: 2s, timeout: 1s, rise: 1, fall: 1}
  backends: {a: {address: 198.51.100.1, healthcheck: [web, gre]}}
  frontends:
    site: {address: 192.0.2.1, protocol: tcp, port: 80, pools: [{name: p, backends: {a: }}]}
"""


@pytest.fixture
def bench():
    made = ControlSetup(load_text(FILE).config)
    yield made
    made.stop()


def test_the_check_that_failed_is_named_everywhere(bench):
    explained = answer_of(bench.viewer.explain_backend("a"))
    assert "check" in {step["step"] for step in explained["steps"]}
    bench.board.record("a/web", Result(Code.L4OK))
    bench.board.record("a/gre", Result(Code.L4CON, "connection refused"))
    view = answer_of(bench.viewer.backend("a"))
    assert (view["state"], [each["state"] for each in view["checks"]]) == ("down", ["up", "down"])
    texts = [step["text"] for step in answer_of(bench.viewer.explain_backend("a"))["steps"]]
    assert any("gre: down" in text and "connection refused" in text for text in texts)
    assert any(text.startswith("the last one of gre failed") for text in texts)
    assert any(text.startswith("1 of 2 up") for text in texts)
    views = [event_view(event) for event in bench.board.events if isinstance(event, CheckEvent)]
    assert [(each["healthcheck"], each["to"]) for each in views] == [("gre", "down")]


def test_checks_follow_nothing_while_the_backend_is_taken_out(bench):
    answer_of(bench.operator.disable_backend("a"))
    health = bench.board.backends["a"].health
    assert health.follow() is False


def test_a_set_says_how_many_are_required():
    assert [str(CheckSet(("a", "b", "c"), needed)) for needed in (1, 2, 3)] == [
        "a, b, c (require any)",
        "a, b, c (require 2)",
        "a, b, c (require all)",
    ]
