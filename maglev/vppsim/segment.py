"""The stats segment: counters in memory that is shared with every reader, in the layout of VPP.

At the start of the memory is a header; it points to the directory, a vector of fixed entries; counters are vectors (one
a thread) of vectors (one element a column). All pointers are addresses in VPP's own memory, of which the header tells
the base. Readers take no lock: the writer says when it starts to move things about (``in_progress``) and counts how
often it did (``epoch``). Counters themselves are written without any such sign. Memory is only ever taken, never given
back: what a reader still looks at when a vector moves stays readable, as it mostly does in VPP.

Source: VPP ``vlib/stats/shared.h``, ``stats.c``, ``init.c`` (version 2 of the layout).
"""

from __future__ import annotations

import enum
import fcntl
import mmap
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

VERSION: Final = 2
SIZE: Final = 32 << 20
"""Bytes, VPP's default; only the pages that are written take memory."""

BASE: Final = 0x130000000
"""Where the writer claims to have mapped the segment: VPP's own default, and no reader's."""

_HEADER: Final = struct.Struct("<QQQQQ")
_ENTRY: Final = struct.Struct("<I4xQ128s")
_WORD: Final = struct.Struct("<Q")
_LENGTH: Final = struct.Struct("<I")
_EPOCH_AT: Final = 16
_IN_PROGRESS_AT: Final = 24
_DIRECTORY_AT: Final = 32
_VALUE_AT: Final = 8
_ALIGNMENT: Final = 64
_MASK: Final = (1 << 64) - 1


class SegmentFullError(Exception):
    """The stats segment has no room left; VPP would abort."""


class EntryType(enum.IntEnum):
    """The kinds of directory entries (``stat_directory_type_t``)."""

    ILLEGAL = 0
    SCALAR = 1
    SIMPLE = 2
    COMBINED = 3
    NAMES = 4
    EMPTY = 5
    SYMLINK = 6
    HISTOGRAM = 7
    RING = 8
    GAUGE = 9


@attrs.define
class DirectoryEntry:
    """A directory entry, as the writer knows it.

    Attributes:
        width: Words of one column: 1 packets, 2 packets and octets; 0 for entries other than counters.
        columns: Columns that readers see.
        capacity: Columns that there is room for before the vectors must move.
        vectors: Offset of the vector of each thread.
    """

    index: int
    name: str
    type: EntryType
    width: int = 0
    columns: int = 0
    capacity: int = 0
    vectors: list[int] = attrs.field(factory=list)


