"""The routes that the lb plugin leaves in VPP's FIB, and the index under which each one is counted.

Only what a client can see of it is here: ``ip_route_lookup`` with its ``stats_index``, the ``dpo`` numbers of ``show lb
vips verbose``, and so the columns of ``/net/route/to`` and ``/net/route/via``. VPP counts per load-balance object; each
route has one, from a pool that is shared with everything else in the FIB.
"""

from __future__ import annotations

import enum
from collections import Counter
from ipaddress import IPv6Network, ip_network
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from maglev.vppsim.pool import SlotPool

if TYPE_CHECKING:
    from collections.abc import Callable


class PathType(enum.IntEnum):
    """The kinds of path seen here (``fib_path_type`` of ``fib_types.api``)."""

    NORMAL = 0
    DROP = 2


class RouteKey(NamedTuple):
    """A prefix.

    Attributes:
        is_ip6: The family.
        network: 4 or 16 bytes.
        length: In bits of the family. VPP does not check it, so neither is it checked here.
    """

    is_ip6: bool
    network: bytes
    length: int


@attrs.define
class Route:
    """One entry of the FIB.

    Attributes:
        index: Number of its load-balance object.
        holders: How many VIPs, application servers and defaults want it, by the path that they want.
    """

    key: RouteKey
    index: int
    holders: Counter[PathType] = attrs.field(factory=Counter)

    @property
    def path(self) -> PathType:
        """What its only path is: a VIP wins over everything else."""
        return PathType.NORMAL if self.holders[PathType.NORMAL] else PathType.DROP


_DEFAULTS: Final = (
    ("0.0.0.0/0", PathType.DROP),
    ("0.0.0.0/32", PathType.DROP),
    ("240.0.0.0/4", PathType.DROP),
    ("224.0.0.0/4", PathType.DROP),
    ("255.255.255.255/32", PathType.DROP),
    ("::/0", PathType.DROP),
    ("fe80::/10", PathType.NORMAL),
)
"""What the default tables of a VPP without interfaces hold, in the order of their indexes."""


class Fib:
    """The default tables of both families.

    Args:
        on_index: Called with each load-balance index that is taken into use: VPP clears its counters then.
    """

    def __init__(self, on_index: Callable[[int], None] = lambda _: None) -> None:
        self._on_index = on_index
        self._indexes: SlotPool[None] = SlotPool()
        self._routes: dict[RouteKey, Route] = {}
        self._take()  # The first object is taken before any route exists.
        for text, path in _DEFAULTS:
            network = ip_network(text)
            is_ip6 = isinstance(network, IPv6Network)
            self.hold(RouteKey(is_ip6, network.network_address.packed, network.prefixlen), path)

    def hold(self, key: RouteKey, path: PathType) -> Route:
        """Return the route to a prefix, made if need be, for as long as `release` is not called."""
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = Route(key, self._take())
        route.holders[path] += 1
        return route

    def release(self, route: Route, path: PathType) -> None:
        """Release a route; after the last release it is deleted, and its index is free."""
        route.holders[path] -= 1
        if not route.holders.total():
            del self._routes[route.key]
            self._indexes.remove(route.index)

    def exact(self, key: RouteKey) -> Route | None:
        """Return the route to this very prefix."""
        return self._routes.get(_masked(key, key.length))

    def longest(self, key: RouteKey) -> Route | None:
        """Return the most specific route that covers the prefix."""
        for length in range(key.length, -1, -1):
            if route := self._routes.get(_masked(key, length)):
                return route
        return None

    def _take(self) -> int:
        index = self._indexes.add(None)
        self._on_index(index)
        return index


def _masked(key: RouteKey, length: int) -> RouteKey:
    """Return the prefix cut to a length."""
    bits = 8 * len(key.network)
    mask = ((1 << length) - 1) << (bits - length) if length <= bits else -1
    network = int.from_bytes(key.network) & mask & ((1 << bits) - 1)
    return RouteKey(key.is_ip6, network.to_bytes(bits // 8), length)
