"""The entries of the board's event log."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from maglev.model.announce import Announcing
    from maglev.model.health import Transition
    from maglev.model.override import Override


class FrontendState(enum.StrEnum):
    """The state of a frontend: a reduction of its backends' states, without a counter of its own."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


@attrs.frozen
class BackendEvent:
    """A backend went from one state to another.

    Attributes:
        seq: Position in the event log: 1, 2, 3 ... without gaps since the daemon started.
        backend: Its name.
        address: Its address at that moment.
        transition: The change.
    """

    seq: int
    backend: str
    address: str
    transition: Transition


@attrs.frozen
class FrontendEvent:
    """A frontend went from one state to another.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    frontend: str
    old: FrontendState
    new: FrontendState
    at: float


@attrs.frozen
class OverrideEvent:
    """An override was made or has ended.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        action: ``set``, ``cleared`` (by an operator), ``expired``, or ``dropped`` (the file says otherwise now).
        override: The override.
        who: Who did that; empty for the program itself.
        reason: Why; may be empty.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    action: str
    override: Override
    who: str
    reason: str
    at: float


@attrs.frozen
class GuardEvent:
    """The guard began to keep backends of a frontend in service although they are down, or ceased to.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        kept: Names of those that it began to keep.
        released: Names of those that it keeps no longer.
        held: Number of those that it keeps now.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    frontend: str
    kept: tuple[str, ...]
    released: tuple[str, ...]
    held: int
    at: float


@attrs.frozen
class BlindnessEvent:
    """Doubt about the checks has begun or ended: many backends went down together.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        scope: What the backends have in common: ``healthcheck``, ``path`` or ``all``.
        name: Name of the healthcheck, or the family and the source address; empty for all.
        blind: Whether it has begun.
        backends: Number of backends that are doubted, or were at the end.
        total: Number of backends that were in service.
        why: ``share``; or why it has ended: ``recovered``, ``canary``, ``hold`` (it took too long) or ``config``.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    scope: str
    name: str
    blind: bool
    backends: int
    total: int
    why: str
    at: float


@attrs.frozen
class AnnouncementEvent:
    """An address was announced or withdrawn.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        address: The address.
        old: Whether it was announced before.
        new: Whether it is now.
        why: The reason, for a person.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    address: str
    old: Announcing
    new: Announcing
    why: str
    at: float


@attrs.frozen
class SinkEvent:
    """Somebody who receives announcements can't be reached, or can be again.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        sink: Who: ``bird``, or ``hook`` and its name.
        problem: Why not, for a person; empty if it works again.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    sink: str
    problem: str
    at: float


Event = BackendEvent | FrontendEvent | OverrideEvent | GuardEvent | BlindnessEvent | AnnouncementEvent | SinkEvent
