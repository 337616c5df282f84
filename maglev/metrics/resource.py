"""The scrape resource: ``/metrics`` for Prometheus, and a page at ``/`` that says so."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from itertools import chain
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from maglev.config.diff import removed
from maglev.metrics.exposition import CONTENT_TYPE
from maglev.model.health import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
    from twisted.web.http import Request as HttpRequest
    from twisted.web.server import Request

    from maglev.metrics.exposition import ICollector
    from maglev.model.config import Config
    from maglev.model.events import BackendEvent
    from maglev.state.board import Board

IDLE_TIMEOUT: Final = 60
"""Seconds until a scraper that says nothing is cut off; Prometheus asks every 15 to 60 s."""

SLICE: Final = 0.005
"""Seconds of rendering at a stretch: less than anybody who waits for a probe would notice."""

MAX_SCRAPES: Final = 16
"""Scrapes at once: what two Prometheus, and people with curl, never reach."""

TIME_LIMIT: Final = 120.0
"""Seconds until a scraper that does not read its answer is cut off; Prometheus itself gives up after 10."""

_FRONT_PAGE: Final = b'<!doctype html><title>maglevd</title><p>maglevd: <a href="/metrics">metrics</a></p>\n'


class TransitionCounter:
    """Counts the transitions of backends.

    Attributes:
        counts: Transitions by backend, old state and new state; those of removed backends are forgotten.
    """

    def __init__(self, board: Board) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        board.subscribe(backend_changed=self._backend_changed, config_changed=self._config_changed)

    def _backend_changed(self, event: BackendEvent) -> None:
        move = event.transition
        # The end of a removed backend is told after its counters were forgotten.
        if move.old is not move.new and move.new is not State.REMOVED:
            self.counts[event.backend, str(move.old), str(move.new)] += 1

    def _config_changed(self, old: Config, new: Config) -> None:
        gone = set(removed(old.backends, new.backends))
        for key in [key for key in self.counts if key[0] in gone] if gone else ():
            del self.counts[key]


class Rotation:
    """Lets one scrape in each turn of the reactor write a slice, so that many stop it for no longer than one does."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Scrape] = deque()
        self._call: IDelayedCall | None = None

    def join(self, scrape: Scrape) -> None:
        """Have it write one slice, in a later turn of the reactor."""
        self._waiting.append(scrape)
        self._schedule()

    def leave(self, scrape: Scrape) -> None:
        """Forget one that has joined, if it has not had its turn yet."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(scrape)

    def _schedule(self) -> None:
        if self._waiting and self._call is None:
            self._call = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._call = None
        if self._waiting:
            scrape = self._waiting.popleft()
            self._schedule()
            scrape.write_slice()


@implementer(IPushProducer)
class Scrape:
    """One scrape under way: writes slice after slice while the scraper keeps up.

    A pull producer would be shorter, but Twisted drives those with its own cooperator: by the global reactor, and with
    as many slices in one turn as fit in 10 ms.
    """

    def __init__(self, clock: IReactorTime, rotation: Rotation, pieces: Iterator[str], request: Request) -> None:
        self._clock = clock
        self._rotation = rotation
        self._pieces = pieces
        self._request = request
        self._joined = False

    def resumeProducing(self) -> None:
        """Write the next slice when it is our turn."""
        if not self._joined:
            self._joined = True
            self._rotation.join(self)

    def pauseProducing(self) -> None:
        """Wait: the scraper has not yet read what it was sent."""
        self._joined = False
        self._rotation.leave(self)

    def stopProducing(self) -> None:
        """Give up: the scraper went away."""
        self.pauseProducing()

    def write_slice(self) -> None:
        """Write the next slice."""
        self._joined = False
        until = self._clock.seconds() + SLICE
        text = []
        for piece in self._pieces:
            text.append(piece)
            if self._clock.seconds() >= until:
                self.resumeProducing()  # before the write, which may call for a pause
                self._request.write("".join(text).encode())
                return
        self._request.write("".join(text).encode())
        self._request.unregisterProducer()
        self._request.finish()


class MetricsResource(Resource):
    """Answers scrapes, in slices, in the reactor, where the state lives.

    `prometheus_client` brings a resource for Twisted, which renders in a thread pool: collectors would read our state
    from another thread.
    """

    isLeaf = True

    def __init__(self, clock: IReactorTime, collectors: Sequence[ICollector]) -> None:
        Resource.__init__(self)
        self._clock = clock
        self._collectors = collectors
        self._rotation = Rotation(clock)
        self._under_way = 0

    def render_GET(self, request: Request) -> bytes | int:
        """Answer a scrape."""
        if self._under_way == MAX_SCRAPES:
            request.setResponseCode(SERVICE_UNAVAILABLE)
            return b"too many scrapes at once\n"
        request.setHeader(b"content-type", CONTENT_TYPE)
        self._under_way += 1
        pieces = chain.from_iterable(collector.scrape() for collector in self._collectors)
        scrape = Scrape(self._clock, self._rotation, pieces, request)
        limit = self._clock.callLater(TIME_LIMIT, _cut_off, request)
        request.notifyFinish().addBoth(self._ended, scrape, limit)
        request.registerProducer(scrape, True)
        scrape.resumeProducing()
        return NOT_DONE_YET

    def _ended(self, _: object, scrape: Scrape, limit: IDelayedCall) -> None:
        self._under_way -= 1
        scrape.stopProducing()
        if limit.active():
            limit.cancel()


def _cut_off(request: Request) -> None:
    cast("ITCPTransport", request.channel.transport).abortConnection()


class _FrontPage(Resource):
    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return _FRONT_PAGE


class QuietSite(Site):
    """A site that does not log its requests: scrapes come by the minute, for years."""

    noisy = False
    displayTracebacks = False

    def log(self, request: HttpRequest) -> None:
        """Say nothing."""


def site_of(clock: IReactorTime, collectors: Sequence[ICollector]) -> Site:
    """Return the site that serves the metrics of these collectors."""
    root = Resource()
    root.putChild(b"", _FrontPage())
    root.putChild(b"metrics", MetricsResource(clock, collectors))
    return QuietSite(root, timeout=IDLE_TIMEOUT, reactor=clock)
