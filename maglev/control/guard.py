"""Refuses orders that would leave a guarded frontend with nothing in service.

The guard (``when-none-eligible: hold``) keeps what is down in service, but never what an operator took out. So an order
is judged by what would be left after it, before it is carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from maglev.model.config import WhenNoneEligible
from maglev.model.errors import RefusedError
from maglev.model.health import State
from maglev.model.override import BackendOrder
from maglev.state.decision import decide
from maglev.state.reweighted import reweighted
from maglev.state.standing import evidence_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from maglev.model.override import Override, Target
    from maglev.state.board import Board
    from maglev.state.decision import Situation


def refuse_to_take_out(board: Board, backends: Collection[str]) -> None:
    """Refuse to take backends out of service together, however that is done, if a guarded frontend needs them.

    Args:
        board: The board.
        backends: Names of backends; of those that there are.

    Raises:
        RefusedError: A frontend that serves now would have nothing left in service.
    """
    out = evidence_of(State.PAUSED)
    names = dict.fromkeys(frontend for backend in backends for frontend in board.frontends_of(backend))
    for name in names:
        situation = board.situation(name)
        evidence = {each: out if each in backends else known for each, known in situation.evidence.items()}
        _judge(board, attrs.evolve(situation, evidence=evidence))


def refuse_frontend(board: Board, frontend: str) -> None:
    """Refuse to take a whole frontend out of service, likewise: its guard is there so that it serves.

    Args:
        board: The board.
        frontend: Its name.

    Raises:
        RefusedError: It serves now, and is guarded.
        NotFoundError: The frontend does not exist.
    """
    _judge(board, attrs.evolve(board.situation(frontend), out=True))


def refuse_weight(board: Board, target: Target, weight: int) -> None:
    """Refuse a weight, likewise.

    Args:
        board: The board.
        target: The weight of which backend in which pool.
        weight: The weight; 0 takes the backend out of service.

    Raises:
        RefusedError: A frontend that serves now would have nothing left in service; or as `reweighted` says.
        NotFoundError: The pool has no such member.
    """
    situation = board.situation(target.frontend)
    changed = reweighted(situation.frontend, target.pool, target.backend, weight)
    _judge(board, attrs.evolve(situation, frontend=changed))


def refuse_to_clear(board: Board, overrides: Sequence[Override]) -> None:
    """Refuse to let the file hold again instead of overrides, likewise: it may take out what they keep in service.

    Args:
        board: The board.
        overrides: Existing overrides.

    Raises:
        RefusedError: A frontend that serves now would have nothing left in service.
    """
    states = [each for each in overrides if each.target.is_state]
    refuse_to_take_out(board, [each.target.backend for each in states if each.base is not BackendOrder.ENABLE])
    for each in overrides:
        if isinstance(each.base, int):
            refuse_weight(board, each.target, each.base)


def _judge(board: Board, after: Situation) -> None:
    frontend = after.frontend
    if frontend.when_none_eligible is not WhenNoneEligible.HOLD or board.frontends[frontend.name].active is None:
        return
    if not decide(after)[0].serves:
        message = f"frontend {frontend.name} would have nothing left in service, and its when-none-eligible is hold: "
        raise RefusedError(message + "add force to do it nevertheless")
