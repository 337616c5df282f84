"""What answers of gRPC's health service mean."""

from __future__ import annotations

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from hypothesis import given
from hypothesis import strategies as st

from maglev.healthcheck.probers.grpc_answer import (
    CALL_STATUSES,
    STATUSES,
    GrpcAnswer,
    MalformedMessageError,
    question,
    status_in,
)
from maglev.model.result import Code
from tests.fakes.frames import message

SERVING = message(b"\x08\x01")
HEADERS = [(b":status", b"200"), (b"content-type", b"application/grpc")]
OK = [(b"grpc-status", b"0")]


def verdict(*pieces, headers=HEADERS, trailers=OK, how=""):
    """Return the verdict on an answer."""
    answer = GrpcAnswer()
    if headers is not None:
        answer.take_headers(headers)
    for piece in pieces:
        answer.take_data(piece)
    if trailers is not None:
        answer.take_trailers(trailers)
    return answer.end(how)


def test_the_longest_service():
    name = "s" * 255
    assert question(name)[5:] == HealthCheckRequest(service=name).SerializeToString()


@given(st.text(st.characters(codec="ascii"), max_size=300))
def test_the_question_is_what_protobuf_writes(service):
    asked = question(service)
    assert asked[0] == 0
    assert int.from_bytes(asked[1:5], "big") == len(asked) - 5
    assert HealthCheckRequest.FromString(asked[5:]).service == service
    assert asked[5:] == HealthCheckRequest(service=service).SerializeToString()


@pytest.mark.parametrize("number", range(4))
def test_the_status_is_what_protobuf_reads(number):
    code = Code.L7OK if STATUSES[number] == "SERVING" else Code.L7STS
    assert HealthCheckResponse.ServingStatus.Name(number) == STATUSES[number]
    sent = message(HealthCheckResponse(status=number).SerializeToString())
    assert verdict(sent) == (code, STATUSES[number])


def test_a_status_that_the_protocol_does_not_have():
    assert verdict(message(b"\x08\x07")) == (Code.L7STS, "status 7, which the protocol does not have")


@pytest.mark.parametrize(
    ("encoded", "status"),
    [
        (b"", 0),
        (b"\x08\x02\x08\x01", 1),
        (b"\x12\x03abc\x08\x01\x18\x05", 1),
        (b"\x11" + bytes(8) + b"\x08\x01", 1),
        (b"\x15" + bytes(4) + b"\x08\x01", 1),
        (b"\x0a\x01x\x08\x01", 1),
        (b"\x88\x00\x01", 1),
        (b"\x08\x81\x80\x00", 1),
    ],
)
def test_other_fields_are_skipped(encoded, status):
    assert status_in(encoded) == status


@pytest.mark.parametrize("encoded", [b"\x08", b"\x08\x80", b"\x0a", b"\x0a\x05abc", b"\x11abc", b"\x15a"])
def test_a_truncated_message(encoded):
    with pytest.raises(MalformedMessageError, match="truncated message"):
        status_in(encoded)
    assert verdict(message(encoded)) == (Code.L7RSP, "truncated message")


@pytest.mark.parametrize("encoded", [b"\x08" + b"\xff" * 10, b"\x0b", b"\x0f"])
def test_a_malformed_message(encoded):
    assert verdict(message(encoded)) == (Code.L7RSP, "malformed message")


@given(st.binary(max_size=60))
def test_a_message_is_read_as_protobuf_reads_it_or_refused(encoded):
    try:
        status = status_in(encoded)
    except MalformedMessageError:
        return
    assert status >= 0


def test_a_message_may_come_in_pieces():
    assert verdict(*(SERVING[i : i + 1] for i in range(len(SERVING)))) == (Code.L7OK, "SERVING")


@pytest.mark.parametrize(
    ("pieces", "detail"),
    [
        ([], "no message"),
        ([SERVING[:3]], "truncated message"),
        ([SERVING[:-1]], "truncated message"),
        ([SERVING, SERVING], "more than one message"),
        ([SERVING + b"x"], "more than one message"),
        ([message(b"\x08\x01", flag=1)], "a compressed message, though none was asked for"),
        ([b"\0\xff\xff\xff\xff"], "a message of 4294967295 bytes, where two are expected"),
        ([SERVING, SERVING, b"x" * 9999], "more than one message"),
    ],
)
def test_what_is_not_one_message(pieces, detail):
    assert verdict(*pieces) == (Code.L7RSP, detail)


