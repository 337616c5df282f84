"""The seams of the program: what the rooms promise one another. Everything here is public and stable."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.events import BackendEvent, FrontendEvent
    from maglev.model import Config
    from maglev.result import Outcome


class IProber(Interface):
    """Probes one backend, over and over, one probe at a time."""

    def start(finished: Callable[[Outcome], None]) -> None:
        """Begin one probe.

        Args:
            finished: Called exactly once with the outcome, unless `cancel` comes first; possibly before ``start``
                returns (a connection to loopback can complete or fail at once). No probe outlives its timeout.

        Raises:
            RuntimeError: A probe is under way.
        """

    def cancel() -> None:
        """Abort the probe under way, if any: its descriptor is closed and ``finished`` is not called."""


class IBoardObserver(Interface):
    """Hears of changes of the board, after they are in place. What it raises is logged and harms no other observer."""

    def backend_changed(event: BackendEvent) -> None:
        """A backend went from one state to another."""

    def frontend_changed(event: FrontendEvent) -> None:
        """A frontend went from one state to another."""

    def weights_changed(frontends: frozenset[str]) -> None:
        """What VPP should hold for these frontends may differ from before."""

    def config_changed(old: Config, new: Config) -> None:
        """Another configuration is in force; old and new states of all objects are already on the board."""
