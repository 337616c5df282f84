"""Calls and their clients: sessions, counts, and clients that vanish."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs
from twisted.spread.pb import RemoteError

from maglev.metrics.rpc import PbCollector
from maglev.model import errors
from maglev.rpc.server.counters import BUCKETS, UNKNOWN, CallCounters
from maglev.rpc.wire import METHODS
from maglev.runtime.logs.render import name_of
from tests.fakes.metrics import Scraped


def test_a_client_is_in_the_register_of_sessions_while_it_is_connected(rig):
    client = rig.connect(uid=1000)
    [session] = rig.sessions.views()
    assert (session["name"], session["role"], session["front_end"]) == ("user1000", "viewer", "pb")

    rig.clock.advance(10)
    rig.result(client.frontend("web"))
    assert rig.sessions.views()[0]["idle"] == 0
    rig.result(client.close())
    assert rig.sessions.views() == []


def test_pings_do_not_count_as_doing_something(rig):
    client = rig.connect()
    rig.settle(20)
    rig.settle(5)

    assert rig.sessions.views()[0]["idle"] == 25
    assert client.connected


def test_a_client_that_vanishes_ends_its_reading_calls(rig):
    client = rig.connect()
    cancelled = []
    rig.control.answers["vpp_info"] = Deferred(lambda _: cancelled.append("read"))
    results = rig.pending(client.vpp_info())
    rig.links[0].server.abortConnection()
    with capturedLogs() as events:
        rig.settle()

    assert cancelled == ["read"]
    assert events == []
    assert rig.service.calls.calls["vpp_info", "lost"] == 1
    assert results


def test_a_change_runs_to_its_end_though_the_client_vanished(rig):
    client = rig.connect()
    answer = rig.control.answers["sync_vpp"] = Deferred()
    rig.pending(client.sync_vpp())
    rig.links[0].server.abortConnection()
    rig.settle()
    assert not answer.called

    answer.callback({"writes": []})
    rig.settle()
    assert rig.service.calls.calls["sync_vpp", "ok"] == 1


def test_calls_are_counted_by_method_and_result(rig, logged_failures):
    client = rig.connect()
    rig.result(client.frontend("web"))
    rig.control.answers["frontend"] = errors.NotFoundError("none")
    rig.control.answers["vpp_info"] = errors.VppTimeoutError("none")
    rig.control.answers["sessions"] = ZeroDivisionError()
    for call in (client.frontend("x"), client.vpp_info(), client.sessions()):
        with pytest.raises(errors.MaglevError):
            rig.result(call)
    perspective, _ = rig.plain()
    with pytest.raises(RemoteError):
        rig.result(perspective.callRemote("x" * 50))
    logged_failures.flush(ZeroDivisionError)

    calls = rig.service.calls.calls
    assert calls["frontend", "ok"] == 1
    assert calls["frontend", "refused"] == 1
    assert calls["vpp_info", "failed"] == 1
    assert calls["sessions", "error"] == 1
    assert calls[UNKNOWN, "refused"] == 1


def test_durations_are_counted(rig):
    client = rig.connect()
    answer = rig.control.answers["frontend"] = Deferred()
    rig.pending(client.frontend("web"))
    rig.clock.advance(0.3)
    answer.callback({})
    rig.settle()

    durations = rig.service.calls.durations["frontend"]
    assert durations.total == pytest.approx(0.3)
    assert durations.counts[BUCKETS.index(1.0)] == 1


def test_the_histogram_has_few_buckets_and_only_methods_that_were_called(rig):
    rig.result(rig.connect().frontend("web"))
    scraped = Scraped([PbCollector(rig.service.calls, rig.service.limiter.__len__, rig.service.drops.counts)])

    buckets = scraped.series("maglev_pb_call_duration_seconds_bucket")
    assert {dict(labels)["method"] for labels in buckets} == {"whoami", "frontend"}
    assert len(buckets) == 2 * (len(BUCKETS) + 1)
    assert len(BUCKETS) <= 5


@pytest.mark.parametrize(("one_command", "level"), [(False, LogLevel.info), (True, LogLevel.debug)])
def test_the_login_for_one_command_is_for_debugging(rig, one_command, level):
    with capturedLogs() as events:
        rig.connect(one_command=one_command)

    assert [event["log_level"] for event in events if name_of(event) == "pb-login"] == [level]


def test_a_client_that_says_something_else_at_the_login_is_logged_as_any(rig):
    with capturedLogs() as events:
        rig.plain()

    assert [event["log_level"] for event in events if name_of(event) == "pb-login"] == [LogLevel.info]


def test_the_metrics_have_every_method_from_the_start_and_no_name_from_outside(rig):
    collector = PbCollector(rig.service.calls, rig.service.limiter.__len__, rig.service.drops.counts)
    perspective, _ = rig.plain()
    with pytest.raises(RemoteError):
        rig.result(perspective.callRemote('evil"} 5\n'))
    rig.raw(b"junk\xff")
    text = "".join(collector.scrape())

    for method in METHODS:
        assert f'maglev_pb_calls_total{{method="{method}",result="ok"}} ' in text
    assert 'maglev_pb_calls_total{method="unknown",result="refused"} 1\n' in text
    assert "maglev_pb_clients 1\n" in text
    assert 'maglev_pb_dropped_total{reason="bad-message"} 1\n' in text
    assert "evil" not in text


def test_a_new_tally_is_empty():
    assert not any(CallCounters().calls.values())
