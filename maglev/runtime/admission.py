"""Who may connect to our listeners, and who must go when one of them is full.

Every listener asks here, because they all draw on what probes need too: descriptors, memory and time. Three parts:

* `Descriptors` divides what the limit of the process leaves when probes, VPP and the daemon itself have theirs. Each
  listener has a `Share` of its own, so that no listener can take the places of another, nor those of the probes.
* A `WaitingRoom` holds connections of peers that have not yet shown who they are. It never refuses a newcomer. When it
  is full, somebody else must go: of the source that has most connections there, one of the older half, at random.
  A source that connects a lot thus displaces its own connections. The younger half gives honest clients time for their
  next message; beyond that, chance lets some through where "always the oldest" would let in none. A few connections of
  a source from which somebody has logged in before go last: against many sources with one connection each, chance alone
  would cut off one operator in two.
* `Places` are for peers that are known. Some are kept for those who are trusted more: viewers can't lock out operators,
  and operators can't lock out root.
"""

from __future__ import annotations

import random
import resource
import socket
import struct
from collections import Counter
from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from maglev.model.caller import Role

if TYPE_CHECKING:
    from collections.abc import Callable

OWN: Final = 100
"""Descriptors of the daemon besides those of probes and listeners: the reactor, VPP, logs, libraries, key files, the
child that reads the configuration; about 40 are open in practice."""

LEAST: Final = 8
"""Places of a listener even if the limit on descriptors is too low for the probes: somebody must be able to look."""

FAMILIAR: Final = 256
"""Sources from which somebody has logged in that a listener remembers."""

FAVOURED: Final = 4
"""Connections of a familiar source that go last; if it has more, it is treated as any other."""

_V6_NETWORK: Final = 64
"""Bits of an IPv6 address that tell sources apart: one host can use all addresses of its /64."""


