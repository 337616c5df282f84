"""The site of the live page: its files, and the answers to what it asks for and orders."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.web.http import (
    BAD_REQUEST,
    CONFLICT,
    FORBIDDEN,
    GATEWAY_TIMEOUT,
    INTERNAL_SERVER_ERROR,
    NOT_FOUND,
    NOT_MODIFIED,
    OK,
    SERVICE_UNAVAILABLE,
    UNAUTHORIZED,
)
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from maglev.model.errors import ArgumentError, ForbiddenError, LocalError, MaglevError, NotFoundError
from maglev.runtime.http import READ_ONLY, BoundedSite, Root
from maglev.runtime.logs.logger import EventLogger
from maglev.web.gate import NoSessionError
from maglev.web.orders import carry_out
from maglev.web.sessions import LIFETIME
from maglev.web.streams import READ_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure
    from twisted.web.server import Request

    from maglev.interfaces import IControl
    from maglev.runtime.cooperator import WorkQueue
    from maglev.runtime.http import BoundedRequest
    from maglev.web.gate import Gate
    from maglev.web.sessions import WebSessions
    from maglev.web.streams import Streams

MAX_BODY: Final = 4096
"""Bytes of an order: a verb, names, and a reason."""

TIME_LIMIT: Final = 60.0
"""Seconds for the answer to an order; one that takes longer goes on."""

HEADERS: Final = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Headers of every answer: nothing runs but our files, and no other site may show or read them."""

STATIC: Final = Path(__file__).parent / "static"

KINDS: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}
"""The files that are served, by their suffixes."""

STATUSES: Final = (
    (NoSessionError, UNAUTHORIZED),
    (ArgumentError, BAD_REQUEST),
    (ForbiddenError, FORBIDDEN),
    (NotFoundError, NOT_FOUND),
    (LocalError, CONFLICT),
    (MaglevError, SERVICE_UNAVAILABLE),
)
"""The status for each kind of error, the most specific first."""


class WebAnswer(NamedTuple):
    """An answer as JSON.

    Attributes:
        status: Status code.
        value: Basic values.
    """

    status: int
    value: object


class Guarded(Resource):
    """A resource behind the gate."""

    isLeaf = True

    def __init__(self, gate: Gate) -> None:
        Resource.__init__(self)
        self._gate = gate

    def render(self, request: Any) -> Any:
        """Answer, unless the gate refuses the request."""
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        fault = self._gate.fault(request)
        return refusal(request, FORBIDDEN, fault) if fault else Resource.render(self, request)


def refusal(request: Request, status: int, text: str) -> bytes:
    """Return the body of a refusal."""
    return _json(request, WebAnswer(status, {"error": text}))


def _json(request: Request, answer: WebAnswer) -> bytes:
    request.setResponseCode(answer.status)
    request.setHeader(b"content-type", b"application/json")
    return json.dumps(answer.value).encode() + b"\n"


class FileResource(Guarded):
    """A file of the page. It says nothing of this maglevd, so everybody may have it."""

    def __init__(self, gate: Gate, path: Path) -> None:
        Guarded.__init__(self, gate)
        self._kind = KINDS[path.suffix]
        self._data = path.read_bytes()
        self._tag = b'"' + hashlib.sha256(self._data).hexdigest()[:16].encode() + b'"'

    def render_GET(self, request: Request) -> bytes:
        """Answer; a browser that has it is told so."""
        request.setHeader(b"content-type", self._kind)
        request.setHeader(b"cache-control", b"no-cache")
        if request.setETag(self._tag):
            request.setResponseCode(NOT_MODIFIED)
            return b""
        return self._data


class StreamResource(Guarded):
    """The stream of events of a page."""

    def __init__(self, gate: Gate, streams: Streams) -> None:
        Guarded.__init__(self, gate)
        self._streams = streams

    def render_HEAD(self, request: Request) -> bytes:
        """Answer what a stream would be like."""
        request.setHeader(b"content-type", b"text/event-stream")
        return b""

    def render_GET(self, request: BoundedRequest) -> bytes | int:
        """Begin a stream, after the last message that the page had, if it names one."""
        if not self._gate.may_look(request):
            return refusal(request, UNAUTHORIZED, str(NoSessionError()))
        last_id = request.getHeader("last-event-id") or argument(request, b"after")
        return self._streams.answer(request, last_id, lambda: self._gate.may_look(request))


