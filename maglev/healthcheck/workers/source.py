"""Where the checker gets its probers from: those of the daemon itself, or of its workers, as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import implementer

from maglev.healthcheck.workers.process import RemoteProber
from maglev.healthcheck.workers.specs import Spec
from maglev.interfaces import IBoardObserver, IProber

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from maglev.healthcheck.workers.pool import WorkerPool
    from maglev.model.config import Backend, Config, Healthcheck
    from maglev.model.events import BackendEvent, FrontendEvent
    from maglev.model.result import Outcome

    class Local(Protocol):
        """Makes probers that probe in this process (`maglev.healthcheck.probers.sources.ProberSources`)."""

        def prober_for(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> IProber:
            """Return the prober of a backend."""

        def busy(self) -> bool:
            """Return whether answers to probes under way wait to be read."""


@implementer(IProber)
class PlacedProber:
    """The prober of a backend, wherever its probes are made now; a reload may move them between two of them."""

    __slots__ = ("_backend", "_healthcheck", "_netns", "_places", "_prober", "_remote")

    def __init__(self, places: ProbePlaces, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> None:
        self._places = places
        self._backend = backend
        self._healthcheck = healthcheck
        self._netns = netns
        self._remote = places.remote
        self._prober = places.new_prober(backend, healthcheck, netns)

    @property
    def certificate_expiry(self) -> float | None:
        """As `IProber` says."""
        return self._prober.certificate_expiry

    def start(self, finished: Callable[[Outcome], None]) -> None:
        """Begin one probe (`IProber.start`)."""
        if self._remote is not self._places.remote:
            self._remote = self._places.remote
            self._prober = self._places.new_prober(self._backend, self._healthcheck, self._netns)
        self._prober.start(finished)

    def cancel(self) -> None:
        """Abort the probe under way, if any (`IProber.cancel`)."""
        self._prober.cancel()


@implementer(IBoardObserver)
class ProbePlaces:
    """Makes probers for the place that the configuration in force names.

    It must observe the board before the checker does, so that it knows a new configuration first.

    Attributes:
        remote: Whether workers probe.
    """

    def __init__(self, local: Local, pool: WorkerPool, config: Config) -> None:
        """Begin with a configuration.

        Args:
            local: Makes the probers of this process.
            pool: Has the workers; gets as many as the configuration says.
            config: The configuration in force.
        """
        self._local = local
        self._pool = pool
        self._slots = 0
        self._probers: dict[str, RemoteProber] = {}
        self.remote = False
        self._resize(config)

    def prober_for(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> IProber:
        """Return a prober that will probe this backend in this namespace; the one that it had is not used any more."""
        return PlacedProber(self, backend, healthcheck, netns)

    def busy(self) -> bool:
        """Return whether answers wait to be read in this process; each worker knows about its own."""
        return self._local.busy()

    def new_prober(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> IProber:
        """Return a prober for where probes are made now."""
        self._forget(backend.name)
        if not self.remote:
            return self._local.prober_for(backend, healthcheck, netns)
        self._slots += 1
        prober = RemoteProber(self._pool, self._slots, backend, Spec(healthcheck, netns))
        self._probers[backend.name] = prober
        return prober

    def backend_changed(self, event: BackendEvent) -> None:
        """The checker sees to that."""

    def frontend_changed(self, event: FrontendEvent) -> None:
        """Frontends have no probes of their own."""

    def weights_changed(self, frontends: frozenset[str]) -> None:
        """Weights are VPP's business."""

    def config_changed(self, old: Config, new: Config) -> None:
        """Have as many workers as it says, and let them forget what is not probed any more."""
        for name in list(self._probers):
            backend = new.backends.get(name)
            if backend is None or backend.healthcheck is None:
                self._forget(name)
        if old.checker.probe_workers != new.checker.probe_workers:
            self._resize(new)

    def _forget(self, name: str) -> None:
        prober = self._probers.pop(name, None)
        if prober is not None:
            self._pool.forget(prober)

    def _resize(self, config: Config) -> None:
        self.remote = config.checker.probe_workers > 0
        self._pool.resize(config.checker.probe_workers)
