"""What an answer over HTTP/2 may hold: a header block before it is whole, and nothing once the exchange is over."""

from __future__ import annotations

import gc
import weakref
from contextlib import contextmanager

import pytest
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from maglev.healthcheck.probers.connection import ABORTED, DONE
from maglev.healthcheck.probers.http2_exchange import FRAME_SIZE, HEADER_LIST_LIMIT
from maglev.model.result import Code
from tests.fakes.frames import (
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    PADDED,
    PING,
    PUSH_PROMISE,
    START,
    WELL,
    data,
    frame,
    headers,
    reset,
)
from tests.healthcheck.probers import test_http2 as probes
from tests.healthcheck.probers.test_http2_exchange import PASS, grpc, http, verdict

TOO_LARGE = Code.L7RSP, "headers too large"
FULL = b"\0\0\0\2" + bytes(FRAME_SIZE - 4)
AT_THE_LIMIT = frame(CONTINUATION, FULL) * (HEADER_LIST_LIMIT // FRAME_SIZE - 1)
FLOOD = frame(HEADERS, b"\x88" + bytes(16_000)) + frame(CONTINUATION, FULL) * 60
ROOMY = 1 << 20


@pytest.fixture(params=[http, grpc])
def exchange(request):
    return request.param(byte_limit=ROOMY)


@pytest.mark.parametrize("kind", [HEADERS, PUSH_PROMISE])
def test_a_block_is_bounded_before_it_is_whole(kind, exchange):
    exchange.feed(START + frame(kind, FULL) + AT_THE_LIMIT + frame(CONTINUATION))
    assert exchange.verdict is None
    assert verdict(frame(CONTINUATION, b"x")[:9], exchange=exchange) == TOO_LARGE
    assert exchange.ended


@pytest.mark.parametrize("kind", [HEADERS, PUSH_PROMISE])
def test_the_head_of_a_frame_is_enough(kind, exchange):
    last = frame(CONTINUATION, FULL)
    exchange.feed(START + frame(kind, FULL[:5]) + AT_THE_LIMIT + last[:8])
    assert exchange.verdict is None
    assert verdict(last[8:9], exchange=exchange) == TOO_LARGE


def test_a_frame_that_comes_in_pieces_counts_once(exchange):
    for byte in START + frame(HEADERS, bytes(100)):
        exchange.feed(bytes((byte,)))
    exchange.feed(AT_THE_LIMIT)
    assert verdict(frame(CONTINUATION, bytes(FRAME_SIZE - 100)), exchange=exchange) is None
    assert verdict(frame(CONTINUATION, b"x"), exchange=exchange) == TOO_LARGE


def test_each_block_has_its_own_bound():
    hints = headers((":status", "103"))
    begun = START + hints + frame(PING, bytes(8), stream=0) + frame(HEADERS, FULL) + AT_THE_LIMIT
    exchange = http(byte_limit=ROOMY)
    assert verdict(begun, exchange=exchange) is None
    block = frame(HEADERS, b"\x88") + frame(CONTINUATION, b"", END_HEADERS)
    assert verdict(START + hints + block) == PASS
    padded = frame(HEADERS, b"\xff" + hints[9:] + bytes(255), END_HEADERS | PADDED)
    assert len(padded) * 300 > HEADER_LIST_LIMIT
    assert verdict(START + padded * 300 + block, byte_limit=ROOMY, frame_limit=400) == PASS


def test_a_frame_that_is_never_whole_is_bounded(exchange):
    exchange.feed(START + frame(HEADERS, size=FRAME_SIZE)[:9])
    assert exchange.verdict is None
    said = f"a frame of {FRAME_SIZE + 1} bytes, where {FRAME_SIZE} are allowed with no answer"
    assert verdict(START + frame(HEADERS, size=FRAME_SIZE + 1)[:9]) == (Code.L7RSP, said)


def test_a_flood_of_trailers_leaves_the_verdict():
    exchange = http(byte_limit=ROOMY)
    assert verdict(START + WELL + FLOOD, exchange=exchange) == PASS
    assert exchange.ended


def test_two_statuses_are_none():
    said = Code.L7RSP, "malformed answer: 2 times :status"
    twice = START + headers((":status", "200"), (":status", "503"))
    for exchange in (http(), grpc()):
        assert verdict(twice, exchange=exchange) == said
        assert exchange.ended
    assert verdict(START + headers((":status", "103"), (":status", "200")) + WELL) == said
    assert verdict(START + headers((":status", "200"), (":status", "200")))[0] is Code.L7RSP


def test_what_comes_after_the_end_is_not_read():
    bench = probes.http()
    bench.probe.connectionLost(ABORTED)
    bench.probe.dataReceived(START + WELL)
    assert bench.verdicts == []
    assert not bench.probe._exchange._buffer


@contextmanager
def no_collector():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def parts_of(exchange):
    """Return weak references to what h2 keeps: its connection, buffers, streams, and frames of an unfinished block."""
    h2 = exchange._h2
    buffer = h2.incoming_buffer
    held = [h2, buffer, h2.encoder, h2.decoder, *h2.streams.values(), *buffer._headers_buffer[:1]]
    return [weakref.ref(part) for part in held]


UNFINISHED = START + frame(HEADERS, FULL) + AT_THE_LIMIT


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([], ABORTED),
        ([UNFINISHED], ABORTED),
        ([UNFINISHED], DONE),
        ([UNFINISHED], Failure(ConnectionLost("reset"))),
        ([UNFINISHED, frame(CONTINUATION, b"x")], None),
        ([START + WELL, frame(HEADERS, FULL) + frame(PING, bytes(8), stream=0)], None),
        ([UNFINISHED, frame(CONTINUATION, b"", END_HEADERS)], None),
        ([START + WELL, data(b"x", end=True)], None),
        ([START + WELL + data(b"x")], ABORTED),
        ([START, reset(7)], None),
    ],
)
def test_nothing_of_it_waits_for_the_collector(pieces, reason):
    with no_collector():
        bench = probes.http()
        parts = parts_of(bench.probe._exchange)
        for piece in pieces:
            bench.probe.dataReceived(piece)
            if not bench.probe._exchange.ended:
                parts += parts_of(bench.probe._exchange)
        if reason is not None:
            bench.probe.timeout_verdict()
            bench.probe.connectionLost(reason)
        assert not bench.probe._exchange._buffer
        del bench
        assert [part() for part in parts if part() is not None] == []
