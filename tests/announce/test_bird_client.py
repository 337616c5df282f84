"""The client of BIRD's control socket, in memory: a BIRD that hangs, hangs up, talks too much, or talks nonsense."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure

from maglev.announce.bird_client import DEADLINE, LINE_LIMIT, REPLY_LIMIT, BirdConnection, BirdError


class BirdTransport(StringTransportWithDisconnection):
    """A transport to a BIRD that a test plays."""

    def abortConnection(self):
        self.loseConnection()


class BirdRig:
    """A connection over which the test is BIRD."""

    def __init__(self):
        self.clock = Clock()
        self.connection = BirdConnection(self.clock)
        self.transport = BirdTransport()
        self.transport.protocol = self.connection
        self.connection.makeConnection(self.transport)
        self.lost = []
        self.connection.when_lost().addCallback(self.lost.append)

    def ask(self, text="show status"):
        """Send a command; return what will be its outcome."""
        outcome = []
        Deferred.fromCoroutine(self.connection.command(text)).addBoth(
            lambda result: outcome.append(result.value if isinstance(result, Failure) else result)
        )
        return outcome

    def say(self, text):
        self.connection.dataReceived(text.encode("latin-1"))


@pytest.fixture
def rig():
    return BirdRig()


def test_commands_go_out_one_after_the_other(rig):
    first, second = rig.ask("one"), rig.ask("two")
    assert rig.transport.value() == b"one\n"
    rig.say("0009-maglev_1: dis")
    rig.say("abled\n0000 \n")
    assert (first[0].code, first[0].lines) == (0, ("maglev_1: disabled", ""))
    assert rig.transport.value() == b"one\ntwo\n"
    assert second == []
    rig.say("8002 bird.conf:3:1 syntax error\n")
    assert str(second[0]) == "8002 bird.conf:3:1 syntax error"
    assert rig.lost == []


def test_a_bird_that_hangs_is_left(rig):
    outcome, waiting = rig.ask(), rig.ask()
    rig.clock.advance(DEADLINE)
    assert [str(each[0]) for each in (outcome, waiting)] == ["BIRD did not answer within 2 s"] * 2
    assert rig.lost == [None]
    assert isinstance(rig.ask()[0], BirdError)
    assert rig.connection.when_lost().called


def test_a_bird_that_hangs_up_fails_what_waits(rig):
    outcome = rig.ask()
    rig.connection.connectionLost(Failure(ConnectionDone()))
    assert str(outcome[0]) == "BIRD closed the connection"
    assert rig.lost == [None]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("hello\n", "not a reply of BIRD: 'hello'"),
        ("x" * (LINE_LIMIT + 1), f"BIRD sent a line of more than {LINE_LIMIT} bytes"),
        ("1002-" + "x" * (LINE_LIMIT - 5) + "\n", None),
        (("1002-" + "x" * 4000 + "\n") * (REPLY_LIMIT // 4000 + 1), f"BIRD answered more than {REPLY_LIMIT} bytes"),
    ],
)
def test_a_bird_that_talks_nonsense_or_too_much_is_left(rig, said, expected):
    outcome = rig.ask()
    rig.say(said)
    assert [str(each) for each in outcome] == ([] if expected is None else [expected])
    assert bool(rig.lost) is (expected is not None)
    rig.connection.close()


def test_what_nobody_has_asked_for_is_ignored(rig):
    rig.say("0000 \n")
    assert rig.lost == []
    outcome = rig.ask()
    rig.say("0013 up\n")
    assert outcome[0].code == 13


@pytest.mark.parametrize(("said", "expected"), [("0001 BIRD 2.0.12 ready.\n", None), ("220 smtp\n", "not a reply")])
def test_the_greeting_is_that_of_bird(rig, said, expected):
    outcome = []
    Deferred.fromCoroutine(rig.connection.greeting()).addBoth(outcome.append)
    rig.say(said)
    if expected is None:
        assert outcome == [None]
    else:
        assert expected in str(outcome[0].value)


def test_another_greeting_is_refused(rig):
    outcome = []
    Deferred.fromCoroutine(rig.connection.greeting()).addBoth(outcome.append)
    rig.say("0013 Daemon is up\n")
    assert str(outcome[0].value) == "expected BIRD's greeting, not 0013 Daemon is up"
    assert rig.lost == [None]
