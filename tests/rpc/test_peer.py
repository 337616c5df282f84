"""What one client can make the service do, and how long it is waited for."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.spread.banana import Banana
from twisted.spread.pb import Referenceable, RemoteError

from maglev.rpc.basic import Encoded, encode, write_expression
from maglev.rpc.server.disconnects import PAUSE
from maglev.rpc.server.peer import LOGIN_DEADLINE, MAX_CALLS, MAX_MESSAGE, WRITE_DEADLINE
from tests.fakes.pb_rig import BUFFER

HELLO = b"\x02\x82pb"
LOGIN = [b"message", 1, b"root", b"loginAnonymous", 1, [b"tuple", [b"None"]], [b"dictionary"]]


def message(*expression):
    parts = []
    write_expression(expression, parts.append)
    return b"".join(parts)


def logged_in(rig, **who):
    """Return a raw client that is logged in, and its link; its perspective has the number 1."""
    return rig.raw(HELLO + message(*LOGIN), **who)


def call(number, method, *arguments, wanted=1):
    return message(
        b"message",
        number,
        1,
        method,
        wanted,
        [b"tuple", *(Encoded(encode(each)) for each in arguments)],
        [b"dictionary"],
    )


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00" * 100,
        b"\xff" * 100,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x42" * 500,
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"\x04\x82none" + b"\x01\x81",
        HELLO + b"\x00\x80",
        HELLO + b"\x01\x81",
        HELLO + message(b"version", 5),
        HELLO + message(b"\xff\xfe"),
        HELLO + message(b"nonsense", 1),
        HELLO + message(b"answer", 77, 1),
        HELLO + message(b"error", 77, 1),
        HELLO + message(b"decref", 77),
        HELLO + message(b"decref", [b"list"]),
        HELLO + message(b"uncache", 1),
        HELLO + message(b"decache", 1),
        HELLO + message(b"cachemessage", 1, 1, b"x", 1, [b"tuple"], [b"dictionary"]),
        HELLO + message(b"didNotUnderstand", b"x" * 1000),
        HELLO + message(b"message"),
        HELLO + message(b"message", 1, [b"x"], b"x", 1, [b"tuple"], [b"dictionary"]),
        HELLO + message(b"message", 1, b"root", b"\xff", 1, [b"tuple"], [b"dictionary"]),
        HELLO + b"\x01\x80" * 500,
    ],
)
def test_junk_ends_the_connection_without_a_traceback(rig, junk, logged_failures):
    raw, link = rig.raw(junk)

    assert link.lost
    assert raw.lost
    assert rig.service.drops.counts["bad-message"] == 1
    assert logged_failures.failures == []


def test_a_client_that_says_nothing_is_ended_after_the_login_deadline(rig):
    _, link = rig.raw()
    rig.settle(LOGIN_DEADLINE - 0.1)
    assert not link.lost
    rig.settle(0.2)

    assert link.lost
    assert rig.service.drops.counts["no-login"] == 1


def test_bytes_now_and_then_do_not_make_up_for_a_login(rig):
    raw, link = rig.raw(b"\x02\x82p")
    for _ in range(12):
        rig.settle(1)
        raw.transport.write(b"")

    assert link.lost


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_message_over_the_limit_ends_the_connection(rig, piece):
    raw, link = logged_in(rig)
    data = call(2, b"frontend", "x" * MAX_MESSAGE)
    for start in range(0, len(data), piece * 100):
        raw.transport.write(data[start : start + piece * 100])
        rig.settle()
    assert link.lost
    assert not rig.control.calls


def test_an_argument_that_is_too_long_is_refused_and_the_connection_lives(rig):
    raw, link = logged_in(rig)
    raw.transport.write(call(2, b"frontend", "x" * 8000))
    rig.settle()

    assert not link.lost
    assert b"must have at most 256 characters" in raw.received
    assert not rig.control.calls


def test_only_so_many_calls_run_at_a_time_and_the_others_wait_unread(rig):
    raw, link = logged_in(rig)
    answers = [Deferred() for _ in range(20)]
    pending = iter(answers)

    async def frontend(name):
        rig.control.calls.append(name)
        return await next(pending)

    rig.control.frontend = frontend
    for number in range(20):
        raw.transport.write(call(number + 2, b"frontend", f"f{number}"))
    rig.settle()
    assert rig.control.calls == [f"f{number}" for number in range(MAX_CALLS)]
    assert not link.server.reading

    for answer in answers:
        answer.callback({})
        rig.settle()
    assert rig.control.calls == [f"f{number}" for number in range(20)]
    assert link.server.reading


def test_a_portion_at_a_time_is_worked_off(rig):
    raw, link = logged_in(rig)
    done = []
    work = link.broker._work
    link.broker._work = lambda: (work(), done.append(rig.service.calls.calls["ping", "ok"]))
    raw.transport.write(b"".join(call(number + 2, b"ping") for number in range(2000)))
    rig.settle()

    assert done[-1] == 2000
    assert max(after - before for before, after in zip([0, *done], done, strict=False)) < 150


def test_a_client_that_does_not_read_is_answered_no_more_and_ended_in_time(rig):
    raw, link = logged_in(rig)
    rig.control.answers["frontend"] = {"description": "x" * 20_000}
    link.client.pauseProducing()
    for number in range(200):
        raw.transport.write(call(number + 2, b"frontend", "f"))
    rig.settle()
    # What the transport holds is its own limit and what was under way when it was reached.
    assert len(rig.control.calls) < 8
    assert link.server.backlog < BUFFER + 2 * 20_100

    rig.settle(WRITE_DEADLINE + 0.1)
    assert link.lost
    assert rig.service.drops.counts["not-reading"] == 1


def test_a_client_that_reads_again_gets_everything(rig):
    raw, link = logged_in(rig)
    rig.control.answers["frontend"] = {"description": "x" * 20_000}
    link.client.pauseProducing()
    for number in range(20):
        raw.transport.write(call(number + 2, b"frontend", "f"))
    rig.settle(WRITE_DEADLINE - 1)
    link.client.resumeProducing()
    rig.settle(2)

    assert not link.lost
    assert raw.received.count(b"x" * 20_000) == 20


def test_a_call_without_an_answer_wanted_gets_none_and_logs_nothing(rig, logged_failures):
    raw, link = logged_in(rig)
    rig.settle()
    raw.received = b""
    raw.transport.write(call(2, b"nonsense", wanted=0) + call(3, b"frontend", 5, wanted=0))
    rig.settle()

    assert raw.received == b""
    assert not link.lost
    assert logged_failures.failures == []


def test_an_object_that_there_is_not_is_an_error(rig):
    raw, link = logged_in(rig)
    raw.transport.write(message(b"message", 2, 999, b"frontend", 1, [b"tuple"], [b"dictionary"]))
    rig.settle()

    assert b"Invalid Object ID" in raw.received
    assert not link.lost


def test_nothing_can_be_called_before_the_login(rig):
    raw, _ = rig.raw(HELLO + call(1, b"frontend", "web"))

    assert b"Invalid Object ID" in raw.received
    assert not rig.controls


def test_one_can_log_in_once(rig):
    perspective, link = rig.plain()
    root = link.client.protocol.remoteForName("root")

    with pytest.raises(RemoteError, match="already logged in"):
        rig.result(root.callRemote("loginAnonymous", None))
    assert len(rig.controls) == 1
    del perspective


def test_two_thousand_connections_with_junk_leave_nothing_behind(rig):
    for number in range(2000):
        rig.raw(b"junk" if number % 2 else b"")
        rig.links = [link for link in rig.links if not link.lost]
    rig.settle(LOGIN_DEADLINE + 0.1)

    assert all(link.lost for link in rig.links)
    assert not rig.service.limiter
    assert not rig.clock.getDelayedCalls()


def test_a_storm_of_ended_connections_is_a_few_lines_in_the_log(rig):
    from twisted.logger import globalLogPublisher

    events = []
    observer = lambda event: events.append(event) if event.get("log_event") == "pb-client-dropped" else None  # noqa: E731
    globalLogPublisher.addObserver(observer)
    try:
        for _ in range(500):
            rig.raw(b"junk\xff")
        rig.clock.advance(PAUSE)
        rig.raw(b"junk\xff")
    finally:
        globalLogPublisher.removeObserver(observer)

    assert [event["more"] for event in events] == [0, 499]
    assert {event["reason"] for event in events} == {"bad-message"}


def test_the_words_of_a_client_get_into_the_log_only_escaped(rig):
    from twisted.logger import globalLogPublisher

    events = []
    globalLogPublisher.addObserver(events.append)
    try:
        rig.raw(HELLO + message(b"\x1b[2Jevil\n", 1))
    finally:
        globalLogPublisher.removeObserver(events.append)

    assert "\x1b" not in str([{**event, "log_logger": None, "log_source": None} for event in events])
    assert not [event for event in events if any("\n" in str(value) for key, value in event.items() if key == "text")]


def test_a_reference_in_an_argument_that_wants_none_is_refused(rig):
    perspective, _ = rig.plain()

    with pytest.raises(RemoteError, match="must be a string"):
        rig.result(perspective.callRemote("frontend", Referenceable()))


def test_the_dialects_are_those_of_twisted(rig):
    raw, _ = rig.raw()

    twisted = Banana(isClient=1)
    twisted.currentDialect = None
    twisted.setPrefixLimit(64)
    heard = []
    twisted.callExpressionReceived = heard.append
    twisted.dataReceived(raw.received)
    assert heard == [[b"pb", b"none"]]


def test_stopping_hangs_up_on_everybody(rig):
    _, link = rig.plain()
    results = rig.pending(rig.connect().frontend("web"))
    rig.result(rig.service.stopService())
    rig.settle()

    assert link.lost
    assert results
    assert rig.sessions.views() == []
