"""An HTTP server for strangers: `twisted.web` with a bound on everything that it leaves open.

Left to itself, `twisted.web` writes request bodies to the temporary folder before it asks anybody whether they are
wanted; it goes on reading requests from a peer that reads no answers; a byte now and then keeps a connection for ever;
and it accepts any number of connections. Here:

* Only the methods of the site are answered, GET and HEAD by default. A body is refused at its header and never read,
  unless the site takes small ones; those arrive within the time of the head.
* The head of a request has a size, and a time from its first byte to its last.
* One request of a connection is answered at a time, in turns with all others (`maglev.runtime.cooperator`), and the
  next one only after the peer has read the answer. What it sends meanwhile is left to the kernel.
* A listener has a limited number of places. When it is full, an idle connection or one with an incomplete request makes
  room (`maglev.runtime.admission.WaitingRoom`); one whose request is being answered does not.

A resource that answers over time (``NOT_DONE_YET``) registers a producer, and sets a deadline of its own.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from twisted.web.http import BAD_REQUEST, NOT_ALLOWED, NOT_FOUND, REQUEST_URI_TOO_LONG, HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from maglev.runtime.admission import WaitingRoom, source_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure
    from twisted.web.http import Request as BareRequest

    from maglev.runtime.cooperator import WorkQueue

MAX_HEAD: Final = 8192
"""Bytes of a request line and its headers: what nginx and Apache accept. A scraper sends 400, a browser 2,000."""

MAX_HEADERS: Final = 64
"""Headers of a request; a browser sends 15."""

MAX_TARGET: Final = 2048
"""Bytes of the target of a request: decoding it takes a microsecond for each of its segments."""

MAX_ARGUMENTS: Final = 32
"""Arguments in a target: parsing takes as long for each."""

MAX_AHEAD: Final = 4096
"""Bytes taken from a peer while its previous request is being answered. Reading goes on until then because it is how
we learn that the peer is gone."""

REQUEST_TIME: Final = 10.0
"""Seconds from the connection, or from the first byte of a further request, to the end of the headers."""

IDLE_TIME: Final = 60.0
"""Seconds that a connection may be idle between requests; Prometheus sends one every 15 to 60 s."""

UNREAD_TIME: Final = 30.0
"""Seconds without reading, once the transport has buffered more than its 64 KiB; Prometheus gives up after 10."""

CLOSE_TIME: Final = 5.0
"""Seconds to read the rest of an answer after which the connection is closed."""

LINGER: Final = 1.0
"""Seconds from a refusal to the close. An immediate close while the peer is sending its body would reset the
connection, and the peer would not see why it was refused."""

READ_ONLY: Final = (b"GET", b"HEAD")
"""Methods of a site at which nothing can be changed."""


class Text(Resource):
    """A short answer in plain text."""

    isLeaf = True

    def __init__(self, code: int, text: bytes) -> None:
        """Create it, with a status code and a body."""
        Resource.__init__(self)
        self._code = code
        self._text = text

    def render_GET(self, request: Request) -> bytes:
        """Answer."""
        request.setResponseCode(self._code)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return self._text


class Root(Resource):
    """The root of a site. Unknown paths get a plain answer: that of Twisted quotes the request."""

    def getChild(self, _path: bytes, _request: BareRequest) -> Resource:
        """Return the answer for a path that no child was put at."""
        return Text(NOT_FOUND, b"not found\n")


class BoundedRequest(Request):
    """A request, which is answered when it is its turn."""

    channel: Any
    _fault = 0

    def parseCookies(self) -> None:
        """Leave cookies alone: a header can hold thousands. Who sets one finds it in the header (`maglev.web.gate`)."""

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Queue the request."""
        self.channel.site.work.soon(lambda: self._begin(command, path, version))

    def _begin(self, command: bytes, path: bytes, version: bytes) -> None:
        if self.channel is None:
            return  # the connection was lost meanwhile
        target = origin_form(path)
        self._fault = _fault_of(target)
        # Twisted parses the arguments here, before it calls `process`.
        Request.requestReceived(self, command, b"/" if self._fault else target, version)

    def process(self) -> None:
        """Answer, or refuse what no resource should see."""
        methods = self.channel.site.methods
        if self.method not in methods:
            self.setHeader(b"allow", b", ".join(methods))
            self._refuse(NOT_ALLOWED)
        elif self._fault:
            self._refuse(self._fault)
        else:
            Request.process(self)

    def render(self, resrc: Any) -> None:
        """Answer with a resource; strangers need not know the version of Twisted."""
        self.responseHeaders.removeHeader(b"server")
        Request.render(self, resrc)

    def _refuse(self, code: int) -> None:
        self.setResponseCode(code)
        self.setHeader(b"content-type", b"text/plain; charset=utf-8")
        self.setHeader(b"content-length", b"%d" % (len(self.code_message) + 1))
        self.setHeader(b"connection", b"close")
        self.channel.persistent = False
        self.write(self.code_message + b"\n")
        self.finish()


