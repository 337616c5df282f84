"""Writes to VPP: sends operations in order, keeps the ledger, counts, and tells the log what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import attrs
from twisted.internet.defer import Deferred, DeferredList

from maglev.errors import VppError, VppLostError
from maglev.logs.logger import EventLogger
from maglev.vpp.lbstate import AddServer, AddVip, DeleteServer, DeleteVip, SetWeight
from maglev.vpp.plan import raises

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from twisted.python.failure import Failure

    from maglev.model import LbConf
    from maglev.vpp.lbstate import LbState, Operation
    from maglev.vpp.ledger import Ledger

KINDS: Final[dict[type, str]] = {
    AddVip: "vip_added",
    DeleteVip: "vip_removed",
    AddServer: "as_added",
    DeleteServer: "as_removed",
    SetWeight: "as_weight_updated",
}
"""The ``kind`` label of ``maglev_vpp_lbsync_total``."""

SCOPES: Final = ("all", "vip")
"""Its ``scope`` label: a sync of everything, or what one change on the board led to."""


class ILb(Protocol):
    """The calls of the lb plugin that a sync makes; `maglev.vpp.lb` has them for the binary API and for the CLI."""

    def read_state(self) -> Deferred[LbState]:
        """Read everything that the plugin holds."""

    def write_conf(self, conf: LbConf) -> Deferred[None]:
        """Write the global settings."""

    def apply(self, operation: Operation) -> Deferred[None]:
        """Do one write."""


class Writer:
    """Sends the operations of plans."""

    _log = EventLogger()

    def __init__(
        self,
        lb: ILb,
        ledger: Ledger,
        counts: Counter[tuple[str, str]],
        failed: Callable[[VppError], None],
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            lb: The calls to VPP.
            ledger: Learns of every acknowledged write.
            counts: Writes done, by scope and kind.
            failed: Called with the error whenever VPP refused a write or did not answer.
        """
        self._lb = lb
        self._ledger = ledger
        self._counts = counts
        self._failed = failed

    async def write_vip(self, operations: Sequence[Operation], scope: str) -> Sequence[Operation]:
        """Do the operations of one VIP: those that raise, and only when VPP has acknowledged them the others.

        Args:
            operations: As `maglev.vpp.plan.plan_vip` orders them.
            scope: One of `SCOPES`.

        Returns:
            The operations that VPP acknowledged.
        """
        raising = [operation for operation in operations if raises(operation)]
        lowering = operations[len(raising) :]
        done = await self.send(raising, scope)
        if lowering and len(done) < len(raising) and not self._has_capacity(lowering):
            return done  # what should take over could not be raised: what serves now goes on until VPP was read again
        return [*done, *await self.send(lowering, scope)]

    async def send(self, operations: Sequence[Operation], scope: str) -> Sequence[Operation]:
        """Send operations all at once, in order; return those that VPP acknowledged."""
        stamp = self._ledger.stamp()
        answers = [self._send_one(operation, stamp, scope) for operation in operations]
        if not answers:
            return ()
        if len(answers) == 1:
            return operations if await answers[0] else ()
        acknowledged = await DeferredList(answers)
        return [operation for operation, (_, ok) in zip(operations, acknowledged, strict=True) if ok]

    async def write_conf(self, conf: LbConf) -> None:
        """Write the global settings."""
        self._log.info("vpp-lb-conf-set", **attrs.asdict(conf))
        try:
            await self._lb.write_conf(conf)
        except VppError as error:
            self._refused("lb_conf", error)
        else:
            self._ledger.conf = conf

    def _has_capacity(self, lowering: Sequence[Operation]) -> bool:
        """Return whether a VIP still has a weight above 0 after these operations."""
        vip = self._ledger.vips.get(lowering[0].key)
        lowered = {each.address for each in lowering if isinstance(each, SetWeight | DeleteServer)}
        return vip is not None and any(
            server.weight > 0 for address, server in vip.servers.items() if address not in lowered
        )

    def _send_one(self, operation: Operation, stamp: int, scope: str) -> Deferred[bool]:
        def acknowledged(_: object) -> bool:
            self._ledger.done(operation, stamp)
            self._counts[scope, KINDS[type(operation)]] += 1
            self._tell(operation, scope)
            return True

        def refused(failure: Failure) -> bool:
            failure.trap(VppError)
            assert isinstance(failure.value, VppError)  # noqa: S101
            self._refused(str(operation), failure.value)
            return False

        def broken(failure: Failure) -> bool:
            self._log.failure("vpp-lbsync-failed", failure=failure, operation=str(operation))
            return False

        return self._lb.apply(operation).addCallbacks(acknowledged, refused).addErrback(broken)

    def _refused(self, what: str, error: VppError) -> None:
        if not isinstance(error, VppLostError):
            self._log.warn("vpp-lbsync-refused", operation=what, error=str(error))
        self._failed(error)

    def _tell(self, operation: Operation, scope: str) -> None:
        match operation:
            case AddVip(key, encap, sticky, length):
                self._log.info(
                    "vpp-lbsync-vip-added",
                    vip=str(key),
                    encap=encap.name.lower(),
                    src_ip_sticky=sticky,
                    table_length=length,
                    scope=scope,
                )
            case DeleteVip(key):
                self._log.info("vpp-lbsync-vip-removed", vip=str(key), scope=scope)
            case AddServer(key, address, weight):
                self._log.info("vpp-lbsync-as-added", vip=str(key), address=address, weight=weight, scope=scope)
            case DeleteServer(key, address, flush):
                self._log.info("vpp-lbsync-as-removed", vip=str(key), address=address, flush=flush, scope=scope)
            case SetWeight(key, address, weight, previous, flush):
                self._log.info(
                    "vpp-lbsync-as-weight",
                    vip=str(key),
                    address=address,
                    previous=previous,
                    weight=weight,
                    flush=flush,
                    scope=scope,
                )
