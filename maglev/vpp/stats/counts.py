"""What VPP has counted, as values, and the watch over columns whose numbers fall."""

from __future__ import annotations

from operator import lt
from typing import TYPE_CHECKING, NamedTuple

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.vpp.lb.state import VipKey


class RouteCounts(NamedTuple):
    """What went by one route.

    Attributes:
        packets: Packets.
        octets: Bytes: of the packets as they came for the route to a VIP, with the encapsulation for the route to an
            application server.
    """

    packets: int
    octets: int


class VipCounts(NamedTuple):
    """What came for one VIP: packets since VPP made it.

    Attributes:
        first: First packets of sessions.
        next: Further packets of sessions that are known.
        untracked: Packets that found no room in the flow table, and so stick to no application server; also most of
            those that there was none for.
        no_server: The first few packets that there was no application server for: as many as a row of the flow table
            has places. VPP then takes them for untracked ones.
        route: What VPP's FIB has counted for the prefix, and so for all VIPs on it; None when VPP does not say.
    """

    first: int
    next: int
    untracked: int
    no_server: int
    route: RouteCounts | None


@attrs.frozen
class Counts:
    """One reading.

    Attributes:
        vips: By VIP; those that nothing reliable is known of are left out.
        servers: What was sent to application servers, by address: by all VIPs together.
    """

    vips: Mapping[VipKey, VipCounts]
    servers: Mapping[str, RouteCounts]


class Marks:
    """The numbers of the last reading of one kind of counter, by column: what they can't fall below.

    VPP sets a column to 0 when it gives it to another VIP or another route. A number that has fallen therefore may be
    somebody else's, until it is known whose the column is.
    """

    def __init__(self) -> None:
        self._before: Mapping[int, tuple[int, ...]] = {}
        self._now: dict[int, tuple[int, ...]] = {}

    def fallen(self, numbers: Mapping[int, tuple[int, ...]]) -> set[int]:
        """Take in a part of a reading; return the columns in it that have fallen since the one before."""
        self._now.update(numbers)
        before = self._before
        return {column for column, now in numbers.items() if any(map(lt, now, before.get(column, ())))}

    def end(self) -> None:
        """End a reading: the next one is compared with it."""
        self._before, self._now = self._now, {}

    def forget(self) -> None:
        """Forget all numbers: it was made sure whose the columns are."""
        self._before = {}
