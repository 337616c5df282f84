"""Creates the daemon's probers, which probe in its workers or, if there are none, in its own process.

Programs are always run by a process of their own (`maglev.healthcheck.programs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.healthcheck.workers.codec import Spec
from maglev.healthcheck.workers.process import RemoteProber

if TYPE_CHECKING:
    from maglev.healthcheck.probers.sources import ProberSources
    from maglev.healthcheck.programs.host import ProgramHost
    from maglev.healthcheck.workers.pool import WorkerPool
    from maglev.interfaces import IProber
    from maglev.model.config import Backend, Healthcheck


class PooledProbers:
    """Creates probers for a pool of workers, or for this process while the pool has none (`IProberSource`)."""

    def __init__(self, local: ProberSources, pool: WorkerPool, programs: ProgramHost | None = None) -> None:
        self._local = local
        self._pool = pool
        self._programs = programs
        self._workers = 0
        self._slots = 0
        self._probers: dict[str, RemoteProber] = {}

    def use_workers(self, count: int) -> bool:
        """Set the number of workers; return whether existing probers should be replaced before their next probe."""
        moved = (count > 0) != (self._workers > 0)
        self._workers = count
        self._pool.resize(count)
        return moved

    def prober_for(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> IProber:
        """Return a prober for this backend in this namespace; its previous prober must not be used again."""
        self.forget(backend.name)
        if healthcheck.exec is not None and self._programs is not None:
            return self._programs.prober_for(backend, healthcheck, netns)
        if not self._workers:
            return self._local.prober_for(backend, healthcheck, netns)
        self._slots += 1
        prober = self._probers[backend.name] = RemoteProber(self._pool, self._slots, backend, Spec(healthcheck, netns))
        return prober

    def forget(self, backend: str) -> None:
        """Tell the workers to forget a backend, if one of them probes it."""
        prober = self._probers.pop(backend, None)
        if prober is not None:
            self._pool.forget(prober)

    def busy(self) -> bool:
        """Return whether answers are waiting to be read in this process; each worker watches its own."""
        return self._local.busy()
