"""The locks of one connection: who works on a VIP, and who adds or deletes VIPs on a prefix."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from twisted.internet.defer import DeferredLock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from maglev.vpp.lb.state import Prefix, VipKey


class VipLocks:
    """A lock for each VIP, and one for each prefix; that of the prefix is always taken first."""

    def __init__(self) -> None:
        self._vips: dict[VipKey, DeferredLock] = {}
        self._prefixes: dict[Prefix, DeferredLock] = {}

    def vip(self, key: VipKey) -> DeferredLock:
        """Return the lock of a VIP, which its writer has until VPP has answered."""
        return self._vips.setdefault(key, DeferredLock())

    def prefix(self, prefix: Prefix) -> DeferredLock:
        """Return the lock of a prefix, under which VIPs are added and deleted there."""
        return self._prefixes.setdefault(prefix, DeferredLock())

    @asynccontextmanager
    async def whole_prefix(self, prefix: Prefix, keys: Callable[[], Iterable[VipKey]]) -> AsyncIterator[None]:
        """Hold the lock of a prefix, and those of all VIPs there.

        Args:
            prefix: The prefix.
            keys: Returns the VIPs; called when the lock of the prefix is held, under which none is added or deleted.
        """
        async with self.prefix(prefix):
            locks = []
            try:
                for key in sorted(keys()):
                    # Asked for only now: while the one before was waited for, idle ones may have been forgotten.
                    lock = self.vip(key)
                    await lock.acquire()
                    locks.append(lock)
                yield
            finally:
                for lock in locks:
                    lock.release()

    def is_locked(self, key: VipKey) -> bool:
        """Return whether somebody works on a VIP."""
        return key in self._vips and self._vips[key].locked

    def trim(self) -> None:
        """Forget the locks that nobody has."""
        self._vips = {key: lock for key, lock in self._vips.items() if lock.locked}
        self._prefixes = {prefix: lock for prefix, lock in self._prefixes.items() if lock.locked}
