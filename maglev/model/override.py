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
    """What an operator, or the file (``enabled``), orders for a backend."""

    ENABLE = "enable"
    DRAIN = "drain"
    PAUSE = "pause"
    DISABLE = "disable"


@attrs.frozen(order=True)
class Target:
    """What an override is about: a backend, its weight in a pool, or the announcement of an address.

    Attributes:
        backend: Name of the backend; empty if it is about an address.
        frontend: Name of the frontend; empty unless it is about a weight.
        pool: Name of the pool; empty unless it is about a weight.
        address: The address; empty unless it is about an announcement.
    """

    backend: str
    frontend: str = ""
    pool: str = ""
    address: str = ""

    @property
    def is_state(self) -> bool:
        """Whether it is about the state of a backend."""
        return not self.frontend and not self.address

    def __str__(self) -> str:
        if self.address:
            return f"announcement of {self.address}"
        if not self.frontend:
            return f"backend {self.backend}"
        return f"weight of backend {self.backend} in pool {self.pool} of frontend {self.frontend}"


Value = BackendOrder | AnnounceOrder | int
"""What is ordered: an order for a backend, whether an address may be announced, or a weight, 0..100."""


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
    """

    target: Target
    value: Value
    base: Value
    who: str
    origin: str
    reason: str
    at: float
    until: float | None = None

    def __str__(self) -> str:
        """Return who, why and until when, for the detail of a transition."""
        reason = f": {self.reason}" if self.reason else ""
        until = "" if self.until is None else f" (until {moment(self.until)})"
        return f"by {self.who}{reason}{until}"

    def shifted(self, seconds: float) -> Override:
        """Return the same by a wall clock that has been set forward by so many seconds; its duration stays."""
        at = min(max(self.at + seconds, 0.0), LATEST - MAX_DURATION)
        return attrs.evolve(self, at=at, until=None if self.until is None else at + (self.until - self.at))


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
