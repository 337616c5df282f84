"""UDP probes: one datagram, and whatever comes back or does not."""

from __future__ import annotations

import errno
import socket

import pytest
from twisted.internet.task import Clock

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.deadlines import Deadlines
from maglev.healthcheck.probers.sockets import Destination
from maglev.healthcheck.probers.udp import LOOKS, PlainExchange, UdpProber
from maglev.model.check_params import AnswerPattern, UdpParams
from maglev.model.result import Code, LocalFault
from tests.fakes.probe_io import FakeOpener, FakePoller, FakeSocket

DESTINATION = Destination(socket.AF_INET, ("127.0.0.1", 53))
ASKED = UdpParams(b"ping", AnswerPattern(b"pong"))
SILENT = UdpParams(b"ping")


class DatagramSetup:
    def __init__(self, params=ASKED, opened=None, path_fault=None, destination=DESTINATION):
        self.clock = Clock()
        self.poller = FakePoller()
        self.socket = FakeSocket()
        self.outcomes = []
        deadlines = Deadlines(self.clock, 2.0, LagMonitor(self.clock))
        opener = FakeOpener(self.socket if opened is None else opened)
        exchange = PlainExchange(params)
        self.prober = UdpProber(deadlines, self.poller, opener, destination, exchange, path_fault)

    def start(self):
        self.prober.start(self.outcomes.append)
        return self

    def deliver(self, *incoming):
        self.socket.incoming += incoming
        self.prober.ready()
        return self

    @property
    def verdict(self):
        ((code, detail, _),) = self.outcomes
        assert self.clock.getDelayedCalls() == []
        assert self.socket.closed
        assert self.poller.waiting == {}
        return code, detail


def test_an_answer_that_matches_passes():
    setup = DatagramSetup().start()
    assert setup.socket.peer == ("127.0.0.1", 53)
    assert setup.socket.sent == b"ping"
    assert setup.deliver(b"a pong!").verdict == (Code.L7OK, "")


@pytest.mark.parametrize("junk", [b"", b"pon", b"\xff\x1b[2J" * 1000])
def test_another_answer_fails(junk):
    code, detail = DatagramSetup().start().deliver(junk).verdict
    assert code is Code.L7RSP
    assert detail.startswith('answer does not match "pong": ')
    assert detail.isprintable()


def test_a_pattern_may_be_expected():
    setup = DatagramSetup(UdpParams(b"", AnswerPattern(regexp=r"^\x00+$"))).start()
    assert setup.deliver(b"\0\0").verdict == (Code.L7OK, "")


@pytest.mark.parametrize(
    ("params", "verdict"), [(ASKED, (Code.L7TOUT, "no answer")), (SILENT, (Code.L4OK, "no ICMP error"))]
)
def test_silence_fails_only_if_an_answer_is_expected(params, verdict):
    setup = DatagramSetup(params).start()
    setup.prober.ready()
    setup.clock.advance(2.0)
    assert setup.verdict == verdict


def test_silence_proves_nothing_where_no_error_could_come():
    fault = LocalFault("network", "link not operational: eth0")
    setup = DatagramSetup(SILENT, path_fault=lambda: fault).start()
    setup.clock.advance(2.0)
    assert setup.outcomes == [fault]
    setup = DatagramSetup(SILENT, path_fault=lambda: None).start()
    setup.clock.advance(2.0)
    assert setup.verdict == (Code.L4OK, "no ICMP error")


def test_without_an_expectation_any_answer_passes():
    assert DatagramSetup(SILENT).start().deliver(b"").verdict == (Code.L7OK, "")


@pytest.mark.parametrize(
    ("number", "detail"), [(errno.ECONNREFUSED, "connection refused"), (errno.EHOSTUNREACH, "host unreachable")]
)
@pytest.mark.parametrize("params", [ASKED, SILENT])
def test_an_icmp_error_fails(params, number, detail):
    assert DatagramSetup(params).start().deliver(OSError(number, "")).verdict == (Code.L4CON, detail)


def test_an_error_that_waits_at_the_deadline_is_found():
    setup = DatagramSetup(SILENT).start()
    setup.socket.incoming.append(OSError(errno.ECONNREFUSED, ""))
    setup.clock.advance(2.0)
    assert setup.verdict == (Code.L4CON, "connection refused")


class Deaf(PlainExchange):
    def take(self, datagram):
        return None


def test_a_flood_that_answers_nothing_does_not_hold_up_the_deadline():
    setup = DatagramSetup()
    setup.prober._new_exchange = Deaf(ASKED)
    setup.start()
    setup.socket.incoming += [b"junk"] * 1000
    setup.clock.advance(2.0)
    assert setup.verdict == (Code.L7TOUT, "no answer")
    assert len(setup.socket.incoming) == 1000 - LOOKS


def test_what_this_machine_causes_is_its_fault():
    fault = LocalFault("descriptors", "no socket")
    setup = DatagramSetup(opened=fault).start()
    assert setup.outcomes == [fault]
    setup = DatagramSetup()
    setup.socket.connects = [errno.ENETUNREACH]
    assert setup.start().outcomes[0].reason == "network"
    setup = DatagramSetup()
    setup.socket.send_error = OSError(errno.EPERM, "")
    assert setup.start().outcomes[0].reason == "permission"
    setup = DatagramSetup()
    setup.poller.error = errno.ENOSPC
    assert setup.start().outcomes[0].reason == "descriptors"
    assert DatagramSetup().start().deliver(OSError(errno.EINVAL, "")).outcomes[0].reason == "network"


def test_a_refusal_at_once_is_the_backends():
    setup = DatagramSetup()
    setup.socket.send_error = OSError(errno.ECONNREFUSED, "")
    assert setup.start().verdict == (Code.L4CON, "connection refused")


def test_a_datagram_to_itself_is_to_nobody():
    setup = DatagramSetup()
    setup.socket.own = ("127.0.0.1", 53)
    assert setup.start().verdict == (Code.L4CON, "connected to itself: nobody listens on the port")


def test_after_its_end_a_stale_event_does_nothing():
    setup = DatagramSetup().start().deliver(b"pong")
    assert setup.prober.ready() is False
    assert len(setup.outcomes) == 1


def test_it_can_be_cancelled():
    setup = DatagramSetup().start()
    setup.prober.cancel()
    assert setup.socket.closed
    assert setup.outcomes == []
    assert setup.clock.getDelayedCalls() == []
