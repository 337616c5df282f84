"""The sources of probers, one for each network namespace that the configuration has named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maglev.healthcheck.probers.source import ProberSource

if TYPE_CHECKING:
    from maglev.healthcheck.lag import LagMonitor
    from maglev.interfaces import IProber
    from maglev.model.config import Backend, Healthcheck


class ProberSources:
    """Gets the prober of a backend from the source of its namespace, which is made when first needed."""

    def __init__(self, reactor: object, lag: LagMonitor, seat: int = 0) -> None:
        """Begin without any; ``seat`` is as in `ProberSource`."""
        self._seat = seat
        self._reactor = reactor
        self._lag = lag
        self._sources: dict[str | None, ProberSource] = {}

    def prober_for(self, backend: Backend, healthcheck: Healthcheck, netns: str | None) -> IProber:
        """Return a prober that will probe this backend in this namespace (None is the daemon's own)."""
        source = self._sources.get(netns)
        if source is None:
            source = self._sources[netns] = ProberSource(self._reactor, self._lag, netns, seat=self._seat)
        return source.prober_for(backend, healthcheck)

    def busy(self) -> bool:
        """Return whether answers to probes under way wait to be read."""
        return any(source.busy() for source in self._sources.values())

    def close(self) -> None:
        """Close the resources that the probers share; all probes must have been cancelled."""
        for source in self._sources.values():
            source.close()
        self._sources.clear()
