"""The live record of one backend and of one frontend, as the board keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from maglev.model.events import FrontendState
from maglev.model.health import Health, State
from maglev.model.scale import AS_WRITTEN
from maglev.state.weights import FrontendWeights, shift

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from maglev.model.config import Backend, Frontend, Healthcheck
    from maglev.model.health import Transition
    from maglev.model.result import Result
    from maglev.model.scale import Scale
    from maglev.state.weights import DesiredWeight

LATEST: Final = 256
"""Changed backends that a frontend remembers: more than change between two writes to VPP, which come 0.1 s apart even
when everything fails. A caller that asks later than that has to look at all backends."""


def thresholds(healthcheck: Healthcheck | None) -> tuple[int, int]:
    """Return rise and fall; both are 1 for a static backend, which gets a single synthetic pass."""
    return (1, 1) if healthcheck is None else (healthcheck.rise, healthcheck.fall)


class BackendStatus:
    """What is known about one backend.

    Attributes:
        name: Its name.
        address: Its address now.
        health: Counter and state.
        last_result: Result of its last probe, None before the first.
        transitions: The latest changes, newest first.
        proved_address: The address at which it was last proved, while its current one is still unproved; None
            otherwise. It keeps serving there until the first result.
        fresh: Whether it has never left the state in which it was first configured.
    """

    __slots__ = ("address", "fresh", "health", "last_result", "name", "proved_address", "transitions")

    def __init__(self, backend: Backend, healthcheck: Healthcheck | None) -> None:
        self.name = backend.name
        self.address = backend.address
        self.health = Health(*thresholds(healthcheck))
        self.last_result: Result | None = None
        # A tuple: for so few entries, a deque would take eight times the memory.
        self.transitions: tuple[Transition, ...] = ()
        self.proved_address: str | None = None
        self.fresh = True

    @property
    def state(self) -> State:
        """Its health state."""
        return self.health.state

    @property
    def serving_address(self) -> str:
        """The address at which it serves in VPP."""
        return self.proved_address or self.address

    def move(self, address: str) -> None:
        """Take another address, which still has to be proved."""
        proved = self.serving_address
        self.address = address
        self.proved_address = None if proved == address else proved


class FrontendStatus:
    """What is known about one frontend.

    Attributes:
        frontend: Its configuration, with weights set at run time.
        state: The reduction of its backends' states.
        active: Index of the active pool.
        pools: Effective weights, one mapping per pool, by name of backend.
        scales: The scale of each pool.
        desired: The desired weight of each backend in VPP, by name.
        held: Weights that unknown backends keep until their first result, by name.
        carried: Weights that the new addresses of moved backends had in this VIP before the move, by name.
        excluded: Backends without a weight in the file: they hold none either.
        refused: Addresses of servers that VPP has refused to let serve.
        flushes: Backends whose flows still have to be flushed.
        changes: Incremented with each change of weights; a mark for `changed_since`.
    """

    __slots__ = (
        "_latest",
        "_weighed",
        "active",
        "carried",
        "changes",
        "desired",
        "excluded",
        "flushes",
        "frontend",
        "held",
        "pools",
        "refused",
        "scales",
        "state",
    )

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend
        self.state = FrontendState.UNKNOWN
        self.active = 0
        self.pools: tuple[Mapping[str, int], ...] = ()
        self.scales: tuple[Scale, ...] = ()
        self.desired: Mapping[str, DesiredWeight] = {}
        self.held: dict[str, int] = {}
        self.carried: dict[str, int] = {}
        self.refused: frozenset[str] = frozenset()
        self.flushes: set[str] = set()
        self.changes = 0
        self._latest: list[str] = []
        self._weighed: FrontendWeights | None = None
        self.drop_excluded()

    @property
    def reduction(self) -> FrontendState:
        """The state that follows from the states and weights of the backends, as they were weighed last."""
        return FrontendState.UNKNOWN if self._weighed is None else self._weighed.state

    @property
    def knows_all(self) -> bool:
        """Whether every backend had a known state when the frontend was last weighed."""
        return self._weighed is not None and self._weighed.known == len(self.desired)

    @property
    def scale(self) -> Scale:
        """The scale in force, by which all weights are told: that of the active pool."""
        return self.scales[self.active] if self.scales else AS_WRITTEN

    def release(self, name: str) -> None:
        """Drop the weight held for a backend."""
        self.held.pop(name, None)
        self.carried.pop(name, None)

    def drop_excluded(self) -> None:
        """Recompute `excluded` from the configuration, and drop the weights that these backends held."""
        weighted = {member.backend for pool in self.frontend.pools for member in pool.members if member.weight}
        self.excluded = frozenset(self.frontend.backends) - weighted
        for name in self.excluded:
            self.release(name)

    def leave_vip(self) -> None:
        """Forget the held and desired weights of the frontend's former VIP."""
        self.held.clear()
        self.carried.clear()
        self.desired = {}

    def weigh(self, states: Mapping[str, State]) -> FrontendState:
        """Recompute all weights from the states of all backends; return the resulting state, which is not yet set."""
        self.held = {name: weight for name, weight in self.held.items() if states.get(name) is State.UNKNOWN}
        self.flushes &= states.keys()
        self._weighed = weighed = FrontendWeights(self.frontend, states, self.held)
        self.active, self.pools, self.desired = weighed.active, weighed.pools, weighed.desired
        self.scales = weighed.scales
        self.changes += 1
        self._latest.clear()
        return weighed.state

    def shift(self, states: Mapping[str, State]) -> FrontendState:
        """Update the weights incrementally after some backends changed state; return the same as `weigh`.

        Args:
            states: The new states, by name. The previous ones must have been weighed.
        """
        assert self._weighed is not None  # noqa: S101
        change = shift(self._weighed, states, self.held)
        self._weighed.take(change)
        self.active = self._weighed.active
        self.changes += len(change.desired)
        self._latest += change.desired
        if len(self._latest) > LATEST:
            self._latest.clear()
        return self._weighed.state

    def changed_since(self, changes: int) -> AbstractSet[str] | None:
        """Return the backends whose state or desired weight has changed since.

        Args:
            changes: The value of `changes` at the time in question.

        Returns:
            Their names; None when that is too long ago to know, so that all of them may have changed.
        """
        count = self.changes - changes
        return None if count > len(self._latest) else frozenset(self._latest[len(self._latest) - count :])
