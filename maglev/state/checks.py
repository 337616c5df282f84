"""Several checks of one backend: the counter and the last result of each, and the state that follows from all.

Each check has a `Health` of its own, with its own rise and fall. The state of the backend is a pure function of the
states of its checks (`combined`). It counts them as a check counts its results, so that the counter of a backend with
several checks reads like any other: its value is the number of checks that are up, it is up from `needed` on, and the
highest value is the number of checks.

What is not known yet decides nothing: a backend keeps its state until enough checks say otherwise.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import attrs

from maglev.model.check_set import probe_name
from maglev.model.config import Healthcheck
from maglev.model.health import PROBED, Health, Lifecycle, State
from maglev.model.probing import Checks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from maglev.model.result import Result


def combined(states: Iterable[State], needed: int) -> State:
    """Return what several checks say together: up, down, or unknown if they do not say enough.

    Args:
        states: The state of each: up, down or unknown.
        needed: How many have to be up.
    """
    found = list(states)
    if found.count(State.UP) >= needed:
        return State.UP
    return State.DOWN if len(found) - found.count(State.DOWN) < needed else State.UNKNOWN


class CheckStatus:
    """What is known by one of several checks of a backend.

    Attributes:
        name: Under which it is probed (`maglev.model.check_set.probe_name`).
        healthcheck: How it is probed.
        health: Its counter and state; while the backend is not probed, the state of the backend.
        last_result: Result of its last probe, None before the first.
        resulted: When that came, by the monotonic clock of the board.
    """

    __slots__ = ("health", "healthcheck", "last_result", "name", "resulted")

    def __init__(self, backend: str, healthcheck: Healthcheck) -> None:
        self.name = probe_name(backend, healthcheck.name)
        self.healthcheck = healthcheck
        self.health = Health(healthcheck.rise, healthcheck.fall)
        self.last_result: Result | None = None
        self.resulted = 0.0

    @property
    def state(self) -> State:
        """What it says of the backend."""
        return self.health.state

    @property
    def failing(self) -> bool:
        """Whether it is down, or its last probe failed."""
        return self.state is State.DOWN or (self.last_result is not None and not self.last_result.ok)


class CombinedHealth(Health):
    """The health of a backend with several checks: follows them by `follow`, and is never told a result itself.

    Attributes:
        checks: The checks, in the order of the file.
    """

    __slots__ = ("_sizes", "checks")

    def __init__(self, checks: tuple[CheckStatus, ...], needed: int, sizes: tuple[int, ...] = ()) -> None:
        """Begin with nothing known.

        Args:
            checks: The checks.
            needed: How many of them have to be up.
            sizes: Of how many paths each of the checks in the file consists, which count as one that is up by all of
                them; empty if each is a check of its own.
        """
        super().__init__(needed, len(sizes or checks) - needed + 1)
        self.checks = checks
        self._sizes = sizes
        self._count()

    def check(self, name: str) -> CheckStatus | None:
        """Return the check that is probed under a name, if there is one."""
        return next((each for each in self.checks if each.name == name), None)

    def shown(self) -> CheckStatus:
        """Return the check whose last result says most: one that is down, one that failed last, or the latest."""
        down = (each for each in self.checks if each.state is State.DOWN)
        failed = (each for each in self.checks if each.failing)
        latest = max(self.checks, key=lambda each: (each.last_result is not None, each.resulted))
        return next(down, None) or next(failed, None) or latest

    def down(self) -> frozenset[str]:
        """Return the names of the healthchecks that are down."""
        return frozenset(each.healthcheck.name for each in self.checks if each.state is State.DOWN)

    def follow(self) -> bool:
        """Take what the checks say now; return whether the state changed."""
        old = self.state
        if old in PROBED:
            self._count()
            self._take()
        return self.state is not old

    def settle(self) -> bool:
        """Go on after the agent was heard; see `Health.settle`."""
        self.waits = False
        return self.follow()

    def happen(self, event: Lifecycle) -> bool:
        """Apply a lifecycle event to the backend and its checks; see `Health.happen`.

        A changed backend has to be proved again by those checks that are new: the others still say what they said.
        """
        old, drained = self.state, self.draining
        super().happen(event)
        if self.state not in PROBED or old not in PROBED:
            for each in self.checks:
                each.health.state = State.UNKNOWN if self.state in PROBED else self.state
                each.health.value = each.health.rise - 1
        elif event is Lifecycle.CHANGE:
            self._take()
        self._count()
        return self.state is not old or self.draining is not drained

    def _count(self) -> None:
        self.value = self._states().count(State.UP)

    def _states(self) -> list[State]:
        """Return what each of the checks says."""
        states = [each.state for each in self.checks]
        if not self._sizes:
            return states
        paths = iter(states)
        return [combined(islice(paths, size), size) for size in self._sizes]

    def _take(self) -> None:
        found = combined(self._states(), self.rise)
        if found is State.DOWN:
            self.state = found
        elif found is State.UP and (not self.waits or self.draining or self.state is State.UP):
            self.state = State.DRAINING if self.draining else found


def thresholds(healthcheck: Healthcheck | None) -> tuple[int, int]:
    """Return rise and fall; both are 1 for a static backend, which gets a single synthetic pass."""
    return (1, 1) if healthcheck is None else (healthcheck.rise, healthcheck.fall)


def health_of(backend: str, probing: Healthcheck | Checks | None) -> Health:
    """Return the health of a backend of which nothing is known yet."""
    if isinstance(probing, Checks):
        checks = tuple(CheckStatus(backend, each) for each in probing.healthchecks)
        return CombinedHealth(checks, probing.needed, probing.sizes)
    return Health(*thresholds(probing))


def findings_of(
    backend: str, health: Health, probing: Healthcheck | Checks | None, last: tuple[Result | None, float]
) -> tuple[CheckStatus, ...]:
    """Return what the checks of a backend have found, one or several: for those that will be its checks.

    Args:
        backend: Name of the backend.
        health: Its health.
        probing: How it is probed.
        last: Its last result, and when that came.
    """
    if isinstance(health, CombinedHealth):
        return health.checks
    if not isinstance(probing, Healthcheck):
        return ()
    only = CheckStatus(backend, probing)
    only.health.value = health.value
    only.health.state = health.state
    if health.state is State.DRAINING:
        only.health.state = State.UP if health.value >= health.rise else State.UNKNOWN
    only.last_result, only.resulted = last
    return (only,)


def carried(check: CheckStatus, found: Iterable[CheckStatus]) -> CheckStatus:
    """Return a check that knows what one of the same content has found; its name in the file does not matter."""
    content = attrs.evolve(check.healthcheck, name="")
    alike = [each for each in found if attrs.evolve(each.healthcheck, name="") == content]
    for each in alike:
        if each.name == check.name:
            return each
    for each in alike[:1]:
        check.health.value, check.health.state = each.health.value, each.health.state
        check.last_result, check.resulted = each.last_result, each.resulted
    return check
