"""Answers without an end, or beyond all measure: each is cut off at its bound, in linear time."""

from __future__ import annotations

import time

import pytest

from maglev.healthcheck.probers.answer import (
    ANSWER_LIMIT,
    BODY_LIMIT,
    HEADER_LIMIT,
    LINGER_LIMIT,
    STATUS_LINE_LIMIT,
    Answer,
)
from maglev.healthcheck.probers.expectation import Expectation
from maglev.model.config import HttpParams
from maglev.model.result import Code
from tests.fakes.http_answers import HEAD, read

ODD_STATUS = b"HTTP/1.1  200"  # two spaces: llhttp gives up


def test_an_endless_status_line_that_is_read_plainly_is_cut_off_in_linear_time():
    start = time.process_time()
    verdict, taken = feed_for_ever(b"x", ODD_STATUS + b" ")
    assert verdict == (Code.L7RSP, "status line too large")
    assert taken <= STATUS_LINE_LIMIT
    assert time.process_time() - start < 5


def test_endless_headers_read_plainly_are_cut_off_in_linear_time():
    start = time.process_time()
    verdict, taken = feed_for_ever(b"\r", HEAD + b"no colon\r\n")
    assert verdict == (Code.L7RSP, "headers too large")
    assert taken <= HEADER_LIMIT
    assert time.process_time() - start < 5


def feed_for_ever(piece, first=HEAD, regexp=None):
    """Feed the same bytes until there is a verdict; return it, with how much it took."""
    answer = Answer(Expectation.of(HttpParams(response_regexp=regexp)))
    answer.feed(first)
    taken = 0
    while answer.verdict is None and taken < 10 * ANSWER_LIMIT:
        answer.feed(piece)
        taken += len(piece)
    answer.release()
    return answer.verdict, taken


@pytest.mark.parametrize("piece", [b"X: y\r\n" * 100, b"x" * 1000, b"HTTP/1.1 100 Continue\r\n\r\n" * 10])
def test_endless_headers_are_cut_off_whatever_their_form(piece):
    first = b"" if piece.startswith(b"HTTP") else HEAD
    verdict, taken = feed_for_ever(piece, first)
    assert verdict == (Code.L7RSP, "headers too large")
    assert taken <= HEADER_LIMIT + len(piece)


def head_of(size, line=b"X: "):
    """Return a status line and headers of exactly so many bytes."""
    rest = b"\r\nContent-Length: 11\r\n\r\n"
    return HEAD + line + b"y" * (size - len(HEAD + line + rest)) + rest


@pytest.mark.parametrize("step", [1000, 16384, 65536, 1 << 20])
@pytest.mark.parametrize("regexp", [None, "well"])
@pytest.mark.parametrize("line", [b"X: ", b"no colon "])
@pytest.mark.parametrize("size", [HEADER_LIMIT, HEADER_LIMIT + 1, 66_000, 10 * HEADER_LIMIT])
def test_the_bound_of_the_headers_does_not_depend_on_the_pieces(size, line, regexp, step):
    answer = head_of(size, line) + b"all is well"
    pieces = [answer[start : start + step] for start in range(0, len(answer), step)]
    fits = size <= HEADER_LIMIT
    assert read(*pieces, regexp=regexp) == ((Code.L7OK, "status 200") if fits else (Code.L7RSP, "headers too large"))


@pytest.mark.parametrize("head", [b"X: y\r\n" * 11_000, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2500])
def test_headers_above_the_bound_in_one_piece_are_refused_whatever_their_form(head):
    first, rest = (b"", HEAD) if head.startswith(b"HTTP") else (HEAD, b"")
    assert read(first + head + rest + b"\r\n") == (Code.L7RSP, "headers too large")


CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("step", [16384, 1 << 30])
@pytest.mark.parametrize(
    "framing",
    [
        b"1;" + b"e" * ANSWER_LIMIT + b"\r\ny\r\n0\r\n\r\n",
        b"1;e\r\nx\r\n" * (BODY_LIMIT - 1) + b"1;" + b"e" * ANSWER_LIMIT + b"\r\ny\r\n0\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * (ANSWER_LIMIT // 6) + b"\r\n",
    ],
    ids=["one extension", "many chunks", "trailers"],
)
def test_the_bound_of_an_answer_does_not_depend_on_the_pieces(framing, step):
    answer = CHUNKS + framing
    pieces = [answer[start : start + step] for start in range(0, len(answer), step)]
    assert read(*pieces, regexp="y") == (Code.L7RSP, "body does not match; answer too large")


@pytest.mark.parametrize("step", [100, 1 << 20])
def test_after_the_verdict_no_more_is_read_than_the_bound(step):
    answer = Answer(Expectation.of(HttpParams()))
    answer.feed(HEAD + b"Content-Length: 1000000\r\n\r\n")
    taken = 0
    while answer.unfinished and taken < ANSWER_LIMIT:
        answer.feed(b"x" * step)
        taken += step
    answer.release()
    assert taken - step <= LINGER_LIMIT
    assert answer.verdict == (Code.L7OK, "status 200")


def test_only_the_first_part_of_a_large_body_is_looked_at():
    first = HEAD + b"Content-Length: 200000\r\n\r\n"
    assert feed_for_ever(b"a" * 1000, first, regexp="a{10}")[0][0] is Code.L7OK
    verdict, taken = feed_for_ever(b"a" * 1000, first, regexp="b")
    assert verdict == (Code.L7RSP, "body does not match")
    assert taken <= BODY_LIMIT + 1000


def test_endless_framing_is_cut_off():
    first = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    verdict, taken = feed_for_ever(b"1;" + b"e" * 1000 + b"\r\nx\r\n", first, regexp="y")
    assert verdict == (Code.L7RSP, "body does not match; answer too large")
    assert taken <= ANSWER_LIMIT + 2000
    verdict, taken = feed_for_ever(b"X-Trailer: y\r\n" * 100, first + b"0\r\n", regexp="y")
    assert verdict[0] is Code.L7RSP
    assert taken <= ANSWER_LIMIT + 2000


def test_a_catastrophic_pattern_takes_linear_time():
    body = b"a" * (BODY_LIMIT - 1) + b"!"
    start = time.process_time()
    assert Expectation.of(HttpParams(response_regexp="(a+)+$")).judge_body(body, "")[0] is Code.L7RSP
    assert time.process_time() - start < 1
