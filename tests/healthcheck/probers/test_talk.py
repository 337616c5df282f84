"""Probes that talk: how a conversation gets over a connection, and how that ends."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.connection import DONE
from maglev.healthcheck.probers.deadlines import Deadlines
from maglev.healthcheck.probers.stream import StreamProber
from maglev.healthcheck.probers.talk import FAREWELL_LIMIT, TalkProbes
from maglev.model.check_params import AnswerPattern, Preset, ProbeStep, TalkParams
from maglev.model.result import Code
from tests.fakes.probe_io import FakeConnection

PING = TalkParams((ProbeStep(send=b"PING\r\n"), ProbeStep(expect=AnswerPattern(b"+PONG"))))


class TalkSetup:
    def __init__(self, params):
        self.clock = Clock()
        self.connections = []
        self.outcomes = []
        deadlines = Deadlines(self.clock, 3.0, LagMonitor(self.clock))
        self.prober = StreamProber(deadlines, self._connect, TalkProbes(params))

    def _connect(self, owner):
        self.connections.append(FakeConnection(owner))
        return self.connections[-1]

    def start(self):
        self.prober.start(lambda outcome: self.outcomes.append((outcome.code, outcome.detail)))
        connection = self.connections[-1]
        connection.accept()
        return connection

    def assert_idle(self):
        assert all(connection.closed for connection in self.connections)
        assert self.clock.getDelayedCalls() == []


def test_steps_without_a_farewell_end_with_the_last_answer():
    setup = TalkSetup(PING)
    connection = setup.start()
    assert connection.written == b"PING\r\n"
    connection.deliver(b"+PONG\r\n")
    assert setup.outcomes == [(Code.L7OK, "")]
    setup.assert_idle()


def test_a_backend_that_is_taken_leave_of_closes_by_itself():
    setup = TalkSetup(TalkParams(preset=Preset.POP3))
    connection = setup.start()
    connection.deliver(b"+OK\r\n")
    assert setup.outcomes == [(Code.L7OK, "")]
    assert connection.written == b"QUIT\r\n"
    assert not connection.closed
    connection.deliver(b"+OK bye\r\n")
    connection.lose(DONE)
    assert len(setup.outcomes) == 1
    setup.assert_idle()


def test_a_backend_that_does_not_close_has_as_long_as_a_probe():
    setup = TalkSetup(TalkParams(preset=Preset.POP3))
    setup.start().deliver(b"+OK\r\n")
    setup.clock.advance(2.9)
    assert not setup.connections[0].closed
    setup.clock.advance(0.2)
    setup.assert_idle()


def test_a_backend_that_goes_on_talking_is_cut_off():
    setup = TalkSetup(TalkParams(preset=Preset.POP3))
    connection = setup.start()
    connection.deliver(b"+OK\r\n")
    connection.deliver(b"x" * (FAREWELL_LIMIT - 1))
    assert not connection.closed
    connection.deliver(b"x")
    assert len(setup.outcomes) == 1
    setup.assert_idle()


def test_the_next_probe_ends_the_farewell_of_the_last_one():
    setup = TalkSetup(TalkParams(preset=Preset.POP3))
    for _ in range(3):
        setup.start().deliver(b"+OK\r\n")
    assert [connection.closed for connection in setup.connections] == [True, True, False]
    setup.prober.cancel()
    setup.assert_idle()


def test_postgresql_is_left_by_closing_our_side():
    setup = TalkSetup(TalkParams(preset=Preset.POSTGRESQL))
    connection = setup.start()
    connection.deliver(b"R\0\0\0\x08\0\0\0\x05")
    assert setup.outcomes == [(Code.L7OK, "")]
    assert connection.half_closed
    assert not connection.closed
    connection.lose(DONE)
    setup.assert_idle()


def test_mysql_logs_in_as_the_user_of_the_parameters():
    setup = TalkSetup(TalkParams(preset=Preset.MYSQL, user="probe"))
    connection = setup.start()
    connection.deliver(b"\x05\0\0\0\x0a10.1")
    assert b"probe\0" in connection.written


@pytest.mark.parametrize(
    ("reason", "how"),
    [(DONE, "closed"), (Failure(ConnectionLost("Connection reset by peer")), "Connection reset by peer")],
)
def test_a_connection_that_ends_too_early_is_a_failure(reason, how):
    setup = TalkSetup(TalkParams(preset=Preset.IMAP))
    connection = setup.start()
    connection.lose(reason)
    assert setup.outcomes == [(Code.L7RSP, f"{how}: no greeting of IMAP")]
    setup.assert_idle()


def test_time_is_up_in_the_middle():
    setup = TalkSetup(PING)
    setup.start().deliver(b"+PON")
    setup.clock.advance(3.0)
    assert setup.outcomes == [(Code.L7TOUT, 'step 2 (expect "+PONG"): received "+PON"')]
    setup.assert_idle()


def test_a_cancelled_probe_concludes_nothing():
    setup = TalkSetup(PING)
    setup.start()
    setup.prober.cancel()
    assert setup.outcomes == []
    setup.assert_idle()
