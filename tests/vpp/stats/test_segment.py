"""Reading the stats segment: right, half-written, and hostile ones."""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maglev.model.errors import StatsError
from maglev.vpp.stats.segment import BOOT_TIME, HEARTBEAT, MAX_ENTRIES, MAX_TRIES, StatsSegment

BASE = 0x130000000
SIZE = 1 << 16
EPOCH, IN_PROGRESS, DIRECTORY = 16, 24, 32
SCALAR, SIMPLE, COMBINED, NAMES, SYMLINK, GAUGE = 1, 2, 3, 4, 6, 9


class SegmentWriter:
    """A stats segment in the making, by the layout of VPP's shared.h."""

    def __init__(self):
        self.fd = os.memfd_create("stats")
        os.ftruncate(self.fd, SIZE)
        self.map = mmap.mmap(self.fd, SIZE)
        self.next = 64
        self.put(0, 2, BASE, 5, 0, 0)
        self.entries = []

    def put(self, offset, *words):
        struct.pack_into(f"<{len(words)}Q", self.map, offset, *words)

    def vector(self, *words):
        """Write a vector of words; return its pointer."""
        return self.raw_vector(len(words), struct.pack(f"<{len(words)}Q", *words))

    def raw_vector(self, length, data):
        start = self.next + 64
        struct.pack_into("<I", self.map, start - 8, length)
        self.map[start : start + len(data)] = data
        self.next = (start + len(data) + 63) // 64 * 64
        return BASE + start

    def publish(self, *entries):
        """Write a new directory of (kind, value, name); return its pointer."""
        self.entries = list(entries)
        data = b"".join(struct.pack("<I4xQ128s", kind, value, name.encode()) for kind, value, name in entries)
        pointer = self.raw_vector(len(entries), data)
        self.put(DIRECTORY, pointer)
        (epoch,) = struct.unpack_from("<Q", self.map, EPOCH)
        self.put(EPOCH, epoch + 1)
        return pointer

    def counter(self, kind, name, *rows):
        width = 2 if kind == COMBINED else 1
        vectors = [self.raw_vector(len(row) // width, struct.pack(f"<{len(row)}Q", *row)) for row in rows]
        return kind, self.vector(*vectors), name

    def close(self):
        self.map.close()
        os.close(self.fd)


@pytest.fixture
def memory():
    memory = SegmentWriter()
    yield memory
    memory.close()


@pytest.fixture
def segment(memory):
    memory.publish(
        (SCALAR, 1700000000, BOOT_TIME),
        (SCALAR, 1, HEARTBEAT),
        (NAMES, 0, "/if/names"),
        memory.counter(SIMPLE, "first session packet", (0, 1, 2), (0, 10, 20)),
        memory.counter(SIMPLE, "packet", (7,)),
        memory.counter(COMBINED, "/net/route/to", (1, 100, 2, 200), (3, 300, 4, 400)),
        memory.counter(COMBINED, "/net/route/via", (1, 100), (3, 300, 4, 400), ()),
        memory.counter(SIMPLE, "nothing"),
        (GAUGE, 9, "/gauge"),
    )
    segment = StatsSegment(os.dup(memory.fd))
    yield segment
    segment.close()


def test_scalars_are_read_as_they_are_now(segment, memory):
    assert segment.scalar(BOOT_TIME) == 1700000000
    assert segment.scalar("/gauge") == 9
    place = struct.unpack_from("<Q", memory.map, DIRECTORY)[0] - BASE + 144 + 8
    memory.put(place, 2)
    assert segment.scalar(HEARTBEAT) == 2


def test_counters_are_summed_over_threads(segment):
    assert segment.simple("first session packet") == [0, 11, 22]
    assert segment.combined("/net/route/to") == [(4, 400), (6, 600)]


def test_threads_may_have_rows_of_different_lengths(segment):
    assert segment.combined("/net/route/via") == [(4, 400), (4, 400)]


def test_a_counter_without_threads_is_empty(segment):
    assert segment.simple("nothing") == []


def test_single_columns_are_summed_over_threads(segment):
    assert segment.simple_at("first session packet", [2, 1]) == {2: 22, 1: 11}
    assert segment.combined_at("/net/route/to", {1}) == {1: (6, 600)}
    assert segment.simple_at("first session packet", []) == {}


def test_threads_may_have_fewer_columns_than_others(segment):
    assert segment.combined_at("/net/route/via", [0, 1]) == {0: (4, 400), 1: (4, 400)}


def test_columns_that_there_are_not_are_left_out(segment):
    assert segment.simple_at("packet", [0, 1, -1, 1 << 40]) == {0: 7}
    assert segment.simple_at("nothing", [0]) == {}
    assert segment.combined_at("/net/route/to", [2]) == {}


def test_a_column_of_a_counter_of_another_kind_is_refused(segment):
    for read, name in ((segment.simple_at, "/net/route/to"), (segment.combined_at, "packet")):
        with pytest.raises(StatsError, match="kind"):
            read(name, [0])


def test_names_are_compared_whole(segment):
    assert segment.simple("packet") == [7]
    for name in ("first", "session packet", "/net/route", "/sys/heartbea"):
        assert not segment.has(name)
        with pytest.raises(StatsError, match="no counter"):
            segment.simple(name)


def test_a_counter_of_another_kind_is_refused(segment):
    for read in (segment.simple, segment.combined):
        with pytest.raises(StatsError, match="kind 1"):
            read(HEARTBEAT)
    with pytest.raises(StatsError, match="kind 3"):
        segment.scalar("/net/route/to")


def test_a_place_is_remembered_and_looked_up_again_when_it_moves(segment, memory, monkeypatch):
    searches = []
    search = StatsSegment._search
    monkeypatch.setattr(StatsSegment, "_search", lambda self, *args: searches.append(args[0]) or search(self, *args))
    for _ in range(3):
        assert segment.simple("packet") == [7]
    assert searches == ["packet"]

    memory.publish(*memory.entries)
    assert segment.simple("packet") == [7]
    assert searches == ["packet"]

    memory.publish((SCALAR, 1, "/new"), *memory.entries)
    assert segment.simple("packet") == [7]
    assert searches == ["packet", "packet"]
    memory.publish((SCALAR, 1, "/new"))
    assert not segment.has("packet")


def test_what_is_not_there_is_searched_once_for_each_epoch(segment, memory):
    assert not segment.has("late")
    entries = memory.entries
    memory.publish(*entries, memory.counter(SIMPLE, "late", (3,)))
    assert segment.has("late")
    assert segment.simple("late") == [3]


def test_a_vpp_that_died_in_the_middle_is_told_and_not_waited_for(segment, memory):
    memory.put(IN_PROGRESS, 1)
    with pytest.raises(StatsError, match="being changed"):
        segment.scalar(HEARTBEAT)
    memory.put(IN_PROGRESS, 0)
    assert segment.scalar(HEARTBEAT) == 1


def test_what_changed_while_it_was_read_is_read_again(segment, memory, monkeypatch):
    epochs = iter([(6, 0), (7, 0), (7, 0), (7, 0), (7, 0)])
    monkeypatch.setattr(StatsSegment, "_epoch", lambda self: next(epochs, (7, 0)))
    assert segment.scalar(HEARTBEAT) == 1

    numbers = iter(range(10_000))
    monkeypatch.setattr(StatsSegment, "_epoch", lambda self: (next(numbers), 0))
    with pytest.raises(StatsError, match="being changed"):
        segment.scalar(HEARTBEAT)
    assert next(numbers) <= 3 * MAX_TRIES


def test_nonsense_read_in_a_bad_moment_is_read_again(segment, memory, monkeypatch):
    good = struct.unpack_from("<Q", memory.map, DIRECTORY)[0]
    memory.put(DIRECTORY, 0)
    looks = []

    def epoch(self):
        looks.append(1)
        if len(looks) == 2:
            memory.put(DIRECTORY, good)
        return len(looks) >= 2, 0

    monkeypatch.setattr(StatsSegment, "_epoch", epoch)
    assert segment.scalar(HEARTBEAT) == 1


def test_a_heart_that_stops_is_noticed(segment, memory):
    place = struct.unpack_from("<Q", memory.map, DIRECTORY)[0] - BASE + 144 + 8
    assert not segment.stale(100.0, patience=25.0)
    assert not segment.stale(125.0, patience=25.0)
    assert segment.stale(125.1, patience=25.0)
    memory.put(place, 2)
    assert not segment.stale(130.0, patience=25.0)
    assert segment.stale(156.0, patience=25.0)


def test_a_closed_segment_says_so(memory):
    segment = StatsSegment(os.dup(memory.fd))
    segment.close()
    segment.close()
    assert segment.closed
    with pytest.raises(StatsError, match="closed"):
        segment.has("x")


@pytest.mark.parametrize("version", [0, 1, 3, 2**64 - 1])
def test_another_version_is_refused(memory, version):
    memory.put(0, version)
    descriptor = os.dup(memory.fd)
    with pytest.raises(StatsError, match="version"):
        StatsSegment(descriptor)
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)


def test_memory_that_is_too_small_is_refused():
    descriptor = os.memfd_create("small")
    os.ftruncate(descriptor, 39)
    with pytest.raises(StatsError, match="39 bytes"):
        StatsSegment(descriptor)


POINTERS = [0, 1, BASE - 1, BASE, BASE + 40, BASE + 47, BASE + 129, BASE + SIZE + 8, 2**64 - 1, 2**64 - 8]


@pytest.mark.parametrize("pointer", POINTERS)
def test_pointers_that_lead_outside_are_refused(memory, pointer):
    good = memory.vector(memory.vector(1))
    for kind, value in ((SIMPLE, pointer), (SIMPLE, memory.vector(pointer)), (COMBINED, memory.vector(pointer))):
        memory.publish((kind, value, "x"), (SIMPLE, good, "y"))
        segment = StatsSegment(copy_of(memory))
        read = segment.simple if kind == SIMPLE else segment.combined
        with pytest.raises(StatsError, match="points to"):
            read("x")
        assert segment.simple("y") == [1]
        segment.close()
    memory.put(DIRECTORY, pointer)
    segment = StatsSegment(os.dup(memory.fd))
    with pytest.raises(StatsError, match="points to"):
        segment.has("x")
    segment.close()


def copy_of(memory):
    copy = os.memfd_create("copy")
    os.pwrite(copy, memory.map[:], 0)
    return copy


@pytest.mark.parametrize("length", [SIZE, 2**31, 2**32 - 1, 9000])
def test_vectors_that_lead_outside_are_refused(memory, length):
    for kind, value in (
        (SIMPLE, memory.raw_vector(length, b"")),
        (SIMPLE, memory.vector(memory.raw_vector(length, b""))),
    ):
        memory.publish((kind, value, "x"))
        segment = StatsSegment(copy_of(memory))
        with pytest.raises(StatsError, match="elements"):
            segment.simple("x")
        segment.close()


def test_a_vpp_of_very_many_threads_is_refused(memory):
    row = memory.vector(1)
    memory.publish((SIMPLE, memory.vector(*[row] * 1025), "x"))
    segment = StatsSegment(os.dup(memory.fd))
    with pytest.raises(StatsError, match="1025 threads"):
        segment.simple("x")
    segment.close()


@settings(max_examples=300)
@given(data=st.data())
def test_any_damage_is_an_error_or_numbers(data):
    memory = SegmentWriter()
    memory.publish(
        (SCALAR, 1, HEARTBEAT),
        memory.counter(SIMPLE, "simple", (0, 1, 2), (0, 10, 20)),
        memory.counter(COMBINED, "combined", (1, 100, 2, 200)),
    )
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(1, memory.next // 8)) * 8
        memory.put(place, data.draw(st.sampled_from([0, 1, 2, 3, BASE, BASE + 64, BASE + 128, 2**32 - 1, 2**64 - 1])))
    segment = StatsSegment(os.dup(memory.fd))
    for read in (segment.scalar, segment.simple, segment.combined):
        for name in (HEARTBEAT, "simple", "combined"):
            try:
                read(name)
            except StatsError:
                continue
    segment.close()
    memory.close()


# Somebody else's memory


def resident():
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def test_memory_that_is_truncated_under_us_is_an_error(memory, segment):
    assert segment.scalar(HEARTBEAT) == 1
    for size in (128, 41, 40, 39, 0):
        os.ftruncate(memory.fd, size)
        for read in (segment.scalar, segment.has, segment.combined, lambda name: segment.simple_at(name, [1])):
            with pytest.raises(StatsError):
                read("/net/route/to")
    os.ftruncate(memory.fd, SIZE)


def huge(entries, length):
    """Return a descriptor of 1 GiB of holes, with a directory of so many entries that begins with these."""
    descriptor = os.memfd_create("huge")
    os.ftruncate(descriptor, 1 << 30)
    os.pwrite(descriptor, struct.pack("<QQQQQ", 2, BASE, 5, 0, BASE + 4096), 0)
    os.pwrite(descriptor, struct.pack("<I", length), 4096 - 8)
    os.pwrite(descriptor, entries, 4096)
    return descriptor


@pytest.mark.parametrize("length", [MAX_ENTRIES, MAX_ENTRIES + 1, (1 << 30) // 144 - 100])
def test_a_directory_full_of_holes_costs_neither_memory_nor_time(length):
    descriptor = huge(b"", length)
    segment = StatsSegment(descriptor)
    memory, blocks, started = resident(), os.fstat(descriptor).st_blocks, time.thread_time()
    if length > MAX_ENTRIES:
        with pytest.raises(StatsError, match=f"{length} entries"):
            segment.has("x")
    else:
        assert not segment.has("x")
    assert time.thread_time() - started < 2
    assert resident() - memory < 20 << 20
    assert os.fstat(descriptor).st_blocks == blocks
    segment.close()


def test_a_row_full_of_holes_costs_no_memory():
    length = (1 << 26) - 1
    entry = struct.pack("<I4xQ128s", SIMPLE, BASE + 8192, b"x")
    descriptor = huge(entry, 1)
    os.pwrite(descriptor, struct.pack("<I4xQ", 1, BASE + 16384), 8192 - 8)
    os.pwrite(descriptor, struct.pack("<I4xQ", length, 7), 16384 - 8)
    segment = StatsSegment(descriptor)
    memory = resident()
    assert segment.simple_at("x", [0, length - 1, 5, 1 << 20]) == {0: 7, length - 1: 0, 5: 0, 1 << 20: 0}
    with pytest.raises(StatsError, match=f"{length} columns"):
        segment.simple("x")
    assert resident() - memory < 20 << 20
    segment.close()


def test_a_name_in_the_wrong_places_ends_the_search():
    stray = struct.pack("<I4xQ128s", SIMPLE, 0, b"a/" + b"first session packet\0" * 6)
    # A few are the ends of longer names, and harmless.
    last = struct.pack("<I4xQ128s", GAUGE, 9, b"first session packet")
    segment = StatsSegment(huge(stray * 900 + last, 901))
    assert segment.scalar("first session packet") == 9
    segment.close()
    segment = StatsSegment(huge(stray * 200_000, 200_000))
    started = time.thread_time()
    with pytest.raises(StatsError, match="full of"):
        segment.scalar("first session packet")
    assert time.thread_time() - started < 1
    segment.close()


@given(
    places=st.lists(st.integers(0, 20_000), max_size=30),
    row=st.integers(1, 20_001),
)
@settings(max_examples=100, deadline=None)
def test_columns_are_the_same_whether_they_are_read_together_or_on_their_own(places, row):
    entry = struct.pack("<I4xQ128s", SIMPLE, BASE + 8192, b"x")
    descriptor = huge(entry, 1)
    os.pwrite(descriptor, struct.pack("<I4xQ", 1, BASE + 16384), 8192 - 8)
    os.pwrite(descriptor, struct.pack("<I4x", row) + struct.pack(f"<{row}Q", *range(row)), 16384 - 8)
    segment = StatsSegment(descriptor)
    assert segment.simple_at("x", places) == {place: place for place in places if place < row}
    segment.close()
