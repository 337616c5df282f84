"""The sync of one connection to VPP: makes VPP hold what the board says, and nothing else.

Three ways lead to a write, and all end in `LbSync._settle`, `LbSync._restructure` or `LbSync._remove`, which compare
what is wanted *now* with what VPP is known to hold and send the difference:

* a change on the board: the frontends concerned, at once, without asking VPP anything;
* a reload: all frontends, and the VIPs that are no longer configured, again without a read, but for what follows;
* a full sync (after connecting, periodically, on demand): everything is read back first, so whatever others did to
  VPP is repaired.

Identity is VPP's: a VIP is its key, a server its address. The name of a frontend is looked up when it is needed, since
a reload may have changed it meanwhile. Nothing is decided while a write about it is under way: `_settle` works on one
VIP under the lock of that VIP, which is held until VPP has answered. Only the other two add and delete VIPs, under the
lock of the prefix as well, because VPP refuses some neighbours there. After waiting for a lock, each decides by the
board and the ledger as they are then. Different VIPs, and a read, go on side by side (see `ledger`). Of a VIP that was
in sync a moment ago, `_settle` compares only what has changed on the board since (see `in_sync`).

Two things are put off until VPP was read: to delete VIPs in order to make them again, for which the ledger has to be
right; and anything about VIPs of which VPP has refused a write since it was read, for then it is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import deferLater

from maglev.model.config import ForeignVips
from maglev.vpp.lb.ledger import Ledger
from maglev.vpp.lb.state import key_of, prefix_of
from maglev.vpp.sync.forecast import Preview
from maglev.vpp.sync.heap import HeapGuard
from maglev.vpp.sync.in_sync import InSyncVips
from maglev.vpp.sync.locks import VipLocks
from maglev.vpp.sync.plan import differs, plan_address, plan_steps
from maglev.vpp.sync.remaking import remaking
from maglev.vpp.sync.reports import SyncReports
from maglev.vpp.sync.side_by_side import SideBySide
from maglev.vpp.sync.wanted import WantedVips
from maglev.vpp.sync.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from maglev.model.errors import VppError
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.vpp.lb.state import Operation, Prefix, Vip, VipKey
    from maglev.vpp.sync.interfaces import ILb
    from maglev.vpp.sync.memory import SyncMemory
    from maglev.vpp.sync.plan import Plan, WantedVip
    from maglev.vpp.sync.warmup import WarmUp


class LbSync:
    """Keeps the VIPs of one connected VPP as they should be.

    Attributes:
        ledger: What VPP is known to hold.
        when_written: Returns a fresh Deferred that fires when no write is under way.
        close: Begins no further write.
    """

    def __init__(
        self,
        work: WorkQueue,
        board: Board,
        lb: ILb,
        warm_up: WarmUp,
        memory: SyncMemory,
        failed: Callable[[VppError], None],
    ) -> None:
        """Prepare; nothing is sent before `full`.

        Args:
            work: Where computations over everything run; has a monotonic clock.
            board: Says what is wanted.
            lb: The calls to VPP.
            warm_up: Says which frontends may be written.
            memory: What outlives this object.
            failed: Called with the error when VPP refused a write or did not answer: time to read everything again.
        """
        self.ledger = Ledger()
        self._clock = work.clock
        self._work = work
        self._board = board
        self._lb = lb
        self._warm_up = warm_up
        self._memory = memory
        self._left_configuration = memory.left_configuration
        self._departures = memory.departures
        self._contest = memory.contest
        self._reports = SyncReports(memory.tally)
        self._writer = Writer(work.clock, lb, self.ledger, memory.tally.writes, failed)
        self.when_written = self._writer.when_idle
        self.close = self._writer.close
        self._run = SideBySide(work, self._writer.log_bug).run
        self._locks = VipLocks()
        self._heap = HeapGuard(lb, memory.tally)
        self._levels = InSyncVips(board, self.ledger)
        self._queued: set[VipKey] = set()
        self._unread: set[VipKey] = set()
        self._wanted = WantedVips(board, lb.features, warm_up, memory.departures)
        self._whole = DeferredLock()
        self._known = False

    @property
    def busy(self) -> bool:
        """Whether a sync of everything, or of one frontend, is under way."""
        return self._whole.locked

    async def full(self) -> Sequence[Operation]:
        """Read everything back and repair every difference; return what was written.

        Raises:
            VppError: VPP could not be read.
        """
        async with self._whole:
            return await self._read_and_write_all()

    async def replan(self) -> Sequence[Operation]:
        """Do what a full sync does against what VPP is known to hold, then one if need be; return what was written.

        Raises:
            VppError: VPP could not be read.
        """
        async with self._whole:
            if not self._known:
                return ()
            done = await self._write_all(read=False)
            return [*done, *await self._read_and_write_all()] if self._unread else done

    async def frontend(self, name: str) -> Sequence[Operation]:
        """Do a full sync of one frontend; no VIP is removed for good. Return what was written.

        Raises:
            VppError: VPP could not be read.
        """
        async with self._whole:
            await self._read()
            if name not in self._board.frontends or not self._warm_up.is_free(name):
                return ()
            key = key_of(self._board.frontends[name].frontend)
            done = await self._restructure(prefix_of(key), frozenset())
            return [*done, *await self._settle(key, "all")]

    async def touched(self, name: str) -> None:
        """Bring one frontend up to what the board says now.

        Raises:
            VppError: VPP could not be read, where that is necessary.
        """
        if self._known and name in self._board.frontends:
            key = key_of(self._board.frontends[name].frontend)
            # What waits already will see the newest state of the board when its turn comes.
            if key not in self._queued:
                self._queued.add(key)
                await self._settle(key, "vip", read=False)
                if self._unread:
                    await self.compare(self._unread)

    async def compare(self, keys: set[VipKey]) -> None:
        """Read everything back, then bring some VIPs up to what the board says now.

        Args:
            keys: The VIPs; emptied when the read begins, so that later ones call for another one.

        Raises:
            VppError: VPP could not be read.
        """
        async with self._whole:
            some = sorted(keys)
            keys.clear()
            if not some:
                return  # somebody else has read meanwhile
            await self._read()
            await self._run(self._settle(key, "vip") for key in some)

    async def preview(self) -> Preview:
        """Read VPP, and return what a full sync would do now.

        Raises:
            VppError: VPP could not be read.
        """
        state = await self._lb.read_state()
        self._memory.note_held()
        lost = self._lost(state.vips)
        wanted = await self._work.run(self._wanted.steps(state.vips, lost))
        plan = await self._work.run(plan_steps(wanted, state.vips, self._to_delete(state.vips)))
        conf, features = self._board.config.vpp.conf, self._lb.features
        written = conf if (self._warm_up.begun or lost) and differs(conf, state.conf) else None
        kept = await self._work.run(self._wanted.kept_steps(state.vips))
        return Preview(written, plan, wanted, state, len(self._board.frontends) - len(wanted), features.weights, kept)

    # Reading

    async def _read(self) -> None:
        self._memory.note_held()
        self.ledger.begin_read()
        state = None
        conf, known = self.ledger.conf, self.ledger.vips
        try:
            read = await self._lb.read_state()
            state = await self._work.run(self.ledger.merge_steps(read))
            conf, known = self.ledger.conf, self.ledger.vips
        finally:
            self.ledger.end_read(state)
        if self._known:
            found, ours = self.ledger.vips, self._wanted.names()
            self._reports.settings(self.ledger.conf, conf)
            self._contest.look(known, found.keys(), ours.keys())
            leaving = self._to_delete(found) | self._to_delete(known)
            await self._work.run(self._reports.drift_steps(known, found, ours, leaving))
        elif self._memory.held.isdisjoint(self.ledger.vips):
            self._contest.vpp_restarted()
        self._warm_up.end_for(self._lost(self.ledger.vips))
        self._memory.ledger = self.ledger
        # Before anything is written: what was never proved keeps what was just found.
        await self._work.run(self._hold_steps())
        self._board.judge_early()
        self._memory.taken_over = self._known = True

    def _lost(self, found: Mapping[VipKey, Vip]) -> AbstractSet[str]:
        """Return the frontends whose VIPs VPP had and has no longer: there, the warm-up has nothing to protect."""
        return {name for key, name in self._wanted.names().items() if key not in found and key in self._memory.held}

    def _hold_steps(self) -> Generator[None, None, None]:
        for key, name in tuple(self._wanted.names().items()):
            self._board.hold_programmed([name], first=not self._memory.taken_over)
            if not self._known and key in self.ledger.vips:
                servers = self._wanted.effective(self._board.frontends[name], self.ledger.vips[key])
                self._departures.expect(key, {address: server.weight for address, server in servers.items()})
            yield

    # Writing

    async def _read_and_write_all(self) -> Sequence[Operation]:
        self._unread.clear()
        await self._read()
        out = await self._run(self._settle(key, "all") for key in self._wanted.with_orders())
        return [*out, *await self._write_all(read=True)]

    async def _write_all(self, *, read: bool) -> Sequence[Operation]:
        """Write every difference; `read` says whether VPP was read for that."""
        if not self._warm_up.begun:
            return ()
        if differs(conf := await self._heap.fitting(self._board.config.vpp.conf, self.ledger.conf), self.ledger.conf):
            await self._writer.write_conf(conf)
        wanted = await self._work.run(self._wanted.steps(self.ledger.vips))
        plan = await self._work.run(plan_steps(wanted, self.ledger.vips, self._to_delete(self.ledger.vips)))
        self._reports.postponed(plan)
        done = await self._run(self._making(plan, wanted, read=read))
        done += await self._run(self._remove(prefix) for prefix in self._prefixes_to_clear())
        names = self._wanted.names()
        for key, refused in self._writer.take_refused().items():
            self._board.refused(names.get(key, ""), refused)
        self._locks.trim()
        self._levels.trim()
        self._departures.trim(names.keys())
        self._contest.tell_removed(each for each in done if each.key not in names)
        return done

    def _making(
        self, plan: Plan, wanted: Mapping[VipKey, WantedVip], *, read: bool
    ) -> Iterable[Coroutine[Deferred[Any], Any, Sequence[Operation]]]:
        """Yield the work on each VIP that is not as wanted, that servers leave, or that is being written.

        The plan was made without locks: for a VIP that is being written it may be outdated, and who may leave a VIP is
        decided under its lock.
        """
        for prefix, address in plan.items():
            if address.clearing or any(address.added):
                yield self._restructure(prefix, None, read=read)
        added = {key for address in plan.values() for key in address.added}
        changed = {key for address in plan.values() for key in address.vips} - added
        for key in wanted:
            if key in changed or self._locks.is_locked(key) or (key not in added and key in self._departures):
                yield self._settle(key, "all", read=read)

    def _prefixes_to_clear(self) -> list[Prefix]:
        """Return the prefixes on which a VIP is to be deleted, those on which it is still being made included."""
        return list({prefix_of(key) for key in self._to_delete(self.ledger.vips) | self._left_configuration})

    async def _settle(self, key: VipKey, scope: str, *, read: bool = True) -> Sequence[Operation]:
        """Write the difference between one VIP as it should be now and as VPP is known to have it.

        A VIP that has to be made, or made again, is a matter of its whole prefix.
        """
        async with self._locks.vip(key):
            if rest := self._writer.rest(key):
                await deferLater(self._clock, rest)
            self._queued.discard(key)
            status = self._wanted.status_at(key)
            if self._writer.in_doubt(key):
                self._unread.add(key)
                return ()
            if status is None:
                return await self._writer.write_vip(self._wanted.in_warm_up(key, self.ledger.vips), scope)
            changed = None if key in self._departures else self._levels.changed(key, status)
            if (operations := self._plan(status, key, changed)) is not None:
                return await self._write_vip(key, status, operations, scope, was_level=changed is not None)
        return await self._restructure(prefix_of(key), frozenset(), scope, read=read)

    async def _write_vip(
        self, key: VipKey, status: FrontendStatus, operations: Sequence[Operation], scope: str, *, was_level: bool
    ) -> Sequence[Operation]:
        """Write what one VIP lacks; its lock is held."""
        level = self._levels.now(key, status, was_level=was_level)
        flushes = frozenset(status.flushes)
        done = await self._writer.write_vip(operations, scope)
        self._board.refused(status.frontend.name, self._writer.refused(key))
        if len(done) == len(operations):
            self._board.flushed(status.frontend.name, flushes)
            self._departures.written(key)
            self._levels.reached(key, None if key in self._departures else level)
        return done

    def _plan(self, status: FrontendStatus, key: VipKey, some: AbstractSet[str] | None) -> Sequence[Operation] | None:
        """Return what one VIP lacks, of all or some backends, to be written; None if the whole prefix is concerned."""
        if some is not None:
            return self._wanted.lacking(status, self.ledger.vips[key], some)
        held = self.ledger.vips.get(key)
        plan = plan_address({key: self._wanted.whole(status, held)}, self.ledger.on(prefix_of(key)), frozenset())
        if plan.clearing or plan.postponed or any(plan.added):
            return None
        self._wanted.decide(status, held)
        return plan.vips.get(key, ())

    async def _restructure(
        self, prefix: Prefix, to_delete: AbstractSet[VipKey] | None, scope: str = "all", *, read: bool = True
    ) -> Sequence[Operation]:
        """Make VIPs on a prefix, or make them again, while nobody else works on any VIP there.

        VIPs are only added and deleted under the lock of their prefix, so which there are is known under it.

        Args:
            prefix: The prefix. What should be on it is decided when all locks are held.
            to_delete: VIPs to delete if they stand in the way; None for all those that a full sync deletes.
            scope: One of `maglev.vpp.sync.writer.SCOPES`.
            read: Whether VPP was read for this.
        """
        async with self._locks.whole_prefix(prefix, lambda: {*self._wanted.keys_on(prefix), *self.ledger.on(prefix)}):
            return await self._restructure_locked(prefix, to_delete, scope, read=read)

    async def _restructure_locked(
        self, prefix: Prefix, to_delete: AbstractSet[VipKey] | None, scope: str, *, read: bool
    ) -> Sequence[Operation]:
        held = self.ledger.on(prefix)
        statuses = self._wanted.statuses_on(prefix)
        wanted = {key: self._wanted.whole(status, held.get(key)) for key, status in statuses.items()}
        plan = plan_address(wanted, held, self._to_delete(held) if to_delete is None else to_delete)
        if (plan.clearing and not read) or any(map(self._writer.in_doubt, {*wanted, *held})):
            self._unread.update(wanted)
            return ()
        self._reports.recreated(plan, wanted)
        for key in (added := list(plan.added)):
            self._wanted.decide(statuses[key], held.get(key))
        if plan.clearing:
            flushes = {key: frozenset(statuses[key].flushes) for key in added}
            self._contest.removing(set(plan.clearing) - wanted.keys() - self._left_configuration)
            operations = tuple(remaking(plan, wanted, held))
            done = await self._writer.write_at_once(operations, scope)
            if len(done) == len(operations):
                for key in added:
                    self._board.flushed(wanted[key].frontend, flushes[key])
                    self._departures.written(key)
            return done
        return await self._run(
            self._write_vip(key, statuses[key], plan.vips[key], scope, was_level=False) for key in added
        )

    async def _remove(self, prefix: Prefix) -> Sequence[Operation]:
        """Delete the VIPs on a prefix that are not wanted now, while nobody else works on them."""
        done: list[Operation] = []
        async with self._locks.prefix(prefix):
            for key in tuple(self.ledger.on(prefix)):
                async with self._locks.vip(key):
                    if self._writer.in_doubt(key):
                        self._unread.add(key)
                    elif key in self._to_delete(self.ledger.on(prefix)):
                        self._contest.removing({key} - self._left_configuration)
                        done += await self._writer.delete_vip(key, "all")
            # What is gone, or was never made, has left for good.
            gone = [key for key in self._left_configuration if prefix_of(key) == prefix and key not in self.ledger.vips]
            self._left_configuration.difference_update(gone)
        return done

    # What is to be deleted

    def _to_delete(self, held: Mapping[VipKey, Vip]) -> AbstractSet[VipKey]:
        """Return the VIPs to delete: those that were ours, and foreign ones if so configured and when it is time."""
        ours = self._wanted.names().keys()
        self._left_configuration.difference_update(ours)
        remove = self._board.config.vpp.foreign_vips is ForeignVips.REMOVE and not self._contest.contested
        if self._warm_up.over and remove:
            return held.keys() - ours
        return self._left_configuration & held.keys()
