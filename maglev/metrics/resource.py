"""The site of the metrics listener: ``/metrics`` for Prometheus, ``/healthz``, and a page at ``/`` that links them."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IPushProducer
from twisted.web.http import SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from maglev.config.diff import removed
from maglev.metrics.exposition import CONTENT_TYPE
from maglev.metrics.healthz import HealthzResource
from maglev.model.health import State
from maglev.runtime.http import BoundedSite, Root
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure
    from twisted.web.server import Request

    from maglev.metrics.exposition import ICollector
    from maglev.metrics.healthz import SelfCheck
    from maglev.model.config import Config
    from maglev.model.events import BackendEvent
    from maglev.runtime.cooperator import WorkQueue
    from maglev.runtime.http import BoundedRequest
    from maglev.state.board import Board

CHUNK: Final = 256 * 1024
"""Characters written at once: four times what the transport holds before it asks for a pause, so that the rest is
rendered while the scraper reads."""

MAX_SCRAPES: Final = 16
"""Maximum number of scrapes at once: more than two Prometheus servers and people with curl ever need."""

TIME_LIMIT: Final = 120.0
"""Seconds until a scraper that takes its answer in drops is cut off; Prometheus itself gives up after 10."""

_FRONT_PAGE: Final = (
    b"<!doctype html><title>maglevd</title>"
    b'<p>maglevd: <a href="/metrics">metrics</a>, <a href="/healthz">health of maglevd itself</a></p>\n'
)


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
        # The last event of a removed backend comes after its counters were dropped.
        if move.old is not move.new and move.new is not State.REMOVED:
            self.counts[event.backend, str(move.old), str(move.new)] += 1

    def _config_changed(self, old: Config, new: Config) -> None:
        gone = set(removed(old.backends, new.backends))
        for key in [key for key in self.counts if key[0] in gone] if gone else ():
            del self.counts[key]


@implementer(IPushProducer)
class Scrape:
    """One scrape under way: renders and writes while the scraper keeps up.

    A pull producer would be shorter, but Twisted drives those with its own cooperator: by the global reactor, and
    beside ours.

    Attributes:
        stalled: Whether it waits for the scraper to read.
    """

    _log = EventLogger()

    def __init__(self, work: WorkQueue, pieces: Iterator[str], request: BoundedRequest) -> None:
        self._work = work
        self._pieces = pieces
        self._request = request
        self._text: list[str] = []
        self._run: Deferred[None] | None = None
        self.stalled = False

    def resumeProducing(self) -> None:
        """Go on when it is our turn."""
        self.stalled = False
        if self._run is None:
            self._run = self._work.run(self._write_steps(), later=True)
            self._run.addErrback(self._failed)

    def pauseProducing(self) -> None:
        """Wait: the scraper has not yet read what it was sent."""
        self.stalled = True
        if self._run is not None:
            run, self._run = self._run, None
            run.cancel()

    def stopProducing(self) -> None:
        """Give up: the scraper went away."""
        self.pauseProducing()

    def cut_off(self) -> None:
        """End the connection."""
        self._request.channel.turn_away()

    def _write_steps(self) -> Generator[None, None, None]:
        size = sum(map(len, self._text))
        for piece in self._pieces:
            self._text.append(piece)
            size += len(piece)
            if size >= CHUNK:
                self._write()  # which may call for a pause
                size = 0
            yield
        self._write()
        self._request.unregisterProducer()
        self._request.finish()

    def _write(self) -> None:
        text, self._text = "".join(self._text), []
        self._request.write(text.encode())

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            self._log.failure("scrape-failed", failure=failure)
            self.cut_off()


class MetricsResource(Resource):
    """Answers scrapes, in slices, in the reactor, where the state lives.

    `prometheus_client` brings a resource for Twisted, which renders in a thread pool: collectors would read our state
    from another thread.
    """

    isLeaf = True

    def __init__(self, work: WorkQueue, collectors: Sequence[ICollector]) -> None:
        Resource.__init__(self)
        self._collectors = collectors
        self._work = work
        self._scrapes: dict[Scrape, None] = {}

    def render_HEAD(self, request: Request) -> bytes:
        """Answer what a scrape would be like."""
        request.setHeader(b"content-type", CONTENT_TYPE)
        return b""

    def render_GET(self, request: BoundedRequest) -> bytes | int:
        """Answer a scrape."""
        if len(self._scrapes) >= MAX_SCRAPES and not self._make_room():
            request.setResponseCode(SERVICE_UNAVAILABLE)
            return b"too many scrapes at once\n"
        request.setHeader(b"content-type", CONTENT_TYPE)
        pieces = chain.from_iterable(collector.scrape() for collector in self._collectors)
        scrape = Scrape(self._work, pieces, request)
        self._scrapes[scrape] = None
        limit = self._work.clock.callLater(TIME_LIMIT, scrape.cut_off)
        request.notifyFinish().addBoth(self._ended, scrape, limit)
        request.registerProducer(scrape, True)
        scrape.resumeProducing()
        return NOT_DONE_YET

    def _make_room(self) -> bool:
        """Cut off the oldest scrape that is not being read; return whether there is one."""
        for scrape in self._scrapes:
            if scrape.stalled:
                del self._scrapes[scrape]
                scrape.cut_off()
                return True
        return False

    def _ended(self, _: object, scrape: Scrape, limit: IDelayedCall) -> None:
        self._scrapes.pop(scrape, None)
        scrape.stopProducing()
        if limit.active():
            limit.cancel()


class _FrontPage(Resource):
    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return _FRONT_PAGE


def site_of(
    work: WorkQueue, size: Callable[[], int], collectors: Sequence[ICollector], check: SelfCheck
) -> BoundedSite:
    """Return the site that serves the metrics of these collectors, and whether maglevd is well.

    Args:
        work: The queue in which scrapes are written.
        size: Returns the maximum number of connections now.
        collectors: What has metrics.
        check: Knows whether maglevd is well.
    """
    root = Root()
    root.putChild(b"", _FrontPage())
    root.putChild(b"metrics", MetricsResource(work, collectors))
    root.putChild(b"healthz", HealthzResource(check))
    return BoundedSite(work, size, root)
