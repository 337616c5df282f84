"""Whose traffic it is: what VPP has counted, beside the frontends and backends that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.vpp.lb.state import key_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from maglev.state.board import Board
    from maglev.vpp.lb.state import VipKey
    from maglev.vpp.stats.counts import Counts, RouteCounts, VipCounts


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


def vip_traffic(board: Board, counts: Counts) -> Generator[None, None, Sequence[VipTraffic]]:
    """Return the traffic of all VIPs, in the order of VPP; yield often, so that others can have a turn."""
    names: dict[VipKey, str] = {}
    for name, status in list(board.frontends.items()):
        names[key_of(status.frontend)] = name
        yield
    found = []
    for key, each in counts.vips.items():
        found.append(VipTraffic(names.get(key), key, each))
        yield
    return found


def server_traffic(board: Board, counts: Counts) -> Generator[None, None, Sequence[ServerTraffic]]:
    """Return what was sent to all application servers; yield often, so that others can have a turn.

    Several backends of one address have the same counts.
    """
    names: dict[str, list[str | None]] = {}
    for name, status in list(board.backends.items()):
        names.setdefault(status.address, []).append(name)
        yield
    found = []
    for address, each in counts.servers.items():
        found += [ServerTraffic(name, address, each) for name in names.get(address, _NOBODY)]
        yield
    return found


_NOBODY: Final = (None,)
