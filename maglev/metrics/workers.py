"""The metric families of the probe workers; those of the pool as a whole exist without workers, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.healthcheck.lag import BUCKETS
from maglev.metrics.exposition import histogram
from maglev.metrics.families import header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.healthcheck.workers.pool import WorkerPool


class WorkerCollector:
    """The state of the probe workers."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        yield from self._crew_as_a_whole()
        yield from self._each()

    def _crew_as_a_whole(self) -> Iterator[str]:
        pool = self._pool
        yield header("maglev_probe_workers")
        yield f"maglev_probe_workers {pool.alive}\n"
        yield header("maglev_probe_worker_waiting")
        yield f"maglev_probe_worker_waiting {len(pool.waiting)}\n"
        yield header("maglev_probe_worker_wait_seconds")
        yield f"maglev_probe_worker_wait_seconds {pool.longest_wait()}\n"
        yield header("maglev_probe_worker_ignored_total")
        yield f"maglev_probe_worker_ignored_total {pool.ignored}\n"
        family = "maglev_probe_worker_delay_seconds"
        yield header(family)
        yield histogram(family, "", BUCKETS, pool.delays, pool.delay_total)

    def _each(self) -> Iterator[str]:
        slots = list(self._pool.slots.values())
        yield header("maglev_probe_worker_restarts_total")
        for slot in slots:
            yield f'maglev_probe_worker_restarts_total{{worker="{slot.index}"}} {slot.restarts}\n'
        workers = [slot.worker for slot in slots if slot.worker is not None]
        yield header("maglev_probe_worker_in_flight")
        for worker in workers:
            yield f'maglev_probe_worker_in_flight{{worker="{worker.index}"}} {len(worker.under_way)}\n'
        yield header("maglev_probe_worker_queued")
        for worker in workers:
            yield f'maglev_probe_worker_queued{{worker="{worker.index}"}} {worker.status.queued}\n'
        yield header("maglev_probe_worker_cpu_seconds_total")
        for worker in workers:
            yield f'maglev_probe_worker_cpu_seconds_total{{worker="{worker.index}"}} {worker.status.cpu}\n'
        family = "maglev_probe_worker_lag_seconds"
        yield header(family)
        for worker in workers:
            label = f'worker="{worker.index}"'
            yield histogram(family, label, BUCKETS, worker.status.lag_counts, worker.status.lag_total)