class Segment:
    """One stats segment, as its writer holds it.

    Args:
        threads: Rows of every counter: the main thread and the workers.
        size: Bytes.

    Attributes:
        fd: Descriptor of the memory, for readers; None when closed.
        stuck: While True, ``in_progress`` never goes back to 0.
    """

    def __init__(self, threads: int = 1, size: int = SIZE) -> None:
        self._threads = threads
        self._size = size
        self.fd: int | None = os.memfd_create("stat segment", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)  # as VPP does
        self._memory = mmap.mmap(self.fd, size)
        self._top = mmap.PAGESIZE
        self._entries: dict[str, DirectoryEntry] = {}
        self._stuck = False
        self._room = 64
        self._directory = self._vector(0, _ENTRY.size, self._room)
        _HEADER.pack_into(self._memory, 0, VERSION, BASE, 1, 0, BASE + self._directory)

    def __getitem__(self, name: str) -> DirectoryEntry:
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def epoch(self) -> int:
        """How often things were moved about."""
        return self._word(_EPOCH_AT)

    @property
    def stuck(self) -> bool:
        """Whether the writer pretends to have died in the middle of a change."""
        return self._stuck

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self._stuck = stuck
        self._put(_IN_PROGRESS_AT, int(stuck))

    def close(self) -> None:
        """Let go of the memory; readers that have it mapped keep it, frozen."""
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
            self._memory.close()

    def churn(self) -> None:
        """Pretend that something moved, so that readers must look everything up again."""
        with self._changing():
            pass

    # Entries. All of one call appear to readers at once.

    def add_scalars(self, *names: str, type: EntryType = EntryType.SCALAR) -> None:  # noqa: A002
        """Add single values, all 0."""
        with self._changing():
            for name in names:
                self._add(name, type, 0)

    def add_counters(self, *names: str, combined: bool = False) -> None:
        """Add counters without columns: of packets, or of packets and octets when combined."""
        with self._changing():
            for name in names:
                pointers = self._vector(self._threads, _WORD.size, self._threads)
                entry = self._add(name, EntryType.COMBINED if combined else EntryType.SIMPLE, BASE + pointers)
                entry.width = 1 + combined
                self._grow(entry, pointers, 0)

    def add_names(self, name: str, names: Sequence[str]) -> None:
        """Add a vector of names."""
        with self._changing():
            pointers = self._vector(len(names), _WORD.size, len(names))
            for position, text in enumerate(names):
                encoded = text.encode("ascii") + b"\0"
                offset = self._vector(len(encoded), 1, len(encoded))
                self._memory[offset : offset + len(encoded)] = encoded
                self._put(pointers + position * _WORD.size, BASE + offset)
            self._add(name, EntryType.NAMES, BASE + pointers)

    def add_symlinks(self, links: Sequence[tuple[str, str, int]]) -> None:
        """Add names for single columns: each of the new name, the name of the counter, and the column."""
        with self._changing():
            for name, counter, column in links:
                self._add(name, EntryType.SYMLINK, self._entries[counter].index | column << 32)

    # Values.

    def set(self, name: str, value: int) -> None:
        """Set a single value."""
        self._put(self._directory + self._entries[name].index * _ENTRY.size + _VALUE_AT, value)

    def get(self, name: str) -> int:
        """Return a single value."""
        return self._word(self._directory + self._entries[name].index * _ENTRY.size + _VALUE_AT)

    def validate(self, name: str, column: int) -> None:
        """Make sure that a counter has a column; the epoch changes only when the vectors must move."""
        entry = self._entries[name]
        if column < entry.columns:
            return
        if column >= entry.capacity:
            with self._changing():
                pointers = self._word(self._directory + entry.index * _ENTRY.size + _VALUE_AT) - BASE
                self._grow(entry, pointers, column)
        entry.columns = column + 1
        for vector in entry.vectors:
            _LENGTH.pack_into(self._memory, vector - 8, entry.columns)

    def clear(self, name: str, column: int) -> None:
        """Set a column to 0 in all threads, and make sure that it exists."""
        self.validate(name, column)
        entry = self._entries[name]
        for vector in entry.vectors:
            start = vector + column * entry.width * _WORD.size
            self._memory[start : start + entry.width * _WORD.size] = bytes(entry.width * _WORD.size)

    def count(self, name: str, column: int, *amounts: int, thread: int = -1) -> None:
        """Add to a column: packets, or packets and octets. The last thread counts unless told otherwise: a worker."""
        self.validate(name, column)
        entry = self._entries[name]
        start = entry.vectors[thread] + column * entry.width * _WORD.size
        for position, amount in enumerate(amounts[: entry.width]):
            at = start + position * _WORD.size
            self._put(at, (self._word(at) + amount) & _MASK)

    def read(self, name: str, column: int) -> tuple[int, ...]:
        """Return the sum of a column over all threads: packets, or packets and octets."""
        entry = self._entries[name]
        starts = [vector + column * entry.width * _WORD.size for vector in entry.vectors]
        return tuple(sum(self._word(start + word * _WORD.size) for start in starts) for word in range(entry.width))

    # Memory.

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._put(_IN_PROGRESS_AT, 1)
        try:
            yield
        finally:
            self._put(_EPOCH_AT, self.epoch + 1)
            self._put(_IN_PROGRESS_AT, int(self._stuck))

    def _word(self, at: int) -> int:
        word: int = _WORD.unpack_from(self._memory, at)[0]
        return word

    def _put(self, at: int, value: int) -> None:
        _WORD.pack_into(self._memory, at, value)

    def _vector(self, length: int, size: int, capacity: int) -> int:
        """Take memory for a vector and return the offset of its first element."""
        start = -(-(self._top + 16) // _ALIGNMENT) * _ALIGNMENT
        # Readers refuse a vector that ends at the very end of the segment.
        if start + capacity * size + _ALIGNMENT >= self._size:
            raise SegmentFullError
        self._top = start + capacity * size
        _LENGTH.pack_into(self._memory, start - 8, length)
        return start

    def _add(self, name: str, type_: EntryType, value: int) -> DirectoryEntry:
        entry = DirectoryEntry(len(self._entries), name, type_)
        if entry.index == self._room:
            self._move_directory()
        at = self._directory + entry.index * _ENTRY.size
        _ENTRY.pack_into(self._memory, at, type_, value, name.encode("ascii"))
        self._entries[name] = entry
        _LENGTH.pack_into(self._memory, self._directory - 8, len(self._entries))
        return entry

    def _move_directory(self) -> None:
        old, used = self._directory, self._room * _ENTRY.size
        self._room *= 2
        self._directory = self._vector(len(self._entries), _ENTRY.size, self._room)
        self._memory[self._directory : self._directory + used] = self._memory[old : old + used]
        self._put(_DIRECTORY_AT, BASE + self._directory)

    def _grow(self, entry: DirectoryEntry, pointers: int, column: int) -> None:
        """Move the vectors of a counter to where there is room for a column and as many again."""
        stride = entry.width * _WORD.size
        entry.capacity = max(8, 2 * (column + 1))
        vectors = [self._vector(entry.columns, stride, entry.capacity) for _ in range(self._threads)]
        for thread, old in enumerate(entry.vectors):
            used = entry.columns * stride
            self._memory[vectors[thread] : vectors[thread] + used] = self._memory[old : old + used]
        for thread, vector in enumerate(vectors):
            self._put(pointers + thread * _WORD.size, BASE + vector)
        entry.vectors = vectors
