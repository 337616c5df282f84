"""Reads VPP's stats segment: shared memory that VPP writes while we look at it.

It is somebody else's memory, so it is read like a file and never mapped: a mapping of memory that its owner truncates
kills the reader (SIGBUS), and one of memory full of holes fills them, where a read costs what it reads. VPP seals its
memory against shrinking; others need not. A read takes a microsecond, and a reading of a thousand columns a few dozen.

Theory of operation. The segment begins with a header; the header points to a directory, a vector of entries of 144
bytes (kind, value or pointer, name); a counter's entry points to a vector with a pointer for each thread, and each of
these to a vector of numbers. Pointers are addresses in VPP; subtracting ``base`` makes them offsets. A vector has its
length in the eight bytes before its first element (``vlib/stats/shared.h``, ``vppinfra/vec_bootstrap.h``).

VPP moves and grows all of this as it likes. It sets ``in_progress`` meanwhile and increments ``epoch`` after, so we
read between two looks at these, and again if they changed; a few times only, since a VPP that died in the middle
leaves ``in_progress`` set for ever. Nothing that is read is trusted before it has been checked against the size of the
segment, and no search and no row is longer than the bounds below.

A name is looked up once: its place in the directory is remembered, and the name found there compared at each reading.
"""

from __future__ import annotations

import os
import struct
from operator import add
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from maglev.model.errors import StatsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

VERSION: Final = 2
"""Of the layout (``STAT_SEGMENT_VERSION``); since VPP 21.01."""

MAX_TRIES: Final = 20
"""Readings of one value. VPP holds its lock for microseconds, a few times a second at most; more is another time's."""

MAX_THREADS: Final = 1024
"""Rows of a counter: one for each thread of VPP, of which it has 256 at most."""

MAX_ENTRIES: Final = 1 << 18
"""Entries of the directory: 38 MB. A VPP without interfaces has 3,100; each interface adds some 20."""

MAX_COLUMNS: Final = 1 << 20
"""Columns of a whole row; of longer ones, single columns can be read."""

MAX_STRAYS: Final = 1000
"""Places in a directory where a name is found without being one: the end of a longer name."""

ENTRIES_AT_ONCE: Final = 4096
"""Entries read in one go while a name is searched: 590 kB."""

GAP: Final = 4096
"""Numbers between two columns over which a read goes on; with a larger gap, they are read on their own."""

BOOT_TIME: Final = "/sys/boottime"
HEARTBEAT: Final = "/sys/heartbeat"

_HEADER: Final = struct.Struct("=QQQQQ")
_EPOCH: Final = struct.Struct("=QQ")
_EPOCH_OFFSET: Final = 16
_ENTRY: Final = struct.Struct("=I4xQ128s")
_NAME_OFFSET: Final = 16
_LENGTH: Final = struct.Struct("=I")
_VECTOR_HEADER: Final = 8
_WORD: Final = 8

_SCALARS: Final = frozenset({1, 9})  # STAT_DIR_TYPE_SCALAR_INDEX, _GAUGE
_SIMPLE: Final = frozenset({2})
_COMBINED: Final = frozenset({3})

_Read = TypeVar("_Read")


class _Picked(NamedTuple):
    """Which numbers of a row are wanted, and how they are read.

    Attributes:
        runs: First number and length of each piece that is read.
        indexes: For each number that is wanted, its place in all pieces together.
    """

    runs: Sequence[tuple[int, int]]
    indexes: Sequence[int]


def _pick(places: Collection[int]) -> _Picked:
    """Merge neighbouring columns."""
    runs: list[tuple[int, int]] = []
    found: dict[int, int] = {}
    read = 0
    for place in sorted(set(places)):
        start, count = runs[-1] if runs else (0, 0)
        if count and place - (start + count) < GAP:
            read += place + 1 - (start + count)
            runs[-1] = (start, place + 1 - start)
        else:
            read += 1
            runs.append((place, 1))
        found[place] = read - 1
    return _Picked(runs, [found[place] for place in places])


