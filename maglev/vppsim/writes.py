"""A record of everything that changed the state of the simulated VPP, in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIMIT: Final = 200_000
"""Writes: enough for several cold starts of 1,000 VIPs with 10 servers. The oldest go first."""

WEIGHTS_LIMIT: Final = 2_000_000
"""Weights in all writes together: some 200 MB. A VIP of a thousand servers would soon need more than that."""


class VipName(NamedTuple):
    """A VIP as one writes it: ``192.0.2.1/32``, 6, 443."""

    prefix: str
    protocol: int
    port: int


@attrs.frozen
class Write:
    """One request that changes state, refused or not.

    Attributes:
        time: Seconds of the clock that the simulator was given.
        name: The message, such as ``lb_as_set_weight``; or the command, such as ``lb as``.
        text: The whole request for a person.
        vip: The VIP that it is about, None for global settings.
        servers: Addresses of the application servers that it is about.
        retval: How it ended; 0 is success.
        weights: What the VIP has *after* it: the weights of its servers in use, by address.
    """

    time: float
    name: str
    text: str
    vip: VipName | None
    servers: tuple[str, ...]
    retval: int
    weights: Mapping[str, int]


class WriteLog:
    """The last writes, oldest first.

    Attributes:
        total: How many there ever were.
    """

    def __init__(self) -> None:
        self._writes: deque[Write] = deque()
        self._weights = 0
        self.total = 0

    def __iter__(self) -> Iterator[Write]:
        return iter(tuple(self._writes))

    def __len__(self) -> int:
        return len(self._writes)

    def __getitem__(self, index: int) -> Write:
        return self._writes[index]

    def add(self, write: Write) -> None:
        """Append a write."""
        self._writes.append(write)
        self._weights += len(write.weights)
        self.total += 1
        while len(self._writes) > LIMIT or self._weights > WEIGHTS_LIMIT:
            self._weights -= len(self._writes.popleft().weights)

    def clear(self) -> None:
        """Forget all writes, and restart the count."""
        self._writes.clear()
        self.total = self._weights = 0

    def names(self) -> list[str]:
        """Return the names of all writes, in order."""
        return [write.name for write in self._writes]
