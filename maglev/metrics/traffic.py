"""What VPP has counted, as metrics; absent whenever nothing reliable is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.control.views import key_view
from maglev.metrics.families import header
from maglev.model.errors import VppError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from maglev.state.board import Board
    from maglev.vpp.lb.state import VipKey
    from maglev.vpp.stats.counts import Counts, RouteCounts
    from maglev.vpp.sync.service import VppService

ROUTES_AT_ONCE: Final = 50
"""Routes written in one piece: a tenth of a millisecond."""


class TrafficCollector:
    """Packets and bytes of VIPs and backends."""

    def __init__(self, board: Board, vpp: VppService) -> None:
        """Read from the service.

        Args:
            board: Tells which backend has which address.
            vpp: The service.
        """
        self._board = board
        self._vpp = vpp

    def scrape(self) -> Iterator[str]:
        """Yield the families, all of one reading."""
        try:
            counts = self._vpp.read_counts()
        except VppError:
            return
        yield from _vips(counts)
        yield from self._backends(counts)

    def _backends(self, counts: Counts) -> Iterator[str]:
        """Yield what was sent to backends; those of one address have the same counts, a foreign one has no name."""
        ours = set()
        routes = []
        for name, status in list(self._board.backends.items()):
            route = counts.servers.get(status.address)
            if route is not None:
                ours.add(status.address)
                routes.append((f'backend="{name}",address="{status.address}"', route))
            yield ""
        foreign = ((address, route) for address, route in counts.servers.items() if address not in ours)
        routes += [(f'backend="",address="{address}"', route) for address, route in foreign]
        yield from _routes("maglev_vpp_backend_route", routes)


def _vips(counts: Counts) -> Iterator[str]:
    family = "maglev_vpp_vip_packets_total"
    routes = []
    yield header(family)
    for key, vip in counts.vips.items():
        labels = _labels(key)
        yield (
            f'{family}{{{labels},kind="first"}} {vip.first}\n'
            f'{family}{{{labels},kind="next"}} {vip.next}\n'
            f'{family}{{{labels},kind="untracked"}} {vip.untracked}\n'
            f'{family}{{{labels},kind="no-server"}} {vip.no_server}\n'
        )
        if vip.route is not None:
            routes.append((labels, vip.route))
    yield from _routes("maglev_vpp_vip_route", routes)


def _labels(key: VipKey) -> str:
    return ",".join(f'{name}="{value}"' for name, value in key_view(key).items())


def _routes(name: str, routes: Sequence[tuple[str, RouteCounts]]) -> Iterator[str]:
    """Yield packets and bytes of routes, a family each."""
    for index, unit in enumerate(("packets", "bytes")):
        family = f"{name}_{unit}_total"
        yield header(family)
        for start in range(0, len(routes), ROUTES_AT_ONCE):
            some = routes[start : start + ROUTES_AT_ONCE]
            yield "".join(f"{family}{{{labels}}} {counts[index]}\n" for labels, counts in some)
