"""One connection to VPP: requests, dumps, deadlines, and everything that can go wrong on the way."""

from __future__ import annotations

import struct

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from maglev.model.errors import (
    VppLostError,
    VppMissingError,
    VppProtocolError,
    VppRetvalError,
    VppTimeoutError,
)
from maglev.vpp.api.codec import frame
from maglev.vpp.api.pipeline import DEADLINE
from tests.fakes.fake_vpp import connected, has_fired, message_ids
from tests.fakes.outcomes import result_of

EVERYTHING = (0, bytes(16), 0, 0, 0)
CONTEXT_OF_ANOTHER = 0xBEEF


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ends(clock):
    return connected(clock)


def server_row(number, context=None):
    """A row of lb_as_v2_dump; the number is its weight."""
    vip = {"pfx": {"address": {"af": 0, "un": {"ip4": b"\xc0\0\2\1"}}, "len": 32}, "protocol": 6, "port": 443}
    server = {"af": 0, "un": {"ip4": bytes([10, 0, 0, number])}}
    return "lb_as_v2_details", {"vip": vip, "app_srv": server, "flags": 1, "weight": number, "num_buckets": 9}


def outcome_of(deferred):
    """Return what a Deferred has fired with, or the error that it has failed with."""
    return result_of(deferred.addErrback(lambda failure: failure.value))


# Requests


def test_a_reply_comes_as_its_values_after_the_retval(ends):
    vpp, protocol, _ = ends
    deferred = protocol.request("control_ping")
    vpp.flush()

    assert result_of(deferred) == (1, 4711)


def test_requests_carry_our_client_index_and_different_contexts(ends):
    vpp, protocol, _ = ends
    for _ in range(3):
        protocol.request("control_ping")

    assert {fields.client_index for _, fields in vpp.heard} == {0x80000001}
    contexts = [fields.context for _, fields in vpp.heard]
    assert len(set(contexts)) == 3
    assert 0 not in contexts


def test_replies_find_their_requests_in_any_chunking(ends):
    vpp, protocol, _ = ends
    vpp.answers["cli_inband"] = lambda fields: [("cli_inband_reply", {"reply": fields.cmd * 3})]
    waiting = [protocol.request("cli_inband", b"%d" % number) for number in range(20)]
    vpp.flush(chunk=7)

    assert list(map(result_of, waiting)) == [(b"%d" % number * 3,) for number in range(20)]


def test_a_retval_becomes_an_error_with_the_name_of_the_request(ends):
    vpp, protocol, tally = ends
    vpp.answers["lb_conf"] = lambda fields: [("lb_conf_reply", {"retval": -70})]
    deferred = protocol.request("lb_conf", bytes(4), bytes(16), 3, 40)
    vpp.flush()

    with pytest.raises(VppRetvalError, match=r"refused lb_conf: length is not a power of two \(-70\)") as info:
        result_of(deferred)
    assert (info.value.message, info.value.retval) == ("lb_conf", -70)
    assert tally.get("lb_conf_reply", "recv", "refused") == 1


def test_the_text_of_a_refusal_is_told_and_safe(ends):
    vpp, protocol, _ = ends
    vpp.answers["cli_inband"] = lambda fields: [("cli_inband_reply", {"retval": -1, "reply": "un\x1b[31mknown\n"})]
    deferred = protocol.request("cli_inband", b"x")
    vpp.flush()

    with pytest.raises(VppRetvalError, match="un\\\\x1b\\[31mknown"):
        result_of(deferred)


def test_a_request_that_vpp_does_not_have_is_not_sent(clock):
    vpp, protocol, _ = connected(clock, without=["lb_as_set_weight"])
    assert protocol.has("lb_conf_get")
    assert not protocol.has("lb_conf_get", "lb_as_set_weight")

    with pytest.raises(VppMissingError, match="lb_as_set_weight"):
        result_of(protocol.request("lb_as_set_weight"))
    assert vpp.heard == []


