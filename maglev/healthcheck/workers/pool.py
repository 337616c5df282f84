"""The pool of probe workers: assigns backends to workers, and replaces workers that die or hang.

Every backend belongs to one worker, chosen by its name (`maglev.healthcheck.workers.rendezvous`). The choice may change
whenever a worker comes or goes; it is recomputed at the next probe of the backend, so that nothing has to be done for
20,000 of them at once.

A worker that is silent for too long is considered hung and killed. Probes pending at a dead worker are inconclusive:
they are returned to the checker a few at a time, and it retries them at another worker. While there are no workers,
probes wait.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed

from maglev.healthcheck.lag import BUCKETS
from maglev.healthcheck.workers.process import WorkerProcess
from maglev.healthcheck.workers.rendezvous import chosen
from maglev.model.result import LocalFault
from maglev.model.text import printable
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.healthcheck.workers.process import RemoteProber

LOOK: Final = 0.25
"""Seconds between two checks of all workers."""

SILENT_LOOKS: Final = 20
"""Silent checks, five seconds, after which a worker, which should report four times a second, is considered hung. One
that is merely short of CPU would need even more of it to start again. Checks and not seconds are counted, because a
daemon that was stopped itself has not checked."""

STARTING_LOOKS: Final = 120
"""The same for a worker that is still starting: thirty seconds, as a busy machine may need ten times the usual half."""

LEAVING_LOOKS: Final = 40
"""Checks, ten seconds, that a worker which is no longer needed has to finish its probes."""

LOST: Final = 20.0
"""Seconds beyond its timeout after which a probe counts as lost although its worker lives: longer than requests wait in
a worker with several times its capacity to do, and less than the service manager waits for a sign of progress."""

PAUSES: Final = (0.0, 0.25, 1.0, 4.0, 15.0)
"""Seconds until a worker is restarted: after its first end, its second, ..."""

LONG_LIFE: Final = 60.0
"""Uptime in seconds after which the end of a worker counts as its first again."""

STOP_LIMIT: Final = 1.0
"""Seconds that workers have to exit by themselves when the daemon stops, which has to finish within two."""

DRAIN: Final = 0.01
"""Seconds between two slices of waiting probes."""

SLICE: Final = 64
"""Probes per slice: two milliseconds of work, including that of the checker for a discarded probe."""

WORKER_GONE: Final = LocalFault("worker", "the probe worker ended")
PROBE_LOST: Final = LocalFault("worker", "the probe worker did not answer")


class WorkerSlot:
    """The slot of one worker, which outlives its processes.

    Attributes:
        index: Index of the worker.
        worker: Its process, if there is one.
        restarts: Number of restarts.
        leaving: Number of checks since it is no longer needed.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.worker: WorkerProcess | None = None
        self.restarts = 0
        self.ends = 0
        self.leaving = 0
        self.begun = 0.0
        self.call: IDelayedCall | None = None

    def cancel(self) -> None:
        """Cancel a pending restart."""
        if self.call is not None:
            self.call.cancel()
            self.call = None


