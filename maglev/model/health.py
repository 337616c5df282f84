"""The health of one backend: HAProxy's rise/fall counter and the states around it. No clock, no I/O.

Theory of operation. One integer ``value`` in 0 .. rise+fall-1 sums up the evidence: the backend is up when
``value >= rise``; a pass adds one and a failure subtracts one, both clamped. So a healthy backend goes down after
``fall`` more failures than passes, and single failures days apart never add up, because each pass between them undoes
one. A backend about which nothing is known yet starts at ``rise - 1``: the first pass brings it up, and any failure
while it is unknown brings it down.

The states surround the counter. Probe results move a backend among `unknown`, `up` and `down`; anything else that
happens to it is a `Lifecycle` event. A backend that drains is probed as before: what would be `unknown` or `up` is
`draining` as long as the order holds, and `down` is `down`. The table `TRANSITIONS` says what each event does in each
state; events without an entry are refused.

Source: HAProxy ``check.c`` (``set_server_check_status``, health in 0 .. rise+fall-1).
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(enum.StrEnum):
    """What is known or decided about a backend."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    DRAINING = "draining"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"


class Lifecycle(enum.StrEnum):
    """Events of a backend other than probe results. The value is the code in the transition."""

    START = "start"
    PAUSE = "paused"
    RESUME = "resumed"
    DRAIN = "draining"
    DISABLE = "disabled"
    ENABLE = "enabled"
    CHANGE = "changed"
    REMOVE = "removed"


PROBED: Final = frozenset({State.UNKNOWN, State.UP, State.DOWN, State.DRAINING})
"""The states in which a backend is probed and its results count."""

ORDERED_OUT: Final = frozenset({State.DRAINING, State.PAUSED, State.DISABLED})
"""The states in which an operator, or the file, has ordered a backend out of service."""

TRANSITIONS: Final[Mapping[Lifecycle, Mapping[State, State]]] = {
    Lifecycle.START: {State.UNKNOWN: State.UNKNOWN},
    Lifecycle.PAUSE: {
        State.UNKNOWN: State.PAUSED,
        State.UP: State.PAUSED,
        State.DOWN: State.PAUSED,
        State.DRAINING: State.PAUSED,
        State.PAUSED: State.PAUSED,
    },
    Lifecycle.RESUME: {State.PAUSED: State.UNKNOWN},
    Lifecycle.DRAIN: {
        State.UNKNOWN: State.DRAINING,
        State.UP: State.DRAINING,
        State.DOWN: State.DOWN,
        State.DRAINING: State.DRAINING,
        State.PAUSED: State.DRAINING,
    },
    Lifecycle.DISABLE: {
        State.UNKNOWN: State.DISABLED,
        State.UP: State.DISABLED,
        State.DOWN: State.DISABLED,
        State.DRAINING: State.DISABLED,
        State.PAUSED: State.DISABLED,
        State.DISABLED: State.DISABLED,
    },
    # A drain that ends leaves what the probes have found: `Health.happen`.
    Lifecycle.ENABLE: {State.DISABLED: State.UNKNOWN, State.DRAINING: State.UP},
    # A changed healthcheck or address: health must be proved again; operators' decisions stay.
    Lifecycle.CHANGE: {
        State.UNKNOWN: State.UNKNOWN,
        State.UP: State.UNKNOWN,
        State.DOWN: State.UNKNOWN,
        State.DRAINING: State.DRAINING,
        State.PAUSED: State.PAUSED,
        State.DISABLED: State.DISABLED,
    },
    Lifecycle.REMOVE: dict.fromkeys(set(State) - {State.REMOVED}, State.REMOVED),
}


_NOTHING_PROVED: Final = {(State.PAUSED, Lifecycle.DRAIN), (State.DRAINING, Lifecycle.CHANGE)}
"""After these events in these states, a backend that drains has yet to prove its health."""


@attrs.frozen
class Transition:
    """One change of state.

    Attributes:
        old: State before.
        new: State after; equal to ``old`` only for the start of a backend, a change of one that has nothing proved,
            and a drain that begins or ends while it is down.
        at: Wall-clock time, seconds since the epoch: for display only.
        layer: Layer of the result that caused it; empty for a lifecycle event.
        code: Code of that result, or the `Lifecycle` value.
        detail: Details for a person.
    """

    old: State
    new: State
    at: float
    layer: str
    code: str
    detail: str = ""

    @property
    def healthcheck(self) -> str:
        """Name of the check whose result caused it, if the backend has several; else empty."""
        return ""


@attrs.frozen
class CheckTransition(Transition):
    """A change of state by the result of one of several checks."""

    healthcheck: str = ""


class Health:
    """The counter and the state of one backend.

    Attributes:
        rise: Passes that bring it up from 0.
        fall: Failures that bring it down from the top.
        value: The counter, 0 .. rise+fall-1.
        state: The state.
        draining: Whether it is ordered to drain.
        waits: Whether its agent has to be heard before it can come up.
    """

    __slots__ = ("draining", "fall", "rise", "state", "value", "waits")

    def __init__(self, rise: int, fall: int) -> None:
        self.rise = rise
        self.fall = fall
        self.value = rise - 1
        self.state = State.UNKNOWN
        self.draining = False
        self.waits = False

    @property
    def top(self) -> int:
        """The highest value of the counter."""
        return self.rise + self.fall - 1

    def record(self, passed: bool) -> bool:  # noqa: FBT001  # the one argument of the hottest call
        """Count one probe result; return whether the state changed. Results in unprobed states are ignored."""
        state = self.state
        if state not in PROBED:
            return False
        self.value = min(self.value + 1, self.top) if passed else max(self.value - 1, 0)
        if self.value < self.rise:
            self.state = State.DOWN
        elif not self.waits or self.draining or state is State.UP:
            self.state = State.DRAINING if self.draining else State.UP
        return self.state is not state

    def settle(self) -> bool:
        """Go on after the agent was heard; return whether the state changed."""
        self.waits = False
        if self.value < self.rise or self.state not in {State.UNKNOWN, State.DOWN}:
            return False
        self.state = State.UP
        return True

    def happen(self, event: Lifecycle) -> bool:
        """Apply a lifecycle event; return whether the state, or the order to drain, changed.

        Raises:
            RefusedError: The event makes no sense in this state; nothing changed.
        """
        old, drained = self.state, self.draining
        new = self._found if drained and event is Lifecycle.ENABLE else TRANSITIONS[event].get(old)
        if new is None:
            message = f"it is {old}"
            raise RefusedError(message)
        self.draining = event is Lifecycle.DRAIN or (drained and event is Lifecycle.CHANGE)
        self.state = State.DRAINING if self.draining and new is State.UNKNOWN else new
        if new is State.UNKNOWN or (old, event) in _NOTHING_PROVED:
            self.value = self.rise - 1
        elif new is State.PAUSED:
            self.value = 0
        return self.state is not old or self.draining is not drained

    @property
    def _found(self) -> State:
        """What the probes have found of a backend that is ordered to drain."""
        if self.state is State.DOWN:
            return State.DOWN
        return State.UP if self.value >= self.rise and not self.waits else State.UNKNOWN

    def retune(self, rise: int, fall: int) -> None:
        """Set new thresholds, before a `Lifecycle.CHANGE`."""
        self.rise = rise
        self.fall = fall
        self.value = min(self.value, self.top)
