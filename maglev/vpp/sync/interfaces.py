"""What a connection to VPP offers to the service: the seam between it and `maglev.vpp.sync.link`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from maglev.vpp.stats.counter_columns import ILookups
from maglev.vpp.sync.writer import ILb

if TYPE_CHECKING:
    from collections.abc import Hashable

    from twisted.internet.defer import Deferred

    from maglev.vpp.stats.counters import IStats


@attrs.frozen
class VppInfo:
    """What a connected VPP says of itself.

    Attributes:
        boot_time: Wall-clock time of its start, seconds since the epoch; 0 when it did not say.
        weights: Whether it can weigh application servers; an older one only has them or not.
    """

    version: str
    build_date: str
    build_directory: str
    pid: int
    boot_time: float
    weights: bool


class ILinkLb(ILb, ILookups, Protocol):
    """The calls over one connection."""


class ILink(Protocol):
    """One connection to VPP: API and stats, which live and die together."""

    @property
    def lb(self) -> ILinkLb:
        """The calls of the lb plugin."""

    @property
    def stats(self) -> IStats:
        """The stats segment."""

    @property
    def info(self) -> VppInfo:
        """What VPP said of itself."""

    def ping(self) -> Deferred[object]:
        """Ask for a sign of life."""

    def when_lost(self) -> Deferred[object]:
        """Return a fresh Deferred that fires, never with a failure, when the connection is gone."""

    def close(self) -> None:
        """Let go of everything, at once; harmless if it is gone already."""


class IConnector(Protocol):
    """Makes connections to one VPP."""

    def connect(self) -> Deferred[ILink]:
        """Connect and read what VPP is; fails with `VppError`."""

    def fingerprint(self) -> Hashable:
        """Return a value that changes whenever VPP recreates its sockets."""
