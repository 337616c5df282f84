"""One request over HTTP/2: whatever a server sends, there is a verdict, and it has a bound."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived
from hypothesis import given
from hypothesis import strategies as st

from maglev.healthcheck.probers.expectation import Expectation
from maglev.healthcheck.probers.grpc_answer import GrpcAnswer, question
from maglev.healthcheck.probers.http2_answer import Http2Answer
from maglev.healthcheck.probers.http2_exchange import FRAME_SIZE, HEADER_LIST_LIMIT, Http2Exchange, Http2Request
from maglev.model.check_params import HttpMethod
from maglev.model.config import HttpParams
from maglev.model.result import Code
from tests.fakes import frames as fake
from tests.fakes.frames import END_HEADERS, END_STREAM, START, WELL, data, frame, goaway, headers, reset, settings

HEAD = ((":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/"))
CALL = ((":method", "POST"), *HEAD[1:], ("te", "trailers"))
PASS = Code.L7OK, "status 200"
ALL_WELL = START + WELL + data(b"all is "), data(b"well", end=True)


def http(byte_limit=1 << 20, frame_limit=100, **params):
    """Return an exchange of HTTP."""
    method = str(params.get("method", "GET"))
    request = Http2Request(((":method", method), *HEAD[1:]), params.get("body", b""), byte_limit, frame_limit)
    exchange = Http2Exchange(request, Http2Answer(Expectation.of(HttpParams(**params))))
    exchange.begin()
    return exchange


def grpc(byte_limit=1 << 16, frame_limit=64):
    """Return an exchange of gRPC."""
    exchange = Http2Exchange(Http2Request(CALL, question(""), byte_limit, frame_limit), GrpcAnswer())
    exchange.begin()
    return exchange


def verdict(*pieces, end=None, exchange=None, **params):
    """Return the verdict on an answer; None while there is none."""
    exchange = exchange or http(**params)
    for piece in pieces:
        exchange.feed(piece)
    return exchange.verdict if end is None else exchange.end(end)


def test_the_request_goes_out_at_once_and_whole():
    server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    request = Http2Request(CALL, b"x" * 16_000, 1, 1)
    events = server.receive_data(Http2Exchange(request, GrpcAnswer()).begin())
    (received,) = (event for event in events if isinstance(event, RequestReceived))
    assert tuple(received.headers) == CALL
    assert server.remote_settings.enable_push == 0
    assert server.remote_settings.max_header_list_size == HEADER_LIST_LIMIT
    assert [type(event).__name__ for event in events][-2:] == ["DataReceived", "StreamEnded"]


@pytest.mark.parametrize("regexp", [None, "^all is well$"])
def test_an_answer_passes_wherever_it_is_cut(regexp):
    answer = b"".join(ALL_WELL)
    for cut in range(len(answer)):
        assert verdict(answer[:cut], answer[cut:], response_regexp=regexp) == PASS
    assert verdict(*(answer[i : i + 1] for i in range(len(answer))), response_regexp=regexp) == PASS


def test_a_verdict_on_the_headers_comes_before_the_body():
    exchange = http()
    assert verdict(ALL_WELL[0], exchange=exchange) == PASS
    assert not exchange.ended
    exchange.feed(ALL_WELL[1])
    assert exchange.ended
    assert exchange.feed(b"more") == b""
    assert exchange.end("closed") == PASS


def test_what_is_read_after_the_verdict_has_a_bound():
    exchange = http()
    exchange.feed(START + WELL)
    piece = data(b"x" * 8000)
    said = sum(len(exchange.feed(piece)) for _ in range(8))
    assert not exchange.ended
    assert said  # windows are opened again
    exchange.feed(piece)
    assert (exchange.ended, exchange.verdict) == (True, PASS)


@pytest.mark.parametrize(
    ("pairs", "params", "expected"),
    [
        ([(":status", "503")], {}, (Code.L7STS, "status 503")),
        ([(":status", "404")], {"disable_on_404": True}, (Code.L7OKC, "status 404")),
        ([(":status", "abc")], {}, (Code.L7RSP, 'malformed answer: "abc" is not a status')),
        ([(":status", "200"), ("x-health", "no")], {}, PASS),
        (
            [(":status", "200"), ("x-health", "no")],
            {"expect_header": (("X-Health", "ok"),)},
            (Code.L7STS, 'header X-Health is "no", not "ok"'),
        ),
        ([("server", "x")], {}, (Code.L7RSP, 'malformed answer: "" is not a status')),
        ([(":status", "200"), ("connection", "close"), ("Upper", " odd ")], {}, PASS),
        ([(":status", "200"), ("X-Health", " ok ")], {"expect_header": (("X-Health", "ok"),)}, PASS),
        ([(":status", "200"), ("x-health", "ok")], {"expect_header": (("X-Health", "ok"),)}, PASS),
        ([(":status", "200")], {"expect_header_regexp": (("X-Health", "."),)}, (Code.L7STS, "no header X-Health")),
    ],
)
def test_status_and_headers_decide_as_with_http_1(pairs, params, expected):
    assert verdict(START + headers(*pairs), **params) == expected


def test_interim_answers_do_not_count():
    hints = headers((":status", "103"), ("x-health", "ok"))
    assert verdict(START + hints * 3 + WELL) == PASS
    assert verdict(START + hints, expect_header=(("X-Health", "ok"),)) is None


def test_the_body_decides_when_it_has_ended():
    begun = START + WELL + data(b"all is ")
    assert verdict(begun, response_regexp="all") is None
    assert verdict(begun, data(b"well", end=True), response_regexp="^well") == (Code.L7RSP, "body does not match")
    assert verdict(begun, end="closed", response_regexp="well") == (Code.L7RSP, "body does not match; closed")
    assert verdict(begun, end="closed", response_regexp="all") == PASS
    assert verdict(begun, headers(("x-sum", "1"), end=True), response_regexp="all") == PASS
    assert verdict(begun, reset(2), response_regexp="well")[1] == "body does not match; stream reset (INTERNAL_ERROR)"
    zipped = headers((":status", "200"), ("content-encoding", "gzip")) + data(b"\x1f\x8b", end=True)
    assert verdict(START + zipped, response_regexp="w")[1] == "body does not match; it is compressed (gzip)"
    assert verdict(START + zipped, response_regexp_not="w") == (Code.L7OK, "status 200; it is compressed (gzip)")


def test_64_kib_of_the_body_are_searched():
    pieces = [START + WELL, *([data(b"x" * 16_000)] * 4), data(b"x" * 1536)]
    assert verdict(*pieces[:-1], response_regexp="x$") is None
    assert verdict(*pieces, response_regexp="x$") == PASS
    assert verdict(*pieces, data(b"y"), response_regexp="y")[0] is Code.L7RSP


def test_an_answer_to_head_has_no_body():
    answer = headers((":status", "200"), ("content-length", "100"), end=True)
    assert verdict(START + answer, method=HttpMethod.HEAD) == PASS


def test_progress_tells_what_is_missing():
    for exchange in (http(response_regexp="x"), grpc()):
        assert exchange.progress() == "no answer"
        exchange.feed(START)
        assert exchange.progress() == "no answer"
        exchange.feed(goaway(1, 0, b"bye"))
        assert exchange.progress() == "no answer; GOAWAY NO_ERROR (bye)"
    exchange = http(response_regexp="x")
    exchange.feed(START + WELL)
    assert exchange.progress() == "body not complete"


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 'not HTTP/2: an answer in HTTP/1.1 ("HTTP/1.1 400 Bad Request")'),
        (b"HTTP/1.0 ", 'not HTTP/2: an answer in HTTP/1.1 ("HTTP/1.0 ")'),
        (b"\x15\x03\x01\x00\x02\x02\x46\x00\x00", "not HTTP/2: a TLS alert"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 'not HTTP/2: received "SSH-2.0-OpenSSH_9.2\\x0d\\x0a"'),
        (b"\0" * 9, 'not HTTP/2: received "\\x00'),
        (settings() + data(b"x"), "broken HTTP/2: "),
        (START + frame(0, b"", stream=0), "broken HTTP/2: "),
        (START + frame(fake.HEADERS, b"\xff" * 20, END_HEADERS), "broken HTTP/2: "),
        (START + frame(fake.HEADERS, b"\x80", END_HEADERS), "broken HTTP/2: "),
        (START + frame(fake.PUSH_PROMISE, b"\0\0\0\2" + b"\x88", END_HEADERS), "broken HTTP/2: "),
        (START + frame(fake.HEADERS, b"\x88", END_HEADERS, stream=3), "broken HTTP/2: "),
        (START + frame(fake.HEADERS, b"\x88", END_HEADERS, stream=2), "broken HTTP/2: "),
        (START + frame(fake.WINDOW_UPDATE, b"\0\0\0\0", stream=0), "broken HTTP/2: "),
        (START + frame(fake.WINDOW_UPDATE, b"\x7f\xff\xff\xff", stream=0), "broken HTTP/2: "),
        (START + frame(fake.PING, b"short", stream=0), "broken HTTP/2: "),
        (START + frame(fake.SETTINGS, b"odd", stream=0), "broken HTTP/2: "),
        (settings((4, 1 << 31)), "broken HTTP/2: "),
        (settings((5, 1)), "broken HTTP/2: "),
        (START + frame(fake.DATA, b"\xff", fake.PADDED), "broken HTTP/2: "),
        (START + frame(fake.GOAWAY, b"short", stream=0), "broken HTTP/2: malformed GOAWAY"),
        (START + frame(fake.GOAWAY, bytes(8), stream=1), "broken HTTP/2: malformed GOAWAY"),
        (START + goaway(0), "GOAWAY NO_ERROR"),
        (START + goaway(0, 11, b"too_many_pings"), "GOAWAY ENHANCE_YOUR_CALM (too_many_pings)"),
        (START + goaway(0, 99), "GOAWAY error 99"),
        (START + reset(7), "stream reset (REFUSED_STREAM)"),
        (START + reset(0xFFFF), "stream reset (error 65535)"),
        (START + frame(fake.DATA, size=FRAME_SIZE + 1), "a frame of 16385 bytes, where 16384 are allowed"),
        (START + frame(fake.HEADERS, b"\x88") + frame(fake.PING, bytes(8), stream=0), "broken HTTP/2: "),
        (START + frame(fake.HEADERS, b"\x88") + frame(fake.CONTINUATION, b"", 0) * 70, "broken HTTP/2: "),
    ],
)
def test_other_bytes_fail_and_the_detail_says_why(answer, detail):
    for exchange in (http(response_regexp="x"), grpc(frame_limit=100)):
        code, said = verdict(answer, exchange=exchange)
        assert code is Code.L7RSP
        assert said.startswith(detail)
        assert exchange.ended
    for cut in range(1, len(answer)):
        assert verdict(answer[:cut], answer[cut:], response_regexp="x")[1].startswith(detail[:12])


def test_a_server_that_goes_away_may_finish_its_answer():
    assert verdict(START + goaway(1) + WELL, exchange=http()) == PASS
    assert verdict(START + goaway(1, 0, b"max_age"), end="closed") == (
        Code.L7RSP,
        "GOAWAY NO_ERROR (max_age), closed with no answer",
    )


@pytest.mark.parametrize("how", ["closed", "Connection reset by peer"])
def test_a_connection_that_ends_early(how):
    assert verdict(end=how) == (Code.L7RSP, f"{how} with no answer")
    assert verdict(START, end=how) == (Code.L7RSP, f"{how} with no answer")
    assert verdict(START[:5], end=how) == (Code.L7RSP, 'not HTTP/2: received "\\x00\\x00\\x00\\x04\\x00"')
    assert verdict(b"HTTP/1", end=how)[1] == 'not HTTP/2: an answer in HTTP/1.1 ("HTTP/1")'


FLOODS = {
    "PING": frame(fake.PING, bytes(8), stream=0),
    "SETTINGS": settings((3, 100)),
    "empty DATA": data(b""),
    "WINDOW_UPDATE": frame(fake.WINDOW_UPDATE, b"\0\0\0\1", stream=0),
    "PRIORITY": frame(fake.PRIORITY, b"\0\0\0\0\1"),
    "unknown": frame(0x42, b"x"),
    "interim": headers((":status", "103")),
    "GOAWAY": goaway(1),
    "SETTINGS ACK": frame(fake.SETTINGS, b"", fake.ACK, 0),
}


@pytest.mark.parametrize("name", FLOODS)
def test_frames_are_counted_whatever_they_are(name):
    begun = START + (WELL if name == "empty DATA" else b"")
    exchange = http(frame_limit=100, response_regexp="x")
    said = exchange.feed(begun)
    for _ in range(40):
        said += exchange.feed(FLOODS[name] * 10)
    assert exchange.ended
    assert exchange.verdict[1] in {
        "more than 100 frames with no answer",
        "body does not match; more than 100 frames",
        "GOAWAY NO_ERROR; more than 100 frames with no answer",
    }
    assert len(said) < 100 * 20


def test_bytes_are_counted_and_cut_within_a_piece():
    exchange = http(byte_limit=1000, response_regexp="x")
    assert verdict(START + WELL + data(b"y" * 500), exchange=exchange) is None
    assert verdict(data(b"x" * 5000), exchange=exchange) == (Code.L7RSP, "body does not match; answer too large")
    assert exchange.ended
    held = len(START + WELL)
    exchange = http(byte_limit=held, response_regexp="x")
    exchange.feed(START + WELL)
    assert not exchange.ended
    exchange = http(byte_limit=held)
    assert verdict(START + WELL + b"\xff" * 100, exchange=exchange) == PASS


def test_headers_are_bounded_as_they_are_unpacked():
    bomb = fake.Encoder()
    block = bomb.encode([(b":status", "200"), (b"x", "y" * 3000)])
    block += b"\xbe" * 1000  # each is one byte, and stands for that header
    assert len(block) < 5000
    assert verdict(START + frame(fake.HEADERS, block, END_HEADERS))[1].startswith("broken HTTP/2: ")
    large = headers((":status", "103"), ("x", "y" * 12_000))
    assert verdict(START + large * 6 + WELL) == (Code.L7RSP, "headers too large")
    trailing = headers(("x", "y" * 18_000), end=True)
    for regexp in ("x", None):
        exchange = http(response_regexp=regexp)
        expected = PASS if regexp is None else (Code.L7RSP, "headers too large")
        assert verdict(START + large * 4 + WELL + trailing, exchange=exchange) == expected
        assert exchange.ended
    assert verdict(START + large * 5 + headers((":status", "200"), ("x", "y" * 9000)))[1] == "headers too large"


def test_a_drip_costs_no_more_than_its_bytes():
    exchange = http(byte_limit=3000, response_regexp="x")
    for byte in START + WELL + data(b"y" * 5000):
        exchange.feed(bytes((byte,)))
    assert exchange.verdict == (Code.L7RSP, "body does not match; answer too large")


FRAMES = st.builds(
    frame,
    st.integers(0, 12),
    st.binary(max_size=60),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 2**31 - 1, 2**32 - 1]),
)


@given(st.lists(st.one_of(FRAMES, st.sampled_from([*FLOODS.values(), WELL, data(b"x")]), st.binary(max_size=40))))
def test_no_bytes_make_it_raise(pieces):
    for exchange in (http(response_regexp="z"), grpc()):
        exchange.feed(START)
        for piece in pieces:
            exchange.feed(piece)
        code, detail = exchange.end("closed")
        assert code in {Code.L7OK, Code.L7RSP, Code.L7STS}
        assert detail.isascii()
        assert detail.isprintable()
        assert len(detail) <= 200


@given(st.integers(0, 200), st.integers(0, 255))
def test_no_changed_byte_makes_it_raise(place, byte):
    answer = bytearray(START + fake.GRPC + data(fake.SERVING) + fake.trailers())
    answer[place % len(answer)] = byte
    assert verdict(bytes(answer), end="closed", exchange=grpc()) is not None


def test_the_end_of_a_stream_is_said_once():
    end = frame(fake.HEADERS, fake.Encoder().encode([(b":status", "200")]), END_HEADERS | END_STREAM)
    assert verdict(START + end, response_regexp="x") == (Code.L7RSP, "body does not match")
