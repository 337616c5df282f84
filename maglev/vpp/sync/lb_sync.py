"""The sync of one connection to VPP: makes VPP hold what the board says, and nothing else.

Three ways lead to a write, and all end in `LbSync._settle` or `LbSync._remake`, which compare what is wanted *now* with
what VPP is known to hold and send the difference:

* a change on the board: the frontends concerned, at once, without asking VPP anything;
* a reload: all frontends, and the VIPs that are no longer configured, again without a read;
* a full sync (after connecting, periodically, on demand): everything is read back first, so whatever others did to
  VPP is repaired.

`_settle` is about one VIP, and leaves it alone if something must be deleted first. Of a VIP that was as it should be a
moment ago it looks only at what has changed on the board since (see `level`). That is a matter of all VIPs on the
address, and `_remake` does it in one go. One VIP is worked on by one of these at a time; different VIPs, and a read, go
on side by side (see `ledger`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from twisted.internet.defer import Deferred, DeferredList, DeferredLock, DeferredSemaphore
from twisted.internet.task import deferLater

from maglev.model.config import ForeignVips
from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.lb.ledger import Ledger
from maglev.vpp.lb.state import key_of, prefix_of
from maglev.vpp.sync.drift import drifts
from maglev.vpp.sync.in_sync import InSyncVips
from maglev.vpp.sync.plan import differs, fitted, plan_address, plan_servers, plan_steps, want
from maglev.vpp.sync.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from maglev.model.config import LbConf
    from maglev.model.errors import VppError
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board
    from maglev.state.status import FrontendStatus
    from maglev.state.weights import DesiredWeight
    from maglev.vpp.lb.state import LbState, Operation, Prefix, Vip, VipKey
    from maglev.vpp.sync.counters import SyncCounters
    from maglev.vpp.sync.plan import AddressPlan, Plan, WantedVip
    from maglev.vpp.sync.warmup import WarmUp
    from maglev.vpp.sync.writer import ILb

BEGUN_AT_ONCE: Final = 16
"""Frontends of a full sync begun before other work has its turn: of ten servers each they take some 2 ms."""

UNDER_WAY: Final = 64
"""Frontends of a full sync under way: of ten servers each that is some 700 messages, more than VPP is sent before it
answers (`maglev.vpp.api.pipeline.WINDOW`), and what a transition waits for is 30 ms at most."""


@attrs.frozen
class Preview:
    """What a full sync would do.

    Attributes:
        conf: Global settings that it would write; None if they are as they should be.
        plan: The operations.
        wanted: The VIPs that it would bring about.
        state: What VPP holds.
        waiting: Frontends that the warm-up does not let it touch yet.
        weights: Whether this VPP has weights.
    """

    conf: LbConf | None
    plan: Plan
    wanted: Mapping[VipKey, WantedVip]
    state: LbState
    waiting: int
    weights: bool


class LbSync:
    """Keeps the VIPs of one connected VPP as they should be.

    Attributes:
        ledger: What VPP is known to hold.
    """

    _log = EventLogger()

    def __init__(
        self,
        work: WorkQueue,
        board: Board,
        lb: ILb,
        warm_up: WarmUp,
        tally: SyncCounters,
        left_configuration: set[VipKey],
        failed: Callable[[VppError], None],
    ) -> None:
        """Prepare; nothing is sent before `full`.

        Args:
            work: Where computations over everything run; has a monotonic clock.
            board: Says what is wanted.
            lb: The calls to VPP.
            warm_up: Says which frontends may be written.
            tally: Counts what is done; outlives this object.
            left_configuration: VIPs that a reload took out of the configuration and that VPP may still hold; outlives
                this object, which takes out what it has deleted.
            failed: Called with the error when VPP refused a write or did not answer: time to read everything again.
        """
        self.ledger = Ledger()
        self._clock = work.clock
        self._work = work
        self._board = board
        self._lb = lb
        self._warm_up = warm_up
        self._left_configuration = left_configuration
        self._tally = tally
        self._writer = Writer(work.clock, lb, self.ledger, tally.writes, failed)
        self._locks: dict[VipKey, DeferredLock] = {}
        self._levels = InSyncVips(board, self.ledger)
        self._queued: set[str] = set()
        self._whole = DeferredLock()
        self._blocked: dict[VipKey, VipKey] = {}
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
            await self._read()
            return await self._write_all()

    async def replan(self) -> Sequence[Operation]:
        """Do what a full sync does, against what VPP is known to hold; return what was written."""
        async with self._whole:
            return await self._write_all() if self._known else ()

    async def frontend(self, name: str) -> Sequence[Operation]:
        """Do a full sync of one frontend; no VIP is removed for good. Return what was written.

        Raises:
            VppError: VPP could not be read.
        """
        async with self._whole:
            await self._read()
            if name not in self._board.frontends or not self._warm_up.is_free(name):
                return ()
            prefix = prefix_of(key_of(self._board.frontends[name].frontend))
            plan = plan_address(self._want_on([name], prefix), self.ledger.on(prefix), frozenset())
            return await (self._remake(prefix, [name], frozenset()) if plan.clearing else self._settle(name, "all"))

    async def touched(self, name: str) -> None:
        """Bring one frontend up to what the board says now."""
        # A sync that is waiting already will see the newest state of the board when its turn comes.
        if self._known and name not in self._queued and name in self._board.frontends:
            self._queued.add(name)
            await self._settle(name, "vip")

    async def preview(self) -> Preview:
        """Read VPP, and return what a full sync would do now.

        Raises:
            VppError: VPP could not be read.
        """
        state = await self._lb.read_state()
        wanted = await self._work.run(self._want_steps())
        plan = await self._work.run(plan_steps(wanted, state.vips, self._to_delete(state.vips)))
        conf = self._board.config.vpp.conf
        is_written = self._warm_up.open and differs(conf, state.conf)
        waiting = len(self._board.frontends) - len(wanted)
        return Preview(conf if is_written else None, plan, wanted, state, waiting, self._lb.features.weights)

    # Reading

    async def _read(self) -> None:
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
            await self._work.run(self._report_drift(conf, known))
        self._known = True

    def _report_drift(self, conf: LbConf | None, known: Mapping[VipKey, Vip]) -> Generator[None, None, None]:
        """Tell what others have changed about what is ours: it is about to be repaired."""
        found = self.ledger.vips
        if self.ledger.conf is not None and conf is not None and differs(conf, self.ledger.conf):
            self._tally.drifts += 1
            self._log.warn("vpp-lbsync-drift", what="settings", found=_text(self.ledger.conf), wanted=_text(conf))
        ours = {key_of(status.frontend): name for name, status in self._board.frontends.items()}
        for each in drifts(known, found, ours.keys() | self._to_delete(found) | self._to_delete(known)):
            if each is not None:
                self._tally.drifts += 1
                self._log.warn(
                    "vpp-lbsync-drift",
                    what=str(each.key),
                    frontend=ours.get(each.key, ""),
                    differences=each.differences,
                    found=each.found,
                    wanted=each.known,
                )
            yield

    # Writing

    async def _write_all(self) -> Sequence[Operation]:
        if not self._warm_up.open:
            return ()
        if differs(self._board.config.vpp.conf, self.ledger.conf):
            await self._writer.write_conf(self._board.config.vpp.conf)
        wanted = await self._work.run(self._want_steps())
        to_delete = self._to_delete(self.ledger.vips)
        plan = await self._work.run(plan_steps(wanted, self.ledger.vips, to_delete))
        self._tell_postponed(plan)
        done = await self._side_by_side(self._making(plan, wanted))
        leaving = [key for address in plan.values() for key in address.removing]
        done += await self._side_by_side(self._remove(key) for key in leaving)
        self._left_configuration.intersection_update(self.ledger.vips)
        self._locks = {key: lock for key, lock in self._locks.items() if lock.locked}
        self._levels.trim()
        return done

    def _making(
        self, plan: Plan, wanted: Mapping[VipKey, WantedVip]
    ) -> Iterable[Coroutine[Deferred[Any], Any, Sequence[Operation]]]:
        names: dict[Prefix, list[str]] = {}
        for key, vip in wanted.items():
            names.setdefault(prefix_of(key), []).append(vip.frontend)
        for prefix, address in plan.items():
            if address.clearing:
                yield self._remake(prefix, names[prefix], None)
            remade = set(address.added) if address.clearing else ()
            for key in address.vips:
                if key not in remade:
                    yield self._settle(wanted[key].frontend, "all")

    async def _side_by_side(
        self, coroutines: Iterable[Coroutine[Deferred[Any], Any, Sequence[Operation]]]
    ) -> list[Operation]:
        """Run coroutines side by side, but not all at once: a transition must not wait for all of them."""
        slots = DeferredSemaphore(UNDER_WAY)
        running: list[Deferred[Sequence[Operation]]] = []
        for coroutine in coroutines:
            await slots.acquire()
            task = Deferred.fromCoroutine(coroutine).addErrback(self._writer.log_bug)
            running.append(task.addBoth(_releasing, slots))
            if len(running) % BEGUN_AT_ONCE == 0:
                await self._work.turn()
        results = await DeferredList(running, fireOnOneErrback=True, consumeErrors=True)
        return [operation for _, operations in results for operation in operations]

    async def _settle(self, name: str, scope: str) -> Sequence[Operation]:
        """Write the difference between one frontend as it should be now and as VPP is known to have it."""
        if name not in self._board.frontends:
            return ()
        key = key_of(self._board.frontends[name].frontend)
        async with self._lock(key):
            if rest := self._writer.rest(key):
                await deferLater(self._clock, rest)
            self._queued.discard(name)
            if name not in self._board.frontends or not self._warm_up.is_free(name):
                return ()
            status = self._board.frontends[name]
            changed = self._levels.changed(key, status)
            operations = self._plan(name, key) if changed is None else self._plan_some(status, key, changed)
            if operations is None:
                return ()
            level = self._levels.now(key, status, was_level=changed is not None)
            flushes = frozenset(status.flushes)
            done = await self._writer.write_vip(operations, scope)
            if len(done) == len(operations):
                self._board.flushed(name, flushes)
                self._levels.reached(key, level)
            return done

    def _plan(self, name: str, key: VipKey) -> Sequence[Operation] | None:
        """Return what one VIP lacks; None if the whole address is concerned: the sync after the reload does that."""
        wanted = self._want(name)
        plan = plan_address({wanted.key: wanted}, self.ledger.on(prefix_of(key)), frozenset())
        return None if wanted.key != key or plan.clearing or plan.postponed else plan.vips.get(key, ())

    def _plan_some(self, status: FrontendStatus, key: VipKey, changed: AbstractSet[str]) -> Sequence[Operation]:
        """Return what `_plan` would, if a VIP lacked nothing before some backends changed: at the cost of those."""
        # Mostly it is one; of several, the order is that of the frontend.
        names = changed if len(changed) < 2 else [name for name in status.desired if name in changed]
        some = {name: status.desired[name] for name in names}
        return plan_servers(self._want_of(status, some), self.ledger.vips[key])

    async def _remake(
        self, prefix: Prefix, names: Sequence[str], to_delete: AbstractSet[VipKey] | None
    ) -> Sequence[Operation]:
        """Delete what has to go first on an address, and make what is wanted there, in one go.

        Args:
            prefix: The address.
            names: The frontends on it that may be written.
            to_delete: VIPs to delete; None for all those that a full sync deletes.
        """
        wanted = self._want_on(names, prefix)
        locks = [self._lock(key) for key in sorted({*wanted, *self.ledger.on(prefix)})]
        for lock in locks:
            await lock.acquire()
        try:
            wanted = self._want_on(names, prefix)
            held = self.ledger.on(prefix)
            plan = plan_address(wanted, held, self._to_delete(held) if to_delete is None else to_delete)
            self._tell_recreated(plan, wanted)
            added = [wanted[key].frontend for key in plan.added]
            flushes = {name: frozenset(self._board.frontends[name].flushes) for name in added}
            operations = tuple(plan.remaking)
            done = await self._writer.write_at_once(operations, "all") if operations else ()
            if len(done) == len(operations):
                for name, flushed in flushes.items():
                    self._board.flushed(name, flushed)
            return done
        finally:
            for lock in locks:
                lock.release()

    async def _remove(self, key: VipKey) -> Sequence[Operation]:
        """Delete a VIP while nobody else works on it."""
        async with self._lock(key):
            return await self._writer.delete_vip(key, "all")

    # What is wanted

    def _want_steps(self) -> Generator[None, None, dict[VipKey, WantedVip]]:
        wanted = {}
        for name in tuple(self._board.frontends):
            if name in self._board.frontends and self._warm_up.is_free(name):
                vip = self._want(name)
                wanted[vip.key] = vip
            yield
        return wanted

    def _want_on(self, names: Iterable[str], prefix: Prefix) -> dict[VipKey, WantedVip]:
        """Return what is wanted now of these frontends, as far as they are on this prefix."""
        vips = (self._want(name) for name in names if name in self._board.frontends)
        return {vip.key: vip for vip in vips if prefix_of(vip.key) == prefix}

    def _want(self, name: str) -> WantedVip:
        status = self._board.frontends[name]
        return self._want_of(status, status.desired)

    def _want_of(self, status: FrontendStatus, desired: Mapping[str, DesiredWeight]) -> WantedVip:
        addresses = {backend: self._board.backends[backend].address for backend in desired}
        wanted = want(status.frontend, addresses, desired, status.flushes)
        return fitted(wanted, **self._lb.features._asdict())

    def _to_delete(self, held: Mapping[VipKey, Vip]) -> AbstractSet[VipKey]:
        """Return the VIPs to delete: those that were ours, and foreign ones if so configured and when it is time."""
        ours = {key_of(status.frontend) for status in self._board.frontends.values()}
        self._left_configuration -= ours
        if self._warm_up.over and self._board.config.vpp.foreign_vips is ForeignVips.REMOVE:
            return held.keys() - ours
        return self._left_configuration & held.keys()

    def _lock(self, key: VipKey) -> DeferredLock:
        return self._locks.setdefault(key, DeferredLock())

    # What the log is told

    def _tell_recreated(self, plan: AddressPlan, wanted: Mapping[VipKey, WantedVip]) -> None:
        for key, reasons in plan.recreated.items():
            self._log.warn(
                "vpp-lbsync-vip-recreate", vip=str(key), frontend=wanted[key].frontend, reason=", ".join(reasons)
            )

    def _tell_postponed(self, plan: Plan) -> None:
        """Tell which VIPs wait for another one to go: once for each."""
        blocked = {key: other for address in plan.values() for key, other in address.postponed.items()}
        for key, other in blocked.items():
            if self._blocked.get(key) != other:
                self._log.warn("vpp-lbsync-vip-postponed", vip=str(key), because_of=str(other))
        self._blocked = blocked


def _text(conf: LbConf) -> str:
    return ", ".join(f"{name} {value}" for name, value in attrs.asdict(conf).items())


def _releasing(result: Any, slots: DeferredSemaphore) -> Any:
    slots.release()
    return result