def test_values_that_do_not_fit_are_not_sent(ends):
    vpp, protocol, _ = ends
    with pytest.raises(ValueError, match="lb_conf"):
        protocol.request("lb_conf", bytes(4), bytes(16), -1, 40)
    assert vpp.heard == []


def test_a_command_that_no_frame_can_hold_is_refused_alone(ends, monkeypatch):
    vpp, protocol, _ = ends
    monkeypatch.setattr("maglev.vpp.api.codec.MAX_MESSAGE", 100)
    with pytest.raises(ValueError, match="bytes"):
        protocol.request("cli_inband", bytes(100))
    deferred = protocol.request("control_ping")
    vpp.flush()

    assert result_of(deferred) == (1, 4711)


def test_an_undecodable_reply_fails_its_request_alone(ends):
    vpp, protocol, tally = ends
    short = struct.pack(">H", message_ids()["show_version_reply"])
    vpp.answers["show_version"] = lambda fields: [
        ("raw", frame(short + struct.pack(">Ii", fields.context, 0) + bytes(5))),
    ]
    first, second, third = (protocol.request(name) for name in ("control_ping", "show_version", "control_ping"))
    vpp.flush()

    assert result_of(first) == result_of(third) == (1, 4711)
    with pytest.raises(VppProtocolError, match="show_version_reply"):
        result_of(second)
    assert tally.get("show_version_reply", "recv", "malformed") == 1
    assert not vpp.closed


def test_a_reply_that_ends_before_its_retval_fails_its_request_alone(ends):
    vpp, protocol, _ = ends
    number = message_ids()["show_version_reply"]
    vpp.answers["show_version"] = lambda fields: [("raw", frame(struct.pack(">HIH", number, fields.context, 0)))]
    deferred = protocol.request("show_version")
    vpp.flush()

    with pytest.raises(VppProtocolError, match="show_version of 8 bytes"):
        result_of(deferred)
    assert not vpp.closed


# Dumps


def test_a_dump_and_its_end_go_out_in_one_write(ends):
    vpp, protocol, _ = ends
    vpp.answers["lb_as_v2_dump"] = lambda fields: [server_row(number) for number in (1, 2, 3)]
    deferred = protocol.dump("lb_as_v2_dump", *EVERYTHING)
    assert len(vpp.writes) == 1
    vpp.flush(chunk=11)

    rows = result_of(deferred)
    assert [row[-2] for row in rows] == [1, 2, 3]
    assert rows[0][:5] == (0, b"\xc0\0\2\1" + bytes(12), 32, 6, 443)
    assert vpp.names() == ["lb_as_v2_dump", "control_ping"]
    assert len({fields.context for _, fields in vpp.heard}) == 1


def test_an_empty_dump_is_an_empty_list(ends):
    vpp, protocol, _ = ends
    deferred = protocol.dump("lb_as_v2_dump", *EVERYTHING)
    vpp.flush()

    assert result_of(deferred) == []


def test_rows_of_dumps_under_way_together_are_kept_apart(ends):
    vpp, protocol, _ = ends
    numbers = iter(range(1, 9))
    vpp.answers["lb_as_v2_dump"] = lambda fields: [server_row(next(numbers)), server_row(next(numbers))]
    dumps = [protocol.dump("lb_as_v2_dump", *EVERYTHING) for _ in range(3)]
    vpp.flush()

    assert [[row[-2] for row in result_of(dump)] for dump in dumps] == [[1, 2], [3, 4], [5, 6]]


def test_an_undecodable_row_fails_the_dump_alone(ends):
    vpp, protocol, _ = ends
    number = message_ids()["lb_as_v2_details"]
    vpp.answers["lb_as_v2_dump"] = lambda fields: [
        server_row(1),
        ("raw", frame(struct.pack(">HIB", number, fields.context, 7))),
        server_row(2),
    ]
    dump, ping = protocol.dump("lb_as_v2_dump", *EVERYTHING), protocol.request("control_ping")
    vpp.flush()

    with pytest.raises(VppProtocolError, match="lb_as_v2_details"):
        result_of(dump)
    assert result_of(ping) == (1, 4711)


