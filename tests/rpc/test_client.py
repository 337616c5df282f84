"""The client as scripts use it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred

from maglev.model.errors import ConfigError, VppRetvalError
from maglev.rpc.client.control import CLOSE_DEADLINE, PING_INTERVAL
from maglev.rpc.wire import METHODS, DaemonError, LostError, NoAnswerError, from_wire


def test_everybody_who_asks_learns_of_the_end_of_the_connection(rig):
    client = rig.connect()
    first, second = client.when_lost(), client.when_lost()
    assert not first.called
    rig.links[0].server.abortConnection()
    rig.settle()

    assert first.called
    assert second.called
    assert client.when_lost().called
    assert not client.connected


def test_closing_ends_the_connection_and_can_be_repeated(rig):
    client = rig.connect()
    rig.result(client.close())

    assert not client.connected
    assert rig.links[0].lost
    rig.result(client.close())


def test_closing_does_not_wait_for_a_daemon_that_hangs(rig):
    client = rig.connect()
    rig.links[0].server.pauseProducing()
    calling = rig.pending(client.frontend("web"))
    closing = rig.pending(client.close())
    assert closing == []
    rig.settle(CLOSE_DEADLINE + 0.1)

    assert closing == [None]
    assert calling[0].check(LostError)


def test_calls_under_way_end_with_the_connection(rig):
    client = rig.connect()
    rig.control.answers["frontend"] = Deferred()
    results = rig.pending(client.frontend("web"))
    rig.links[0].server.abortConnection()
    rig.settle()

    assert results[0].check(LostError)


@pytest.mark.parametrize("method", ["frontend", "sync_vpp", "ping"])
def test_each_method_has_its_deadline(rig, method):
    client = rig.connect()
    link = rig.links[0]
    link.server.pauseProducing()
    asked = client._ask(method, *(["web"] if method == "frontend" else []))
    results = rig.pending(asked)
    deadline = METHODS[method].deadline
    # The connection itself is given up when a ping is not answered; here that comes first, or last.
    rig.settle(min(deadline, PING_INTERVAL) - 0.1)
    assert results == []
    rig.settle(deadline + 15)
    assert results[0].check(NoAnswerError, LostError)


def test_a_late_answer_is_harmless(rig):
    client = rig.connect()
    answer = rig.control.answers["frontend"] = Deferred()
    results = rig.pending(client.frontend("web"))
    for _ in range(4):
        rig.settle(10)
    assert results[0].check(NoAnswerError)

    answer.callback({})
    rig.settle()
    assert rig.result(client.backend("b"))


def test_a_call_can_be_given_up(rig):
    client = rig.connect()
    answer = rig.control.answers["frontend"] = Deferred()
    calling = Deferred.fromCoroutine(client.frontend("web"))
    rig.settle()
    calling.cancel()
    with pytest.raises(CancelledError):
        rig.result(calling)

    answer.callback({})
    rig.settle()
    assert client.connected


def test_a_watch_that_nobody_waited_for_is_ended_at_the_first_event(rig):
    client = rig.connect()
    begun = Deferred()
    control, watch = rig.control, rig.control.watch

    async def late(**filters):
        await begun
        return await watch(**filters)

    control.watch = late
    calling = Deferred.fromCoroutine(client.watch())
    calling.addErrback(lambda _: None)
    rig.settle()
    calling.cancel()
    begun.callback(None)
    rig.settle()
    control.watches[0].put({"type": "backend", "seq": 1})
    rig.settle(1)

    assert control.watches[0].closed


def test_errors_of_a_newer_daemon_keep_their_text():
    for name in ("maglev.NewError", "builtins.ValueError", "maglev.MaglevError", "maglev.StartError", "os.system", ""):
        error = from_wire(name, "the text", {"retval": 1})
        assert type(error) is DaemonError
        assert str(error) == "the text"


def test_an_error_without_its_facts_is_an_error_all_the_same(rig):
    client = rig.connect()
    for name in (b"maglev.VppRetvalError", b"maglev.ConfigError"):
        rig.control.answers["frontend"] = Deferred()
        results = rig.pending(client.frontend("web"))
        [number] = client._broker.waitingForAnswers
        broken = [
            b"x",
            [
                b"dictionary",
                [[b"unicode", b"type"], name],
                [[b"unicode", b"value"], [b"unicode", b"text"]],
                [[b"unicode", b"fields"], [b"dictionary", [[b"unicode", b"problems"], [b"list", 5]]]],
            ],
        ]
        rig.links[0].broker.sendCall(b"error", number, broken)
        rig.settle()
        assert results[0].check(DaemonError)
        assert not results[0].check(VppRetvalError, ConfigError)


def test_junk_from_the_other_end_ends_the_connection(rig):
    client = rig.connect()
    results = rig.pending(client.frontend("web"))
    rig.links[0].server.write(b"\xff\xff\xff")
    rig.settle()

    assert not client.connected
    assert results


def test_a_daemon_that_sends_more_than_it_is_allowed_is_hung_up_on(rig):
    client = rig.connect()
    client.allow(1000)
    assert rig.result(client.version())["verb"] == "version"
    rig.control.answers["version"] = {"version": "v" * 2000, "commit": "", "build_date": ""}
    results = rig.pending(client.version())
    rig.settle()

    assert results[0].check(LostError)
    assert not client.connected
    assert rig.links[0].lost


def test_an_allowance_is_renewed_by_each_call_of_it_and_without_one_there_is_no_end(rig):
    client = rig.connect()
    rig.control.answers["version"] = {"version": "v" * 600, "commit": "", "build_date": ""}
    for _ in range(5):
        client.allow(1000)
        assert len(rig.result(client.version())["version"]) == 600
    client.abort()
    rig.settle()
    client.abort()

    assert not client.connected
    other = rig.connect()
    rig.control.answers["version"] = {"version": "v" * 600, "commit": "", "build_date": ""}
    for _ in range(5):
        assert len(rig.result(other.version())["version"]) == 600
