"""HAProxy's ``agent-check`` becomes ours."""

from __future__ import annotations

import pytest

from maglev.model.check_params import AgentParams
from maglev.model.config import WeightScale
from tests.fakes.haproxy_import import listen


def agent_of(made, name="s"):
    return made.config.healthchecks[made.config.backends[name].agent_check]


def test_an_agent_is_asked_beside_the_check(run):
    made = run(listen(server="10.0.0.1:80 check agent-check agent-port 9999 agent-inter 5s"))
    check = agent_of(made)
    assert (check.type, check.l4_port, check.interval, check.timeout) == ("agent", 9999, 5, 5)
    assert check.agent == AgentParams(hold=20.0)
    assert made.config.backends["s"].healthcheck is not None
    assert made.config.vpp.conf is not None
    assert {each.weights for each in made.config.frontends.values()} == {WeightScale.AS_WRITTEN}
    assert "agents lower them by percentages" in made.comments


def test_an_agent_does_without_a_check_and_has_the_usual_times(run):
    made = run(listen("timeout check 1s", "timeout connect 500ms", server="10.0.0.1:80 agent-check agent-port 9"))
    check = agent_of(made)
    assert made.config.backends["s"].healthcheck is None
    assert (check.interval, check.timeout, check.agent.hold) == (2, 1.5, 15)


def test_where_it_is_and_what_it_is_sent_are_kept(run):
    words = r'agent-check agent-port 9 agent-addr 192.0.2.9 agent-send "be/s\n" source 192.0.2.7'
    check = agent_of(run(listen(server=f"10.0.0.1:80 {words}")))
    assert check.agent == AgentParams(b"be/s\n", "192.0.2.9")
    assert check.probe_ipv4_src == "192.0.2.7"
    same = "agent-check agent-port 9 agent-addr 10.0.0.1"
    assert agent_of(run(listen(server=f"10.0.0.1:80 {same}"))).agent.address is None


@pytest.mark.parametrize(
    ("words", "comment"),
    [
        ("agent-check", "no agent-port: its agent is not asked"),
        (
            "agent-check agent-port 9 agent-addr agent.example",
            "expected a literal address, not agent-addr agent.example",
        ),
    ],
)
def test_what_can_t_be_asked_is_named(run, words, comment):
    made = run(listen(server=f"10.0.0.1:80 check {words}"))
    assert made.config.backends["s"].agent_check is None
    assert comment in made.comments


@pytest.mark.parametrize("words", ["$NOT_SET", "x" * 5000])
def test_what_can_t_be_sent_is_named(run, words):
    made = run(listen(server=f"10.0.0.1:80 agent-check agent-port 9 agent-send {words}"))
    assert agent_of(made).agent.request == b""
    assert "not sent to the agent: agent-send" in made.comments


def test_without_agent_check_its_parameters_mean_nothing(run):
    made = run(listen(server="10.0.0.1:80 check agent-check agent-port 9 no-agent-check"))
    assert made.config.backends["s"].agent_check is None
    assert {each.weights for each in made.config.frontends.values()} == {WeightScale.LEAST_MOVING}


def test_servers_that_are_asked_otherwise_are_not_the_same(run):
    text = listen(server="10.0.0.1:80 agent-check agent-port 9").replace(
        "server s", "server t 10.0.0.1:80 agent-check agent-port 10\n  server s"
    )
    config = run(text).config
    assert {each.agent_check for each in config.backends.values()} == {"web-agent", "web-agent-9"} or len(
        {each.agent_check for each in config.backends.values()}
    ) == 2