def test_a_dump_without_end_is_cut_off(ends, monkeypatch):
    vpp, protocol, _ = ends
    monkeypatch.setattr("maglev.vpp.api.protocol.MAX_ROWS", 3)
    vpp.answers["lb_as_v2_dump"] = lambda fields: [server_row(1)] * 4
    dump = protocol.dump("lb_as_v2_dump", *EVERYTHING)
    vpp.flush()

    with pytest.raises(VppProtocolError, match="more than 3 rows"):
        result_of(dump)


# Order and the window


def test_together_makes_one_write_in_order(ends):
    vpp, protocol, _ = ends
    with protocol.together():
        protocol.request("lb_conf_get")
        with protocol.together():
            protocol.dump("lb_vip_dump", 0, bytes(16), 0, 0, 0, 0, 0)
        protocol.request("control_ping")
        assert vpp.writes == []

    assert len(vpp.writes) == 1
    assert vpp.names() == ["lb_conf_get", "lb_vip_dump", "control_ping", "control_ping"]


def test_what_is_held_goes_out_even_if_the_block_fails(ends):
    vpp, protocol, _ = ends
    waiting = []

    def fail():
        with protocol.together():
            waiting.append(protocol.request("control_ping"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    vpp.flush()

    assert result_of(waiting[0]) == (1, 4711)


def test_beyond_the_window_requests_wait_and_keep_their_order(clock):
    vpp, protocol, _ = connected(clock, window=4)
    vpp.answers["cli_inband"] = lambda fields: [("cli_inband_reply", {"reply": fields.cmd})]
    waiting = [protocol.request("cli_inband", b"%d" % number) for number in range(11)]
    assert len(vpp.heard) == 4
    vpp.flush()

    assert [fields.cmd for _, fields in vpp.heard] == [str(number) for number in range(11)]
    assert [result_of(each) for each in waiting] == [(b"%d" % number,) for number in range(11)]


def test_the_answers_of_one_chunk_lead_to_one_write(clock):
    vpp, protocol, _ = connected(clock, window=50)
    for _ in range(100):
        protocol.request("control_ping")
    before = len(vpp.writes)
    vpp.flush()

    assert len(vpp.writes) == before + 1


def test_a_cancelled_request_that_waits_is_never_sent(clock):
    vpp, protocol, _ = connected(clock, window=1)
    first = protocol.request("control_ping")
    second = protocol.request("show_version")
    third = protocol.request("control_ping")
    second.cancel()
    vpp.flush()

    assert result_of(first) == result_of(third) == (1, 4711)
    assert isinstance(outcome_of(second), CancelledError)
    assert vpp.names() == ["control_ping", "control_ping"]


def test_the_answer_to_a_cancelled_request_is_passed_over(ends):
    vpp, protocol, _ = ends
    first, second = protocol.request("control_ping"), protocol.request("control_ping")
    first.cancel()
    vpp.flush()

    assert isinstance(outcome_of(first), CancelledError)
    assert result_of(second) == (1, 4711)


def test_an_answer_may_lead_to_the_next_request(ends):
    vpp, protocol, _ = ends
    done = protocol.request("control_ping").addCallback(lambda _: protocol.request("control_ping"))
    vpp.flush()

    assert result_of(done) == (1, 4711)


# Deadlines


def test_silence_ends_a_request(ends, clock):
    vpp, protocol, tally = ends
    vpp.silent.add("show_version")
    deferred = protocol.request("show_version")
    clock.pump([0.1] * 49)
    assert not has_fired(deferred)
    clock.pump([0.1] * 7)

    with pytest.raises(VppTimeoutError, match="show_version"):
        result_of(deferred)
    assert tally.get("show_version_reply", "recv", "timeout") == 1
    assert not vpp.closed
    assert clock.getDelayedCalls() == []


def test_a_hang_ends_all_requests_after_one_deadline(ends, clock):
    vpp, protocol, _ = ends
    vpp.silent.add("control_ping")
    waiting = [protocol.request("control_ping") for _ in range(100)]
    clock.pump([0.1] * 56)

    assert all(isinstance(outcome_of(each), VppTimeoutError) for each in waiting)


def test_a_slow_vpp_is_given_the_time_it_needs(ends, clock):
    vpp, protocol, _ = ends
    waiting = [protocol.request("control_ping") for _ in range(10)]
    replies = vpp._out.copy()
    vpp._out.clear()
    for reply in replies:
        clock.pump([0.5] * 6)
        vpp.send(reply)
        vpp.flush()

    assert clock.seconds() > 5 * DEADLINE
    assert [result_of(each) for each in waiting] == [(1, 4711)] * 10


def test_a_request_that_was_overtaken_ends_though_vpp_talks(ends, clock):
    vpp, protocol, _ = ends
    vpp.silent.add("show_version")
    lost = protocol.request("show_version")
    pings = []
    for _ in range(56):
        pings.append(protocol.request("control_ping"))
        vpp.flush()
        clock.advance(0.1)

    assert isinstance(outcome_of(lost), VppTimeoutError)
    assert [result_of(each) for each in pings] == [(1, 4711)] * 56


def test_the_deadline_begins_with_the_writing(clock):
    vpp, protocol, _ = connected(clock, window=1)
    vpp.silent.add("show_version")
    first, second = protocol.request("show_version"), protocol.request("control_ping")
    clock.pump([0.1] * 56)
    assert isinstance(outcome_of(first), VppTimeoutError)
    clock.pump([0.1] * 40)
    vpp.flush()

    assert result_of(second) == (1, 4711)


def test_a_late_answer_is_counted_and_ignored(ends, clock):
    vpp, protocol, tally = ends
    deferred = protocol.request("control_ping")
    clock.pump([0.1] * 56)
    assert isinstance(outcome_of(deferred), VppTimeoutError)
    vpp.flush()

    assert tally.get("unknown", "recv", "ignored") == 1
    assert not vpp.closed


def test_messages_that_nobody_asked_for_are_counted_and_ignored(ends):
    vpp, protocol, tally = ends
    deferred = protocol.request("control_ping")
    context = vpp.heard[0][1].context
    answer = vpp._out.pop()
    vpp.say("control_ping_reply", CONTEXT_OF_ANOTHER)
    vpp.say("show_version_reply", context)
    vpp.send(frame(struct.pack(">HI", 60000, context)))
    vpp.send(frame(b"\0\1"))
    vpp.send(frame(b"\0\1\0\0\0"))
    vpp.say("sockclnt_create_reply", 1)
    vpp.flush()
    assert not has_fired(deferred)
    vpp.send(answer)
    vpp.flush()

    assert result_of(deferred) == (1, 4711)
    assert tally.get("unknown", "recv", "ignored") == 4
    assert tally.get("unknown", "recv", "malformed") == 2


# The end


def test_the_end_of_the_connection_ends_every_request_at_once(clock):
    vpp, protocol, tally = connected(clock, window=2)
    waiting = [protocol.request("control_ping") for _ in range(5)]
    waiting.append(protocol.dump("lb_as_v2_dump", *EVERYTHING))
    vpp.die()

    assert all(isinstance(outcome_of(each), VppLostError) for each in waiting)
    assert tally.get("control_ping_reply", "recv", "lost") == 5
    assert clock.getDelayedCalls() == []


def test_after_the_end_requests_fail_and_nothing_is_written(ends):
    vpp, protocol, _ = ends
    vpp.die()
    with protocol.together():
        deferred = protocol.request("control_ping")

    assert isinstance(outcome_of(deferred), VppLostError)
    protocol.close()
    protocol.abort("again")


def test_everyone_hears_of_the_end_with_a_deferred_of_his_own(ends):
    vpp, protocol, _ = ends
    before = [protocol.when_lost(), protocol.when_lost()]
    assert not any(map(has_fired, before))
    vpp.die()

    for watcher in (*before, protocol.when_lost()):
        assert isinstance(result_of(watcher), VppLostError)


def test_a_request_made_while_everything_ends_fails_too(ends):
    vpp, protocol, _ = ends
    again = protocol.request("control_ping").addErrback(lambda _: protocol.request("control_ping"))
    vpp.die()

    assert isinstance(outcome_of(again), VppLostError)


def test_a_stream_that_is_none_of_frames_ends_the_connection(ends):
    vpp, protocol, tally = ends
    deferred = protocol.request("control_ping")
    vpp._out.clear()
    vpp.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    vpp.flush()

    assert vpp.aborted
    with pytest.raises(VppLostError, match="frame of"):
        result_of(deferred)
    assert tally.get("unknown", "recv", "malformed") == 1


def test_nothing_is_taken_from_a_connection_that_was_aborted_meanwhile(ends):
    vpp, protocol, _ = ends
    first = protocol.request("control_ping").addCallback(lambda _: protocol.abort("enough"))
    second = protocol.request("control_ping")
    vpp.flush()

    assert result_of(first) is None
    with pytest.raises(VppLostError, match="enough"):
        result_of(second)


def test_closing_fails_what_is_not_answered(ends):
    vpp, protocol, _ = ends
    deferred = protocol.request("control_ping")
    protocol.close()

    assert vpp.closed
    assert isinstance(outcome_of(deferred), VppLostError)


# Keeping alive, counting, telling


def test_a_keepalive_is_answered(ends):
    vpp, _, tally = ends
    vpp.silent.add("memclnt_keepalive_reply")
    vpp.say("memclnt_keepalive", 77, client_index=5)
    vpp.send(frame(struct.pack(">HI", message_ids()["memclnt_keepalive"], 1)))
    vpp.flush()

    ((name, fields),) = vpp.heard
    assert (name, fields.context, fields.retval) == ("memclnt_keepalive_reply", 77, 0)
    assert tally.get("memclnt_keepalive", "recv", "ok") == 1
    assert tally.get("memclnt_keepalive", "recv", "malformed") == 1


def test_every_message_is_counted(ends):
    vpp, protocol, tally = ends
    vpp.answers["lb_as_v2_dump"] = lambda fields: [server_row(number) for number in (1, 2, 3)]
    protocol.dump("lb_as_v2_dump", *EVERYTHING)
    vpp.flush()

    assert tally.counts == {
        ("lb_as_v2_dump", "send", "ok"): 1,
        ("control_ping", "send", "ok"): 1,
        ("lb_as_v2_details", "recv", "ok"): 3,
        ("control_ping_reply", "recv", "ok"): 1,
    }


@pytest.mark.parametrize("trace", [True, False])
def test_messages_are_told_at_debug_if_asked_for(clock, trace):
    vpp, protocol, _ = connected(clock, trace=trace)
    told = []
    globalLogPublisher.addObserver(told.append)
    try:
        protocol.request("cli_inband", b"show version")
        protocol.request("control_ping")
        vpp.flush()
    finally:
        globalLogPublisher.removeObserver(told.append)

    assert len(told) == (4 if trace else 0)
    if trace:
        assert {event["log_level"] for event in told} == {LogLevel.debug}
        assert [(event["log_event"], event["msg"]) for event in told] == [
            ("vpp-api-send", "cli_inband"),
            ("vpp-api-send", "control_ping"),
            ("vpp-api-recv", "cli_inband_reply"),
            ("vpp-api-recv", "control_ping_reply"),
        ]
        assert "cmd='show version'" in told[0]["fields"]
        assert "vpe_pid=4711" in told[3]["fields"]
