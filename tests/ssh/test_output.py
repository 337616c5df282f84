"""Output on its way to the client, its bounds, and who is counted."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from maglev.metrics.ssh import SshCollector
from maglev.model.caller import Caller, Role
from maglev.runtime.cooperator import Cooperator
from maglev.ssh.limits import BACKLOG
from maglev.ssh.logins import Logins
from maglev.ssh.outlet import Outlet

# Bounds


class Sink:
    """The other end of an outlet."""

    def __init__(self, window=100):
        self.clock = Clock()
        self.sent = []
        self.open = True
        self.stalled = 0
        self.outlet = Outlet(
            self.clock, Cooperator(self.clock).queue("ssh"), window, self._send, lambda: self.open, self._stalled, 60
        )

    def _send(self, data, error):
        self.sent.append((data, error))

    def _stalled(self):
        self.stalled += 1


def test_output_keeps_its_order_over_both_streams():
    sink = Sink(5)
    sink.outlet.write(b"one")
    sink.outlet.write(b"two", error=True)
    sink.outlet.write(b"three")
    sink.outlet.widen(100)

    assert sink.sent == [(b"one", False), (b"tw", True), (b"o", True), (b"three", False)]
    assert sink.outlet.backlog == 0


def test_who_waits_goes_on_when_there_is_room_and_not_in_the_same_turn():
    sink = Sink(0)
    done = sink.outlet.drain()
    assert not done.called
    sink.clock.advance(0)
    assert done.called

    sink.outlet.write(b"x" * (BACKLOG + 1))
    held = sink.outlet.drain()
    sink.clock.advance(0)
    assert not held.called
    sink.outlet.widen(1)
    sink.clock.advance(0)
    assert held.called


def test_who_waits_may_give_up():
    sink = Sink(0)
    done = sink.outlet.drain()
    failures = []
    done.addErrback(failures.append)
    done.cancel()
    sink.clock.advance(0)
    assert [failure.type for failure in failures] == [CancelledError]


def test_nothing_is_sent_while_the_connection_takes_nothing():
    sink = Sink()
    sink.open = False
    sink.outlet.write(b"x")
    assert sink.sent == []
    sink.open = True
    sink.outlet.flush()
    assert sink.sent == [(b"x", False)]


def test_a_client_that_takes_nothing_is_stalled_and_one_that_takes_something_is_not():
    sink = Sink(0)
    sink.outlet.write(b"xxxx")
    for _ in range(4):
        sink.clock.advance(59)
        assert sink.stalled == 0
        sink.outlet.widen(1)
    sink.clock.advance(600)
    assert sink.stalled == 0

    sink.outlet.write(b"x")
    sink.clock.advance(60)
    assert sink.stalled == 1
    assert sink.clock.getDelayedCalls() == []


def test_what_nobody_waits_for_is_bounded_too():
    sink = Sink(0)
    for _ in range(1000):
        sink.outlet.write(b"x" * 1024)

    assert sink.stalled == 1
    assert sink.outlet.backlog == 0


def test_an_outlet_that_is_closed_is_silent():
    sink = Sink(1)
    sink.outlet.write(b"xx")
    ends = []
    sink.outlet.finish(lambda: ends.append(1))
    sink.outlet.close()
    sink.outlet.write(b"y")
    sink.outlet.widen(10)
    sink.outlet.close()

    assert sink.sent == [(b"x", False)]
    assert ends == []
    assert sink.clock.getDelayedCalls() == []


def test_a_window_never_overflows():
    sink = Sink(10)
    sink.outlet.widen(2**32 - 1)
    sink.outlet.write(b"x" * 50000)

    assert sum(len(data) for data, _ in sink.sent) == 50000


# Counting


def test_metrics_are_there_from_the_first_scrape_and_count():
    logins = Logins()
    text = "".join(SshCollector(logins).scrape())
    assert 'maglev_ssh_logins_total{role="operator",result="accepted"} 0\n' in text
    assert 'maglev_ssh_logins_total{role="none",result="refused"} 0\n' in text
    assert "maglev_ssh_sessions 0\n" in text

    logins.entered(Caller("vera", Role.VIEWER, "ssh x"), "SHA256:x")
    logins.sessions += 1
    text = "".join(SshCollector(logins).scrape())
    assert 'maglev_ssh_logins_total{role="viewer",result="accepted"} 1\n' in text
    assert "maglev_ssh_sessions 1\n" in text
