"""Reads VPP's stats segment: shared memory that VPP writes while we look at it.

Theory of operation. The segment begins with a header; the header points to a directory, a vector of entries of 144
bytes (kind, value or pointer, name); a counter's entry points to a vector with a pointer for each thread, and each of
these to a vector of numbers. Pointers are addresses in VPP; subtracting ``base`` makes them offsets. A vector has its
length in the eight bytes before its first element (``vlib/stats/shared.h``, ``vppinfra/vec_bootstrap.h``).

VPP moves and grows all of this as it likes. It sets ``in_progress`` meanwhile and increments ``epoch`` after, so we
read between two looks at these, and again if they changed; a few times only, since a VPP that died in the middle
leaves ``in_progress`` set for ever. Nothing that is read is trusted before it has been checked against the size of the
segment.

A name is looked up once: its place in the directory is remembered, and the name found there compared at each reading.
"""

from __future__ import annotations

import struct
from operator import add
from typing import TYPE_CHECKING, Final, TypeVar

from maglev.model.errors import StatsError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Collection

VERSION: Final = 2
"""Of the layout (``STAT_SEGMENT_VERSION``); since VPP 21.01."""

MAX_TRIES: Final = 20
"""Readings of one value. VPP holds its lock for microseconds, a few times a second at most; more is another time's."""

MAX_THREADS: Final = 1024
"""Rows of a counter: one for each thread of VPP, of which it has 256 at most."""

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


class StatsSegment:
    """The counters of one running VPP. All reading raises `StatsError` if it can't be done now."""

    def __init__(self, memory: mmap.mmap) -> None:
        """Take over a mapping of the segment.

        Raises:
            StatsError: It is not a stats segment of a known version; the mapping is closed.
        """
        self._memory = memory
        self._view = memoryview(memory)
        self._words = self._view[: len(memory) // _WORD * _WORD].cast("Q")
        self._indexes: dict[str, int] = {}
        self._absent: dict[str, int] = {}
        self._beat: tuple[int, float] | None = None
        try:
            self._check_version()
        except StatsError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the memory; harmless if that was done before."""
        self._words.release()
        self._view.release()
        self._memory.close()

    @property
    def closed(self) -> bool:
        """Whether the memory was let go of."""
        return self._memory.closed

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
        picked, sums = self._consistently(lambda: self._pick(name, _SIMPLE, 1, columns))
        return dict(zip(picked, sums, strict=True))

    def combined_at(self, name: str, columns: Collection[int]) -> dict[int, tuple[int, int]]:
        """Return packets and bytes of some columns, as `simple_at` does."""
        picked, flat = self._consistently(lambda: self._pick(name, _COMBINED, 2, columns))
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
                outcome = read()
            except StatsError:
                if self._epoch() == before:
                    raise
            else:
                if self._epoch() == before:
                    return outcome
        raise StatsError("the stats segment is being changed")

    def _epoch(self) -> tuple[int, int]:
        epoch, in_progress = _EPOCH.unpack_from(self._view, _EPOCH_OFFSET)
        return epoch, in_progress

    def _check_version(self) -> None:
        if len(self._view) < _HEADER.size:
            raise StatsError(f"a stats segment of {len(self._view)} bytes")
        version = _HEADER.unpack_from(self._view)[0]
        if version != VERSION:
            raise StatsError(f"the stats segment has version {version} instead of {VERSION}")

    # Reading, at a moment that need not be a good one

    def _vector(self, pointer: int, size: int) -> tuple[int, int]:
        """Return offset and length of a vector of elements of this size."""
        offset = pointer - _HEADER.unpack_from(self._view)[1]
        if not _HEADER.size + _VECTOR_HEADER <= offset <= len(self._view) or offset % _WORD:
            raise StatsError(f"a pointer of the stats segment points to {offset:#x}")
        length = _LENGTH.unpack_from(self._view, offset - _VECTOR_HEADER)[0]
        if length * size > len(self._view) - offset:
            raise StatsError(f"a vector of the stats segment has {length} elements")
        return offset, length

    def _directory(self) -> tuple[int, int]:
        return self._vector(_HEADER.unpack_from(self._view)[4], _ENTRY.size)

    def _find(self, name: str) -> tuple[int, int] | None:
        """Return kind and value of the entry of this name."""
        offset, length = self._directory()
        key = name.encode("ascii") + b"\0"
        index = self._indexes.get(name, length)
        if index < length:
            kind, value, found = _ENTRY.unpack_from(self._view, offset + index * _ENTRY.size)
            if found.startswith(key):
                return kind, value
        return self._search(name, key, offset, length)

    def _search(self, name: str, key: bytes, offset: int, length: int) -> tuple[int, int] | None:
        epoch = self._epoch()[0]
        if self._absent.get(name) == epoch:
            return None
        start, end = offset + _NAME_OFFSET, offset + length * _ENTRY.size
        # A search in C over some hundred kilobytes: a tenth of a millisecond, where taking names apart takes six.
        while (place := self._memory.find(key, start, end)) >= 0:
            index, rest = divmod(place - offset - _NAME_OFFSET, _ENTRY.size)
            if not rest:
                self._indexes[name] = index
                kind, value, _ = _ENTRY.unpack_from(self._view, offset + index * _ENTRY.size)
                return kind, value
            start = place + 1
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
        pointers = self._words[offset // _WORD : offset // _WORD + threads].tolist()
        rows = (self._vector(pointer, width * _WORD) for pointer in pointers)
        return [(offset // _WORD, length) for offset, length in rows]

    def _sums(self, name: str, kinds: frozenset[int], width: int) -> list[int]:
        """Return the sums over all threads, as a flat list with so many numbers for each index."""
        sums: list[int] = []
        for first, length in self._rows(name, kinds, width):
            row = self._words[first : first + length * width].tolist()
            # Threads grow their rows at different times.
            if len(row) < len(sums):
                row, sums = sums, row
            sums = [one + other for one, other in zip(row, sums, strict=False)] + row[len(sums) :]
        return sums

    def _pick(
        self, name: str, kinds: frozenset[int], width: int, columns: Collection[int]
    ) -> tuple[list[int], list[int]]:
        """Return which of these columns there are, and their sums over all threads as a flat list."""
        rows = self._rows(name, kinds, width)
        longest = max((length for _, length in rows), default=0)
        picked = [column for column in columns if 0 <= column < longest]
        places = [column * width + number for column in picked for number in range(width)]
        sums = [0] * len(places)
        words = self._words
        for first, length in rows:
            end = length * width
            if length == longest:
                row = [words[first + place] for place in places]
            else:
                row = [words[first + place] if place < end else 0 for place in places]
            sums = list(map(add, sums, row))
        return picked, sums
