"""The daemon's side of a probe worker: its process, its pending probes and its reported status."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from zope.interface import implementer

from maglev.healthcheck.lag import BUCKETS
from maglev.healthcheck.workers import codec
from maglev.healthcheck.workers.codec import MessageKind, Spec, describe
from maglev.interfaces import IProber
from maglev.model.text import printable
from maglev.model.version import VERSION
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorProcess, IReactorTime
    from twisted.python.failure import Failure

    from maglev.model.config import Backend
    from maglev.model.result import Outcome

LINE_LIMIT: Final = 4096
"""Maximum length, in bytes, of a line from a worker's standard error: more than any useful one has."""

NO_STATUS: Final = codec.WorkerStatus(0, 0, 0.0, 0.0, (0,) * (len(BUCKETS) + 1))


class WorkerOwner(Protocol):
    """The owner of a worker (`maglev.healthcheck.workers.pool.WorkerPool`)."""

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Called when the worker can take probes."""

    def worker_ended(self, worker: WorkerProcess, reason: str) -> None:
        """Called when the process has ended; its pending probes are still in `WorkerProcess.under_way`."""

    def delayed(self, seconds: float) -> None:
        """Called with the seconds by which a probe took longer here than in the worker."""


class WorkerProcess(ProcessProtocol):
    """One worker.

    Attributes:
        index: Index of the worker.
        pid: Process id; 0 before it is started.
        under_way: Pending probes, by number, the oldest first.
        status: The status that it reported last.
        silent: Number of checks by its owner since it was last heard from.
        ready: Whether it has reported that it can probe.
        ignored: Number of results for probes that were never requested, or no longer wanted.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, index: int, keeper: WorkerOwner) -> None:
        self._clock = clock
        self._keeper = keeper
        self._frames = codec.FrameBuffer()
        self._said = b""
        self._specs: dict[Spec, list[int]] = {}
        self._slots: dict[int, RemoteProber] = {}
        self._asked = 0
        self._why = ""
        self.index = index
        self.pid = 0
        self.under_way: dict[int, RemoteProber] = {}
        self.status = NO_STATUS
        self.silent = 0
        self.ready = False
        self.ignored = 0

    # Requests

    def adopt(self, prober: RemoteProber) -> None:
        """Take a backend over from the worker that probed it before, if any."""
        if prober.worker is not None:
            prober.worker.forget(prober)
        prober.worker = self
        known = self._specs.get(prober.spec)
        if known is None:
            # A spec gets the number of the first slot that needs it; no other spec can have that number.
            known = self._specs[prober.spec] = [prober.slot, 0]
            self._write(codec.spec_frames(prober.slot, describe(prober.spec)))
        known[1] += 1
        self._slots[prober.slot] = prober
        self._write(codec.backend_frame(prober.slot, known[0], prober.address))

    def probe(self, prober: RemoteProber) -> None:
        """Request one probe of an adopted backend."""
        self._asked = number = self._asked + 1
        self.under_way[number] = prober
        prober.number = number
        prober.since = self._clock.seconds()
        self._write(codec.probe_frame(prober.slot, number))

    def cancel(self, prober: RemoteProber) -> None:
        """Cancel the probe under way, if it is one of ours."""
        if self.under_way.pop(prober.number, None) is not None:
            self._write(codec.one_frame(MessageKind.CANCEL, prober.slot))

    def forget(self, prober: RemoteProber) -> None:
        """Forget a backend that is no longer probed here."""
        if self._slots.pop(prober.slot, None) is None:
            return
        self._write(codec.one_frame(MessageKind.FORGET_BACKEND, prober.slot))
        known = self._specs[prober.spec]
        known[1] -= 1
        if not known[1]:
            del self._specs[prober.spec]
            self._write(codec.one_frame(MessageKind.FORGET_SPEC, known[0]))

    def _write(self, data: bytes) -> None:
        """Send data, together with everything else that is written in this turn of the reactor.

        Data that the worker does not read is queued here. The queue is bounded: at most a request and a cancellation
        for each backend, until the worker is found to hang.
        """
        if self.transport is not None:
            self.transport.write(data)

    # Its end

    def close(self) -> None:
        """Close its input, upon which it exits."""
        self._why = self._why or "stopped by maglevd"
        if self.transport is not None:
            self.transport.closeStdin()

    def kill(self, why: str) -> None:
        """Kill it, whatever its state."""
        self._why = why
        if self.transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")

    # ProcessProtocol

    def connectionMade(self) -> None:
        """Record that the process runs; the program itself has yet to report that it is ready."""
        self.pid = getattr(self.transport, "pid", None) or 0

    def outReceived(self, data: bytes) -> None:
        """Process messages from its standard output, the channel."""
        if self._why:
            return
        self.silent = 0
        try:
            for kind, payload in self._frames.feed(data):
                self._take(kind, payload)
        except codec.CodecError as error:
            self._log.error("probe-worker-malformed", worker=self.index, pid=self.pid, problem=printable(str(error)))
            self.kill("sent an invalid message")

    def errReceived(self, data: bytes) -> None:
        """Log its standard error, line by line."""
        *lines, self._said = (self._said + data).split(b"\n")
        if len(self._said) > LINE_LIMIT:
            lines, self._said = [*lines, self._said], b""
        for line in lines:
            text = line[:LINE_LIMIT].decode("ascii", "backslashreplace")
            self._log.warn("probe-worker-output", worker=self.index, pid=self.pid, text=text)

    def processEnded(self, reason: Failure) -> None:
        """Tell the owner that the process has ended."""
        if self._said:
            self.errReceived(b"\n")
        self.ready = False
        self.pid = 0
        self._keeper.worker_ended(self, self._why or printable(reason.getErrorMessage()))

    # Messages from the worker

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == MessageKind.RESULTS and self.ready:
            self._take_results(codec.read_results(payload))
        elif kind == MessageKind.STATUS and self.ready:
            self._take_status(codec.read_status(payload))
        elif kind == MessageKind.EXPIRY and self.ready:
            self._take_expiry(*codec.read_expiry(payload))
        elif kind == MessageKind.HELLO and not self.ready:
            self._take_hello(codec.read_hello(payload))
        else:
            message = f"a message of kind {kind} at the wrong time"
            raise codec.CodecError(message)

    def _take_results(self, results: list[tuple[int, Outcome]]) -> None:
        now = self._clock.seconds()
        for number, outcome in results:
            prober = self.under_way.pop(number, None)
            if prober is None:
                self.ignored += 1
                continue
            self._keeper.delayed(now - prober.since - getattr(outcome, "duration", 0.0))
            prober.finish(outcome)

    def _take_status(self, status: codec.WorkerStatus) -> None:
        if len(status.lag_counts) != len(BUCKETS) + 1:
            message = f"{len(status.lag_counts)} counts of lag"
            raise codec.CodecError(message)
        self.status = status

    def _take_expiry(self, slot: int, expiry: float | None) -> None:
        prober = self._slots.get(slot)
        if prober is not None:
            prober.certificate_expiry = expiry

    def _take_hello(self, version: str) -> None:
        if version != VERSION:
            message = f"version {version} in place of {VERSION}: restart maglevd"
            raise codec.CodecError(message)
        self.ready = True
        self._keeper.worker_ready(self)


