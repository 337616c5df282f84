"""The prober of a backend that a worker probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from zope.interface import implementer

from maglev.interfaces import IProber
from maglev.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model import Backend
    from maglev.result import Outcome
    from maglev.workers.process import WorkerProcess
    from maglev.workers.specs import Spec


class Dispatcher(Protocol):
    """Has workers (`maglev.workers.crew.Crew`)."""

    def begin(self, prober: RemoteProber) -> None:
        """Have a backend probed as soon as there is a worker for it."""

    def give_up(self, prober: RemoteProber) -> None:
        """End the probe under way, or that is waiting for a worker."""


@implementer(IProber)
class RemoteProber:
    """Has one backend probed by whichever worker it belongs to.

    Attributes:
        name: Name of the backend.
        address: Its address.
        spec: How it is probed.
        slot: Its number, by which workers know it.
        certificate_expiry: As `IProber` says.
        worker: The worker that knows it; None for none.
        routed: The generation of the crew for which that worker was chosen.
        number: The number of the latest probe.
        since: When that was asked for, by the daemon's clock.
    """

    _log = EventLogger()

    __slots__ = (
        "_dispatcher",
        "_finished",
        "address",
        "certificate_expiry",
        "name",
        "number",
        "routed",
        "since",
        "slot",
        "spec",
        "worker",
    )

    def __init__(self, dispatcher: Dispatcher, slot: int, backend: Backend, spec: Spec) -> None:
        self._dispatcher = dispatcher
        self._finished: Callable[[Outcome], None] | None = None
        self.name = backend.name
        self.address = backend.address
        self.spec = spec
        self.slot = slot
        self.certificate_expiry: float | None = None
        self.worker: WorkerProcess | None = None
        self.routed = 0
        self.number = -1
        self.since = 0.0

    def start(self, finished: Callable[[Outcome], None]) -> None:
        """Begin one probe (`IProber.start`)."""
        if self._finished is not None:
            message = "a probe is under way"
            raise RuntimeError(message)
        self._finished = finished
        self._dispatcher.begin(self)

    def cancel(self) -> None:
        """Abort the probe under way, if any (`IProber.cancel`)."""
        if self._finished is not None:
            self._finished = None
            self._dispatcher.give_up(self)

    def finish(self, outcome: Outcome) -> None:
        """End the probe under way, if it was not aborted; whatever its owner makes of that harms no other probe."""
        finished, self._finished = self._finished, None
        if finished is not None:
            try:
                finished(outcome)
            except Exception:  # noqa: BLE001  # a bug of ours, and there are others to be told
                self._log.failure("probe-result-failed", backend=self.name)
