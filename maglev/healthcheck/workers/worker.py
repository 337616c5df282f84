"""The worker's side of a probe worker: makes the requested probes and reports their outcomes.

A worker decides nothing: the daemon decides when to probe and what a result means. But like the daemon it knows its own
limits: it reports a timeout during which this process was late as inconclusive.

Requests wait in a queue and are started a few at a time, so that a burst of them does not delay the answers to those
under way. The timeout of a probe runs from its start here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from typing import Protocol as Typed

from twisted.internet.protocol import Protocol, connectionDone

from maglev.healthcheck.workers import codec
from maglev.healthcheck.workers.codec import MessageKind, Spec, read_description
from maglev.model.config import Backend
from maglev.model.result import LocalFault
from maglev.model.version import VERSION
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from maglev.healthcheck.lag import LagMonitor
    from maglev.interfaces import IProber
    from maglev.model.config import Healthcheck
    from maglev.model.result import Outcome

SLICE: Final = 64
"""Probes started before other work gets a turn: a few milliseconds."""

FLUSH: Final = 0.001
"""Seconds that a result may wait for others: waking up is half of the daemon's work for a single one."""

TICK: Final = 0.25
"""Seconds between two status reports: the daemon considers a worker hung when several are missing."""


class Probers(Typed):
    """Creates probers (`maglev.healthcheck.probers.sources.ProberSources`)."""

    def prober_for(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> IProber:
        """Return the prober of a backend."""

    def busy(self) -> bool:
        """Return whether answers to probes are waiting to be read: more probes would make them wait longer."""


class BackendSlot:
    """One backend and its requested probe."""

    __slots__ = ("_worker", "address", "expiry", "number", "probe", "prober", "spec", "started")

    def __init__(self, worker: Worker, number: int, spec: Spec, address: str) -> None:
        self._worker = worker
        self.number = number
        self.spec = spec
        self.address = address
        self.prober: IProber | None = None
        self.probe: int | None = None
        self.started: float | None = None
        self.expiry: float | None = None

    def finished(self, outcome: Outcome) -> None:
        """Report the outcome of the probe."""
        self._worker.conclude(self, outcome)


class Worker(Protocol):
    """The protocol between a worker and the daemon, on the worker's side."""

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        probers: Probers,
        lag: LagMonitor,
        cpu: Callable[[], float],
        end: Callable[[], None],
    ) -> None:
        """Create a worker without backends.

        Args:
            clock: A monotonic clock.
            probers: Creates the probers.
            lag: Measures how late this process is.
            cpu: Returns the seconds of CPU that this process has used.
            end: Called when the daemon has gone or sent an invalid message.
        """
        self._clock = clock
        self._probers = probers
        self._lag = lag
        self._cpu = cpu
        self._end = end
        self._ended = False
        self._frames = codec.FrameBuffer()
        self._specs: dict[int, Spec] = {}
        self._spec_parts: dict[int, list[bytes]] = {}
        self._slots: dict[int, BackendSlot] = {}
        self._queue: deque[tuple[int, int]] = deque()
        self._open = 0
        self._results: list[tuple[int, Outcome]] = []
        self._calls: dict[str, IDelayedCall] = {}
        self._read: dict[int, Callable[[bytes], None]] = {
            MessageKind.SPEC: self._take_spec,
            MessageKind.SPEC_PART: self._take_spec_part,
            MessageKind.FORGET_SPEC: self._forget_spec,
            MessageKind.BACKEND: self._take_backend,
            MessageKind.FORGET_BACKEND: self._forget_backend,
            MessageKind.PROBE: self._take_probe,
            MessageKind.CANCEL: self._cancel,
        }

    def connectionMade(self) -> None:
        """Send the version of this program, and start reporting."""
        self._lag.start()
        self._write(codec.hello_frame(VERSION))
        self._tick()

    def dataReceived(self, data: bytes) -> None:
        """Process messages of the daemon; an invalid one ends the worker."""
        try:
            for kind, payload in self._frames.feed(data):
                self._read[kind](payload)
        except (codec.CodecError, ValueError, KeyError):
            self._log.failure("probe-worker-confused")
            self._finish()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Stop everything: the daemon has gone."""
        self._lag.stop()
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()
        self._queue.clear()
        for number in tuple(self._slots):
            self._drop(number)
        self._finish()

    def _finish(self) -> None:
        ended, self._ended = self._ended, True
        if not ended:
            self._end()

    # Messages from the daemon

    def _take_spec(self, payload: bytes) -> None:
        number, described = codec.read_spec(payload)
        self._specs[number] = read_description(b"".join([*self._spec_parts.pop(number, ()), described]))

    def _take_spec_part(self, payload: bytes) -> None:
        number, part = codec.read_spec(payload)
        self._spec_parts.setdefault(number, []).append(part)

    def _forget_spec(self, payload: bytes) -> None:
        del self._specs[codec.read_one(payload)]

    def _take_backend(self, payload: bytes) -> None:
        number, spec, address = codec.read_backend(payload)
        self._slots[number] = BackendSlot(self, number, self._specs[spec], address)

    def _forget_backend(self, payload: bytes) -> None:
        self._drop(codec.read_one(payload))

    def _take_probe(self, payload: bytes) -> None:
        number, probe = codec.read_probe(payload)
        slot = self._slots[number]
        if slot.probe is not None:
            message = f"slot {number} is asked for probe {probe} during probe {slot.probe}"
            raise ValueError(message)
        slot.probe = probe
        self._queue.append((number, probe))
        self._later("begin", 0.0, self._begin_some)

    def _cancel(self, payload: bytes) -> None:
        self._stop(self._slots[codec.read_one(payload)])

    # Probing

    def _begin_some(self) -> None:
        for _ in range(min(SLICE, len(self._queue))):
            if self._probers.busy():
                break
            number, probe = self._queue.popleft()
            slot = self._slots.get(number)
            if slot is not None and slot.probe == probe:
                self._begin(slot)
        if self._queue:
            self._later("begin", 0.0, self._begin_some)

    def _begin(self, slot: BackendSlot) -> None:
        slot.started = self._clock.seconds()
        self._open += 1
        try:
            if slot.prober is None:
                # Created only now, so that 20,000 backends are not prepared all at once.
                backend = Backend(slot.address, slot.address)
                slot.prober = self._probers.prober_for(backend, slot.spec.healthcheck, slot.spec.netns)
            slot.prober.start(slot.finished)
        except Exception:  # noqa: BLE001  # the other probes must go on, whatever happened to this one
            self._log.failure("probe-start-failed", backend=slot.address)
            if slot.probe is not None:
                self.conclude(slot, LocalFault("internal", "a bug; see the log"))

    def conclude(self, slot: BackendSlot, outcome: Outcome) -> None:
        """Process the outcome of the probe under way in a slot."""
        probe, started = slot.probe, slot.started
        if probe is None or started is None:
            return
        slot.probe = slot.started = None
        self._open -= 1
        self._results.append((probe, self._weighed(slot, started, outcome)))
        self._later("flush", FLUSH, self._flush)
        if slot.prober is not None and slot.prober.certificate_expiry != slot.expiry:
            slot.expiry = slot.prober.certificate_expiry
            self._write(codec.expiry_frame(slot.number, slot.expiry))

    def _weighed(self, slot: BackendSlot, started: float, outcome: Outcome) -> Outcome:
        """Return the outcome, or a fault instead if our own lateness may have caused it."""
        if isinstance(outcome, LocalFault):
            return outcome
        healthcheck = slot.spec.healthcheck
        late = self._lag.excuses(outcome, started, healthcheck.timeout, healthcheck.type)
        return LocalFault("lag", outcome.detail) if late else outcome

    def _stop(self, slot: BackendSlot) -> None:
        begun = slot.started is not None
        slot.probe = slot.started = None
        if begun and slot.prober is not None:
            self._open -= 1
            slot.prober.cancel()

    def _drop(self, number: int) -> None:
        self._stop(self._slots.pop(number))

    # Reports

    def _flush(self) -> None:
        results, self._results = self._results, []
        for start in range(0, len(results), codec.BATCH):
            self._write(codec.results_frame(results[start : start + codec.BATCH]))

    def _tick(self) -> None:
        self._later("tick", TICK, self._tick)
        self._write_status()

    def _write_status(self) -> None:
        counts = tuple(self._lag.counts)
        status = codec.WorkerStatus(len(self._queue), self._open, self._cpu(), self._lag.total, counts)
        self._write(codec.status_frame(status))

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def _later(self, name: str, delay: float, what: Callable[[], None]) -> None:
        """Schedule a call by name; further requests until it runs have no effect."""
        if name not in self._calls:
            self._calls[name] = self._clock.callLater(delay, self._do, name, what)

    def _do(self, name: str, what: Callable[[], None]) -> None:
        del self._calls[name]
        what()
