"""The words between the daemon and its workers: everything there and back, and nothing that is not right."""

import contextlib
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from maglev.healthcheck.workers import codec
from maglev.healthcheck.workers.codec import BATCH, CodecError, FrameBuffer, MessageKind, WorkerStatus
from maglev.model.result import Code, LocalFault, Result

NUMBERS = some.integers(0, 2**32 - 1)
PROBES = some.integers(0, 2**64 - 1)
DETAILS = some.text(some.characters(min_codepoint=32, max_codepoint=126), max_size=200)
RESULTS = some.builds(
    Result,
    some.sampled_from([code for code in Code if code is not Code.STATIC]),
    DETAILS,
    some.floats(0, codec.LONGEST),
)
FAULTS = some.builds(LocalFault, some.sampled_from(codec.REASONS), DETAILS)


def only(data):
    """Return kind and payload of the one frame that these bytes are."""
    (found,) = FrameBuffer().feed(data)
    return found


@given(some.lists(some.tuples(PROBES, RESULTS | FAULTS), max_size=BATCH))
def test_results_come_back_as_they_were(results):
    kind, payload = only(codec.results_frame(results))
    assert kind == MessageKind.RESULTS
    assert codec.read_results(payload) == results


def test_a_batch_of_the_longest_results_fits_into_a_frame():
    results = [(2**64 - 1, Result(Code.L7RSP, "x" * 200, 1.0))] * BATCH
    assert codec.read_results(only(codec.results_frame(results))[1]) == results


@given(NUMBERS, PROBES)
def test_a_request_comes_back_as_it_was(slot, probe):
    kind, payload = only(codec.probe_frame(slot, probe))
    assert kind == MessageKind.PROBE
    assert codec.read_probe(payload) == (slot, probe)


@given(some.sampled_from([MessageKind.FORGET_SPEC, MessageKind.FORGET_BACKEND, MessageKind.CANCEL]), NUMBERS)
def test_a_number_comes_back_as_it_was(kind, number):
    found, payload = only(codec.one_frame(kind, number))
    assert found == kind
    assert codec.read_one(payload) == number


@given(NUMBERS, NUMBERS, some.ip_addresses().map(str))
def test_a_backend_comes_back_as_it_was(slot, spec, address):
    kind, payload = only(codec.backend_frame(slot, spec, address))
    assert kind == MessageKind.BACKEND
    assert codec.read_backend(payload) == (slot, spec, address)


@given(NUMBERS, some.binary(max_size=100), some.sampled_from([0, 65430, 65431, 65432, 130962, 131000]))
def test_a_spec_comes_back_as_it_was_in_as_many_frames_as_it_takes(number, described, more):
    described += b"x" * more
    frames = FrameBuffer().feed(codec.spec_frames(number, described))
    assert [kind for kind, _ in frames] == [MessageKind.SPEC_PART] * (len(frames) - 1) + [MessageKind.SPEC]
    assert len(frames) == max(1, -(-len(described) // 65531))
    numbers, parts = zip(*(codec.read_spec(payload) for _, payload in frames), strict=True)
    assert (set(numbers), b"".join(parts)) == ({number}, described)


@given(NUMBERS, some.none() | some.floats(allow_nan=False, allow_infinity=False))
def test_an_expiry_comes_back_as_it_was(slot, expiry):
    kind, payload = only(codec.expiry_frame(slot, expiry))
    assert kind == MessageKind.EXPIRY
    assert codec.read_expiry(payload) == (slot, expiry)


def test_a_status_and_a_greeting_come_back_as_they_were():
    status = WorkerStatus(1, 2, 3.5, 0.25, tuple(range(14)))
    assert codec.read_status(only(codec.status_frame(status))[1]) == status
    assert codec.read_hello(only(codec.hello_frame("0.1.0"))[1]) == "0.1.0"


@given(some.lists(some.binary(max_size=40), max_size=8), some.lists(some.integers(1, 30), min_size=1))
def test_frames_may_come_in_any_pieces(payloads, sizes):
    data = b"".join(codec.frame(MessageKind.SPEC, payload) for payload in payloads)
    frames, found, at = FrameBuffer(), [], 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        found += frames.feed(data[at : at + size])
        at += size
    assert found == [(MessageKind.SPEC, payload) for payload in payloads]


def test_a_frame_can_not_be_longer_than_its_length_can_tell():
    codec.frame(MessageKind.SPEC, bytes(65535))
    with pytest.raises(CodecError, match="65536 bytes"):
        codec.frame(MessageKind.SPEC, bytes(65536))


def result(code=0, length=0, duration=0.0, detail=b"", count=1):
    return struct.pack("<HQBBd", count, 7, code, length, duration) + detail


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01",
        result(count=2),
        result()[:-1],
        result() + b"x",
        result(length=3, detail=b"ab"),
        result(length=2, detail=b"abc"),
        result(length=201, detail=b"a" * 201),
        result(length=1, detail=b"\n"),
        result(length=1, detail=b"\xff"),
        result(length=1, detail=b"\x1b"),
        result(code=len(codec._CODES)),
        result(code=127),
        result(code=128 + len(codec.REASONS)),
        result(code=255),
        result(code=128, duration=1.0),
        result(duration=-1.0),
        result(duration=math.nan),
        result(duration=math.inf),
        result(duration=2e6),
    ],
)
def test_results_that_make_no_sense_are_refused(payload):
    with pytest.raises(CodecError):
        codec.read_results(payload)


@pytest.mark.parametrize(
    ("read", "payload"),
    [
        (codec.read_one, b"123"),
        (codec.read_one, b"12345"),
        (codec.read_probe, bytes(11)),
        (codec.read_spec, b"123"),
        (codec.read_backend, b"1234567"),
        (codec.read_backend, bytes(8) + b"\x00"),
        (codec.read_expiry, bytes(11)),
        (codec.read_hello, b"\r\n"),
        (codec.read_status, bytes(23)),
        (codec.read_status, bytes(25)),
        (codec.read_status, bytes(24 + 65 * 8)),
        (codec.read_status, struct.pack("<IIdd", 0, 0, math.nan, 0.0)),
        (codec.read_status, struct.pack("<IIdd", 0, 0, 0.0, math.inf)),
    ],
)
def test_anything_else_that_makes_no_sense_is_refused(read, payload):
    with pytest.raises(CodecError):
        read(payload)


@given(some.binary(max_size=200))
def test_no_bytes_make_a_reader_fail_in_another_way(payload):
    for read in (codec.read_results, codec.read_status, codec.read_expiry, codec.read_hello):
        with contextlib.suppress(CodecError):
            read(payload)