class StatsSegment:
    """The counters of one running VPP. All reading raises `StatsError` if it can't be done now."""

    def __init__(self, descriptor: int) -> None:
        """Take over a descriptor of the segment.

        Raises:
            StatsError: It is not a stats segment of a known version; the descriptor is closed.
        """
        self._descriptor = descriptor
        self._base = self._directory_pointer = 0
        self._indexes: dict[str, int] = {}
        self._absent: dict[str, int] = {}
        self._beat: tuple[int, float] | None = None
        try:
            self._size = os.fstat(descriptor).st_size
            self._check_version()
        except (OSError, StatsError) as error:
            self.close()
            raise StatsError(str(error)) from error

    def close(self) -> None:
        """Let go of the memory; harmless if that was done before."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @property
    def closed(self) -> bool:
        """Whether the memory was let go of."""
        return self._descriptor < 0

    def has(self, name: str) -> bool:
        """Return whether there is a counter of this name now."""
        return self._consistently(lambda: self._find(name)) is not None

    def scalar(self, name: str) -> int:
        """Return a single number, such as `BOOT_TIME` (seconds since the epoch) or `HEARTBEAT`."""
        return self._consistently(lambda: self._value(name, _SCALARS))

    def simple(self, name: str) -> list[int]:
        """Return a counter by index, summed over the threads."""
        return self._consistently(lambda: self._sums(name, _SIMPLE, 1))

    def combined(self, name: str) -> list[tuple[int, int]]:
        """Return packets and bytes by index, summed over the threads."""
        flat = self._consistently(lambda: self._sums(name, _COMBINED, 2))
        return list(zip(flat[::2], flat[1::2], strict=True))

    def simple_at(self, name: str, columns: Collection[int]) -> dict[int, int]:
        """Return some columns of a counter, summed over the threads; those that it does not have are left out.

        A router with the routes of the whole Internet has millions of columns: too many to read for a few of them.
        """
        picked, sums = self._consistently(lambda: self._columns(name, _SIMPLE, 1, columns))
        return dict(zip(picked, sums, strict=True))

    def combined_at(self, name: str, columns: Collection[int]) -> dict[int, tuple[int, int]]:
        """Return packets and bytes of some columns, as `simple_at` does."""
        picked, flat = self._consistently(lambda: self._columns(name, _COMBINED, 2, columns))
        return dict(zip(picked, zip(flat[::2], flat[1::2], strict=True), strict=True))

    def stale(self, now: float, patience: float) -> bool:
        """Return whether VPP's heart has stopped. The memory of a dead VPP stays readable, and as it was.

        Args:
            now: Monotonic time, seconds.
            patience: Seconds without a heartbeat that are tolerated; VPP beats every 10 s by default.
        """
        beat = self.scalar(HEARTBEAT)
        if self._beat is None or self._beat[0] != beat:
            self._beat = beat, now
        return now - self._beat[1] > patience

    # Looking twice

    def _consistently(self, read: Callable[[], _Read]) -> _Read:
        if self.closed:
            raise StatsError("the stats segment is closed")
        for _ in range(MAX_TRIES):
            before = self._epoch()
            if before[1]:
                continue
            try:
                self._learn_places()
                outcome = read()
            except StatsError:
                if self._epoch() == before:
                    raise
            else:
                if self._epoch() == before:
                    return outcome
        raise StatsError("the stats segment is being changed")

    def _epoch(self) -> tuple[int, int]:
        """Return the epoch, and whether a change is in progress."""
        epoch, in_progress = _EPOCH.unpack(self._read(_EPOCH_OFFSET, _EPOCH.size))
        return epoch, in_progress

    def _learn_places(self) -> None:
        _, self._base, _, _, self._directory_pointer = _HEADER.unpack(self._read(0, _HEADER.size))

    def _check_version(self) -> None:
        if self._size < _HEADER.size:
            raise StatsError(f"a stats segment of {self._size} bytes")
        version = _HEADER.unpack(self._read(0, _HEADER.size))[0]
        if version != VERSION:
            raise StatsError(f"the stats segment has version {version} instead of {VERSION}")

    # Reading, possibly in the middle of a change

    def _read(self, offset: int, size: int) -> bytes:
        try:
            data = os.pread(self._descriptor, size, offset)
        except OSError as error:
            raise StatsError(f"can't read the stats segment: {error.strerror}") from error
        if len(data) != size:
            raise StatsError(f"the stats segment has been truncated: {len(data)} of {size} bytes at {offset:#x}")
        return data

    def _numbers(self, first: int, count: int) -> memoryview:
        """Return so many numbers from this place on, counted in numbers."""
        return memoryview(self._read(first * _WORD, count * _WORD)).cast("Q")

    def _gather(self, first: int, picked: _Picked) -> list[int]:
        """Return the picked numbers of a row."""
        pieces = [self._read((first + start) * _WORD, count * _WORD) for start, count in picked.runs]
        numbers = memoryview(b"".join(pieces)).cast("Q")
        return [numbers[index] for index in picked.indexes]

    def _vector(self, pointer: int, size: int) -> tuple[int, int]:
        """Return offset and length of a vector of elements of this size."""
        offset = pointer - self._base
        if not _HEADER.size + _VECTOR_HEADER <= offset <= self._size or offset % _WORD:
            raise StatsError(f"a pointer of the stats segment points to {offset:#x}")
        length = _LENGTH.unpack(self._read(offset - _VECTOR_HEADER, _LENGTH.size))[0]
        if length * size > self._size - offset:
            raise StatsError(f"a vector of the stats segment has {length} elements")
        return offset, length

    def _directory(self) -> tuple[int, int]:
        offset, length = self._vector(self._directory_pointer, _ENTRY.size)
        if length > MAX_ENTRIES:
            raise StatsError(f"the directory of the stats segment has {length} entries")
        return offset, length

    def _find(self, name: str) -> tuple[int, int] | None:
        """Return kind and value of the entry of this name."""
        offset, length = self._directory()
        key = name.encode("ascii") + b"\0"
        index = self._indexes.get(name, length)
        if index < length:
            kind, value, found = _ENTRY.unpack(self._read(offset + index * _ENTRY.size, _ENTRY.size))
            if found.startswith(key):
                return kind, value
        return self._search(name, key, offset, length)

    def _search(self, name: str, key: bytes, offset: int, length: int) -> tuple[int, int] | None:
        epoch = self._epoch()[0]
        if self._absent.get(name) == epoch:
            return None
        strays = 0
        for first in range(0, length, ENTRIES_AT_ONCE):
            count = min(ENTRIES_AT_ONCE, length - first)
            entries = self._read(offset + first * _ENTRY.size, count * _ENTRY.size)
            start = _NAME_OFFSET
            # A search in C over some hundred kilobytes: a tenth of a millisecond, where taking names apart takes six.
            while (place := entries.find(key, start)) >= 0:
                index, rest = divmod(place - _NAME_OFFSET, _ENTRY.size)
                if not rest:
                    self._indexes[name] = first + index
                    kind, value, _ = _ENTRY.unpack_from(entries, index * _ENTRY.size)
                    return kind, value
                start = (index + 1) * _ENTRY.size + _NAME_OFFSET
                strays += 1
                if strays > MAX_STRAYS:
                    raise StatsError(f"the directory of the stats segment is full of {name!r}")
        self._absent[name] = epoch
        return None

    def _value(self, name: str, kinds: frozenset[int]) -> int:
        entry = self._find(name)
        if entry is None:
            raise StatsError(f"VPP has no counter {name!r}")
        kind, value = entry
        if kind not in kinds:
            raise StatsError(f"the counter {name!r} is of kind {kind}")
        return value

    def _rows(self, name: str, kinds: frozenset[int], width: int) -> list[tuple[int, int]]:
        """Return the place of the first number, and how many columns there are, for each thread."""
        offset, threads = self._vector(self._value(name, kinds), _WORD)
        if threads > MAX_THREADS:
            raise StatsError(f"the counter {name!r} has {threads} threads")
        pointers = self._numbers(offset // _WORD, threads)
        rows = (self._vector(pointer, width * _WORD) for pointer in pointers)
        return [(offset // _WORD, length) for offset, length in rows]

    def _sums(self, name: str, kinds: frozenset[int], width: int) -> list[int]:
        """Return the sums over all threads, as a flat list with so many numbers for each index."""
        sums: list[int] = []
        for first, length in self._rows(name, kinds, width):
            if length > MAX_COLUMNS:
                raise StatsError(f"the counter {name!r} has {length} columns")
            row = self._numbers(first, length * width).tolist()
            # Threads grow their rows at different times.
            if len(row) < len(sums):
                row, sums = sums, row
            sums = [one + other for one, other in zip(row, sums, strict=False)] + row[len(sums) :]
        return sums

    def _columns(
        self, name: str, kinds: frozenset[int], width: int, columns: Collection[int]
    ) -> tuple[list[int], list[int]]:
        """Return which of these columns there are, and their sums over all threads as a flat list."""
        rows = self._rows(name, kinds, width)
        longest = max((length for _, length in rows), default=0)
        picked = [column for column in columns if 0 <= column < longest]
        places = [column * width + number for column in picked for number in range(width)]
        whole = _pick(places)
        sums = [0] * len(places)
        for first, length in rows:
            if length == longest:
                row = self._gather(first, whole)
            else:
                there = [place for place in places if place < length * width]
                held = dict(zip(there, self._gather(first, _pick(there)), strict=True))
                row = [held.get(place, 0) for place in places]
            sums = list(map(add, sums, row))
        return picked, sums
