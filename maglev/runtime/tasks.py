"""Owns coroutines that nobody waits for: keeps them, logs what they raise, cancels them at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred, FirstError
from twisted.internet.task import deferLater

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

MIN_PAUSE: Final = 0.25
MAX_PAUSE: Final = 30.0
"""Shortest and longest wait, in seconds, after a step that raised; it doubles with each consecutive failure."""


class Tasks:
    """Coroutines under way."""

    _log = EventLogger()

    def __init__(self) -> None:
        self._running: set[Deferred[Any]] = set()
        self._cancelled = False

    def start(self, coroutine: Coroutine[Deferred[Any], Any, Any]) -> None:
        """Run a coroutine; an exception is a bug, and is logged as one."""
        task = Deferred.fromCoroutine(coroutine)
        self._running.add(task)
        task.addErrback(self._failed)
        task.addBoth(self._ended, task)

    def repeat(
        self,
        clock: IReactorTime,
        name: str,
        step: Callable[[], Awaitable[float | None]],
        failed: Callable[[], None] = lambda: None,
        delay: float = 0.0,
    ) -> None:
        """Repeat a step; one that raises is logged as a bug and tried again later.

        Every loop that supervises something for as long as the daemon runs goes through here.

        Args:
            clock: Measures the pauses.
            name: Name of the loop in the log.
            step: Returns the seconds to wait before the next step, or None to end the loop.
            failed: Called after a step that raised, to count it.
            delay: Seconds before the first step.
        """
        self.start(self._repeat(clock, name, step, failed, delay))

    async def _repeat(
        self,
        clock: IReactorTime,
        name: str,
        step: Callable[[], Awaitable[float | None]],
        failed: Callable[[], None],
        delay: float,
    ) -> None:
        pause = MIN_PAUSE
        following: float | None = delay
        while following is not None and not self._cancelled:
            if following:
                await deferLater(clock, following)
            try:
                following = await step()
                pause = MIN_PAUSE
            except Exception:
                # A cancellation that is not ours is an ordinary failure of something that the step waited for.
                if self._cancelled:
                    raise
                self._log.failure("task-failed", task=name, retry_after=pause)
                failed()
                following, pause = pause, min(2 * pause, MAX_PAUSE)

    def cancel(self) -> None:
        """Cancel all coroutines and loops."""
        self._cancelled = True
        for task in tuple(self._running):
            task.cancel()

    def _failed(self, failure: Failure) -> None:
        while isinstance(failure.value, FirstError):
            failure = failure.value.subFailure  # of a gathering, whose own error says nothing
        if failure.check(CancelledError) is None:
            self._log.failure("task-failed", failure=failure)

    def _ended(self, _: object, task: Deferred[Any]) -> None:
        self._running.discard(task)
