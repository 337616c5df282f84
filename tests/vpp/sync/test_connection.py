"""The connection to VPP comes, goes and comes back, whatever is raised meanwhile."""

import pytest

from maglev.model.errors import VppTimeoutError
from maglev.vpp.lb.state import SetWeight
from tests.fakes.configs import CONF
from tests.fakes.vpp_bench import FAIL, PASS, VppInMemory

WEB = "tcp://192.0.2.1:80"

# Connection


def test_a_vpp_that_comes_later_is_found_at_once():
    bench = VppInMemory(vpp=False)
    bench.wait(60)
    attempts = bench.connector.attempts
    assert 10 < attempts < 20
    bench.connector.start_vpp()
    bench.wait(0.2)
    assert bench.connector.lb.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}
    bench.stop()


def test_a_vpp_that_dies_and_comes_back_has_everything_again(bench):
    for _ in range(20):
        bench.connector.kill_vpp()
        assert bench.service.info is None
        bench.record(a=FAIL)
        bench.wait(1)
        bench.record(a=PASS)
        bench.connector.start_vpp()
        bench.wait(0.2)
        assert bench.connector.lb.weights()[WEB] == {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}
        assert bench.connector.lb.conf == CONF


def test_a_vpp_that_dies_during_a_write_has_everything_when_it_is_back(bench):
    bench.lb.manual = True
    bench.record(a=FAIL)
    bench.connector.kill_vpp()
    bench.connector.start_vpp()
    bench.wait(0.3)
    assert bench.connector.lb.weights()[WEB] == {"10.0.0.1": 0, "10.0.0.2": 100, "10.0.0.3": 0}


def test_a_vpp_that_hangs_is_left_and_tried_again(bench):
    bench.wait(10.1)
    link = bench.connector.links[-1]
    assert len(link.pings) == 1
    link.pings[0].errback(VppTimeoutError("no answer in 5 s"))
    assert link.closed
    bench.wait(0.5)
    assert len(bench.connector.links) == 2
    assert bench.service.info is not None


def test_pings_go_on_while_they_are_answered(bench):
    for number in range(1, 4):
        bench.wait(10.1)
        link = bench.connector.links[-1]
        assert len(link.pings) == number
        link.pings[-1].callback(4711)
    assert not link.closed


def test_a_write_without_answer_means_that_vpp_hangs(bench):
    bench.lb.manual = True
    bench.record(a=FAIL)
    _, answer = bench.lb.waiting.pop()
    answer.errback(VppTimeoutError("no answer in 5 s"))
    assert bench.connector.links[0].closed
    bench.lb.manual = False
    bench.wait(0.5)
    assert bench.weights()[WEB]["10.0.0.1"] == 0


def test_a_refused_write_is_tried_again_after_a_full_read_ever_less_often(bench):
    bench.writes()
    bench.lb.refuse[SetWeight] = -1
    bench.record(a=FAIL)
    bench.wait(29)
    assert 4 <= len(bench.writes()) <= 6
    bench.lb.refuse.clear()
    bench.wait(31)
    assert bench.weights()[WEB]["10.0.0.1"] == 0


def test_the_reason_for_no_connection_is_told_once():
    from twisted.logger import globalLogPublisher

    events = []
    globalLogPublisher.addObserver(events.append)
    try:
        bench = VppInMemory(vpp=False)
        bench.wait(60)
        bench.connector.error = "something else"
        bench.wait(10)
        bench.stop()
    finally:
        globalLogPublisher.removeObserver(events.append)
    told = [event["error"] for event in events if event.get("log_event") == "vpp-connect-failed"]
    assert told == ["nobody there", "something else"]


def test_stopping_leaves_vpp_as_it_is(bench):
    bench.writes()
    bench.service.stopService()
    assert bench.writes() == []
    assert bench.connector.links[-1].closed
    bench.record(a=FAIL)
    assert bench.writes() == []


# Whatever is raised, the service goes on


class FailingMethod:
    """Raises an exception that nobody expects, once, where a method of something is called."""

    def __init__(self, monkeypatch, owner, name):
        self.calls = 0
        original = getattr(owner, name)

        def call(*arguments):
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("odd")
            return original(*arguments)

        monkeypatch.setattr(owner, name, call)


def test_no_exception_of_an_attempt_to_connect_is_the_last_attempt(bench, monkeypatch, logged_failures):
    for name in ("connect", "fingerprint"):
        bench.connector.kill_vpp()
        bench.wait(1)
        bench.connector.start_vpp()
        odd = FailingMethod(monkeypatch, bench.connector, name)
        bench.wait(12)
        assert odd.calls > 1
        assert bench.service.info is not None
        assert len(logged_failures.flush(RuntimeError)) == 1


@pytest.mark.parametrize("name", ["read_state", "apply", "write_conf"])
def test_no_exception_of_the_first_sync_is_the_last_connection(name, monkeypatch, logged_failures):
    bench = VppInMemory(vpp=False)
    bench.connector.start_vpp()
    odd = FailingMethod(monkeypatch, bench.connector.lb, name)
    bench.wait(12)
    assert odd.calls > 1
    assert bench.service.info is not None
    assert len(logged_failures.flush(RuntimeError)) == 1
    assert bench.service.tally.failures == 1
    assert bench.connector.lb.weights() == {WEB: {"10.0.0.1": 100, "10.0.0.2": 100, "10.0.0.3": 0}}
    bench.stop()


def test_no_exception_of_the_periodic_sync_is_the_last_sync(bench, monkeypatch, logged_failures):
    odd = FailingMethod(monkeypatch, bench.lb, "read_state")
    bench.lb.vips.clear()
    bench.wait(35)
    assert odd.calls > 1
    assert bench.lb.vips
    assert len(logged_failures.flush(RuntimeError)) == 1


def test_no_exception_of_a_ping_or_of_the_counters_is_the_last_one(bench, monkeypatch, logged_failures):
    ping = FailingMethod(monkeypatch, bench.connector.links[-1], "ping")
    count = FailingMethod(monkeypatch, bench.service.counters, "read")
    bench.wait(25)
    assert ping.calls > 1
    assert count.calls > 2
    assert len(logged_failures.flush(RuntimeError)) == 2
    assert bench.service.tally.failures == 2
    assert len(bench.connector.links) == 1
