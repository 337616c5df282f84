"""Writes to VPP: sends operations in order, keeps the ledger, counts, and tells the log what was done."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed

from maglev.model.addresses import bits
from maglev.model.errors import VppError, VppLostError, VppTimeoutError
from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.lb.calls import is_surprise
from maglev.vpp.lb.limits import check_pair
from maglev.vpp.lb.script import has_name
from maglev.vpp.lb.state import AddServer, DeleteServer, DeleteVip, SetWeight
from maglev.vpp.sync.batches import MAX_SCRIPT, Batch, at_one_moment, batched, rescales
from maglev.vpp.sync.plan import raises
from maglev.vpp.sync.write_logger import KINDS, WriteLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from maglev.model.config import LbConf
    from maglev.vpp.lb.ledger import Ledger
    from maglev.vpp.lb.state import Operation, VipKey
    from maglev.vpp.sync.batches import Batches
    from maglev.vpp.sync.interfaces import ILb

SCOPES: Final = ("all", "vip")
"""Its ``scope`` label: a sync of everything, or what one change on the board led to."""

REST_FROM: Final = 0.002
REST: Final = 4.0
"""Work for VPP, in seconds, after which a VIP is left alone for some times as long. Backends that fail together do not
come together: without rest, each would cost VPP a table of its own, and the workers would stand still all the time."""


class SyncCounters:
    """What the syncs did and ran into for as long as the daemon runs, over all connections.

    Attributes:
        writes: Writes done, by scope and kind.
        drifts: VIPs (and, as one, the settings) that were found otherwise than they were left.
        failures: Reads and writes that VPP refused or did not answer; a connection that ends is none.
    """

    def __init__(self) -> None:
        self.writes: Counter[tuple[str, str]] = Counter(dict.fromkeys(product(SCOPES, KINDS.values()), 0))
        self.drifts = 0
        self.failures = 0


class Delivery:
    """Batches under way.

    Attributes:
        batches: In the order of sending.
        stamp: The moment of sending, in terms of the ledger.
        ok: Whether each was acknowledged.
        left: How many have no answer yet.
        over: Fires with the operations that are done when all have their answer.
    """

    __slots__ = ("batches", "left", "ok", "over", "stamp")

    def __init__(self, batches: Sequence[Batch], stamp: int) -> None:
        self.batches = batches
        self.stamp = stamp
        self.ok = [False] * len(batches)
        self.left = len(batches)
        self.over: Deferred[Sequence[Operation]] = Deferred()

    @property
    def done(self) -> Sequence[Operation]:
        """The operations that VPP has acknowledged."""
        return [each for batch, ok in zip(self.batches, self.ok, strict=True) if ok for each in batch.completes]


class Writer:
    """Sends the operations of plans."""

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        lb: ILb,
        ledger: Ledger,
        counts: Counter[tuple[str, str]],
        failed: Callable[[VppError], None],
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            clock: Tells when a VIP may be written again.
            lb: The calls to VPP.
            ledger: Learns of every acknowledged write.
            counts: Writes done, by scope and kind.
            failed: Called with the error whenever VPP refused a write or did not answer.
        """
        self._clock = clock
        self._lb = lb
        self._ledger = ledger
        self._counts = counts
        self._failed = failed
        self._resting: dict[VipKey, float] = {}
        self._refused_at: dict[VipKey, set[str]] = {}
        self._doubtful: dict[VipKey, int] = {}
        self._writes = WriteLogger()
        self._under_way = 0
        self._idle: list[Deferred[None]] = []
        self._closed = False

    def close(self) -> None:
        """Send nothing any longer; what is under way may still be answered."""
        self._closed = True

    def when_idle(self) -> Deferred[None]:
        """Return a fresh Deferred that fires when no write is under way."""
        idle: Deferred[None] = Deferred()
        if self._under_way:
            self._idle.append(idle)
        else:
            idle.callback(None)
        return idle

    def refused(self, key: VipKey) -> frozenset[str]:
        """Return the addresses of the servers of a VIP that VPP has refused to let serve, when it was asked last."""
        if key not in self._refused_at:
            return frozenset()  # nearly always, and each write asks
        vip = self._ledger.vips.get(key)
        serving = {} if vip is None else vip.servers
        refused = (a for a in self._refused_at[key] if a not in serving or not serving[a].weight)
        return frozenset(refused)

    def in_doubt(self, key: VipKey) -> bool:
        """Return whether VPP has refused something about a VIP, and was not read since: the ledger may be wrong.

        Of a script that was refused, some may be done; and what VPP refuses is often what somebody else did before.
        """
        if key not in self._doubtful:
            return False  # nearly always, and each write asks
        if self._ledger.was_read_since(self._doubtful[key]):
            del self._doubtful[key]
        return key in self._doubtful

    def take_refused(self) -> Mapping[VipKey, frozenset[str]]:
        """Return what `refused` does for each VIP of which VPP refused anything, and forget what is over."""
        found = {key: self.refused(key) for key in self._refused_at}
        self._refused_at = {key: set(addresses) for key, addresses in found.items() if addresses}
        return found

    def rest(self, key: VipKey) -> float:
        """Return for how many seconds VPP should not be troubled with changes of a VIP."""
        return max(0.0, self._resting.get(key, 0.0) - self._clock.seconds())

    async def write_vip(self, operations: Sequence[Operation], scope: str) -> Sequence[Operation]:
        """Do the operations of one VIP: those that raise, and only when VPP has acknowledged them the others.

        Where several servers change their weights and go on serving, all changes are made at one moment instead, and
        servers are added after that: in between, the shares would be those of nobody's wish.

        Args:
            operations: As `maglev.vpp.sync.plan.plan_vip` orders them.
            scope: One of `SCOPES`.

        Returns:
            The operations that VPP acknowledged.
        """
        with self._under_way_to(operations):
            return await self._write_vip(operations, scope)

    async def _write_vip(self, operations: Sequence[Operation], scope: str) -> Sequence[Operation]:
        if rescales(operations) and (done := await self._rescale(operations, scope)) is not None:
            return done
        raising = [operation for operation in operations if raises(operation)]
        lowering = operations[len(raising) :]
        done = await self._write_half(raising, scope)
        if lowering and len(done) < len(raising) and not self._has_capacity(lowering):
            return done  # what should take over could not be raised: what serves now goes on until VPP was read again
        return [*done, *await self._write_half(lowering, scope)]

    async def write_at_once(self, operations: Sequence[Operation], scope: str) -> Sequence[Operation]:
        """Do operations of several VIPs in one message if that is possible, else at least without waiting in between.

        Args:
            operations: Deletions of VIPs first, then everything about VIPs that are added.
            scope: One of `SCOPES`.

        Returns:
            The operations that VPP acknowledged.
        """
        some = tuple(operations)
        one = len(some) <= MAX_SCRIPT and all(has_name(operation.key) for operation in some)
        batches = [Batch(some, some)] if one else [Batch((operation,), (operation,)) for operation in some]
        with self._under_way_to(some):
            return await self._deliver(batches, scope)

    @contextmanager
    def _under_way_to(self, operations: Sequence[Operation]) -> Generator[None, None, None]:
        """Let the ledger know of operations while they are under way, also of those that wait for others."""
        of_each: dict[VipKey, list[Operation]] = {}
        for operation in operations:
            of_each.setdefault(operation.key, []).append(operation)
        for key, some in of_each.items():
            self._ledger.begin_writing(key, some)
        try:
            yield
        finally:
            for key in of_each:
                self._ledger.end_writing(key)

    async def delete_vip(self, key: VipKey, scope: str) -> Sequence[Operation]:
        """Delete a VIP with everything in it; return the operation if VPP acknowledged it."""
        deletion = (DeleteVip(key),)
        return await self._deliver([Batch(deletion, deletion)], scope)

    async def write_conf(self, conf: LbConf) -> None:
        """Write the global settings."""
        if self._closed:
            return
        self._log.info("vpp-lb-conf-set", **attrs.asdict(conf))
        try:
            await self._lb.write_conf(conf)
        except VppError as error:
            self._refused("lb_conf", error)
        else:
            self._ledger.conf = conf

    def log_bug(self, failure: Failure, operation: str = "") -> Sequence[Operation]:
        """Let what nobody expected fail one VIP and not the others, and be tried again soon: an errback."""
        if failure.check(CancelledError) is not None:
            failure.raiseException()
        self._log.failure("vpp-lbsync-failed", failure=failure, operation=operation)
        self._failed(VppError(f"unexpected {failure.type.__name__ if failure.type else 'failure'}"))
        return ()

    async def _rescale(self, operations: Sequence[Operation], scope: str) -> Sequence[Operation] | None:
        """Change and delete the servers that a VIP has at one moment, then add others; None if that can't be done."""
        key = operations[0].key
        changes = [operation for operation in operations if isinstance(operation, SetWeight | DeleteServer)]
        sent = at_one_moment(changes, self._ledger.vips.get(key), self._ledger.sum_of_weights(key))
        if sent is None:
            return None
        self._rest_after(key, sent)
        done = await self._deliver(sent.batches, scope)
        # VPP refuses to change servers that it does not have: it is read again, before others are added.
        if len(done) < len(changes):
            return done
        return [*done, *await self._write_half([each for each in operations if isinstance(each, AddServer)], scope)]

    async def _write_half(self, operations: Sequence[Operation], scope: str) -> Sequence[Operation]:
        if not operations:
            return ()
        key = operations[0].key
        sent = batched(operations, self._ledger.vips.get(key), self._ledger.sum_of_weights(key))
        self._rest_after(key, sent)
        return await self._deliver(sent.batches, scope)

    def _rest_after(self, key: VipKey, sent: Batches) -> None:
        if sent.effort >= REST_FROM:
            self._resting[key] = max(self._clock.seconds(), self._resting.get(key, 0.0)) + REST * sent.effort

    def _deliver(self, batches: Sequence[Batch], scope: str) -> Deferred[Sequence[Operation]]:
        """Send batches all at once, in order; the Deferred fires with the operations that are done."""
        if self._closed:
            return succeed(())
        delivery = Delivery(batches, self._ledger.stamp())
        self._under_way += 1
        try:
            for index, batch in enumerate(batches):
                try:
                    self._check_pairs(batch.sent)
                except ValueError as error:
                    self._refused(batch, VppError(str(error)))
                    self._ended(delivery, index, scope, ok=False)
                    continue
                answer = self._lb.apply_at_once(batch.sent) if batch.is_script else self._lb.apply(batch.sent[0])
                answer.addCallbacks(
                    self._acknowledged, self._failure, (delivery, index, scope), {}, (delivery, index, scope)
                )
        except BaseException:
            self._under_way -= 1
            raise
        return delivery.over

    def _check_pairs(self, operations: Sequence[Operation]) -> None:
        """Refuse a server that has the address of a VIP, be it somebody else's: VPP would send packets to itself.

        The last server of a circle is always added when all its VIPs are there, so looking at servers is enough.

        Raises:
            ValueError: There is such a server.
        """
        for operation in operations:
            if isinstance(operation, AddServer):
                prefix = (operation.address, bits(operation.address))
                if self._ledger.wide or self._ledger.has_any_on(prefix):
                    for vip in (*self._ledger.on(prefix), *self._ledger.wide):
                        check_pair(vip, operation.address)

    def _acknowledged(self, _: object, delivery: Delivery, index: int, scope: str) -> None:
        batch = delivery.batches[index]
        for operation in batch.completes:
            self._counts[scope, KINDS[type(operation)]] += 1
            if isinstance(operation, DeleteVip) and operation.key in self._ledger.vips:
                self._counts[scope, KINDS[DeleteServer]] += len(self._ledger.vips[operation.key].servers)
        for operation in batch.sent:
            self._ledger.done(operation, delivery.stamp)
            if operation.key in self._refused_at:
                self._accepted(operation)
        self._ended(delivery, index, scope, ok=True)

    def _failure(self, failure: Failure, delivery: Delivery, index: int, scope: str) -> None:
        batch = delivery.batches[index]
        if isinstance(failure.value, VppError):
            self._refused(batch, failure.value)
            if not isinstance(failure.value, VppLostError | VppTimeoutError):
                self._doubtful.update(dict.fromkeys((each.key for each in batch.sent), delivery.stamp))
                if not is_surprise(failure.value):
                    self._note_refused(batch)
        else:
            self.log_bug(failure, str(batch))
        self._ended(delivery, index, scope, ok=False)

    def _note_refused(self, batch: Batch) -> None:
        for operation in batch.sent:
            if isinstance(operation, AddServer | SetWeight) and raises(operation) and operation.weight:
                self._refused_at.setdefault(operation.key, set()).add(operation.address)

    def _accepted(self, operation: Operation) -> None:
        match operation:
            case AddServer(key, address) | SetWeight(key, address) | DeleteServer(key, address):
                self._refused_at[key].discard(address)
            case DeleteVip(key):
                del self._refused_at[key]
            case _:
                pass

    def _ended(self, delivery: Delivery, index: int, scope: str, *, ok: bool) -> None:
        delivery.ok[index] = ok
        delivery.left -= 1
        if not delivery.left:
            done = delivery.done
            self._under_way -= 1
            self._writes.tell(done, scope)
            delivery.over.callback(done)
            if not self._under_way:
                waiting, self._idle = self._idle, []
                for idle in waiting:
                    if not idle.called:  # its deadline is over
                        idle.callback(None)

    def _has_capacity(self, lowering: Sequence[Operation]) -> bool:
        """Return whether a VIP still has a weight above 0 after these operations."""
        vip = self._ledger.vips.get(lowering[0].key)
        lowered = {each.address for each in lowering if isinstance(each, SetWeight | DeleteServer)}
        return vip is not None and any(
            server.weight > 0 for address, server in vip.servers.items() if address not in lowered
        )

    def _refused(self, what: object, error: VppError) -> None:
        if not isinstance(error, VppLostError | VppTimeoutError):  # of these the service tells
            self._log.warn("vpp-lbsync-refused", operation=str(what), error=str(error))
        self._failed(error)
