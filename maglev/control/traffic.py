"""Matches VPP's traffic counters with frontends and backends."""

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
        frontend: Name of its frontend; None if it is a foreign VIP.
    """

    frontend: str | None
    key: VipKey
    counts: VipCounts


class ServerTraffic(NamedTuple):
    """The traffic sent to one application server.

    Attributes:
        backend: Name of its backend; None if it is a foreign server.
    """

    backend: str | None
    address: str
    counts: RouteCounts


def vip_traffic(board: Board, counts: Counts) -> Generator[None, None, Sequence[VipTraffic]]:
    """Return the traffic of all VIPs, in VPP's order; yield often, so that others can have a turn."""
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
    """Return the traffic of all application servers; yield often, so that others can have a turn.

    Backends that share an address have the same counts.
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
