"""The life of a probe: it begins, it has one total deadline, and it ends exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger
from zope.interface import implementer

from maglev.healthcheck.probers.faults import is_unanswered
from maglev.interfaces import IProber
from maglev.model.result import Code, LocalFault, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.healthcheck.probers.deadlines import Deadlines
    from maglev.model.result import Outcome

    PathFault = Callable[[], LocalFault | None]


class Conclude(Protocol):
    """Ends the probe under way with what it found out."""

    def __call__(self, code: Code, detail: str = "") -> None:
        """End it; ``detail`` is printable and bounded (`maglev.model.text.printable`)."""


@implementer(IProber)
class Prober:
    """What all probers have in common; a subclass knows how to begin a probe, and how to drop it.

    One object serves a backend for all its probes. Its state between two probes is that none is under way, and that
    is in place again before ``finished`` is called: it may start the next one at once.
    """

    __slots__ = ("_deadlines", "_finished", "_path_fault", "_started")

    _log = Logger()

    def __init__(self, deadlines: Deadlines, path_fault: PathFault | None = None) -> None:
        """Begin with nothing under way.

        Args:
            deadlines: Keeps the deadlines of all probes that have as much time as this one's.
            path_fault: Returns why no probe can reach the backend now, if it is for this machine.
        """
        self._deadlines = deadlines
        self._path_fault = path_fault
        self._finished: Callable[[Outcome], None] | None = None
        self._started = 0.0

    @property
    def certificate_expiry(self) -> float | None:
        """When the certificate that the backend showed last expires, in seconds since the epoch; None if unknown."""
        return None

    def start(self, finished: Callable[[Outcome], None]) -> None:
        """Begin one probe (`IProber.start`)."""
        if self._finished is not None:
            message = "a probe is under way"
            raise RuntimeError(message)
        self._finished = finished
        self._started = self._deadlines.begin(self)
        try:
            self._begin()
        except Exception:
            if self._finished is finished:
                self._release()
            raise

    def cancel(self) -> None:
        """Abort the probe under way, if any (`IProber.cancel`)."""
        if self._finished is not None:
            self._release()

    def conclude(self, code: Code, detail: str = "") -> None:
        """End the probe with what was found out about the backend; if it did not answer, that may not be its fault."""
        fault = None
        if self._path_fault is not None and is_unanswered(code, detail):
            fault = self._path_fault()
        self._finish(fault or Result(code, detail, self._deadlines.clock.seconds() - self._started))

    def conclude_with(self, outcome: Outcome) -> None:
        """End the probe with an outcome that has no duration yet, or with a fault of this machine."""
        if isinstance(outcome, LocalFault):
            self._finish(outcome)
        else:
            self.conclude(outcome.code, outcome.detail)

    def crash(self) -> None:
        """End the probe because of a bug of ours, which is logged already: it says nothing about the backend."""
        self._finish(LocalFault("internal", "a bug; see the log"))

    def _finish(self, outcome: Outcome) -> None:
        finished = self._finished
        if finished is not None:
            try:
                self._release()
            finally:  # whatever raised, a backend whose probe never ended would never be probed again
                finished(outcome)

    def _release(self) -> None:
        self._finished = None
        self._deadlines.end(self)
        self._drop()

    def expire(self) -> None:
        """Time is up (`maglev.healthcheck.probers.deadlines.HasDeadline`)."""
        # When the reactor is late, the answer may have been waiting in the kernel since long before the deadline, and
        # deadlines come before descriptors in a turn of the reactor. So look once more. Whether lateness is why time
        # was up is not for us to guess: the lag monitor has measured it (`LagMonitor.excuses`). That something was
        # waiting proves nothing: a backend that drips a byte a millisecond always has something waiting.
        started = self._started
        try:
            self._look_again()
        except Exception:  # noqa: BLE001  # whatever the bug: a probe must not outlive its deadline
            self._log.failure("probe-crash")
            self.crash()
            return
        if self._finished is None or self._started != started:
            return  # concluded, and perhaps begun again
        self.conclude(*self._timeout_verdict())

    def _begin(self) -> None:
        """Send the probe off; it may conclude before this returns."""
        raise NotImplementedError

    def _look_again(self) -> None:
        """Take what the kernel may have for the probe."""
        raise NotImplementedError

    def _timeout_verdict(self) -> tuple[Code, str]:
        """Return what it means that time is up now."""
        raise NotImplementedError

    def _drop(self) -> None:
        """Close and forget what belongs to the probe that just ended."""
        raise NotImplementedError
