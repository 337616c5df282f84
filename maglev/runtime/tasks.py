"""The owner of coroutines that nobody waits for: keeps them, logs what they raise, cancels them at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, FirstError

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from twisted.python.failure import Failure


class Tasks:
    """Coroutines under way."""

    _log = EventLogger()

    def __init__(self) -> None:
        self._running: set[Deferred[Any]] = set()

    def start(self, coroutine: Coroutine[Deferred[Any], Any, Any]) -> None:
        """Run a coroutine; what it raises is a bug, and is logged as one."""
        task = Deferred.fromCoroutine(coroutine)
        self._running.add(task)
        task.addErrback(self._failed)
        task.addBoth(self._ended, task)

    def cancel(self) -> None:
        """Cancel all that are under way."""
        for task in tuple(self._running):
            task.cancel()

    def _failed(self, failure: Failure) -> None:
        while isinstance(failure.value, FirstError):
            failure = failure.value.subFailure  # of a gathering, of which it says nothing itself
        if failure.check(CancelledError) is None:
            self._log.failure("task-failed", failure=failure)

    def _ended(self, _: object, task: Deferred[Any]) -> None:
        self._running.discard(task)
