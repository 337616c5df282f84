"""The scrape resource: ``/metrics`` for Prometheus, and a page at ``/`` that says so."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from twisted.web.resource import Resource
from twisted.web.server import Site
from zope.interface import implementer

from maglev.health import State
from maglev.interfaces import IBoardObserver

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.registry import Collector
    from twisted.web.http import Request as HttpRequest
    from twisted.web.server import Request

    from maglev.events import BackendEvent, FrontendEvent
    from maglev.model import Config

IDLE_TIMEOUT: Final = 60
"""Seconds until a scraper that says nothing is cut off; Prometheus asks every 15 to 60 s."""

_FRONT_PAGE: Final = b'<!doctype html><title>maglevd</title><p>maglevd: <a href="/metrics">metrics</a></p>\n'


@implementer(IBoardObserver)
class TransitionCounter:
    """Counts the transitions of backends.

    Attributes:
        counts: Transitions by backend, old state and new state; those of removed backends are forgotten.
    """

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def backend_changed(self, event: BackendEvent) -> None:
        """Count a transition that changes the state."""
        move = event.transition
        # The end of a removed backend is told after its counters were forgotten.
        if move.old is not move.new and move.new is not State.REMOVED:
            self.counts[event.backend, str(move.old), str(move.new)] += 1

    def frontend_changed(self, event: FrontendEvent) -> None:
        """Frontends have a gauge only."""

    def weights_changed(self, frontends: frozenset[str]) -> None:
        """Weights are read from the board."""

    def config_changed(self, old: Config, new: Config) -> None:
        """Forget backends that a reload has removed."""
        gone = old.backends.keys() - new.backends.keys()
        for key in [key for key in self.counts if key[0] in gone]:
            del self.counts[key]


class MetricsResource(Resource):
    """Renders a registry in the format that the scraper asks for.

    `prometheus_client` brings a resource for Twisted, which renders in a thread pool: collectors would read our state
    from another thread. This one renders in the reactor, where the state lives.
    """

    isLeaf = True

    def __init__(self, registry: CollectorRegistry) -> None:
        Resource.__init__(self)
        self._registry = registry

    def render_GET(self, request: Request) -> bytes:
        """Answer a scrape."""
        accept = b",".join(request.requestHeaders.getRawHeaders(b"accept", [])).decode("latin-1")
        encoder, content_type = choose_encoder(accept)
        request.setHeader(b"content-type", content_type.encode())
        return encoder(self._registry)


class _FrontPage(Resource):
    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return _FRONT_PAGE


def registry_of(collectors: Iterable[Collector]) -> CollectorRegistry:
    """Return a registry of our own, with these collectors and the process's figures (CPU, memory, descriptors)."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    for collector in collectors:
        registry.register(collector)
    return registry


class _QuietSite(Site):
    """A site that does not log each request: scrapes come by the minute, for years."""

    noisy = False
    displayTracebacks = False

    def log(self, request: HttpRequest) -> None:
        """Say nothing."""


def site_of(registry: CollectorRegistry) -> Site:
    """Return the site that serves a registry."""
    root = Resource()
    root.putChild(b"", _FrontPage())
    root.putChild(b"metrics", MetricsResource(registry))
    return _QuietSite(root, timeout=IDLE_TIMEOUT)
