"""Agents over real connections, and beside a real HAProxy that asks the same ones."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.source import ProberSource
from maglev.model.agent import NEUTRAL, answer_of
from maglev.model.check_params import AgentParams
from maglev.model.config import Backend, CheckType, Healthcheck
from maglev.state.agents import SPOKEN
from tests.fakes.agent_zoo import ZOO, AgentServer, ask_haproxy, find_haproxy

pytestmark = pytest.mark.real


@pytest_twisted.ensureDeferred
async def test_what_probes_make_of_every_agent():
    from twisted.internet import reactor

    source = ProberSource(reactor, LagMonitor(reactor))
    found = []
    try:
        with AgentServer() as server:
            for number in range(len(ZOO)):
                params = AgentParams(b"%d\n" % number)
                check = Healthcheck("load", CheckType.AGENT, server.port, 1, 1, 1, 60, agent=params)
                outcome = Deferred()
                prober = source.prober_for(Backend("b", "127.0.0.1"), check)
                prober.start(outcome.callback)
                result = await outcome
                prober.cancel()
                word = answer_of(result.detail.encode()).after(NEUTRAL) if result.code in SPOKEN else NEUTRAL
                found.append((number, str(result.code), str(word)))
    finally:
        source.close()
    assert found == [(number, each.code, each.word) for number, each in enumerate(ZOO)]


@pytest.mark.skipif(find_haproxy() is None, reason="HAProxy is not installed")
def test_haproxy_makes_the_same_of_them(tmp_path):
    with AgentServer() as server:
        found = ask_haproxy(tmp_path, server)
    wrong = {}
    for speech, seen in zip(ZOO, found, strict=True):
        ours = speech.word.replace("fail", "down").replace("stopped", "down")
        if (ours != seen) != bool(speech.differs):
            wrong[speech.sent] = (ours, seen)
    assert wrong == {}
