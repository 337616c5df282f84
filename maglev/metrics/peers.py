"""The metric families of other balancers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.metrics.exposition import escape
from maglev.metrics.families import header
from maglev.peers.service import AGREES, COMPARING, DIFFERS, ITSELF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.peers.service import PeersService


class PeersCollector:
    """The peers."""

    def __init__(self, service: PeersService) -> None:
        self._service = service

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        peers = [(escape(peer.name), peer) for peer in self._service.peers.values() if peer.state != ITSELF]
        yield header("maglev_peer_up")
        for label, peer in peers:
            # Who has not answered yet is not up, even if it is too early to tell.
            up = peer.state in {AGREES, DIFFERS} or (peer.state == COMPARING and peer.link.heard_at is not None)
            yield f'maglev_peer_up{{peer="{label}"}} {int(up)}\n'
        yield header("maglev_peer_differences")
        for label, peer in peers:
            yield f'maglev_peer_differences{{peer="{label}"}} {peer.differences}\n'