def origin_form(target: bytes) -> bytes:
    """Return the target of a request without scheme and authority, which servers must accept (RFC 9112, 3.2.2)."""
    if target[:1] == b"/" or b"://" not in target[: len(b"https://")]:
        return target
    try:
        parts = urlsplit(target)
    except ValueError:  # brackets that are no IPv6 address
        return target
    return (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")


def _fault_of(target: bytes) -> int:
    if len(target) > MAX_TARGET:
        return REQUEST_URI_TOO_LONG
    if target.count(b"&") + target.count(b";") >= MAX_ARGUMENTS:
        return BAD_REQUEST
    return 0


class BoundedChannel(HTTPChannel):
    """One connection.

    Attributes:
        source: Whom it counts for; see `maglev.runtime.admission.source_of`.
    """

    MAX_LENGTH = totalHeadersSize = MAX_HEAD
    delimiter = b"\n"  # a carriage return before it is part of the line end (RFC 9112, 2.2); people type requests, too
    maxHeaders = MAX_HEADERS
    site: BoundedSite
    transport: Any

    def __init__(self) -> None:
        HTTPChannel.__init__(self)
        self.source = ""
        self._idle = False
        self._answering = False
        self._answered: BareRequest | None = None
        self._ahead = 0
        self._flooded = False
        self._refused = False
        self._ended = False
        self._deadline: IDelayedCall | None = None
        self._unread: IDelayedCall | None = None

    # The connection

    def connectionMade(self) -> None:
        """Wait for a request, if there is room."""
        self.source = source_of(self.transport)
        HTTPChannel.connectionMade(self)
        self._close_after(REQUEST_TIME)
        self.site.arrived(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Release all resources."""
        self._ended = True
        for call in (self._deadline, self._unread):
            if call is not None and call.active():
                call.cancel()
        self.site.left(self)
        HTTPChannel.connectionLost(self, reason)

    def turn_away(self) -> None:
        """End the connection at once."""
        self._ended = True
        # Its place is free now, not only when the reactor has closed the socket.
        self.site.left(self)
        self.transport.abortConnection()

    def loseConnection(self) -> None:
        """Close the connection when the peer has read everything, but not at any time."""
        HTTPChannel.loseConnection(self)
        self._after(CLOSE_TIME, self.turn_away)

    def _close_after(self, seconds: float) -> None:
        self._after(seconds, self.loseConnection)

    def _after(self, seconds: float, end: Callable[[], None]) -> None:
        """Replace the deadline of the connection."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        if not self._ended:
            self._deadline = self.site.work.clock.callLater(seconds, end)

    # Requests

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of requests, as far as there is room for them."""
        if self._refused or self._ended:
            return
        if self._answering:
            self._ahead += len(data)
            if self._ahead > MAX_AHEAD:
                self.transport.pauseProducing()
        elif self._idle:
            self._idle = False
            self._close_after(REQUEST_TIME)
        try:
            HTTPChannel.dataReceived(self, data)
        except ValueError:  # int() of more than 4300 digits, which Twisted does not expect
            self._refuse(b"400 Bad Request")

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a head."""
        HTTPChannel.lineReceived(self, line.removesuffix(b"\r"))

    def rawDataReceived(self, data: bytes) -> None:
        """Keep the beginning of further requests; what remains of a refused one is discarded."""
        if not self._refused:
            HTTPChannel.rawDataReceived(self, data)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002  # Twisted's signature
        """Refuse a request with a line that is too long."""
        self._refuse(b"431 Request Header Fields Too Large")

    def allHeadersReceived(self) -> None:
        """Refuse a request with a body, or with a larger one than the site takes."""
        if self.length is not None and self.length <= self.site.max_body:
            HTTPChannel.allHeadersReceived(self)
        else:
            self._refuse(b"413 Content Too Large")

    def allContentReceived(self) -> None:
        """Let a complete request be answered, however long that takes."""
        self._answering = True
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self.site.room.leave(self)
        HTTPChannel.allContentReceived(self)

    def requestDone(self, request: BareRequest) -> None:
        """Go on with the next request when the peer reads, and others have had their turns."""
        self._answered = request
        self._go_on_later()

    def _go_on_later(self) -> None:
        if self._answered is not None and not self._flooded:
            self.site.work.soon(self._go_on)

    def _go_on(self) -> None:
        if self._answered is None or self._flooded or self._ended:
            return
        request, self._answered = self._answered, None
        self._answering = False
        self._ahead = 0
        self._idle = True
        self._close_after(IDLE_TIME)
        self.site.room.enter(self)
        HTTPChannel.requestDone(self, request)

    def _refuse(self, status: bytes) -> None:
        """Refuse an incomplete request, and end the connection without reading the rest."""
        self._refused = True
        self.transport.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        self.transport.unregisterProducer()
        self.transport.pauseProducing()
        self.transport.loseWriteConnection()
        self._after(LINGER, self.turn_away)

    # Flow control: called by the transport

    def pauseProducing(self) -> None:
        """Hold answers back: the peer does not read."""
        self._flooded = True
        if self._unread is None:
            self._unread = self.site.work.clock.callLater(UNREAD_TIME, self.turn_away)
        HTTPChannel.pauseProducing(self)

    def resumeProducing(self) -> None:
        """Go on: the peer has read everything."""
        self._flooded = False
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        HTTPChannel.resumeProducing(self)
        self._go_on_later()


class BoundedSite(Site):
    """The factory of the connections of one listener. It logs no requests: scrapes come by the minute, for years.

    Attributes:
        work: The queue in which requests are answered.
        room: Connections without a request that is being answered.
        methods: What may be asked for.
        max_body: Bytes of a body at most.
    """

    noisy = False
    protocol: Any = BoundedChannel
    requestFactory: Any = BoundedRequest

    def __init__(
        self,
        work: WorkQueue,
        size: Callable[[], int],
        root: Resource,
        methods: tuple[bytes, ...] = READ_ONLY,
        max_body: int = 0,
    ) -> None:
        """Create a site without connections.

        Args:
            work: The queue in which requests are answered.
            size: Returns the maximum number of connections now.
            root: The resource at the root.
            methods: Methods that may be used.
            max_body: Bytes of a body at most; 0 for none.
        """
        Site.__init__(self, root, timeout=cast("int", None), reactor=work.clock)
        self.work = work
        self.methods = methods
        self.max_body = max_body
        self.room = WaitingRoom(lambda: size() - self.busy)
        self._size = size
        self._channels: set[BoundedChannel] = set()
        self._sources: Counter[str] = Counter()

    @property
    def busy(self) -> int:
        """The number of connections whose request is being answered."""
        return len(self._channels) - len(self.room)

    def arrived(self, channel: BoundedChannel) -> None:
        """Admit a connection; another one may have to go, or this one if all others are busy."""
        self._channels.add(channel)
        self._sources[channel.source] += 1
        self.room.enter(channel)
        # Half of the places are out of reach for any one source.
        if self._sources[channel.source] > max(1, self._size() // 2):
            self.room.make_room(channel.source)

    def left(self, channel: BoundedChannel) -> None:
        """Forget a connection that is lost or about to be; harmless if it is forgotten already."""
        if channel not in self._channels:
            return
        self._channels.discard(channel)
        self.room.leave(channel)
        self._sources[channel.source] -= 1
        if not self._sources[channel.source]:
            del self._sources[channel.source]

    def startFactory(self) -> None:
        """Do nothing: Twisted would wake up each second to know the time for its log of requests."""

    stopFactory = startFactory

    def log(self, request: BareRequest) -> None:
        """Say nothing."""
