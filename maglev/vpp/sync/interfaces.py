"""What a connection to VPP offers to the sync and its service: the seam between them and `maglev.vpp.sync.link`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from maglev.vpp.stats.counter_columns import ILookups

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from twisted.internet.defer import Deferred

    from maglev.model.config import LbConf
    from maglev.vpp.lb.calls import Features
    from maglev.vpp.lb.state import LbState, Operation
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


class ILb(Protocol):
    """The calls of the lb plugin that a sync makes; `maglev.vpp.lb` has them for the binary API and for the CLI."""

    @property
    def features(self) -> Features:
        """What this VPP can do."""

    def read_state(self) -> Deferred[LbState]:
        """Read everything that the plugin holds."""

    def cli(self, command: str) -> Deferred[str]:
        """Run a command of VPP's command line."""

    def write_conf(self, conf: LbConf) -> Deferred[None]:
        """Write the global settings."""

    def apply(self, operation: Operation) -> Deferred[None]:
        """Do one write."""

    def apply_at_once(self, operations: Sequence[Operation]) -> Deferred[None]:
        """Do several writes between two moments of VPP's workers."""


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
        """Connect and read what VPP is.

        It fails with `VppError`: with `VppShortageError` if that was for want of a descriptor of ours.
        """

    def fingerprint(self) -> Hashable:
        """Return a value that changes whenever VPP recreates its sockets."""
