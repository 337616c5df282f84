"""Numbered slots as VPP keeps them: the slot freed last is used again first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class SlotPool(Generic[T]):
    """A vector with a stack of free slots (``vppinfra/pool.h``).

    Iteration is by slot number, over the slots in use.
    """

    def __init__(self) -> None:
        self._slots: list[T] = []
        self._free: list[int] = []
        self._used: list[bool] = []

    def __len__(self) -> int:
        return len(self._slots) - len(self._free)

    def __iter__(self) -> Iterator[T]:
        return iter([slot for slot, used in zip(self._slots, self._used, strict=True) if used])

    def items(self) -> list[tuple[int, T]]:
        """Return the slots in use with their numbers."""
        return [(index, self._slots[index]) for index, used in enumerate(self._used) if used]

    def __getitem__(self, index: int) -> T:
        return self._slots[index]

    def __contains__(self, index: int) -> bool:
        return 0 <= index < len(self._slots) and self._used[index]

    @property
    def next_index(self) -> int:
        """The slot that the next `add` takes."""
        return self._free[-1] if self._free else len(self._slots)

    def leftover(self) -> T | None:
        """Return what the next `add` overwrites: VPP does not clear a slot when it is freed."""
        return self._slots[self._free[-1]] if self._free else None

    def add(self, value: T) -> int:
        """Put a value into the next slot and return the number of the slot."""
        index = self.next_index
        if self._free:
            self._free.pop()
            self._slots[index] = value
            self._used[index] = True
        else:
            self._slots.append(value)
            self._used.append(True)
        return index

    def remove(self, index: int) -> None:
        """Free a slot that is in use."""
        self._used[index] = False
        self._free.append(index)
