"""The keys typed or pasted while a command runs, bounded by the memory that they take."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from maglev.terminal.limits import TYPED_AHEAD

if TYPE_CHECKING:
    from maglev.terminal.keys import Key

_PLACE: Final = 10
"""Bytes of a place in the queue: a pointer, and its part of the blocks of a deque."""

_KEY: Final = 280
"""Bytes of a key that is not there yet: 64 of the tuple, up to 80 of its text, 50 of its name, and an entry of a
dictionary, which doubles as it grows."""


class TypedAhead:
    """A queue of keys. Equal ones are kept once, so that a paste takes 10 bytes per character, not 200."""

    def __init__(self) -> None:
        self._keys: deque[Key] = deque()
        self._known: dict[Key, Key] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: Key) -> bool:
        return key in self._known and key in self._keys

    @property
    def size(self) -> int:
        """Bytes of memory."""
        return len(self._keys) * _PLACE + len(self._known) * _KEY

    def append(self, key: Key, *, always: bool = False) -> bool:
        """Keep a key; return whether there was room for it.

        Args:
            key: The key.
            always: Keep it even if there is no room: the end of the input, which comes once.
        """
        if self.size >= TYPED_AHEAD and not always:
            return False
        self._keys.append(self._known.setdefault(key, key))
        return True

    def popleft(self) -> Key:
        """Take the oldest key."""
        key = self._keys.popleft()
        if not self._keys:
            self._known.clear()
        return key

    def clear(self) -> None:
        """Forget all keys."""
        self._keys.clear()
        self._known.clear()
