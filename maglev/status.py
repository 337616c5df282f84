"""The live record of one backend and of one frontend, as the board keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.events import FrontendState
from maglev.health import Health, State, Transition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model import Backend, Frontend, Healthcheck
    from maglev.result import Result
    from maglev.weights import Deserved


def thresholds(healthcheck: Healthcheck | None) -> tuple[int, int]:
    """Return rise and fall; a static backend needs one pass and gets one."""
    return (1, 1) if healthcheck is None else (healthcheck.rise, healthcheck.fall)


class BackendStatus:
    """What is known about one backend.

    Attributes:
        name: Its name.
        address: Its address now.
        health: Counter and state.
        last_result: Result of its last probe, None before the first.
        transitions: The latest changes, newest first.
        fresh: Whether it has never left the state in which it was first configured.
    """

    __slots__ = ("address", "fresh", "health", "last_result", "name", "transitions")

    def __init__(self, backend: Backend, healthcheck: Healthcheck | None) -> None:
        self.name = backend.name
        self.address = backend.address
        self.health = Health(*thresholds(healthcheck))
        self.last_result: Result | None = None
        # A tuple: for the few that there are a deque would take eight times the memory.
        self.transitions: tuple[Transition, ...] = ()
        self.fresh = True

    @property
    def state(self) -> State:
        """The state of its health."""
        return self.health.state


class FrontendStatus:
    """What is known about one frontend.

    Attributes:
        frontend: Its configuration, with weights set at run time.
        state: The reduction of its backends' states.
        active: Index of the active pool.
        pools: Effective weights, one mapping per pool, by name of backend.
        deserved: What each backend should have in VPP, by name.
        held: Weights kept while a changed backend proves itself again, by name.
        flushes: Backends whose flows should be forgotten and are not yet.
    """

    __slots__ = ("active", "deserved", "flushes", "frontend", "held", "pools", "state")

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend
        self.state = FrontendState.UNKNOWN
        self.active = 0
        self.pools: tuple[Mapping[str, int], ...] = ()
        self.deserved: Mapping[str, Deserved] = {}
        self.held: dict[str, int] = {}
        self.flushes: set[str] = set()
