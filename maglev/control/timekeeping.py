"""Lets time have its effect on the board: wakes it up when something is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.application.service import Service

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from maglev.state.board import Board


class Timekeeper(Service):
    """Calls `Board.pass_time` at each `Board.next_due`."""

    def __init__(self, reactor: Any, board: Board) -> None:
        """Create it.

        Args:
            reactor: Provides the monotonic clock that the board uses.
            board: The board.
        """
        self._reactor = reactor
        self._board = board
        self._call: IDelayedCall | None = None
        self._due: float | None = None
        board.subscribe(weights_changed=lambda _: self._schedule(), blindness_changed=lambda _: self._schedule())

    def startService(self) -> None:
        """Begin to wake the board up."""
        Service.startService(self)
        self._schedule()

    def stopService(self) -> None:
        """Let it sleep."""
        Service.stopService(self)
        self._cancel()

    def _schedule(self) -> None:
        due = self._board.next_due
        if due == self._due or not self.running:
            return
        self._cancel()
        if due is not None:
            self._due = due
            self._call = self._reactor.callLater(max(due - self._reactor.seconds(), 0.0), self._wake)

    def _wake(self) -> None:
        self._call = self._due = None
        self._board.pass_time()
        self._schedule()

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
        self._call = self._due = None
