"""The stats segment, read back by the layout that VPP publishes."""

from __future__ import annotations

import mmap
import os
import struct

import pytest

from maglev.vppsim.segment import EntryType, Segment, SegmentFullError


class SegmentReader:
    """Reads a segment by pointers, as a stranger would."""

    def __init__(self, segment):
        self.memory = mmap.mmap(segment.fd, 0, prot=mmap.PROT_READ)

    def header(self):
        return struct.unpack_from("<QQQQQ", self.memory)

    def offset(self, pointer):
        return pointer - self.header()[1]

    def vector(self, pointer, word="<Q"):
        start = self.offset(pointer)
        (length,) = struct.unpack_from("<I", self.memory, start - 8)
        size = struct.calcsize(word)
        return [struct.unpack_from(word, self.memory, start + index * size) for index in range(length)]

    def directory(self):
        entries = self.vector(self.header()[4], "<I4xQ128s")
        return {name.rstrip(b"\0").decode(): (type_, value) for type_, value, name in entries}

    def rows(self, name, word="<Q"):
        return [self.vector(row, word) for (row,) in self.vector(self.directory()[name][1])]


@pytest.fixture
def segment():
    made = Segment(threads=2)
    yield made
    made.close()


@pytest.fixture
def reader(segment):
    return SegmentReader(segment)


def test_the_header_tells_version_two_and_nothing_in_progress(reader):
    version, base, _, in_progress, directory = reader.header()
    assert (version, in_progress) == (2, 0)
    assert directory > base > 0


def test_scalars_change_without_a_new_epoch(segment, reader):
    segment.add_scalars("/sys/heartbeat", "/sys/boottime")
    epoch = segment.epoch
    segment.set("/sys/heartbeat", 7)
    assert reader.directory() == {"/sys/heartbeat": (1, 7), "/sys/boottime": (1, 0)}
    assert segment.epoch == epoch == reader.header()[2]


def test_counters_have_a_row_for_each_thread(segment, reader):
    segment.add_counters("/node/errors")
    segment.validate("/node/errors", 2)
    segment.count("/node/errors", 1, 5)
    segment.count("/node/errors", 1, 3, thread=0)
    assert reader.rows("/node/errors") == [[(0,), (3,), (0,)], [(0,), (5,), (0,)]]
    assert segment.read("/node/errors", 1) == (8,)


def test_combined_counters_have_packets_and_octets(segment, reader):
    segment.add_counters("/net/route/to", combined=True)
    segment.count("/net/route/to", 0, 10, 640)
    assert reader.rows("/net/route/to", "<QQ") == [[(0, 0)], [(10, 640)]]


def test_a_column_is_cleared_in_all_threads(segment, reader):
    segment.add_counters("c")
    for thread in (0, 1):
        segment.count("c", 3, 9, thread=thread)
    segment.clear("c", 3)
    assert segment.read("c", 3) == (0,)
    assert len(reader.rows("c")[0]) == 4


def test_growing_moves_the_vectors_with_their_values_and_only_then_is_there_a_new_epoch(segment, reader):
    segment.add_counters("c")
    segment.count("c", 0, 42)
    epoch = segment.epoch
    segment.validate("c", 7)
    assert segment.epoch == epoch
    segment.validate("c", 8)
    assert segment.epoch == epoch + 1
    assert reader.rows("c")[1] == [(42,)] + [(0,)] * 8


def test_the_directory_outgrows_its_room(segment, reader):
    names = [f"/filler/{number}" for number in range(200)]
    segment.add_scalars(*names)
    segment.set("/filler/199", 5)
    assert list(reader.directory()) == names
    assert reader.directory()["/filler/199"] == (1, 5)
    assert segment.get("/filler/199") == 5


def test_names_and_symlinks_are_what_vpp_makes_of_them(segment, reader):
    segment.add_counters("/if/drops")
    segment.add_names("/if/names", ["local0", "eth0"])
    segment.add_symlinks([("/interfaces/eth0/drops", "/if/drops", 1)])
    names = [reader.vector(pointer, "<c") for (pointer,) in reader.vector(reader.directory()["/if/names"][1])]
    assert [b"".join(char for (char,) in name) for name in names] == [b"local0\0", b"eth0\0"]
    assert reader.directory()["/interfaces/eth0/drops"] == (EntryType.SYMLINK, 0 | 1 << 32)


def test_a_stuck_writer_never_finishes(segment, reader):
    segment.stuck = True
    segment.churn()
    assert reader.header()[3] == 1
    segment.stuck = False
    assert reader.header()[3] == 0


def test_churn_is_a_new_epoch_and_nothing_else(segment, reader):
    segment.add_scalars("/sys/heartbeat")
    before = reader.directory(), segment.epoch
    segment.churn()
    assert (reader.directory(), segment.epoch) == (before[0], before[1] + 1)


def test_readers_keep_a_closed_segment(segment, reader):
    segment.add_scalars("/sys/heartbeat")
    segment.set("/sys/heartbeat", 3)
    segment.close()
    segment.close()
    assert reader.directory() == {"/sys/heartbeat": (1, 3)}


def test_counters_wrap_at_64_bits(segment):
    segment.add_counters("c")
    segment.count("c", 0, (1 << 64) - 1)
    segment.count("c", 0, 2)
    assert segment.read("c", 0) == (1,)


def test_a_full_segment_is_an_error():
    small = Segment(size=1 << 16)
    small.add_counters("c")
    with pytest.raises(SegmentFullError):
        small.validate("c", 1 << 16)
    small.close()


def test_the_descriptor_is_not_inherited(segment):
    assert not os.get_inheritable(segment.fd)
