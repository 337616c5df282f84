"""Tells the log what was written to VPP."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.lb.state import AddServer, AddVip, DeleteServer, DeleteVip, SetWeight

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.vpp.lb.state import Operation, VipKey

KINDS: Final[dict[type, str]] = {
    AddVip: "vip_added",
    DeleteVip: "vip_removed",
    AddServer: "as_added",
    DeleteServer: "as_removed",
    SetWeight: "as_weight_updated",
}
"""The ``kind`` label of ``maglev_vpp_lbsync_total``."""

TOLD_ONE_BY_ONE: Final = 24
"""Operations of one script that get a line of log each; more get one together."""


class WriteLogger:
    """Has no state: the writes of one writer."""

    _log = EventLogger()

    def tell(self, operations: Sequence[Operation], scope: str) -> None:
        """Tell what was done: each operation if they are few, those that come with a new VIP, or are many, together."""
        of_vip: dict[VipKey, list[Operation]] = {}
        for operation in operations:
            of_vip.setdefault(operation.key, []).append(operation)
        for key, some in of_vip.items():
            added = next((operation for operation in some if isinstance(operation, AddVip)), None)
            if added is not None:
                self._tell_added(added, [each for each in some if isinstance(each, AddServer)], scope)
                some = [each for each in some if not isinstance(each, AddVip | AddServer)]  # noqa: PLW2901
            if len(some) > TOLD_ONE_BY_ONE:
                kinds = Counter(KINDS[type(operation)] for operation in some)
                self._log.info("vpp-lbsync-many", vip=str(key), scope=scope, **kinds)
            else:
                for operation in some:
                    self._tell(operation, scope)

    def _tell_added(self, vip: AddVip, servers: Sequence[AddServer], scope: str) -> None:
        self._log.info(
            "vpp-lbsync-vip-added",
            vip=str(vip.key),
            encap=vip.encap.name.lower(),
            src_ip_sticky=vip.src_ip_sticky,
            table_length=vip.table_length,
            servers=len(servers),
            weighing=sum(1 for server in servers if server.weight),
            scope=scope,
        )

    def _tell(self, operation: Operation, scope: str) -> None:
        match operation:
            case DeleteVip(key):
                self._log.info("vpp-lbsync-vip-removed", vip=str(key), scope=scope)
            case AddServer(key, address, weight, flush):
                self._log.info(
                    "vpp-lbsync-as-added", vip=str(key), address=address, weight=weight, flush=flush, scope=scope
                )
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
