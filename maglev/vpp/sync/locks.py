"""The locks of one connection: who works on a VIP, and who adds or deletes VIPs on a prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import DeferredLock

if TYPE_CHECKING:
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

    def is_locked(self, key: VipKey) -> bool:
        """Return whether somebody works on a VIP."""
        return key in self._vips and self._vips[key].locked

    def trim(self) -> None:
        """Forget the locks that nobody has."""
        self._vips = {key: lock for key, lock in self._vips.items() if lock.locked}
        self._prefixes = {prefix: lock for prefix, lock in self._prefixes.items() if lock.locked}
