"""Keeps a value in a file while it changes: written off the reactor, one write at a time, and again if one fails.

Changes that come during a write are written together by the next one. A caller that changed the value may wait until
the file has it; a disk that does not answer makes nobody wait for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool

from maglev.runtime.files import write_atomically
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

Value = TypeVar("Value")

DEADLINE: Final = 5.0
"""Seconds that a caller waits for the disk: longer than a busy disk takes, and shorter than people do."""

LATE: Final = "the disk does not answer"

MIN_RETRY: Final = 1.0
MAX_RETRY: Final = 60.0
"""Seconds from a failed write to the next attempt, doubling from the one to the other."""

STOP_DEADLINE: Final = 1.0
"""Seconds that a write under way may take when the daemon stops."""


class Keeper(Generic[Value]):
    """Keeps one value in one file.

    Attributes:
        path: The file; empty to keep nothing.
        problem: Why the file does not have the value; empty if it has, or a write is under way.
        failures: Failed writes so far.
    """

    _log = EventLogger()

    def __init__(self, reactor: Any, path: str, value: Callable[[], Value], encode: Callable[[Value], bytes]) -> None:
        """Create it; nothing is written before `changed`.

        Args:
            reactor: Has a clock and threads.
            path: The file.
            value: Returns the value now, which must be immutable.
            encode: Returns the content of the file; called in a thread.
        """
        self._reactor = reactor
        self._value = value
        self._encode = encode
        self._waiting: list[Deferred[str]] = []
        self._writing = False
        self._dirty = False
        self._retry: IDelayedCall | None = None
        self._pause = MIN_RETRY
        self._stopped = False
        self._idle: Deferred[None] | None = None
        self.path = path
        self.problem = ""
        self.failures = 0

    def changed(self) -> Deferred[str]:
        """Write the value, which has changed.

        Returns:
            Fires when the file has the value, or when that has failed: with the reason, empty if there is none.
        """
        if not self.path:
            return succeed("")
        answer: Deferred[str] = Deferred()
        self._waiting.append(answer)
        self._dirty = True
        self._write()
        return answer.addTimeout(DEADLINE, self._reactor, onTimeoutCancel=lambda *_: self._note(LATE))

    def stop(self) -> Deferred[Any]:
        """Try no failed write again; return when the writes under way are done, if that is soon."""
        self._stopped = True
        self._end_pause()
        if not self._writing:
            return succeed(None)
        self._idle = Deferred()
        return self._idle.addTimeout(STOP_DEADLINE, self._reactor, onTimeoutCancel=lambda *_: None)

    def _end_pause(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _write(self) -> None:
        if self._writing or not self._dirty:
            return
        self._end_pause()
        self._writing, self._dirty = True, False
        waiting, self._waiting = self._waiting, []
        pool = self._reactor.getThreadPool()
        writing = deferToThreadPool(self._reactor, pool, _write, self.path, self._encode, self._value())
        writing.addCallbacks(self._kept, self._failed).addCallback(lambda problem: self._done(problem, waiting))

    def _kept(self, _: object) -> str:
        if self.problem:
            self._log.info("state-file-kept", path=self.path)
        self.problem, self._pause = "", MIN_RETRY
        return ""

    def _failed(self, failure: Failure) -> str:
        error = failure.value
        self._dirty = True
        self.failures += 1
        return self._note((error.strerror or str(error)) if isinstance(error, OSError) else f"unexpected {error!r}")

    def _note(self, problem: str) -> str:
        """Note why the file does not have the value; it is logged once for each reason."""
        if problem != self.problem:
            self.problem = problem
            self._log.error("state-file-not-kept", path=self.path, error=problem)
        return problem

    def _done(self, problem: str, waiting: list[Deferred[str]]) -> None:
        self._writing = False
        if not problem or self._waiting:
            self._write()
        elif not self._stopped:
            self._retry = self._reactor.callLater(self._pause, self._again)
            self._pause = min(2 * self._pause, MAX_RETRY)
        for answer in waiting:
            if not answer.called:  # it has waited too long
                answer.callback(problem)
        if self._idle is not None and not self._writing:
            idle, self._idle = self._idle, None
            if not idle.called:
                idle.callback(None)

    def _again(self) -> None:
        self._retry = None
        self._write()


def _write(path: str, encode: Callable[[Value], bytes], value: Value) -> None:
    write_atomically(path, encode(value))