class Dispatcher(Protocol):
    """Dispatches probes to workers (`maglev.healthcheck.workers.pool.WorkerPool`)."""

    def begin(self, prober: RemoteProber) -> None:
        """Probe a backend as soon as there is a worker for it."""

    def give_up(self, prober: RemoteProber) -> None:
        """Abort the probe that is under way or waiting for a worker."""


@implementer(IProber)
class RemoteProber:
    """Probes one backend through the worker that it is assigned to.

    Attributes:
        name: Name of the backend.
        address: Its address.
        spec: How it is probed.
        slot: The number that identifies it to workers.
        certificate_expiry: As in `IProber`.
        worker: The worker that has adopted it, or None.
        routed: The generation of the pool for which that worker was chosen.
        number: The number of the latest probe.
        since: When that probe was requested, by the daemon's clock.
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
        """End the probe under way, unless it was aborted; an error raised by its owner does not affect other probes."""
        finished, self._finished = self._finished, None
        if finished is not None:
            try:
                finished(outcome)
            except Exception:  # noqa: BLE001  # a bug of ours, and there are others to be told
                self._log.failure("probe-result-failed", backend=self.name)


class Spawner:
    """Starts each worker as a fresh interpreter, with pipes to its standard input, output and error."""

    def __init__(self, reactor: IReactorProcess) -> None:
        self._reactor = reactor

    def __call__(self, worker: WorkerProcess) -> None:
        """Start the process of a worker.

        Raises:
            OSError: The system has no resources for another process or its pipes.
        """
        program = "maglev.healthcheck.workers.program"
        command = [sys.executable, "-P", "-m", program, str(worker.index), str(os.getpid())]
        self._reactor.spawnProcess(worker, sys.executable, command, env=environment())


def environment() -> dict[str, Any]:
    """Return the environment of a worker, in which it finds the same modules as this process."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