class SnapshotResource(Guarded):
    """One snapshot, for programs."""

    def __init__(self, gate: Gate, streams: Streams) -> None:
        Guarded.__init__(self, gate)
        self._streams = streams

    def render_GET(self, request: Request) -> bytes | int:
        """Answer when everything was read."""
        if not self._gate.may_look(request):
            return refusal(request, UNAUTHORIZED, str(NoSessionError()))
        return self._streams.snapshot(request)


class JsonResource(Guarded):
    """Something that is answered as JSON, over time."""

    _log = EventLogger()

    def __init__(
        self, gate: Gate, clock: IReactorTime, answer: Callable[[Request], Coroutine[Deferred[Any], Any, WebAnswer]]
    ) -> None:
        """Create it.

        Args:
            gate: The gate.
            clock: Measures deadlines.
            answer: Answers a request; may raise a `MaglevError`.
        """
        Guarded.__init__(self, gate)
        self._clock = clock
        self._answer = answer

    def render_GET(self, request: Request) -> int:
        """Answer within `READ_LIMIT`, unless the browser goes away before."""
        answering = self._begin(request, READ_LIMIT)
        request.notifyFinish().addErrback(lambda _: answering.cancel())
        return NOT_DONE_YET

    def _begin(self, request: Request, limit: float | None = None) -> Deferred[None]:
        answering = Deferred.fromCoroutine(self._answer(request))
        if limit is not None:
            answering.addTimeout(limit, self._clock)
        answering.addErrback(self._excuse)
        return answering.addCallback(_finish, request)

    def _excuse(self, failure: Failure) -> WebAnswer:
        for kind, status in STATUSES:
            if failure.check(kind):
                return WebAnswer(status, {"error": str(failure.value)})
        if failure.check(DeferredTimeout):
            return WebAnswer(GATEWAY_TIMEOUT, {"error": "no answer in time"})
        if failure.check(CancelledError) is None:
            self._log.failure("web-call-failed", failure=failure)
        return WebAnswer(INTERNAL_SERVER_ERROR, {"error": "internal error of maglevd; see its log"})


class OrderResource(JsonResource):
    """An order: it is carried out to its end, whatever becomes of the browser."""

    def render_GET(self, request: Request) -> bytes:  # type: ignore[override]
        """Refuse to be asked without an order."""
        return refusal(request, BAD_REQUEST, "expected POST")

    def render_POST(self, request: Request) -> int:
        """Carry it out, and answer, unless that takes too long."""
        late = self._clock.callLater(TIME_LIMIT, self._give_up, request)
        self._begin(request).addBoth(lambda _: late.cancel() if late.active() else None)
        return NOT_DONE_YET

    @staticmethod
    def _give_up(request: Request) -> None:
        _finish(WebAnswer(GATEWAY_TIMEOUT, {"error": "no answer yet; it goes on: see show log"}), request)


def _finish(answer: WebAnswer, request: Request) -> None:
    if not request.finished and request.channel is not None:
        request.write(_json(request, answer))
        request.finish()


