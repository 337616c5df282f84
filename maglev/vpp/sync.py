"""The sync of one connection to VPP: makes VPP hold what the board says, and nothing else.

Three ways lead to a write, and all end in `LbSync._settle`, which compares one VIP as wanted *now* with what VPP is
known to hold and sends the difference:

* a change on the board: the frontends concerned, at once, without asking VPP anything;
* a reload: all frontends, and the VIPs that are no longer configured, again without a read;
* a full sync (after connecting, periodically, on demand): everything is read back first, so whatever others did to
  VPP is repaired.

One VIP is worked on by one of these at a time; different VIPs, and a read, go on side by side (see `ledger`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, DeferredList, DeferredLock
from twisted.internet.task import deferLater

from maglev.logs.logger import EventLogger
from maglev.model import ForeignVips
from maglev.vpp.ledger import Ledger
from maglev.vpp.plan import key_of, must_recreate, plan_all, plan_vip, want
from maglev.vpp.writer import Writer

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from twisted.internet.interfaces import IReactorTime

    from maglev.board import Board
    from maglev.errors import VppError
    from maglev.vpp.lbstate import Operation, VipKey
    from maglev.vpp.plan import WantedVip
    from maglev.vpp.warmup import WarmUp
    from maglev.vpp.writer import ILb

BEGUN_AT_ONCE: Final = 32
"""Frontends of a full sync begun in one turn of the reactor: of ten servers each they take some 4 ms."""


class LbSync:
    """Keeps the VIPs of one connected VPP as they should be.

    Attributes:
        ledger: What VPP is known to hold.
    """

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        board: Board,
        lb: ILb,
        warm_up: WarmUp,
        counts: Counter[tuple[str, str]],
        retired: set[VipKey],
        failed: Callable[[VppError], None],
    ) -> None:
        """Prepare; nothing is sent before `full`.

        Args:
            clock: Gives others their turn during a large sync.
            board: Says what is wanted.
            lb: The calls to VPP.
            warm_up: Says which frontends may be written.
            counts: Writes done, by scope and kind; outlives this object.
            retired: VIPs that a reload took out of the configuration and that VPP may still hold; outlives this
                object, which takes out what it has deleted.
            failed: Called with the error when VPP refused a write or did not answer: time to read everything again.
        """
        self.ledger = Ledger()
        self._clock = clock
        self._board = board
        self._lb = lb
        self._warm_up = warm_up
        self._retired = retired
        self._writer = Writer(lb, self.ledger, counts, failed)
        self._locks: dict[VipKey, DeferredLock] = {}
        self._queued: set[str] = set()
        self._whole = DeferredLock()
        self._clearing = False
        self._held_back: set[str] = set()
        self._known = False

    async def full(self) -> Sequence[Operation]:
        """Read everything back and repair every difference; return what was written.

        Raises:
            VppError: VPP could not be read.
        """
        async with self._whole:
            await self._read()
            return await self._write_all()

    async def replan(self) -> Sequence[Operation]:
        """Do what a full sync does, against what VPP is known to hold; return what was written."""
        async with self._whole:
            return await self._write_all() if self._known else ()

    async def frontend(self, name: str) -> Sequence[Operation]:
        """Do a full sync of one frontend; no VIP is removed. Return what was written.

        Raises:
            VppError: VPP could not be read.
        """
        async with self._whole:
            await self._read()
            return await self._settle(name, "all")

    async def touched(self, name: str) -> None:
        """Bring one frontend up to what the board says now."""
        if self._clearing:
            # What must be deleted first may stand in the way of this very frontend.
            self._held_back.add(name)
        # Whoever waits already will see the newest state of the board when it is his turn.
        elif self._known and name not in self._queued and name in self._board.frontends:
            self._queued.add(name)
            await self._settle(name, "vip")

    async def _read(self) -> None:
        self.ledger.begin_read()
        state = None
        try:
            state = await self._lb.read_state()
        finally:
            self.ledger.end_read(state)
        self._known = True

    async def _write_all(self) -> Sequence[Operation]:
        if not self._warm_up.open:
            return ()
        self._clearing = True
        try:
            if self.ledger.conf != self._board.config.vpp.conf:
                await self._writer.write_conf(self._board.config.vpp.conf)
            wanted = self._want_all()
            plan = plan_all(wanted, self.ledger.vips, self._doomed())
            for key in plan.recreated:
                self._log.warn("vpp-lbsync-vip-recreate", vip=str(key), frontend=wanted[key].frontend)
            done = [*await self._delete(plan.clearing)]
        finally:
            self._clearing = False
        names = {wanted[key].frontend: None for key in plan.vips} | dict.fromkeys(self._held_back)
        self._held_back.clear()
        done.extend(await self._settle_all(tuple(names)))
        done.extend(await self._delete(plan.removing))
        self._retired.intersection_update(self.ledger.vips)
        self._locks = {key: lock for key, lock in self._locks.items() if lock.locked}
        return done

    async def _settle_all(self, names: Sequence[str]) -> Sequence[Operation]:
        """Settle frontends side by side, a few begun in each turn of the reactor."""
        settling = []
        for start in range(0, len(names), BEGUN_AT_ONCE):
            if start:
                await deferLater(self._clock, 0)
            begun = names[start : start + BEGUN_AT_ONCE]
            settling += [Deferred.fromCoroutine(self._settle(name, "all")) for name in begun]
        results = await DeferredList(settling, fireOnOneErrback=True, consumeErrors=True)
        return [operation for _, operations in results for operation in operations]

    def _want_all(self) -> dict[VipKey, WantedVip]:
        free = (name for name in self._board.frontends if self._warm_up.is_free(name))
        return {vip.key: vip for vip in map(self._want, free)}

    def _doomed(self) -> set[VipKey]:
        """Return the VIPs to delete: those that were ours, and foreign ones if so configured and when it is time."""
        ours = {key_of(status.frontend) for status in self._board.frontends.values()}
        self._retired -= ours
        if self._warm_up.over and self._board.config.vpp.foreign_vips is ForeignVips.REMOVE:
            return self.ledger.vips.keys() - ours
        return self._retired & self.ledger.vips.keys()

    async def _delete(self, operations: Sequence[Operation]) -> Sequence[Operation]:
        """Delete whole VIPs, each while nobody else works on it."""
        locks = [self._lock(key) for key in dict.fromkeys(operation.key for operation in operations)]
        for lock in locks:
            await lock.acquire()
        try:
            return await self._writer.send(operations, "all")
        finally:
            for lock in locks:
                lock.release()

    async def _settle(self, name: str, scope: str) -> Sequence[Operation]:
        """Write the difference between one frontend as it should be now and as VPP is known to have it."""
        if name not in self._board.frontends:
            return ()
        key = key_of(self._board.frontends[name].frontend)
        async with self._lock(key):
            self._queued.discard(name)
            if name not in self._board.frontends or not self._warm_up.is_free(name):
                return ()
            wanted = self._want(name)
            held = self.ledger.vips.get(key)
            if wanted.key != key or (held is not None and must_recreate(wanted, held)):
                return ()  # a matter of whole addresses: the sync after the reload does it
            flushes = frozenset(self._board.frontends[name].flushes)
            operations = plan_vip(wanted, held)
            done = await self._writer.write_vip(operations, scope)
            if len(done) == len(operations):
                self._board.flushed(name, flushes)
            return done

    def _want(self, name: str) -> WantedVip:
        status = self._board.frontends[name]
        addresses = {backend: self._board.backends[backend].address for backend in status.deserved}
        return want(status.frontend, addresses, status.deserved, status.flushes)

    def _lock(self, key: VipKey) -> DeferredLock:
        return self._locks.setdefault(key, DeferredLock())
