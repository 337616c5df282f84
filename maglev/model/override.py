"""Overrides: what an operator has ordered at run time that differs from the file, and who, when, why and until when."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs

from maglev.model.announce import AnnounceOrder
from maglev.model.errors import RefusedError
from maglev.model.moments import LATEST, moment
from maglev.model.text import printable

if TYPE_CHECKING:
    from maglev.model.caller import Caller

DAY: Final = 86400

MAX_DURATION: Final = 366 * DAY
"""Seconds that an override may last if it is to end by itself: what is meant for longer belongs in the file."""

MAX_REASON: Final = 120
"""Characters of a reason: a line in a table, a ticket's number and title."""

MAX_CALLER: Final = 200
"""Characters of the name and of the origin of a caller that are recorded."""


class BackendOrder(enum.StrEnum):
    """What an operator, or the file (``enabled``), orders for a backend; the first and the last also for a frontend."""

    ENABLE = "enable"
    DRAIN = "drain"
    PAUSE = "pause"
    DISABLE = "disable"


@attrs.frozen(order=True)
class Target:
    """What an override is about: a backend, a frontend, the weight of a backend in a pool, or an announcement.

    Attributes:
        backend: Name of the backend; empty if it is about a frontend or an address.
        frontend: Name of the frontend; empty if it is about a backend or an address.
        pool: Name of the pool; empty unless it is about a weight.
        address: The address; empty unless it is about an announcement.
    """

    backend: str = ""
    frontend: str = ""
    pool: str = ""
    address: str = ""

    @property
    def is_state(self) -> bool:
        """Whether it is about a backend as a whole."""
        return bool(self.backend) and not self.frontend

    @property
    def is_frontend(self) -> bool:
        """Whether it is about a frontend as a whole."""
        return bool(self.frontend) and not self.backend

    @property
    def is_weight(self) -> bool:
        """Whether it is about a weight."""
        return bool(self.pool)

    def __str__(self) -> str:
        if self.address:
            return f"announcement of {self.address}"
        if self.is_state:
            return f"backend {self.backend}"
        if not self.is_weight:
            return f"frontend {self.frontend}"
        return f"weight of backend {self.backend} in pool {self.pool} of frontend {self.frontend}"


class DrainPhase(enum.StrEnum):
    """Where a drain is."""

    DRAINING = "draining"
    """It has not reached its goal."""
    DRAINED = "drained"
    TIMED_OUT = "timed-out"
    UNCONFIRMED = "unconfirmed"
    """VPP could not be asked."""
    ENDED = "ended"
    """Something else was ordered."""


@attrs.frozen
class DrainGoal:
    """What a drain is to reach.

    Attributes:
        flows: The drain is done when the backend has no more flows than these.
        by: When it has failed if it has not reached that: wall-clock time, seconds since the epoch; None for never.
        disable: Whether the backend is disabled when it has reached that.
    """

    flows: int = 0
    by: float | None = None
    disable: bool = False


Value = BackendOrder | AnnounceOrder | int
"""What is ordered: for a backend or a frontend, whether an address may be announced, or a weight, 0..100."""


@attrs.frozen
class Override:
    """One override.

    Attributes:
        target: What it is about.
        value: What holds instead of what the file says.
        base: What the file said when it was made.
        who: Name of the caller who made it.
        origin: Where the call came from.
        reason: Why, in the caller's words; may be empty.
        at: When it was made: wall-clock time, seconds since the epoch.
        until: When it ends by itself, likewise; None if it does not.
        goal: What a drain has yet to reach; None for other orders, and once it is decided whether it has reached it.
    """

    target: Target
    value: Value
    base: Value
    who: str
    origin: str
    reason: str
    at: float
    until: float | None = None
    goal: DrainGoal | None = None

    def __str__(self) -> str:
        """Return who, why and until when, for the detail of a transition."""
        reason = f": {self.reason}" if self.reason else ""
        until = "" if self.until is None else f" (until {moment(self.until)})"
        return f"by {self.who}{reason}{until}"

    def shifted(self, seconds: float) -> Override:
        """Return the same by a wall clock that has been set forward by so many seconds; its duration stays."""
        at = min(max(self.at + seconds, 0.0), LATEST - MAX_DURATION)
        goal = self.goal
        if goal is not None and goal.by is not None:
            goal = attrs.evolve(goal, by=at + (goal.by - self.at))
        return attrs.evolve(self, at=at, until=None if self.until is None else at + (self.until - self.at), goal=goal)


@attrs.frozen
class Remark:
    """What a caller says of an override besides its value.

    Attributes:
        who: Name of the caller.
        origin: Where the call comes from.
        duration: Seconds after which it ends; 0 if it does not end by itself.
        reason: Why; may be empty.
    """

    who: str
    origin: str
    duration: int = 0
    reason: str = ""


def remark_by(caller: Caller, duration: int = 0, reason: str = "") -> Remark:
    """Return what a caller says of an override.

    Raises:
        RefusedError: It may not last so long, or the reason can't be shown on a line.
    """
    if not 0 <= duration <= MAX_DURATION:
        message = f"duration {duration} is not in 1..{MAX_DURATION} seconds"
        raise RefusedError(message)
    if len(reason) > MAX_REASON:
        message = f"the reason has {len(reason)} characters: expected at most {MAX_REASON}"
        raise RefusedError(message)
    if not reason.isprintable():
        raise RefusedError("the reason contains a control character: expected one line of text")
    return Remark(printable(caller.name), printable(caller.origin), duration, reason.strip())