class Page:
    """What the page asks for and orders."""

    def __init__(self, gate: Gate, sessions: WebSessions, viewer: IControl) -> None:
        """Prepare.

        Args:
            gate: The gate.
            sessions: The sessions.
            viewer: The verbs, bound to somebody who may look, for those who need no session.
        """
        self._gate = gate
        self._sessions = sessions
        self._viewer = viewer

    def _control(self, request: Request) -> IControl:
        """Return the verbs that a request may call.

        Raises:
            NoSessionError: It has no session, and needs one.
        """
        if self._gate.session(request) is None and self._gate.may_look(request):
            return self._viewer
        return self._gate.require_session(request).control

    async def who(self, request: Request) -> WebAnswer:
        """Return who asks."""
        caller = self._control(request).caller
        name = None if self._gate.session(request) is None else caller.name
        return WebAnswer(OK, {"name": name, "role": str(caller.role)})

    async def backend(self, request: Request) -> WebAnswer:
        """Return a backend, and why its weights are what they are."""
        control, name = self._control(request), argument(request, b"name")
        return WebAnswer(OK, {"view": await control.backend(name), "why": await control.explain_backend(name)})

    async def frontend(self, request: Request) -> WebAnswer:
        """Return a frontend, and why it serves as it does."""
        control, name = self._control(request), argument(request, b"name")
        return WebAnswer(OK, {"view": await control.frontend(name), "why": await control.explain_frontend(name)})

    async def configuration(self, request: Request) -> WebAnswer:
        """Return what is wrong with the file, and what a reload would change: for sessions, since that is work."""
        return WebAnswer(OK, {"view": await self._gate.require_session(request).control.config_diff()})

    async def log_in(self, request: Request) -> WebAnswer:
        """Begin a session."""
        match read_json(request):
            case {"secret": str(secret)}:
                where = str(getattr(request.getClientAddress(), "host", "local"))
                issued = self._sessions.log_in(secret, where)
            case _:
                raise ArgumentError("expected a secret")
        if issued is None:
            return WebAnswer(UNAUTHORIZED, {"error": "this link is no longer valid: it works once, within a minute"})
        request.responseHeaders.addRawHeader(b"set-cookie", self._gate.cookie(request, issued, int(LIFETIME)))
        return WebAnswer(OK, {})

    async def log_out(self, request: Request) -> WebAnswer:
        """End the session."""
        self._sessions.log_out(self._gate.secret(request))
        request.responseHeaders.addRawHeader(b"set-cookie", self._gate.cookie(request, "", 0))
        return WebAnswer(OK, {})

    async def order(self, request: Request) -> WebAnswer:
        """Carry out an order."""
        control = self._gate.require_session(request).control
        return WebAnswer(OK, {"view": await carry_out(control, read_json(request))})


def argument(request: Request, name: bytes) -> str:
    """Return an argument of a request; empty if it has none."""
    args: Mapping[bytes, list[bytes]] = request.args or {}
    return args.get(name, [b""])[0].decode("utf-8", "replace")


def read_json(request: Request) -> object:
    """Return the body of a request.

    Raises:
        ArgumentError: It is not JSON.
    """
    assert request.content is not None  # noqa: S101
    try:
        return json.loads(request.content.read())
    except (ValueError, RecursionError):
        raise ArgumentError("expected JSON") from None


def page_site(work: WorkQueue, size: Callable[[], int], gate: Gate, page: Page, streams: Streams) -> BoundedSite:
    """Return the site.

    Args:
        work: The queue in which requests are answered.
        size: Returns the maximum number of connections now.
        gate: The gate.
        page: Answers what the page asks for.
        streams: The streams of pages.
    """
    root, static, api = Root(), Root(), Root()
    index = FileResource(gate, STATIC / "index.html")
    for name in (b"", b"login"):
        root.putChild(name, index)
    root.putChild(b"static", static)
    root.putChild(b"api", api)
    for path in sorted(STATIC.iterdir()):
        if path.suffix in KINDS:
            static.putChild(path.name.encode(), FileResource(gate, path))
    asked = {
        b"me": page.who,
        b"backend": page.backend,
        b"frontend": page.frontend,
        b"configuration": page.configuration,
    }
    for name, answer in asked.items():
        api.putChild(name, JsonResource(gate, work.clock, answer))
    ordered = {b"login": page.log_in, b"logout": page.log_out, b"order": page.order}
    for name, answer in ordered.items():
        api.putChild(name, OrderResource(gate, work.clock, answer))
    api.putChild(b"events", StreamResource(gate, streams))
    api.putChild(b"snapshot", SnapshotResource(gate, streams))
    return BoundedSite(work, size, root, (*READ_ONLY, b"POST"), MAX_BODY)
