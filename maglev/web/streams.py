"""The stream of a page: a snapshot, then frames, as server-sent events (HTML standard, 9.2).

A page pulls: it remembers which frame it had last, and is sent the next ones while it reads. One that is slow, or comes
back after an interruption, is sent what it missed; if that is no longer kept, it is told so (``gap``) and gets a new
snapshot. While nothing changes, it is sent a ``beat`` every few seconds: it has everything. A comment would keep the
connection, too, but scripts in a browser do not see those.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IPushProducer
from twisted.web.http import GATEWAY_TIMEOUT, SERVICE_UNAVAILABLE
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from maglev.web.row_store import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.web.server import Request

    from maglev.runtime.http import BoundedRequest
    from maglev.web.feed import PageFeed
    from maglev.web.frames import Frames

MAX_PAGES: Final = 64
"""Open pages: those of everybody on duty, several each, and screens on the wall."""

MAX_PAGES_OF_ONE: Final = 32
"""Open pages of one source: half of them, which is also what one proxy in front may have."""

PIECE: Final = 64 * 1024
"""Bytes of a snapshot that are written at once: what the transport holds before it asks for a pause."""

READ_LIMIT: Final = 20.0
"""Seconds for what a page reads, which is given up then: more than VPP has for its answers, and than anybody waits."""

RETRY: Final = 1000
"""Milliseconds after which a browser tries again when the stream was interrupted."""

_ID: Final = re.compile(r"([0-9a-f]{1,32})\.([0-9]{1,15})")


@implementer(IPushProducer)
class PageStream:
    """The stream of one page."""

    def __init__(self, frames: Frames, request: Request, still_allowed: Callable[[], bool]) -> None:
        """Prepare.

        Args:
            frames: The frames.
            request: The request that is answered with the stream.
            still_allowed: Returns whether it may go on.
        """
        self._frames = frames
        self._request = request
        self._still_allowed = still_allowed
        self._had: int | None = None
        self._missed = False
        self._rest = b""
        self._stalled = False
        self._ended = False

    def begin(self, last_id: str) -> None:
        """Begin, after what a page had before, if anything."""
        found = _ID.fullmatch(last_id)
        if found is not None and found[1] == self._frames.boot:
            self._had = int(found[2])
        comes_back = self._had is not None
        self._request.registerProducer(self, True)
        self._write(b"retry: %d\n\n" % RETRY)
        self.wake()
        if comes_back and self._frames.ready and not self._ended:
            self.beat()

    def wake(self) -> None:
        """Write what there is, while the page reads."""
        while not self._stalled and not self._ended and self._frames.ready and self._write_next():
            pass

    def beat(self) -> None:
        """Write that there is nothing new, unless something waits; or end a stream that is no longer allowed."""
        if not self._still_allowed():
            self.end()
        elif not self._stalled:
            self._write(b"event: beat\ndata: {}\n\n")

    def end(self) -> None:
        """End the stream; the page may ask again."""
        if not self._ended:
            self.stopProducing()
            self._request.unregisterProducer()
            self._request.finish()

    def pauseProducing(self) -> None:
        """Wait: the page has not yet read what it was sent."""
        self._stalled = True

    def resumeProducing(self) -> None:
        """Go on."""
        self._stalled = False
        self.wake()

    def stopProducing(self) -> None:
        """Write nothing more: the page is gone."""
        self._ended = True
        self._rest = b""

    def _write_next(self) -> bool:
        """Write a piece of a snapshot, or a frame; return whether there was anything."""
        if self._rest:
            piece, self._rest = self._rest[:PIECE], self._rest[PIECE:]
            self._write(piece)
            return True
        if self._had is None or not self._frames.has_after(self._had):
            self._write_snapshot()
            return True
        frame = self._frames.after(self._had)
        if frame is None:
            return False
        self._had = frame.number
        self._write(self._message("frame", frame.number, frame.text))
        return True

    def _write_snapshot(self) -> None:
        if self._had is not None:
            missed = max(self._frames.number - self._had, 0)
            self._write(b"event: gap\ndata: %s\n\n" % encode({"missed": missed}))
        snapshot = self._frames.snapshot()
        self._had = snapshot.number
        self._rest = self._message("snapshot", snapshot.number, snapshot.text)

    def _message(self, event: str, number: int, text: bytes) -> bytes:
        return b"id: %s.%d\nevent: %s\ndata: %s\n\n" % (self._frames.boot.encode(), number, event.encode(), text)

    def _write(self, data: bytes) -> None:
        self._request.write(data)


class SnapshotRequest:
    """A request for one snapshot, which waits until there is one."""

    def __init__(self, feed: PageFeed, request: Request) -> None:
        self._feed = feed
        self._request = request

    def wake(self) -> None:
        """Answer."""
        if self._feed.frames.ready:
            self._feed.leave(self)
            self._request.setHeader(b"content-type", b"application/json")
            self._request.write(self._feed.frames.snapshot().text + b"\n")
            self._request.finish()

    def beat(self) -> None:
        """Wait on."""

    def give_up(self) -> None:
        """Say that there was none in time."""
        self._feed.leave(self)
        self._request.setResponseCode(GATEWAY_TIMEOUT)
        self._request.setHeader(b"content-type", b"application/json")
        self._request.write(encode({"error": "no answer in time"}) + b"\n")
        self._request.finish()


class Streams:
    """The streams of all pages, which are limited in number."""

    def __init__(self, feed: PageFeed) -> None:
        self._feed = feed
        self._open: dict[PageStream, str] = {}

    def __len__(self) -> int:
        """Return the number of open pages."""
        return len(self._open)

    def answer(self, request: BoundedRequest, last_id: str, still_allowed: Callable[[], bool]) -> bytes | int:
        """Answer a request with a stream, unless there are too many.

        Args:
            request: The request.
            last_id: The last message that the page had; empty if it had none.
            still_allowed: Returns whether the stream may go on.
        """
        source = request.channel.source
        if len(self._open) >= MAX_PAGES or Counter(self._open.values())[source] >= MAX_PAGES_OF_ONE:
            request.setResponseCode(SERVICE_UNAVAILABLE)
            request.setHeader(b"content-type", b"text/plain; charset=utf-8")
            return b"too many open pages\n"
        request.setHeader(b"content-type", b"text/event-stream")
        request.setHeader(b"x-accel-buffering", b"no")  # nginx would hold events back
        stream = PageStream(self._feed.frames, request, still_allowed)
        self._open[stream] = source
        request.notifyFinish().addBoth(self._ended, stream)
        self._feed.join(stream)
        stream.begin(last_id)
        return NOT_DONE_YET

    def snapshot(self, request: Request) -> int:
        """Answer a request with a snapshot."""
        waiting = SnapshotRequest(self._feed, request)
        late = self._feed.clock.callLater(READ_LIMIT, waiting.give_up)
        finished = request.notifyFinish()
        finished.addErrback(lambda _: self._feed.leave(waiting))
        finished.addBoth(lambda _: late.cancel() if late.active() else None)
        self._feed.join(waiting)
        waiting.wake()
        return NOT_DONE_YET

    def end(self) -> None:
        """End all streams."""
        for stream in tuple(self._open):
            stream.end()

    def _ended(self, _: object, stream: PageStream) -> None:
        self._open.pop(stream, None)
        stream.stopProducing()
        self._feed.leave(stream)
