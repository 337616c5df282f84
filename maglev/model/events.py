"""The entries of the board's event log."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from maglev.model.announce import Announcing
    from maglev.model.health import State, Transition
    from maglev.model.override import DrainPhase, Override


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
class CheckEvent:
    """One of several checks of a backend went up or down; whether the backend did, too, is another event.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        backend: Name of the backend.
        healthcheck: Name of the healthcheck.
        old: What it said before.
        new: What it says now.
        state: The state of the backend, after that.
        layer: Layer of the result that caused it.
        code: Code of that result.
        detail: Details for a person.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    backend: str
    healthcheck: str
    old: State
    new: State
    state: State
    layer: str
    code: str
    detail: str
    at: float


@attrs.frozen
class AgentEvent:
    """The agent of a backend says something else than before, or is not heard any longer.

    Attributes:
        seq: Position in the event log, in one sequence for all kinds.
        backend: Name of the backend.
        healthcheck: Name of the healthcheck that asks it.
        old: What held before, such as ``drain 50%``; ``up`` if it took nothing away, ``unknown``, or ``silent``.
        new: What holds now.
        code: Code of the result that caused it.
        detail: The answer, or why there is none.
        at: Wall-clock time, seconds since the epoch: for display only.
    """

    seq: int
    backend: str
    healthcheck: str
    old: str
    new: str
    code: str
    detail: str
    at: float


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


# What is noted on the board (`Board.note`), which gives it its place in the event log and its time. ``who`` is empty
# for the program itself; ``seq`` and ``at`` are as in `FrontendEvent`.


@attrs.frozen
class OverrideEvent:
    """An override was made or has ended.

    Attributes:
        action: ``set``, ``cleared`` (by an operator), ``expired``, or ``dropped`` (the file says otherwise now).
        override: The override.
        who: Who did that.
        reason: Why; may be empty.
        origin: Where the call came from; empty for the program itself.
    """

    action: str
    override: Override
    who: str
    reason: str
    origin: str = ""
    seq: int = 0
    at: float = 0.0


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


@attrs.frozen
class WeightEvent:
    """The weight of a backend in a pool was changed: by a command, or because an override has ended.

    Attributes:
        frontend, pool, backend: Where.
        old: The weight before.
        new: The weight now.
        who: Who did that.
        origin: Where the call came from.
        reason: Why; may be empty.
    """

    frontend: str
    pool: str
    backend: str
    old: int
    new: int
    who: str
    origin: str
    reason: str
    seq: int = 0
    at: float = 0.0


@attrs.frozen
class ReloadEvent:
    """The file was put in force, or refused.

    Attributes:
        applied: Whether it was put in force.
        generation: Number of the configuration in force.
        problems: Number of errors for which it was refused.
        ended: The overrides that it ended, in words.
        who: Who asked for it; several, if they share the reload.
        origin: Where the calls came from, or the signal.
    """

    applied: bool
    generation: int
    problems: int
    ended: tuple[str, ...]
    who: str
    origin: str
    seq: int = 0
    at: float = 0.0


@attrs.frozen
class DrainEvent:
    """A drain began, went on or came to its end.

    Attributes:
        backend: The backend.
        phase: Where the drain is.
        flows: Flows that VPP knows; None if it could not be asked.
        detail: What there is to say of it; may be empty.
        who: Who ordered the drain.
        origin: Where the call came from.
    """

    backend: str
    phase: DrainPhase
    flows: int | None
    detail: str
    who: str
    origin: str
    seq: int = 0
    at: float = 0.0


@attrs.frozen
class PeerEvent:
    """Another balancer agrees with this one, differs from it, or is silent.

    Attributes:
        peer: Its name in ``--peers``.
        state: ``agrees``, ``differs``, ``nothing-shared`` or ``lost``.
        detail: What differs, or why nothing is known; empty if it agrees.
    """

    peer: str
    state: str
    detail: str
    seq: int = 0
    at: float = 0.0


@attrs.frozen
class NameEvent:
    """Something happened to the addresses of a DNS name.

    Attributes:
        name: The name in the file.
        action: ``changed`` (its addresses), ``refused`` (some that can't be used), ``failed`` (the first lookup in a
            row) or ``recovered``.
        added: Backends that are new, with their addresses.
        left: The same of those that have left.
        refused: Addresses that can't be used, each with the reason.
        waiting: Addresses that wait for room.
        detail: Why the lookup failed; else empty.
    """

    name: str
    action: str
    added: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    detail: str = ""
    seq: int = 0
    at: float = 0.0


Noted = OverrideEvent | WeightEvent | ReloadEvent | DrainEvent | PeerEvent | NameEvent
"""What is noted on the board."""

Event = (
    BackendEvent
    | CheckEvent
    | AgentEvent
    | FrontendEvent
    | GuardEvent
    | BlindnessEvent
    | AnnouncementEvent
    | SinkEvent
    | Noted
)