def source_of(transport: Any) -> str:
    """Return the source of a connection, for counting: an IPv4 address, an IPv6 network (/64), or a local user."""
    peer = transport.getPeer()
    host = getattr(peer, "host", None)
    if host is not None:
        return source_of_address(host)
    try:
        _, uid, _ = struct.unpack("3i", transport.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    except (AttributeError, OSError):
        return "local"
    return f"uid {uid}"


def source_of_address(host: str) -> str:
    """Return the source that an address belongs to."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> (128 - _V6_NETWORK) << (128 - _V6_NETWORK))}/{_V6_NETWORK}"


def descriptor_limit() -> int:
    """Return how many descriptors this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Descriptors:
    """The descriptors of the process, divided among its listeners."""

    def __init__(self, needed: Callable[[], int], limit: Callable[[], int] = descriptor_limit) -> None:
        """Create it, without listeners.

        Args:
            needed: Returns the number of descriptors that probes may need at once.
            limit: Returns the number that the process may have open.
        """
        self._needed = needed
        self._limit = limit
        self._wanted = 0

    def share(self, wanted: int) -> Share:
        """Return the share of one more kind of connections, which would like to have so many places."""
        self._wanted += wanted
        return Share(self, wanted)

    def part_of(self, wanted: int) -> int:
        """Return the number of places of a share now, while all of them together get no more than there are."""
        left = max(0, self._limit() - OWN - self._needed())
        return min(wanted, max(LEAST, wanted * left // self._wanted))


class Share:
    """The places of one kind of connections.

    Attributes:
        wanted: Its size unless descriptors are short.
    """

    def __init__(self, descriptors: Descriptors, wanted: int) -> None:
        self.wanted = wanted
        self._descriptors = descriptors

    def get_size(self) -> int:
        """Return the number of places now; a reload with more backends may reduce it."""
        return self._descriptors.part_of(self.wanted)


class Visitor(Protocol):
    """A connection in a waiting room."""

    source: str
    """Whom it counts for; see `source_of`."""

    def turn_away(self) -> None:
        """End it at once, because its place is needed."""


class WaitingRoom:
    """Connections of peers that are not known yet.

    Attributes:
        turned_away: Number of connections that had to make room.
    """

    def __init__(self, size: Callable[[], int], choose: Callable[[int], int] = random.randrange) -> None:
        """Create an empty room.

        Args:
            size: Returns the number of places now.
            choose: Returns a random number below its argument.
        """
        self._size = size
        self._choose = choose
        # Both are in the order of arrival.
        self._crowds: dict[str, dict[Visitor, None]] = {}
        self._count = 0
        self._familiar: dict[str, None] = {}
        self.turned_away = 0

    def __len__(self) -> int:
        """Return the number of connections in it."""
        return self._count

    def count(self, source: str) -> int:
        """Return the number of connections of a source."""
        return len(self._crowds.get(source, ()))

    def enter(self, visitor: Visitor) -> None:
        """Add a connection; others may have to go, and with a size of 0 the connection itself."""
        self._crowds.setdefault(visitor.source, {})[visitor] = None
        self._count += 1
        while self._count > self._size() and self.make_room():
            pass

    def make_room(self, source: str | None = None) -> Visitor | None:
        """Turn one connection away, of a source if one is given, and return it; None if there was none."""
        crowd = self._largest_crowd() if source is None else self._crowds.get(source)
        if not crowd:
            return None
        visitor = next(islice(crowd, self._one_of_the_older(len(crowd)), None))
        self.turned_away += 1
        self.leave(visitor)
        visitor.turn_away()
        return visitor

    def remember(self, source: str) -> None:
        """Note that somebody has logged in from a source; the source of the oldest such note may be forgotten."""
        self._familiar.pop(source, None)
        self._familiar[source] = None
        if len(self._familiar) > FAMILIAR:
            del self._familiar[next(iter(self._familiar))]

    def leave(self, visitor: Visitor) -> None:
        """Remove a connection that is closed, or that is known now; harmless if it is removed already."""
        crowd = self._crowds.get(visitor.source, {})
        if visitor in crowd:
            del crowd[visitor]
            self._count -= 1
            if not crowd:
                del self._crowds[visitor.source]

    def _largest_crowd(self) -> dict[Visitor, None] | None:
        if not self._crowds:
            return None
        familiar = self._familiar
        crowds = [crowd for source, crowd in self._crowds.items() if source not in familiar or len(crowd) > FAVOURED]
        if 2 * sum(map(len, crowds)) < self._count:
            crowds = list(self._crowds.values())  # newcomers need room, too
        largest = max(map(len, crowds))
        largest_ones = [crowd for crowd in crowds if len(crowd) == largest]
        return largest_ones[self._one_of_the_older(len(largest_ones))]

    def _one_of_the_older(self, count: int) -> int:
        return self._choose((count + 1) // 2)


class Trust(IntEnum):
    """How much a known peer is trusted."""

    VIEWER = 0
    OPERATOR = 1
    ROOT = 2


def trust_of(role: Role) -> Trust:
    """Return the trust that goes with a role."""
    return Trust.OPERATOR if role is Role.OPERATOR else Trust.VIEWER


class _Limit(NamedTuple):
    """Shares of the places: those that all peers of this trust may fill up, and those that each may have."""

    filled: float
    each: float


_LIMITS: Final = {
    Trust.VIEWER: _Limit(1 / 2, 3 / 16),
    Trust.OPERATOR: _Limit(15 / 16, 3 / 8),
    Trust.ROOT: _Limit(1, 1),
}
"""All viewers and the busiest operator together leave room for other operators, and all of them for root."""

_OF: Final = {Trust.VIEWER: " of viewers", Trust.OPERATOR: " of viewers and operators", Trust.ROOT: ""}


class Places:
    """The places of one listener for peers that are known.

    Nobody is ever turned out: places that are to be free for those who are trusted more can't be taken by others.
    """

    def __init__(self, size: Callable[[], int], most: Trust) -> None:
        """Create it, with all places free.

        Args:
            size: Returns the number of places now.
            most: The most trusted peers of this listener, who may take all places.
        """
        self._size = size
        self._most = most
        self._taken: Counter[tuple[str, Trust]] = Counter()

    def __len__(self) -> int:
        """Return the number of places that are taken."""
        return self._taken.total()

    def take(self, who: str, trust: Trust) -> str:
        """Take a place; return why that is refused, or an empty text."""
        size = self._size()
        each = ceil(size * _LIMITS[trust].each)
        if self._taken[who, trust] >= each:
            return f"too many sessions of {who}: at most {each}"
        for level in range(trust, self._most + 1):
            places = size if level == self._most else int(size * _LIMITS[Trust(level)].filled)
            if sum(count for (_, others), count in self._taken.items() if others <= level) >= places:
                return f"too many sessions: at most {places}" + _OF[Trust(level)] * (level < self._most)
        self._taken[who, trust] += 1
        return ""

    def give_back(self, who: str, trust: Trust) -> None:
        """Free a place that was taken."""
        self._taken[who, trust] -= 1
        if not self._taken[who, trust]:
            del self._taken[who, trust]