@pytest.mark.parametrize(
    ("trailers", "code", "detail"),
    [
        ([(b"grpc-status", b"12")], Code.L7STS, "UNIMPLEMENTED: no health service there"),
        (
            [(b"grpc-status", b"12"), (b"grpc-message", b"unknown service grpc.health.v1.Health")],
            Code.L7STS,
            "UNIMPLEMENTED: no health service there (unknown service grpc.health.v1.Health)",
        ),
        ([(b"grpc-status", b"5")], Code.L7STS, "NOT_FOUND: the server does not know this service"),
        ([(b"grpc-status", b"14"), (b"grpc-message", b"going%20down%e2%80%a6")], Code.L7STS, "UNAVAILABLE (going down"),
        ([(b"grpc-status", b"16"), (b"grpc-message", b"\x1b%0a%ff%")], Code.L7STS, "UNAUTHENTICATED (\\x1b\\x0a"),
        ([(b"grpc-status", b"99")], Code.L7STS, "grpc-status 99"),
        ([(b"grpc-status", b"-1")], Code.L7RSP, 'stream ended with an invalid grpc-status, "-1"'),
        ([(b"grpc-status", b"1000")], Code.L7RSP, 'stream ended with an invalid grpc-status, "1000"'),
        ([(b"other", b"0")], Code.L7RSP, "stream ended with no grpc-status"),
        ([], Code.L7RSP, "stream ended with no grpc-status"),
    ],
)
def test_how_a_call_fails(trailers, code, detail):
    found = verdict(trailers=trailers)
    assert found[0] is code
    assert found[1].startswith(detail)
    assert found[1].isascii()
    assert found[1].isprintable()
    only = verdict(headers=HEADERS + trailers, trailers=None)
    assert only == found


def test_every_code_of_a_call_has_its_name():
    for number, name in enumerate(CALL_STATUSES[1:], 1):
        code, detail = verdict(trailers=[(b"grpc-status", b"%d" % number)])
        assert code is Code.L7STS
        assert detail.startswith(name)


def test_a_failed_call_fails_whatever_its_message_says():
    assert verdict(SERVING, trailers=[(b"grpc-status", b"13")]) == (Code.L7STS, "INTERNAL")
    assert verdict(SERVING, trailers=[]) == (Code.L7RSP, "a message with no grpc-status")


@pytest.mark.parametrize(
    ("headers", "code", "detail"),
    [
        ([(b":status", b"503")], Code.L7STS, "HTTP status 503, not an answer of gRPC"),
        ([(b":status", b"")], Code.L7RSP, 'malformed answer: "" is not a status'),
        ([(b":status", b"2000")], Code.L7RSP, 'malformed answer: "2000" is not a status'),
        ([(b":status", b"200")], Code.L7RSP, 'not an answer of gRPC: its content-type is ""'),
        (
            [(b":status", b"200"), (b"content-type", b"text/html")],
            Code.L7RSP,
            'not an answer of gRPC: its content-type is "text/html"',
        ),
        (
            [(b":status", b"200"), (b"content-type", b"application/grpc-web")],
            Code.L7RSP,
            'not an answer of gRPC: its content-type is "application/grpc-web"',
        ),
    ],
)
def test_what_is_not_an_answer_of_grpc(headers, code, detail):
    assert verdict(SERVING, headers=headers) == (code, detail)


@pytest.mark.parametrize("kind", [b"application/grpc+proto", b"application/grpc;charset=x"])
def test_content_types_of_grpc(kind):
    assert verdict(SERVING, headers=[(b":status", b"200"), (b"content-type", kind)])[0] is Code.L7OK


def test_what_is_missing_when_the_connection_ends_or_the_time_is_up():
    assert verdict(headers=None, trailers=None, how="closed") == (Code.L7RSP, "closed with no answer")
    assert verdict(trailers=None, how="closed") == (Code.L7RSP, "closed with headers, but no message")
    assert verdict(SERVING, trailers=None, how="stream reset (CANCEL)") == (
        Code.L7RSP,
        "stream reset (CANCEL) with a message, but no trailers",
    )
