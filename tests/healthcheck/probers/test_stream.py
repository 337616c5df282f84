"""The life of a probe: begins, has a deadline, ends exactly once."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.probers.connection import DONE
from maglev.healthcheck.probers.deadlines import Deadlines
from maglev.healthcheck.probers.expectation import Expectation
from maglev.healthcheck.probers.http import HttpProbe
from maglev.healthcheck.probers.stream import StreamProber
from maglev.healthcheck.probers.tcp import TcpProbe
from maglev.interfaces import IProber
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.probe_io import FakeConnection

REFUSED = Result(Code.L4CON, "connection refused")


def http_probe(conclude):
    return HttpProbe(conclude, b"GET / HTTP/1.1\r\n\r\n", Expectation(((200, 200),)))


class StreamSetup:
    """A prober of which the test holds both ends."""

    def __init__(self, new_probe=TcpProbe, timeout=3.0):
        self.clock = Clock()
        self.connections = []
        self.outcomes = []
        self.on_open = None
        self.prober = StreamProber(Deadlines(self.clock, timeout, LagMonitor(self.clock)), self._connect, new_probe)

    def _connect(self, owner):
        connection = FakeConnection(owner)
        connection.on_open = self.on_open
        self.connections.append(connection)
        return connection

    def start(self):
        self.prober.start(self.outcomes.append)
        return self.connections[-1]

    def assert_idle(self):
        assert all(connection.closed for connection in self.connections if connection.protocol is not None)
        assert self.clock.getDelayedCalls() == []
        self.prober.cancel()


def test_a_prober_is_what_the_checker_expects():
    verifyObject(IProber, StreamSetup().prober)


def test_an_accepted_connection_passes_and_is_closed_before_the_outcome_is_told():
    bench = StreamSetup()
    seen = []
    bench.prober.start(lambda outcome: seen.append((outcome.code, bench.connections[0].closed)))
    bench.clock.advance(0.25)
    bench.connections[0].accept()
    assert seen == [(Code.L4OK, True)]
    bench.assert_idle()


@pytest.mark.parametrize("fault", [None, LocalFault("network", "no route")])
def test_a_probe_without_an_answer_asks_whether_one_could_come(fault):
    bench, asked = StreamSetup(), []
    bench.prober = StreamProber(
        Deadlines(bench.clock, 3.0, LagMonitor(bench.clock)), bench._connect, TcpProbe, lambda: asked.append(1) or fault
    )
    bench.start().accept()
    bench.start().refuse(REFUSED)
    assert asked == []
    bench.start()
    bench.clock.advance(3.0)
    bench.start().refuse(Result(Code.L4CON, "host unreachable"))
    assert len(asked) == 2
    assert [outcome == fault for outcome in bench.outcomes[2:]] == [fault is not None] * 2
    assert [outcome.code for outcome in bench.outcomes[:2]] == [Code.L4OK, Code.L4CON]


def test_the_duration_is_from_the_start_to_the_outcome():
    bench = StreamSetup()
    connection = bench.start()
    bench.clock.advance(0.25)
    connection.accept()
    assert bench.outcomes == [Result(Code.L4OK, "", 0.25)]


@pytest.mark.parametrize("outcome", [REFUSED, LocalFault("ports", "none left")])
def test_a_connection_that_fails_is_told_once(outcome):
    bench = StreamSetup()
    bench.start().refuse(outcome)
    assert bench.outcomes == [outcome]
    bench.assert_idle()


@pytest.mark.parametrize(
    ("step", "code"), [(lambda connection: connection.accept(), Code.L4OK), (lambda c: c.refuse(REFUSED), Code.L4CON)]
)
def test_the_outcome_may_come_before_start_returns(step, code):
    bench = StreamSetup()
    bench.on_open = step
    bench.start()
    assert [outcome.code for outcome in bench.outcomes] == [code]
    assert bench.connections[0].closed
    bench.assert_idle()


def test_the_next_probe_may_start_from_within_the_outcome_of_the_last():
    bench = StreamSetup()
    bench.on_open = lambda connection: connection.accept()
    codes = []

    def finished(outcome):
        codes.append(outcome.code)
        if len(codes) < 3:
            bench.prober.start(finished)

    bench.prober.start(finished)
    assert codes == [Code.L4OK] * 3
    bench.assert_idle()


def test_a_second_start_is_refused_while_a_probe_is_under_way():
    bench = StreamSetup()
    bench.start()
    with pytest.raises(RuntimeError):
        bench.start()
    assert len(bench.connections) == 1
    bench.prober.cancel()


def phase_connecting(connection):
    pass


def phase_waiting(connection):
    connection.accept()


def phase_headers(connection):
    connection.accept()
    connection.deliver(b"HTTP/1.1 200 OK\r\n")


PHASES = [
    (phase_connecting, Code.L4TOUT, "no connection in time"),
    (phase_waiting, Code.L7TOUT, "no answer"),
    (phase_headers, Code.L7TOUT, "headers not complete"),
]


@pytest.mark.parametrize(("phase", "code", "detail"), PHASES)
def test_the_deadline_is_total_and_its_code_tells_the_phase(phase, code, detail):
    bench = StreamSetup(http_probe)
    connection = bench.start()
    bench.clock.advance(1.5)
    phase(connection)
    bench.clock.advance(1.4)
    assert bench.outcomes == []
    bench.clock.advance(0.2)
    assert bench.outcomes == [Result(code, detail, pytest.approx(3.1))]
    assert connection.closed
    bench.assert_idle()


@pytest.mark.parametrize(("phase", "code", "detail"), PHASES)
def test_a_cancelled_probe_is_closed_and_never_heard_of_again(phase, code, detail):
    bench = StreamSetup(http_probe)
    connection = bench.start()
    phase(connection)
    bench.prober.cancel()
    assert connection.closed
    bench.clock.advance(10)
    assert bench.outcomes == []
    bench.start().accept()
    bench.prober.cancel()


def test_cancelling_without_a_probe_does_nothing():
    bench = StreamSetup()
    bench.prober.cancel()
    bench.start().accept()
    bench.prober.cancel()
    assert [outcome.code for outcome in bench.outcomes] == [Code.L4OK]


def test_a_drip_of_single_bytes_does_not_move_the_deadline():
    bench = StreamSetup(http_probe)
    connection = bench.start()
    connection.accept()
    for byte in b"HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyyyyyyyy":
        bench.clock.advance(0.1)
        connection.deliver(bytes([byte]))
    assert [outcome.code for outcome in bench.outcomes] == [Code.L7TOUT]
    assert bench.outcomes[0].duration == pytest.approx(3.0)


def test_an_answer_that_waits_in_the_kernel_at_the_deadline_of_a_late_reactor_counts():
    bench = StreamSetup(http_probe)
    connection = bench.start()
    connection.accept()
    connection.on_ready = lambda connection: connection.deliver(b"HTTP/1.1 200 OK\r\n\r\n")
    bench.clock.advance(4)
    assert [outcome.code for outcome in bench.outcomes] == [Code.L7OK]


@pytest.mark.parametrize(("accepted", "code"), [(False, Code.L7TOUT), (True, Code.L7TOUT)])
def test_something_that_waits_in_the_kernel_at_the_deadline_is_taken_and_excuses_nothing(accepted, code):
    # Whether we were late is measured elsewhere: a backend that drips always has something waiting.
    bench = StreamSetup(http_probe)
    connection = bench.start()
    if accepted:
        connection.accept()
    connection.on_ready = lambda it: it.deliver(b"HTTP/1.1 2") if accepted else it.accept()
    bench.clock.advance(3)
    assert [outcome.code for outcome in bench.outcomes] == [code]
    bench.assert_idle()


def test_a_probe_that_is_restarted_by_the_last_look_does_not_time_out():
    bench = StreamSetup()
    codes = []

    def finished(outcome):
        codes.append(outcome.code)
        if len(codes) < 2:
            bench.prober.start(finished)

    bench.prober.start(finished)
    bench.connections[0].on_ready = lambda connection: connection.accept()
    bench.clock.advance(3)
    assert codes == [Code.L4OK]
    bench.clock.advance(3)
    assert codes == [Code.L4OK, Code.L4TOUT]


def test_a_bug_in_the_last_look_says_nothing_about_the_backend(logged_failures):
    bench = StreamSetup()

    def fail(connection):
        raise ZeroDivisionError

    bench.start().on_ready = fail
    bench.clock.advance(3)
    assert [outcome.reason for outcome in bench.outcomes] == ["internal"]
    assert len(logged_failures.flush(ZeroDivisionError)) == 1


def test_a_bug_at_the_start_leaves_no_probe_behind():
    bench = StreamSetup()

    def fail(connection):
        raise ZeroDivisionError

    bench.on_open = fail
    with pytest.raises(ZeroDivisionError):
        bench.start()
    bench.on_open = None
    bench.assert_idle()
    bench.start().accept()
    assert [outcome.code for outcome in bench.outcomes] == [Code.L4OK]


def test_a_connection_lost_after_the_outcome_changes_nothing():
    bench = StreamSetup(http_probe)
    connection = bench.start()
    connection.accept()
    protocol = connection.protocol
    connection.deliver(b"HTTP/1.1 200 OK\r\n\r\n")
    protocol.connectionLost(DONE)
    assert [outcome.code for outcome in bench.outcomes] == [Code.L7OK]


def test_only_a_prober_with_tls_can_know_a_certificate():
    assert StreamSetup().prober.certificate_expiry is None


def test_the_outcome_is_told_even_if_the_connection_can_not_be_dropped():
    def fail():
        raise ValueError("bug")

    bench = StreamSetup()
    bench.start().abortConnection = fail
    with pytest.raises(ValueError, match="bug"):
        bench.connections[0].accept()
    assert [outcome.code for outcome in bench.outcomes] == [Code.L4OK]
    bench.start().accept()
    assert [outcome.code for outcome in bench.outcomes] == [Code.L4OK] * 2


HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"


def lingering(head=HEADERS):
    """Return a bench whose HTTP probe has its verdict and reads on, and the connection."""
    bench = StreamSetup(http_probe)
    connection = bench.start()
    connection.accept()
    connection.deliver(head)
    assert [outcome.code for outcome in bench.outcomes] == [Code.L7OK]
    assert not connection.closed
    return bench, connection


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (HEADERS, [b"all ", b"is well"]),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", [b"3\r\nall\r\n", b"0\r\n\r\n"]),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", [b"not a chunk"]),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", [b"x" * 16384] * 5),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", [b"x" * 16384] * 5),
    ],
)
def test_the_verdict_comes_with_the_headers_and_the_close_after_the_body_or_a_bound(head, rest):
    bench, connection = lingering(head)
    for piece in rest:
        assert not connection.closed
        connection.deliver(piece)
    assert connection.closed
    assert len(bench.outcomes) == 1
    bench.assert_idle()


def test_a_body_that_ends_with_the_connection_is_read_to_that_end():
    bench, connection = lingering(b"HTTP/1.0 200 OK\r\n\r\n")
    connection.deliver(b"all is well")
    connection.lose(DONE)
    assert len(bench.outcomes) == 1
    bench.assert_idle()


def test_a_body_that_came_with_the_headers_leaves_nothing_open():
    bench = StreamSetup(http_probe)
    connection = bench.start()
    connection.accept()
    connection.deliver(HEADERS + b"all is well")
    assert connection.closed
    bench.assert_idle()


def test_a_body_is_not_read_for_longer_than_a_probe_may_take():
    bench, connection = lingering()
    bench.clock.advance(2.9)
    assert not connection.closed
    bench.clock.advance(0.2)
    assert connection.closed
    assert len(bench.outcomes) == 1
    bench.assert_idle()


def test_the_end_of_the_prober_closes_what_lingers():
    bench, connection = lingering()
    bench.prober.cancel()
    assert connection.closed
    assert len(bench.outcomes) == 1
    bench.assert_idle()


def test_one_connection_lingers_at_most():
    bench, first = lingering()
    second = bench.start()
    second.accept()
    assert not first.closed
    second.deliver(HEADERS)
    assert first.closed
    assert not second.closed
    assert len(bench.outcomes) == 2
    second.deliver(b"all is well")
    bench.assert_idle()
