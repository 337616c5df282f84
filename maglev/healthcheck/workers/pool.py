"""The pool of probe workers: who probes which backend, and what happens when one dies.

Every backend belongs to one worker, by its name (`maglev.healthcheck.workers.rendezvous`). Who that is may change
whenever a worker comes or goes; it is worked out anew at the next probe of the backend, so that nothing has to be done
for 20,000 of them at once.

A worker that says nothing for a while hangs, and is killed. What a worker that ended was asked for is no evidence: the
checker hears so, a few probes at a time, and tries again with another worker. While there is none, probes wait.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed

from maglev.healthcheck.lag import BUCKETS
from maglev.healthcheck.workers.process import WorkerProcess
from maglev.healthcheck.workers.rendezvous import chosen
from maglev.model.result import LocalFault, printable
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.healthcheck.workers.process import RemoteProber

LOOK: Final = 0.25
"""Seconds between two looks at all workers."""

SILENT_LOOKS: Final = 20
"""Looks, five seconds, after which a worker hangs that reports four times a second: one that only gets too little CPU
would need more of it to be started again. Looks and not seconds are counted, because a daemon that was stopped itself
has not looked."""

STARTING_LOOKS: Final = 120
"""The same for one that has only been started: thirty seconds, as a busy machine may need ten times the usual half."""

LEAVING_LOOKS: Final = 40
"""Looks, ten seconds, that a worker which is not needed any more has to finish its probes."""

LOST: Final = 20.0
"""Seconds beyond its timeout after which a probe is lost though its worker lives: longer than requests wait in a worker
that has several times more to do than it can, and less than the service manager waits for a sign of progress."""

PAUSES: Final = (0.0, 0.25, 1.0, 4.0, 15.0)
"""Seconds until a worker is started again: after its first end, its second, ..."""

LONG_LIFE: Final = 60.0
"""Seconds of life after which an end counts as the first again."""

STOP_LIMIT: Final = 1.0
"""Seconds that workers have to end by themselves when the daemon stops, which it must within two."""

DRAIN: Final = 0.01
"""Seconds between two slices of probes that have been waiting."""

SLICE: Final = 64
"""Probes of a slice: two milliseconds of work, with what the checker does for a discarded one."""

WORKER_GONE: Final = LocalFault("worker", "the probe worker ended")
PROBE_LOST: Final = LocalFault("worker", "the probe worker did not answer")


class WorkerSlot:
    """The place of one worker.

    Attributes:
        index: Which one.
        worker: Its process, if there is one.
        restarts: How often it had to be started again.
        leaving: For how many looks it has not been needed any more.
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
        """Do not start it again."""
        if self.call is not None:
            self.call.cancel()
            self.call = None


class WorkerPool(Service):
    """Keeps the workers, and gives them their probes.

    Attributes:
        slots: One for each worker that there should be, and for those that are leaving.
        waiting: Probes for which there is no worker, and since when they wait; the oldest first.
        delays: By how much longer a probe took here than in its worker: counts per bucket of
            `maglev.healthcheck.lag.BUCKETS`, not cumulative, and one more for everything above.
        delay_total: Sum of all these, seconds.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime, spawn: Callable[[WorkerProcess], None]) -> None:
        """Prepare; there are no workers before `resize` says how many, nor before the service starts.

        Args:
            clock: A monotonic clock.
            spawn: Starts the process of a worker, or raises `OSError`.
        """
        self._clock = clock
        self._spawn = spawn
        self._count = 0
        self._generation = 1
        self._ready: dict[int, WorkerProcess] = {}
        self._ended: dict[RemoteProber, None] = {}
        self._draining: IDelayedCall | None = None
        self._looking: IDelayedCall | None = None
        self._stopping: list[Deferred[None]] = []
        self._ignored = 0
        self.slots: dict[int, WorkerSlot] = {}
        self.waiting: dict[RemoteProber, float] = {}
        self.delays = [0] * (len(BUCKETS) + 1)
        self.delay_total = 0.0

    def startService(self) -> None:
        """Start the workers."""
        Service.startService(self)
        self.resize(self._count)

    def stopService(self) -> Deferred[None]:
        """End the workers; those that do not end by themselves are killed."""
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
        """Have so many workers: start what is missing, and let go what is too much."""
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

    # What the probers ask for

    def begin(self, prober: RemoteProber) -> None:
        """Have a backend probed as soon as there is a worker for it."""
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
        """End the probe under way, or that is waiting for a worker."""
        if prober in self.waiting:
            del self.waiting[prober]
        elif prober in self._ended:
            del self._ended[prober]
        elif prober.worker is not None:
            prober.worker.cancel(prober)

    def forget(self, prober: RemoteProber) -> None:
        """A backend is not probed any more, or not in this way."""
        prober.cancel()
        if prober.worker is not None:
            prober.worker.forget(prober)
            prober.worker = None

    # What it says of itself

    @property
    def alive(self) -> int:
        """How many workers can probe."""
        return len(self._ready)

    @property
    def ignored(self) -> int:
        """Results for probes that were not asked for, or not any more."""
        return self._ignored + sum(worker.ignored for worker in self._workers())

    def longest_wait(self) -> float:
        """Return for how many seconds a probe has been waiting for there to be a worker; 0 if none does."""
        since = next(iter(self.waiting.values()), None)
        return 0.0 if since is None else self._clock.seconds() - since

    def _workers(self) -> Iterator[WorkerProcess]:
        return (slot.worker for slot in self.slots.values() if slot.worker is not None)

    # What becomes of workers

    def worker_ready(self, worker: WorkerProcess) -> None:
        """It can be asked for probes."""
        self._log.info("probe-worker-start", worker=worker.index, pid=worker.pid)
        if worker.index < self._count:
            self._ready[worker.index] = worker
            self._generation += 1
            self._drain_later()

    def worker_ended(self, worker: WorkerProcess, reason: str) -> None:
        """Its process is no more."""
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
        """A probe took so much longer than it took in the worker."""
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
        """Have a worker again that was about to leave."""
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

    # Looking after them

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
                break  # the others are younger still
            if age > LOST + prober.spec.healthcheck.timeout:
                lost.append(prober)
        for prober in lost:
            self._log.error("probe-worker-lost", worker=worker.index, backend=prober.name)
            worker.cancel(prober)
            prober.finish(PROBE_LOST)

    # Probes that have been waiting

    def _drain_later(self) -> None:
        if self._draining is None and self.running:
            self._draining = self._clock.callLater(0.0, self._drain)

    def _drain(self) -> None:
        self._draining = None
        for _ in range(SLICE):
            if self._ended:
                prober, _ = self._ended.popitem()
                prober.finish(WORKER_GONE)
            elif self.waiting and self._ready:
                prober, _ = self.waiting.popitem()
                self.begin(prober)
            else:
                return
        self._draining = self._clock.callLater(DRAIN, self._drain)
