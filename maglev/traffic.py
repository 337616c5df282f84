"""Whose traffic it is: what VPP has counted, beside the frontends and backends that it belongs to."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from maglev.vpp.plan import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maglev.board import Board
    from maglev.vpp.counts import Counts, RouteCounts, VipCounts
    from maglev.vpp.lbstate import VipKey


class VipTraffic(NamedTuple):
    """The traffic of one VIP.

    Attributes:
        frontend: Whose VIP it is; None if it is none of ours.
    """

    frontend: str | None
    key: VipKey
    counts: VipCounts


class ServerTraffic(NamedTuple):
    """What was sent to one application server.

    Attributes:
        backend: Which backend it is; None if it is none of ours.
    """

    backend: str | None
    address: str
    counts: RouteCounts


def vip_traffic(board: Board, counts: Counts) -> Sequence[VipTraffic]:
    """Return the traffic of all VIPs, in the order in which VPP has them."""
    names = {key_of(status.frontend): name for name, status in board.frontends.items()}
    return [VipTraffic(names.get(key), key, each) for key, each in counts.vips.items()]


def server_traffic(board: Board, counts: Counts) -> Sequence[ServerTraffic]:
    """Return what was sent to all application servers; several backends of one address have the same counts."""
    names: defaultdict[str, list[str | None]] = defaultdict(list)
    for name, status in board.backends.items():
        names[status.address].append(name)
    return [
        ServerTraffic(name, address, each)
        for address, each in counts.servers.items()
        for name in names.get(address, [None])
    ]
