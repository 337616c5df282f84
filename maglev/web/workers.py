"""The metric families of the probe workers; all of them are there without any, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.lag import BUCKETS
from maglev.metrics import header
from maglev.web.exposition import histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.workers.crew import Crew


class WorkerCollector:
    """How the probe workers do."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def scrape(self) -> Iterator[str]:
        """Yield the families."""
        yield from self._crew_as_a_whole()
        yield from self._each()

    def _crew_as_a_whole(self) -> Iterator[str]:
        crew = self._crew
        yield header("maglev_probe_workers")
        yield f"maglev_probe_workers {crew.alive}\n"
        yield header("maglev_probe_worker_waiting")
        yield f"maglev_probe_worker_waiting {len(crew.waiting)}\n"
        yield header("maglev_probe_worker_wait_seconds")
        yield f"maglev_probe_worker_wait_seconds {crew.longest_wait()}\n"
        yield header("maglev_probe_worker_ignored_total")
        yield f"maglev_probe_worker_ignored_total {crew.ignored}\n"
        family = "maglev_probe_worker_delay_seconds"
        yield header(family)
        yield histogram(family, "", BUCKETS, crew.delays, crew.delay_total)

    def _each(self) -> Iterator[str]:
        seats = list(self._crew.seats.values())
        yield header("maglev_probe_worker_restarts_total")
        for seat in seats:
            yield f'maglev_probe_worker_restarts_total{{worker="{seat.index}"}} {seat.restarts}\n'
        workers = [seat.worker for seat in seats if seat.worker is not None]
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
