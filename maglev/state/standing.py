"""What a frontend may expect of a backend: the first half of the decision, from the evidence to the standing.

Separate causes decide, and each is undone only by what made it: an operator or the file (`Evidence.state`,
`Evidence.drained`), the checks (`Evidence.state`), doubt about the checks (`Evidence.doubted`), and an agent
(`Evidence.agent`). They stay apart in `Evidence`, and `standing_of` is the only place where one prevails over another.
"""

from __future__ import annotations

import enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from maglev.model.agent import NEUTRAL
from maglev.model.health import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.model.agent import AgentWord


class Cause(enum.StrEnum):
    """Who keeps a backend in service or out of it."""

    CHECK = "check"
    OPERATOR = "operator"
    CONFIG = "config"
    BLINDNESS = "blindness"
    GUARD = "guard"
    AGENT = "agent"


class Standing(enum.StrEnum):
    """What a frontend may expect of a backend."""

    UP = "up"
    DOUBTED = "doubted"
    """Down, but so many went down together that the checks are in doubt: it counts as up."""
    HELD = "held"
    """Unknown, with a weight from before that it keeps until its first result."""
    DOWN = "down"
    UNPROVED = "unproved"
    """Unknown, without any weight from before."""
    DRAINED = "drained"
    NOLB = "nolb"
    """Up, and its last probe was answered that it wants no new flows (``disable-on-404``; HAProxy's word)."""
    AGENT_DOWN = "agent-down"
    """Its agent says that it is down; the guard may keep it, as what is down by its checks."""
    AGENT_DRAIN = "agent-drain"
    """Its agent says that it wants no new flows, or 0 % of its weight."""
    AGENT_MAINT = "agent-maint"
    """Its agent says that it is being worked on."""
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"


class Evidence(NamedTuple):
    """What is known of a backend, wherever it is used.

    Attributes:
        state: Its state.
        drained: Whether an operator has ordered that it gets no new flows; it is probed all the same.
        doubted: Whether the checks that say that it is down are in doubt.
        by_file: Whether the file, rather than an operator, has disabled it.
        rank: Grows with the time at which it went down: of two that are down, the lower one has been so for longer.
        nolb: Whether its last probe was answered that it wants no new flows.
        agent: What its agent says.
    """

    state: State
    drained: bool = False
    doubted: bool = False
    by_file: bool = False
    rank: int = 0
    nolb: bool = False
    agent: AgentWord = NEUTRAL


@lru_cache(None)
def _shared(
    state: State,
    drained: bool,  # noqa: FBT001
    doubted: bool,  # noqa: FBT001
    by_file: bool,  # noqa: FBT001
    nolb: bool,  # noqa: FBT001
    agent: AgentWord,
) -> Evidence:
    return Evidence(state, drained, doubted, by_file, nolb=nolb, agent=agent)


def evidence_of(
    state: State,
    *,
    drained: bool = False,
    doubted: bool = False,
    by_file: bool = False,
    rank: int = 0,
    nolb: bool = False,
    agent: AgentWord = NEUTRAL,
) -> Evidence:
    """Return what is known of a backend; thousands of backends share a few objects."""
    nolb = nolb and state is State.UP
    doubted = doubted and state is State.DOWN
    if state not in _HEARD:
        agent = NEUTRAL
    if rank and (state is State.DOWN or agent.down):
        return Evidence(state, drained, doubted, rank=rank, nolb=nolb, agent=agent)
    return _shared(state, drained, doubted, by_file and state is State.DISABLED, nolb, agent)


IN_SERVICE: Final = frozenset({Standing.UP, Standing.DOUBTED, Standing.HELD})
"""The standings that make a backend count for its pool."""

MAY_BE_GUARDED: Final = frozenset({Standing.DOWN, Standing.AGENT_DOWN})
"""The standings in which the guard may keep a backend in service: there is evidence against it, and no order."""

AS_CONFIGURED: Final = frozenset({Standing.UP, Standing.DOUBTED})
"""The standings that give a backend its configured weight in the active pool."""

_STANDINGS: Final[Mapping[State, Standing]] = {
    State.UP: Standing.UP,
    State.DOWN: Standing.DOWN,
    State.UNKNOWN: Standing.UNPROVED,
    State.DRAINING: Standing.DRAINED,
    State.PAUSED: Standing.PAUSED,
    State.DISABLED: Standing.DISABLED,
    State.REMOVED: Standing.REMOVED,
}
"""What may be expected of a backend in a state, if nothing else is known."""

_BY_CHECKS: Final = frozenset({Standing.UP, Standing.DOWN, Standing.UNPROVED})
_HEARD: Final = frozenset({State.UP, State.DOWN, State.UNKNOWN})
"""The states in which it matters what an agent says: in the others, an order has taken the backend out."""


def standing_of(evidence: Evidence, held: int) -> Standing:
    """Return what a frontend may expect of a backend.

    Args:
        evidence: What is known of it.
        held: The weight that it keeps from before in this frontend, 0 for none.
    """
    standing = _STANDINGS[evidence.state]
    if evidence.drained and standing in _BY_CHECKS:
        return Standing.DRAINED
    if evidence.agent is not NEUTRAL and (by_agent := _by_agent(evidence, standing)) is not None:
        return by_agent
    if evidence.nolb:
        return Standing.NOLB
    if evidence.doubted and standing is Standing.DOWN:
        return Standing.DOUBTED
    return Standing.HELD if held > 0 and standing is Standing.UNPROVED else standing


def _by_agent(evidence: Evidence, standing: Standing) -> Standing | None:
    """Return what an agent makes of a backend: orders before evidence, and both whatever the checks say.

    What is down by its checks as well is down, and no longer doubted: the agent confirms it.
    """
    word = evidence.agent
    if word.order or not word.percent:
        return Standing.AGENT_MAINT if word.order == "maint" else Standing.AGENT_DRAIN
    if not word.down or evidence.nolb:
        return None
    return standing if standing is Standing.DOWN else Standing.AGENT_DOWN


def causes_of(evidence: Evidence) -> frozenset[Cause]:
    """Return who keeps a backend in service or out of it, as far as that is the same in every frontend."""
    causes = set()
    if (
        evidence.drained
        or evidence.state is State.PAUSED
        or (evidence.state is State.DISABLED and not evidence.by_file)
    ):
        causes.add(Cause.OPERATOR)
    if evidence.by_file or evidence.state is State.REMOVED:
        causes.add(Cause.CONFIG)
    if evidence.state in {State.UP, State.DOWN}:
        causes.add(Cause.CHECK)
    if evidence.doubted:
        causes.add(Cause.BLINDNESS)
    if evidence.agent != NEUTRAL:
        causes.add(Cause.AGENT)
    return frozenset(causes)