class WorkerPool(Service):
    """Manages the workers, and hands them their probes.

    Attributes:
        slots: One for each configured worker, and for those that are leaving.
        waiting: Probes that wait for a worker, with the time since which they wait; the oldest first.
        delays: Histogram of how much longer probes took here than in their worker: counts per bucket of
            `maglev.healthcheck.lag.BUCKETS`, not cumulative, and one more for everything above.
        delay_total: Sum of these delays, seconds.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, spawn: Callable[[WorkerProcess], None]) -> None:
        """Create a pool without workers; they start once `resize` has set their number and the service has started.

        Args:
            clock: A monotonic clock.
            spawn: Starts the process of a worker; may raise `OSError`.
        """
        self._clock = clock
        self._spawn = spawn
        self._count = 0
        self._generation = 1
        self._ready: dict[int, WorkerProcess] = {}
        # Ordered, because a plain dict takes ever longer to find its first item while many are taken out.
        self._ended: OrderedDict[RemoteProber, None] = OrderedDict()
        self._draining: IDelayedCall | None = None
        self._looking: IDelayedCall | None = None
        self._stopping: list[Deferred[None]] = []
        self._ignored = 0
        self.slots: dict[int, WorkerSlot] = {}
        self.waiting: OrderedDict[RemoteProber, float] = OrderedDict()
        self.delays = [0] * (len(BUCKETS) + 1)
        self.delay_total = 0.0

    def startService(self) -> None:
        """Start the workers."""
        Service.startService(self)
        self.resize(self._count)

    def stopService(self) -> Deferred[None]:
        """Stop the workers; those that do not exit by themselves are killed."""
        Service.stopService(self)
        for call in (self._draining, self._looking):
            if call is not None:
                call.cancel()
        self._draining = self._looking = None
        self.waiting.clear()
        self._ended.clear()
        workers = list(self._workers())
        for slot in self.slots.values():
            slot.cancel()
        for worker in workers:
            worker.close()
        if not workers:
            return succeed(None)
        last = self._clock.callLater(STOP_LIMIT, self._kill_all)
        stopped: Deferred[None] = Deferred()
        stopped.addBoth(lambda _: last.cancel() if last.active() else None)
        self._stopping.append(stopped)
        return stopped

    def resize(self, count: int) -> None:
        """Set the number of workers: start missing ones, and let surplus ones leave."""
        self._count = count
        if not self.running:
            return
        if not count:
            self._ended.update(dict.fromkeys(self.waiting))
            self.waiting.clear()
            self._drain_later()
        for index in range(count):
            slot = self.slots.setdefault(index, WorkerSlot(index))
            if slot.leaving:
                slot.leaving = 0
                self._welcome(slot)
            elif slot.worker is None and slot.call is None:
                self._start(slot)
        for slot in list(self.slots.values()):
            if slot.index >= count:
                self._let_go(slot)
        if self.slots and self._looking is None:
            self._looking = self._clock.callLater(LOOK, self._look)

    # Requests of the probers

    def begin(self, prober: RemoteProber) -> None:
        """Probe a backend as soon as there is a worker for it."""
        if prober.routed != self._generation:
            index = chosen(prober.name, self._ready)
            if index is None:
                self.waiting[prober] = self._clock.seconds()
                return
            prober.routed = self._generation
            if prober.worker is not self._ready[index]:
                self._ready[index].adopt(prober)
        worker = prober.worker
        assert worker is not None  # noqa: S101  # of this generation, so there is one
        worker.probe(prober)

    def give_up(self, prober: RemoteProber) -> None:
        """Abort the probe that is under way or waiting for a worker."""
        if prober in self.waiting:
            del self.waiting[prober]
        elif prober in self._ended:
            del self._ended[prober]
        elif prober.worker is not None:
            prober.worker.cancel(prober)

    def forget(self, prober: RemoteProber) -> None:
        """Forget a backend that is no longer probed, or no longer by this prober."""
        prober.cancel()
        if prober.worker is not None:
            prober.worker.forget(prober)
            prober.worker = None

    # Status

    @property
    def alive(self) -> int:
        """Number of workers that can probe."""
        return len(self._ready)

    @property
    def ignored(self) -> int:
        """Number of results for probes that were never requested, or no longer wanted."""
        return self._ignored + sum(worker.ignored for worker in self._workers())

    def longest_wait(self) -> float:
        """Return for how many seconds the oldest probe has been waiting for a worker; 0 if none does."""
        since = next(iter(self.waiting.values()), None)
        return 0.0 if since is None else self._clock.seconds() - since

    def _workers(self) -> Iterator[WorkerProcess]:
        return (slot.worker for slot in self.slots.values() if slot.worker is not None)

    # Life cycle of workers (`WorkerOwner`)

    def worker_ready(self, worker: WorkerProcess) -> None:
        """Start sending probes to a worker that is ready for them."""
        self._log.info("probe-worker-start", worker=worker.index, pid=worker.pid)
        if worker.index < self._count:
            self._ready[worker.index] = worker
            self._generation += 1
            self._drain_later()

    def worker_ended(self, worker: WorkerProcess, reason: str) -> None:
        """Handle the end of a worker's process."""
        slot = self.slots[worker.index]
        slot.worker = None
        self._ignored += worker.ignored
        moved = list(worker.under_way.values())
        worker.under_way.clear()
        if not self.running:
            self._settle_stop()
            return
        self._withdraw(worker.index)
        self._ended.update(dict.fromkeys(moved))
        self._drain_later()
        if slot.leaving:
            del self.slots[slot.index]
            self._log.info("probe-worker-end", worker=worker.index, reason=reason, moved=len(moved), again_in="never")
            return
        pause = self._start_again(slot)
        self._log.warn("probe-worker-end", worker=worker.index, reason=reason, moved=len(moved), again_in=pause)
        self._tell_if_alone()

    def delayed(self, seconds: float) -> None:
        """Count by how many seconds longer a probe took here than in its worker."""
        self.delays[bisect.bisect_left(BUCKETS, seconds)] += 1
        self.delay_total += seconds

    def _start(self, slot: WorkerSlot) -> None:
        slot.call = None
        worker = WorkerProcess(self._clock, slot.index, self)
        slot.begun = self._clock.seconds()
        try:
            self._spawn(worker)
        except OSError as error:
            pause = self._start_again(slot)
            text = printable(str(error))
            self._log.error("probe-worker-start-failed", worker=slot.index, error=text, again_in=pause)
        else:
            slot.worker = worker

    def _start_again(self, slot: WorkerSlot) -> float:
        if self._clock.seconds() - slot.begun > LONG_LIFE:
            slot.ends = 0
        pause = PAUSES[min(slot.ends, len(PAUSES) - 1)]
        slot.ends += 1
        slot.restarts += 1
        slot.call = self._clock.callLater(pause, self._start, slot)
        return pause

    def _welcome(self, slot: WorkerSlot) -> None:
        """Take back a worker that was about to leave."""
        if slot.worker is not None and slot.worker.ready:
            self._ready[slot.index] = slot.worker
            self._generation += 1

    def _let_go(self, slot: WorkerSlot) -> None:
        slot.cancel()
        self._withdraw(slot.index)
        if slot.worker is None:
            del self.slots[slot.index]
        elif not slot.leaving:
            slot.leaving = 1

    def _withdraw(self, index: int) -> None:
        if self._ready.pop(index, None) is not None:
            self._generation += 1

    def _tell_if_alone(self) -> None:
        if self._count and not self._ready:
            self._log.error("probe-workers-gone", waiting=len(self.waiting) + len(self._ended))

    def _kill_all(self) -> None:
        for worker in list(self._workers()):
            worker.kill("did not stop in time")

    def _settle_stop(self) -> None:
        if not any(self._workers()):
            stopping, self._stopping = self._stopping, []
            for stopped in stopping:
                stopped.callback(None)

    # Supervision

    def _look(self) -> None:
        self._looking = self._clock.callLater(LOOK, self._look) if self.slots else None
        for slot in list(self.slots.values()):
            if slot.worker is not None:
                self._look_at(slot, slot.worker)

    def _look_at(self, slot: WorkerSlot, worker: WorkerProcess) -> None:
        worker.silent += 1
        if worker.silent == (SILENT_LOOKS if worker.ready else STARTING_LOOKS):
            self._log.error("probe-worker-hung", worker=slot.index, pid=worker.pid)
            worker.kill("hung")
        elif slot.leaving:
            slot.leaving += 1
            if not worker.under_way or slot.leaving > LEAVING_LOOKS:
                worker.close()
        else:
            self._look_for_lost(worker)

    def _look_for_lost(self, worker: WorkerProcess) -> None:
        now = self._clock.seconds()
        lost = []
        for prober in worker.under_way.values():
            age = now - prober.since
            if age <= LOST:
                break  # the remaining ones are younger
            if age > LOST + prober.spec.healthcheck.timeout:
                lost.append(prober)
        for prober in lost:
            self._log.error("probe-worker-lost", worker=worker.index, backend=prober.name)
            worker.cancel(prober)
            prober.finish(PROBE_LOST)

    # Waiting probes

    def _drain_later(self) -> None:
        if self._draining is None and self.running:
            self._draining = self._clock.callLater(0.0, self._drain)

    def _drain(self) -> None:
        self._draining = None
        for _ in range(SLICE):
            if self._ended:
                prober, _ = self._ended.popitem(last=False)
                prober.finish(WORKER_GONE)
            elif self.waiting and self._ready:
                prober, _ = self.waiting.popitem(last=False)
                self.begin(prober)
            else:
                return
        self._draining = self._clock.callLater(DRAIN, self._drain)
