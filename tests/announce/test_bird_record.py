"""The record of BIRDs: what is written is read, and anything else is refused as a whole."""

from __future__ import annotations

import json

import pytest

from maglev.announce.bird_record import MAX_FILES, decode_record, encode_record
from maglev.state.override_file import DamagedError

RECORD = {"/run/bird/bird.ctl": ("/run/a.conf", "/run/\u00e4.conf"), "/run/two.ctl": ("/run/b.conf",)}


def record(*birds, **changes):
    return json.dumps({"format": 1, "birds": list(birds), **changes}).encode()


def bird(socket="/run/b.ctl", files=("/run/a.conf",)):
    return {"control-socket": socket, "include-files": files if isinstance(files, str) else list(files)}


def test_what_is_written_is_read():
    assert decode_record(encode_record(RECORD)) == RECORD
    assert decode_record(encode_record({})) == {}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "expected an object with format and birds"),
        (record(more=1), "expected an object with format and birds"),
        (record(format=2), "expected format 1: another version"),
        (record(format=True), "expected format 1: another version"),
        (record(birds={}), "expected a list of birds"),
        (record(bird(), bird()), "expected each control socket once"),
        (record(bird(files=[f"/{number}" for number in range(MAX_FILES + 1)])), "at most 100 include files"),
        (record(7), "expected birds with control-socket and include-files"),
        (record({"control-socket": "/a"}), "expected birds with control-socket and include-files"),
        (record(bird(files=())), "expected absolute paths"),
        (record(bird(files="/run/a.conf")), "expected absolute paths"),
        (record(bird(files=("a.conf",))), "expected absolute paths"),
        (record(bird(socket=7)), "expected absolute paths"),
        (record(bird(socket="/" + "a" * 4096)), "expected absolute paths"),
        (record(bird(socket="/a\0b")), "expected absolute paths"),
    ],
)
def test_anything_else_is_refused(content, expected):
    with pytest.raises(DamagedError, match=expected):
        decode_record(content)
