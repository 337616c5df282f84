from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.spread.banana import Banana

from maglev.rpc.basic import encode
from maglev.rpc.tokens import TokenError, TokenReader

LIMIT = 1000


def reader(limit=LIMIT):
    return TokenReader(Banana.incomingVocabulary, limit)


def read(data, limit=LIMIT):
    return list(reader(limit).feed(data))


def test_every_kind_of_token_is_read():
    data = b"\x08\x80" + b"\x05\x81" + b"\x05\x83" + b"\x03\x82abc" + b"\x84" + struct.pack("!d", 1.5)
    data += b"\x01\x01\x85" + b"\x01\x01\x86" + b"\x01\x87" + b"\x00\x80"

    assert read(data) == [[5, -5, b"abc", 1.5, 129, -129, b"None", []]]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_a_stream_may_be_cut_anywhere(sizes):
    value = {"name": "web", "weights": [1, -2, 2**40, 1.5, None, True], "text": "ü" * 100}
    stream = encode(value) * 3
    expected = read(stream, 10**6)
    whole, got, position = reader(10**6), [], 0
    while position < len(stream):
        for size in sizes:
            got += whole.feed(stream[position : position + size])
            position += size

    assert got == expected
    assert len(got) == 3


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_read_or_fail(data):
    stream = reader()
    try:
        for _ in stream.feed(data):
            pass
    except TokenError:
        pass


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x01" * 11 + b"\x81", "number"),
        (b"\x01" * 12, "number"),
        (b"\x05\x88", "unknown type"),
        (b"\x63\x87", "unknown type"),
        (b"\x01\x80" * 100, "nested"),
        (b"\x7f\x7f\x80", "too long"),
        (b"\x7f\x7f\x82", "too long"),
        (b"\x7f\x80" + b"\x0a\x82hellohello" * 300, "too long"),
        (b"\x7f\x07\x80" + b"\x01\x81" * 600, "too long"),
    ],
    ids=["digits", "digits-without-end", "type", "vocabulary", "depth", "list", "string", "strings", "numbers"],
)
def test_what_has_no_end_or_no_meaning_is_refused_early(data, words):
    with pytest.raises(TokenError, match=words):
        read(data)


def test_the_limit_is_one_of_a_message_and_not_of_a_connection():
    message = b"\x02\x80\x05\x82hello\x01\x81"

    assert len(read(message * 1000)) == 1000


def test_reading_takes_time_in_proportion_to_the_bytes():
    # Twisted's reader copies the rest of the buffer for every token; this would take minutes.
    assert len(read(b"\x01\x81" * 200_000)) == 200_000


def test_text_that_is_not_a_protocol_at_all_is_refused():
    with pytest.raises(TokenError):
        read(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
