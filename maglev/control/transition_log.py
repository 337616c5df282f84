"""Logs every transition on the board and every reload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import LogLevel

from maglev.config.diff import removed, touched
from maglev.model.events import FrontendState
from maglev.model.health import State
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from constantly import NamedConstant

    from maglev.model.config import Config
    from maglev.model.events import AgentEvent, BackendEvent, BlindnessEvent, CheckEvent, FrontendEvent, GuardEvent
    from maglev.model.health import Transition
    from maglev.state.board import Board


SHOWN: Final = 10
"""Names in a line about many backends."""


class TransitionLog:
    """Logs transitions, each at the level that its new state deserves.

    A backend that goes down is a warning: others serve. A frontend that goes down is an error: nothing serves. The
    start of a backend, which changes nothing, is for debugging.
    """

    _log = EventLogger()

    def __init__(self, board: Board) -> None:
        board.subscribe(
            backend_changed=self._backend_changed,
            check_changed=self._check_changed,
            agent_changed=self._agent_changed,
            frontend_changed=self._frontend_changed,
            guard_changed=self._guard_changed,
            blindness_changed=self._blindness_changed,
            config_changed=self._config_changed,
        )

    def _backend_changed(self, event: BackendEvent) -> None:
        move = event.transition
        self._log.emit(
            _level_of(move),
            "backend-transition",
            backend=event.backend,
            address=event.address,
            **{"from": str(move.old), "to": str(move.new)},
            code=str(move.code),
            detail=move.detail,
            seq=event.seq,
        )

    def _check_changed(self, event: CheckEvent) -> None:
        self._log.emit(
            LogLevel.warn if event.new is State.DOWN else LogLevel.info,
            "check-transition",
            backend=event.backend,
            healthcheck=event.healthcheck,
            **{"from": str(event.old), "to": str(event.new)},
            code=event.code,
            detail=event.detail,
            state=str(event.state),
            seq=event.seq,
        )

    def _agent_changed(self, event: AgentEvent) -> None:
        self._log.info(
            "agent-changed",
            backend=event.backend,
            healthcheck=event.healthcheck,
            before=event.old,
            now=event.new,
            code=event.code,
            detail=event.detail,
            seq=event.seq,
        )

    def _frontend_changed(self, event: FrontendEvent) -> None:
        states = {"from": str(event.old), "to": str(event.new)}
        level = LogLevel.error if event.new is FrontendState.DOWN else LogLevel.info
        self._log.emit(level, "frontend-transition", frontend=event.frontend, **states, seq=event.seq)

    def _guard_changed(self, event: GuardEvent) -> None:
        level = LogLevel.warn if event.held else LogLevel.info
        names = {"kept": _some(event.kept), "released": _some(event.released)}
        self._log.emit(level, "frontend-guard", frontend=event.frontend, held=event.held, **names, seq=event.seq)

    def _blindness_changed(self, event: BlindnessEvent) -> None:
        what = {"scope": event.scope, "name": event.name, "backends": event.backends, "total": event.total}
        if event.blind:
            self._log.error("checks-doubted", **what, seq=event.seq)
        else:
            self._log.warn("checks-believed", **what, reason=event.why, seq=event.seq)

    def _config_changed(self, old: Config, new: Config) -> None:
        self._log.info(
            "config-applied",
            frontends=len(new.frontends),
            backends=len(new.backends),
            frontends_changed=_changed(old.frontends, new.frontends),
            backends_changed=_changed(old.backends, new.backends),
            frontends_removed=len(removed(old.frontends, new.frontends)),
            backends_removed=len(removed(old.backends, new.backends)),
        )


def _level_of(move: Transition) -> NamedConstant:
    """Return the level of a transition of a backend."""
    if move.old is move.new and not move.layer:
        return LogLevel.debug
    return LogLevel.warn if move.new is State.DOWN else LogLevel.info


def _some(names: Sequence[str]) -> str:
    """Return names, the first few of many."""
    more = len(names) - SHOWN
    return " ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _changed(old: Mapping[str, object], new: Mapping[str, object]) -> int:
    """Return the number of new and changed objects."""
    return sum(old.get(name) != new[name] for name in touched(old, new))
