"""Compares this balancer with its peers, over and over; tells when one begins to differ, agrees again, or is silent.

A peer is *comparing* for the first seconds of a session, because a difference has to last before it counts. Then it
*agrees* or *differs*. One that has not answered for `SILENT` seconds *can't be confirmed*, whatever it said before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
from twisted.application.service import Service

from maglev.model.bounds import MAX_PEERS_PAGE, PEER_PAGE
from maglev.model.errors import RefusedError
from maglev.model.events import PeerEvent
from maglev.peers.compare import GRACE, OURS, LastingDifferences, differences, shared
from maglev.peers.link import PeerLink
from maglev.peers.reading import StandingReader
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from maglev.interfaces import IControl
    from maglev.model.peer_views import PeerSideView, PeersView, PeerView, PeerVipView
    from maglev.model.server_address import ServerAddress
    from maglev.peers.compare import PeerDifference
    from maglev.peers.link import IPeerClient
    from maglev.peers.reading import BalancerStanding, VipId, VipStanding
    from maglev.runtime.cooperator import WorkQueue
    from maglev.state.board import Board

PERIOD: Final = 0.5
"""Seconds between two comparisons, at least."""

DUTY: Final = 3
"""Seconds of pause for each second that a comparison took: with thousands of servers, others have work to do, too."""

SILENT: Final = 4.0
"""Seconds after which what a peer said last is not true any longer: four readings."""

PATIENCE: Final = 10.0
"""Seconds from the start for a peer to answer for the first time: all balancers may be starting."""

TOLD: Final = 3
"""Differences that an event names; ``show peers`` has all of them."""

COMPARING, AGREES, DIFFERS, LOST, ITSELF = "comparing", "agrees", "differs", "cannot-confirm", "itself"
UNSHARED: Final = "nothing-shared"
"""The state of a peer that serves no VIP of another balancer: that nothing differs does not mean that it agrees."""


@attrs.define
class Peer:
    """A peer, as it was judged last.

    Attributes:
        link: The connection.
        state: One of the words above.
        told: The state of the last event; empty before the first.
        differences: Those that last.
        shared: VIPs that it serves as well as another balancer.
        shared_at: Time at which there was one last.
    """

    link: PeerLink
    state: str = COMPARING
    told: str = ""
    differences: int = 0
    shared: int = 0
    shared_at: float = 0.0

    @property
    def name(self) -> str:
        """How it is called."""
        return self.link.where.name


class PeersService(Service):
    """Runs the connections and the comparison.

    Attributes:
        peers: By name, in their order.
    """

    _log = EventLogger()

    def __init__(
        self,
        work: WorkQueue,
        board: Board,
        control: IControl,
        host: str,
        servers: Sequence[ServerAddress],
        connect: Callable[[str], Awaitable[IPeerClient]],
        jitter: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            work: The queue in which to take turns.
            board: Where events are entered.
            control: The verbs, bound to a viewer.
            host: Name of this host.
            servers: The peers; this balancer may be among them.
            connect: Connects to an address.
            jitter: Returns a factor around 1.
        """
        self._work = work
        self._clock = work.clock
        self._board = board
        self._control = control
        self._host = host
        self.peers = {each.name: Peer(PeerLink(work, each, connect, jitter, self._heard)) for each in servers}
        self._ours: BalancerStanding | None = None
        self._found = LastingDifferences()
        self._sides: Mapping[str, Mapping[VipId, VipStanding]] = {}
        self._keys: list[VipId] = []
        self._by_key: dict[VipId, list[PeerDifference]] = {}
        self._began = 0.0
        self._tasks = Tasks()

    def startService(self) -> None:
        """Begin."""
        Service.startService(self)
        self._began = self._clock.seconds()
        for peer in self.peers.values():
            peer.link.start()
        self._tasks.repeat(self._clock, "peers", self._compare)

    def stopService(self) -> None:
        """End."""
        Service.stopService(self)
        self._tasks.cancel()
        for peer in self.peers.values():
            peer.link.stop()

    def view(self, after: str, limit: int) -> PeersView:
        """Return the peers, and a page of VIPs.

        Raises:
            RefusedError: ``after`` is not a valid page token.
        """
        if after and not after.isdecimal():
            message = f"invalid page token {after!r}"
            raise RefusedError(message)
        start = int(after[:9]) if after else 0
        end = start + min(max(limit, 1), MAX_PEERS_PAGE)
        return {
            "host": self._host,
            "peers": [self._peer_view(peer) for peer in self.peers.values()],
            "rows": [self._vip_view(key) for key in self._keys[start:end]],
            "next": str(end) if end < len(self._keys) else None,
        }

    # Comparing

    def _heard(self) -> None:
        """Do nothing: the next comparison is half a second away, and takes what there is."""

    async def _compare(self) -> float:
        began = self._clock.seconds()
        self._ours = await self._read_ours()
        now = self._clock.seconds()
        heard = {name: peer.link.standing for name, peer in self.peers.items() if self._is_heard(peer, now)}
        mine = self._ours.identity.boot
        sides = {OURS: self._ours.vips}
        sides |= {name: each.vips for name, each in heard.items() if each is not None and each.identity.boot != mine}
        found: list[PeerDifference] = []
        await self._work.run(differences(sides, found))
        self._found.update(found, self._clock.seconds())
        self._keep(sides)
        for peer in self.peers.values():
            self._judge(peer, self._clock.seconds())
        return max(PERIOD, DUTY * (self._clock.seconds() - began))

    async def _read_ours(self) -> BalancerStanding:
        reader = StandingReader()
        after: str | None = ""
        while after is not None:
            await self._work.turn()
            page = await self._control.served_vips(after, PEER_PAGE)
            await self._work.run(reader.page(page))
            after = reader.after(page)
        return reader.standing()

    def _keep(self, sides: Mapping[str, Mapping[VipId, VipStanding]]) -> None:
        serving = shared(sides)
        self._sides, self._keys = sides, list(serving)
        self._by_key = {}
        for each in self._found.lasting:
            self._by_key.setdefault(each.key, []).append(each)
        for name, peer in self.peers.items():
            peer.differences = sum(each.peer == name for each in self._found.lasting)
            peer.shared = sum(name in names and len(names) > 1 for names in serving.values())
            if peer.shared:
                peer.shared_at = self._clock.seconds()

    def _is_heard(self, peer: Peer, now: float) -> bool:
        return peer.link.heard_at is not None and now - peer.link.heard_at < SILENT

    def _judge(self, peer: Peer, now: float) -> None:
        standing, began = peer.link.standing, peer.link.first_heard_at
        if not self._is_heard(peer, now):
            waiting = peer.link.heard_at is None and now - self._began < PATIENCE
            peer.state = COMPARING if waiting else LOST
        elif standing is not None and self._ours is not None and standing.identity.boot == self._ours.identity.boot:
            peer.state = ITSELF
        elif peer.differences:
            peer.state = DIFFERS
        elif began is not None and now - began > GRACE + 2 * PERIOD:
            # Files change one after the other: what is shared by nobody counts, like a difference, once it has lasted.
            peer.state = AGREES if now - max(peer.shared_at, began) <= GRACE else UNSHARED
        elif peer.state != AGREES:
            peer.state = COMPARING
        if peer.state in {AGREES, DIFFERS, LOST, UNSHARED} and peer.state != peer.told:
            peer.told = peer.state
            self._tell(peer)

    def _tell(self, peer: Peer) -> None:
        if peer.state == DIFFERS:
            detail = self._told_differences(peer)
            self._log.error("peer-differs", peer=peer.name, differences=peer.differences, detail=detail)
            self._board.enter(PeerEvent(peer.name, "differs", detail))
        elif peer.state == LOST:
            detail = f"cannot confirm: {self._why(peer)}"
            self._log.error("peer-lost", peer=peer.name, detail=detail)
            self._board.enter(PeerEvent(peer.name, "lost", detail))
        elif peer.state == UNSHARED:
            detail = "it serves no VIP that another balancer serves"
            self._log.error("peer-nothing-shared", peer=peer.name, detail=detail)
            self._board.enter(PeerEvent(peer.name, UNSHARED, detail))
        else:
            self._log.info("peer-agrees", peer=peer.name, shared=peer.shared)
            self._board.enter(PeerEvent(peer.name, "agrees", ""))

    def _told_differences(self, peer: Peer) -> str:
        texts = [f"{each.key}: {each.text}" for each in self._found.lasting if each.peer == peer.name]
        more = len(texts) - TOLD
        return "; ".join(texts[:TOLD]) + (f"; and {more} more" if more > 0 else "")

    def _why(self, peer: Peer) -> str:
        return peer.link.why or "it does not answer"

    # Views

    def _peer_view(self, peer: Peer) -> PeerView:
        link = peer.link
        identity = None if link.standing is None else link.standing.identity
        return {
            "name": peer.name,
            "address": link.where.address,
            "state": peer.state,
            "why": self._why(peer) if peer.state == LOST or not self._is_heard(peer, self._clock.seconds()) else "",
            "host": "" if identity is None else identity.host,
            "version": "" if identity is None else identity.version,
            "vpp": "" if identity is None else identity.vpp,
            "age": None if link.heard_at is None else round(self._clock.seconds() - link.heard_at, 1),
            "shared": peer.shared,
            "differences": peer.differences,
        }

    def _vip_view(self, key: VipId) -> PeerVipView:
        sides = [(name, vips[key]) for name, vips in self._sides.items() if key in vips]
        return {
            "prefix": key.prefix,
            "protocol": key.protocol,
            "port": key.port,
            "frontend": sides[0][1].frontend,
            "differences": [each.text for each in self._by_key.get(key, ())],
            "sides": [_side_view(name, vip) for name, vip in sides],
        }


def _side_view(name: str, vip: VipStanding) -> PeerSideView:
    return {
        "peer": name,
        "frontend": vip.frontend,
        "state": vip.state,
        "configuration": vip.configuration,
        "servers": [attrs.asdict(server) for server in vip.servers.values()],  # type: ignore[misc]
    }
