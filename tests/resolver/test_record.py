"""The file of the last good answers: read as it was written, or refused as a whole."""

import json

import pytest

from maglev.resolver.record import MAX_NUMBER, SIZE_LIMIT, NamesDamagedError, Remembered, decode, encode

ONE = Remembered("www", "www.example.org", 4, 1_700_000_000.5, {1: "10.1.0.1", 7: "10.1.0.2"})
SIX = Remembered("api", "api.example.org", 6, 0.0, {2: "2001:db8::1"})


def changed(**keys):
    whole = json.loads(encode([ONE]))
    whole["names"][0].update(keys)
    return json.dumps(whole).encode()


def test_what_is_written_is_read():
    assert decode(encode([ONE, SIX])) == (ONE, SIX)
    assert decode(encode([])) == ()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b" " * (SIZE_LIMIT + 1), "larger than"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "expected format 1"),
        (b'{"format": 2, "names": []}', "expected format 1"),
        (b'{"format": true, "names": []}', "expected format 1"),
        (b'{"format": 1, "names": {}}', "expected a list"),
        (b'{"format": 1, "names": [1]}', "expected names with"),
        (changed(more=1), "expected names with"),
        (changed(name="a b"), "expected names as"),
        (changed(name=1), "expected names as"),
        (changed(dns_name=1), "expected names as"),
        (changed(dns_name="x" * 254), "expected names as"),
        (changed(at="now"), "expected times"),
        (changed(at=True), "expected times"),
        (changed(at=-1), "expected times"),
        (changed(at=1e300), "expected times"),
        (changed(family=5), "expected 4 or 6"),
        (changed(addresses=[]), "at most 128 addresses"),
        (changed(addresses={str(n): f"10.0.{n >> 8}.{n & 255}" for n in range(1, 258)}), "at most 128 addresses"),
        (changed(addresses={"0": "10.0.0.1"}), "expected numbers"),
        (changed(addresses={str(MAX_NUMBER + 1): "10.0.0.1"}), "expected numbers"),
        (changed(addresses={"x": "10.0.0.1"}), "expected numbers"),
        (changed(addresses={"1": 1}), "expected addresses as"),
        (changed(addresses={"1": "www"}), "expected addresses as"),
        (changed(addresses={"1": "2001:DB8::1"}, family=6), "expected addresses as"),
        (changed(addresses={"1": "2001:db8::1"}), "of the family"),
        (changed(addresses={"1": "10.0.0.1", "2": "10.0.0.1"}), "each address once"),
    ],
)
def test_anything_else_is_refused_as_a_whole(content, text):
    with pytest.raises(NamesDamagedError, match=text):
        decode(content)
