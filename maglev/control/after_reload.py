"""What a reload of another configuration leaves of the states and decisions of the present one, if all goes well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.model.agent import NEUTRAL
from maglev.model.health import State
from maglev.model.probing import agent_of, probing_of
from maglev.state.decision import Situation, decide
from maglev.state.pools import no_memory, remembered
from maglev.state.standing import evidence_of

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from maglev.model.agent import AgentWord
    from maglev.model.config import Backend, Config, Frontend
    from maglev.state.board import Board
    from maglev.state.decision import Decision
    from maglev.state.status import FrontendStatus


def states_after_steps(board: Board, config: Config) -> Generator[None, None, dict[str, State]]:
    """Return the final states of the backends of another configuration, by name; yield often."""
    states = {}
    for name, backend in config.backends.items():
        states[name] = state_after(board, config, backend)
        yield
    return states


def state_after(board: Board, config: Config, backend: Backend) -> State:
    """Return the final state of one backend of another configuration."""
    before = board.config.backends.get(backend.name)
    if before is None:
        return State.UP if backend.enabled else State.DISABLED
    state = board.backends[backend.name].state
    if before.enabled and not backend.enabled:
        return State.DISABLED
    if state is State.DISABLED:
        return State.UP if backend.enabled and not before.enabled else State.DISABLED
    if state is State.PAUSED:
        return State.PAUSED
    if is_proven(board, config, backend):
        return state
    return State.DRAINING if board.backends[backend.name].health.draining else State.UP


def state_between(board: Board, config: Config, backend: Backend) -> State:
    """Return the state of one backend right after the reload, before any result."""
    state = state_after(board, config, backend)
    known = backend.name in board.config.backends and is_proven(board, config, backend)
    return State.UNKNOWN if state is State.UP and not known else state


def is_proven(board: Board, config: Config, backend: Backend) -> bool:
    """Return whether the state of a backend remains valid under another configuration."""
    before = board.config.backends[backend.name]
    same = (before.address, probing_of(board.config, before)) == (backend.address, probing_of(config, backend))
    same = same and agent_of(board.config, before) == agent_of(config, backend)
    return same and board.backends[backend.name].state is not State.UNKNOWN


def decided_after(
    board: Board,
    config: Config,
    frontend: Frontend,
    status: FrontendStatus | None,
    states: Mapping[str, State],
    held: Mapping[str, int] | None = None,
) -> Decision:
    """Return what is decided of a frontend of another configuration, when its backends have these states.

    Agents say what they say now; a new one takes nothing away.

    Args:
        board: The present state.
        config: The other configuration.
        frontend: The frontend, as it will be.
        status: What is known of it now; None if it is new.
        states: The states of its backends, by name.
        held: Weights that unknown ones keep, by name.
    """
    evidence = {}
    for name in frontend.backends:
        before = board.backends.get(name)
        drained = before is not None and before.health.draining
        rank = 0 if before is None else before.rank
        nolb = before is not None and before.nolb
        doubted = board.doubts.doubted(name)
        word = _word_after(board, config, config.backends[name])
        known = {"drained": drained, "doubted": doubted, "nolb": nolb}
        evidence[name] = evidence_of(states[name], **known, rank=rank, agent=word)
    memory = no_memory(frontend) if status is None else remembered(status.memory, status.frontend, frontend)
    out = status is not None and status.out
    return decide(Situation(frontend, evidence, held or {}, memory, board.now(), out))[0]


def _word_after(board: Board, config: Config, backend: Backend) -> AgentWord:
    """Return what the agent of a backend of another configuration says, as far as it is the one of now."""
    before = board.config.backends.get(backend.name)
    if before is None or agent_of(board.config, before) != agent_of(config, backend):
        return NEUTRAL
    return board.backends[backend.name].word
