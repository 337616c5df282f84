"""Probes of agents: one line, however it arrives, or none."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.agent import AgentDialogue
from maglev.healthcheck.probers.connection import DONE
from maglev.healthcheck.probers.deadlines import Deadlines
from maglev.healthcheck.probers.stream import StreamProber
from maglev.healthcheck.probers.talk import AgentProbes
from maglev.model.agent import LINE_LIMIT
from maglev.model.check_params import AgentParams
from maglev.model.result import Code
from tests.fakes.probe_io import FakeConnection


def verdict_on(*pieces):
    dialogue = AgentDialogue(b"")
    for piece in pieces:
        if dialogue.verdict is None:
            dialogue.feed(piece)
    return dialogue.verdict


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (b"up\n", (Code.L7OK, "up")),
        (b"ready,50%\r\nand more\n", (Code.L7OK, "ready 50%")),
        (b"Drain\r", (Code.L7OK, "drain")),
        (b"down #disk \x1b[31m\n", (Code.L7STS, r"down #disk \x1b[31m")),
        (b"stopped\n", (Code.L7STS, "stopped")),
        (b"fail up\n", (Code.L7OK, "up")),
        (b"maint what\n", (Code.L7OK, "maint #ignored: what")),
        (b"\n", (Code.L7RSP, "not a word of an agent: no answer")),
        (b"HTTP/1.1 200 OK\r\n", (Code.L7RSP, 'not a word of an agent: received "HTTP/1.1 200 OK"')),
        (b"\xff\xfe\0\n", (Code.L7RSP, r'not a word of an agent: received "\xff\xfe\x00"')),
    ],
)
def test_the_first_line_is_the_answer_in_whatever_pieces_it_comes(line, verdict):
    assert verdict_on(line) == verdict
    assert verdict_on(*(line[at : at + 1] for at in range(len(line)))) == verdict


@pytest.mark.parametrize("size", [1, 7, 1460, 1 << 16])
def test_a_line_without_an_end_is_read_up_to_a_limit(size):
    flood = b"up " * (1 << 15)
    pieces = [flood[at : at + size] for at in range(0, len(flood), size)]
    code, detail = verdict_on(*pieces)
    assert code is Code.L7RSP
    assert detail.startswith(f"no end of line in the first {LINE_LIMIT} bytes: ")


def test_a_line_of_just_the_limit_is_an_answer():
    assert verdict_on(b"up #" + b"x" * (LINE_LIMIT - 4), b"\n")[0] is Code.L7OK
    assert verdict_on(b"up #" + b"x" * (LINE_LIMIT - 3), b"\n")[0] is Code.L7RSP


class AgentSetup:
    def __init__(self, request=b""):
        self.clock = Clock()
        self.outcomes = []
        self.connection = None
        deadlines = Deadlines(self.clock, 3.0, LagMonitor(self.clock))
        self.prober = StreamProber(deadlines, self._connect, AgentProbes(AgentParams(request)))

    def _connect(self, owner):
        self.connection = FakeConnection(owner)
        return self.connection

    def start(self):
        self.prober.start(lambda outcome: self.outcomes.append((outcome.code, outcome.detail)))
        self.connection.accept()
        return self.connection


def test_a_request_goes_first_and_the_agent_may_close():
    setup = AgentSetup(b"be/www1\n")
    connection = setup.start()
    assert (connection.written, connection.acknowledged) == (b"be/www1\n", False)
    connection.deliver(b"up\n")
    assert setup.outcomes == [(Code.L7OK, "up")]
    assert not connection.closed, "it is not reset while it says more"
    connection.lose(DONE)
    assert setup.clock.getDelayedCalls() == []


def test_half_a_line_does_not_answer():
    setup = AgentSetup()
    assert not setup.start().written
    assert setup.connection.acknowledged, "it may speak at once"
    setup.connection.deliver(b"drain")
    setup.connection.lose(DONE)
    assert setup.outcomes == [(Code.L7RSP, 'closed before the end of a line: received "drain"')]


def test_a_reset_does_not_answer():
    setup = AgentSetup()
    setup.start().lose(Failure(ConnectionLost("Connection reset by peer")))
    assert setup.outcomes == [(Code.L7RSP, "Connection reset by peer before the end of a line: no answer")]


def test_silence_does_not_answer():
    setup = AgentSetup()
    setup.start().deliver(b"up")
    setup.clock.advance(3.0)
    assert setup.outcomes == [(Code.L7TOUT, 'no line yet: received "up"')]
    assert setup.connection.closed
