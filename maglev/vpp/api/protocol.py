"""VPP's binary API over its UNIX socket: one connection.

In short, with `maglev.vpp.api.connection.connect` for the first line::

    protocol = await connect(reactor, work, "/run/vpp/api.sock", layouts=layouts, count=count)
    client_index, pid = await protocol.request("control_ping")
    rows = await protocol.dump("lb_as_v2_dump", 0, bytes(16), 0, 0, 0)
    with protocol.together():               # one write, so adjacent in VPP's queue
        first, second = protocol.request(...), protocol.request(...)
    protocol.when_lost().addCallback(...)   # fires once the connection is gone
    protocol.close()

Values go in and come out by position, in the order of `maglev.vpp.api.messages.EXPECTED`, without the head that every
message has. A reply is found by its context, which VPP echoes; `maglev.vpp.api.pipeline` has the rules of order and
time. A reply that VPP's own definition does not allow fails its request and no other; a stream that can't be one of
frames ends the connection. The end of the connection ends every request at once, with `VppLostError`.

A *dump* is answered by rows without an end mark. A ``control_ping`` in the same write, with the same context, makes
one: its reply can only come after the last row.
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING, Any, Final, cast
from typing import Protocol as Structure

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from maglev.model.errors import (
    VppError,
    VppLostError,
    VppMissingError,
    VppProtocolError,
    VppRetvalError,
    VppTimeoutError,
)
from maglev.model.text import printable
from maglev.runtime.logs.logger import EventLogger
from maglev.vpp.api.call import calls
from maglev.vpp.api.codec import FRAME_HEADER, REPLY_HEAD, FrameReader, frame
from maglev.vpp.api.definitions import bootstrap_layout
from maglev.vpp.api.pipeline import DEADLINE, WINDOW, Pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from twisted.internet.interfaces import IReactorTime

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vpp.api.call import Call, Table
    from maglev.vpp.api.definitions import Layouts
    from maglev.vpp.api.pipeline import Request

MAX_ROWS: Final = 1 << 18
"""Maximum number of rows of one dump: 150 MiB here until they are put together. VPP itself would die of printing so
many application servers, as the text does not fit its API segment (16 MiB by default)."""

_GREETING, _WELCOME = 15, 16
"""Ids of ``sockclnt_create`` and its reply: the only ones that no table tells (``memclnt.api``: the order there)."""


class Count(Structure):
    """Counts one API message: the counter behind ``maglev_vpp_api_total``."""

    def __call__(self, message: str, direction: str, result: str, /) -> None:
        """Count it.

        Args:
            message: Its name; ``unknown`` for one that nobody asked for.
            direction: ``send`` or ``recv``.
            result: ``ok``; for recv also ``refused`` (a retval), ``malformed``, ``ignored`` (late or unasked),
                ``timeout`` and ``lost`` (it never came).
        """


class VppProtocol(Protocol):
    """One connection to VPP's binary API.

    Attributes:
        work: Where large answers are put together.
        trace: Whether each message is logged at debug. Off, that costs the test of a flag.
        client_index: What VPP calls this connection.
    """

    _log = EventLogger()

    def __init__(
        self,
        clock: IReactorTime,
        work: WorkQueue,
        count: Count,
        *,
        deadline: float = DEADLINE,
        window: int = WINDOW,
        trace: bool = False,
    ) -> None:
        """Make a protocol without connection.

        Args:
            clock: For the deadlines.
            work: Where large answers are put together.
            count: Counts every message.
            deadline: Seconds of silence after which a request is given up.
            window: Requests under way at once.
            trace: Whether each message is logged at debug.
        """
        self.work = work
        self.trace = trace
        self.client_index = 0
        self._count = count
        self._pipeline = Pipeline(clock, self._write, self._expired, deadline=deadline, window=window)
        self._reader = FrameReader()
        self._calls: Mapping[str, Call] = {}
        self._table: Table = {}
        self._held = 0
        self._greeting: Deferred[bytes] | None = None
        self._watchers: list[Deferred[VppLostError]] = []
        self._flaw = ""
        self._lost: VppLostError | None = None

    # Called by other folders

    def lists(self, *names: str) -> bool:
        """Return whether VPP's message table lists all these messages, with whatever definition."""
        return all(name in self._table for name in names)

    def has(self, *names: str) -> bool:
        """Return whether all these requests can be made of this VPP."""
        return all(name in self._calls for name in names)

    def request(self, name: str, *values: Any) -> Deferred[tuple[Any, ...]]:
        """Make a request.

        Args:
            name: Its name.
            values: Its fields after ``context``, in order.

        Returns:
            A Deferred that fires with the values of the reply after ``retval``. It fails with `VppRetvalError`,
            `VppTimeoutError`, `VppLostError`, `VppProtocolError`, or `VppMissingError` if `has` is false.

        Raises:
            ValueError: A value does not fit; nothing was sent.
        """
        return self._submit(name, values, is_dump=False)

    def dump(self, name: str, *values: Any) -> Deferred[list[tuple[Any, ...]]]:
        """Ask for rows; like `request`, but the Deferred fires with a list of the values of each row."""
        return self._submit(name, values, is_dump=True)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Hold requests back until the end of the block, and send them in one write."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._pump()

    def when_lost(self) -> Deferred[VppLostError]:
        """Return a new Deferred that fires with the reason once the connection is gone; it never fails."""
        watcher: Deferred[VppLostError] = Deferred()
        if self._lost is None:
            self._watchers.append(watcher)
        else:
            watcher.callback(self._lost)
        return watcher

    def close(self) -> None:
        """Close the connection once everything is written. What is not answered yet fails with `VppLostError`."""
        if self.transport is not None:
            self.transport.loseConnection()

    def abort(self, reason: str) -> None:
        """Drop the connection now, with everything that is not written yet.

        Args:
            reason: Why, for the errors of the requests that this ends.
        """
        self._flaw = self._flaw or reason
        if self.transport is not None and self._lost is None:
            self._wire.abortConnection()

    # What the connection needs to become usable

    def greet(self, client_name: str) -> Deferred[bytes]:
        """Introduce ourselves; the Deferred fires with the ``sockclnt_create_reply`` as it came."""
        message = bootstrap_layout("sockclnt_create").pack(_GREETING, 1, client_name.encode("ascii"))
        self._greeting = Deferred()
        self._send([("sockclnt_create", frame(message))])
        return self._greeting

    def understand(self, client_index: int, table: Table, layouts: Layouts) -> None:
        """Take over VPP's message table, and the definitions known so far."""
        self.client_index = client_index
        self._table = table
        self._calls = calls(table, layouts)

    # Called by Twisted

    def dataReceived(self, data: bytes) -> None:
        """Take in a chunk of the stream."""
        try:
            messages = self._reader.feed(data)
        except VppProtocolError as error:
            self._count("unknown", "recv", "malformed")
            self.abort(str(error))
            return
        # Held, so that everything which the answers of one chunk lead to goes out in one write.
        with self.together():
            for message in messages:
                if self._lost is None and not self._flaw:
                    self._message_received(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End everything that waits for this connection."""
        text = self._flaw or printable(str(reason.value)) or "closed"
        self._lost = VppLostError(f"lost the connection to VPP: {text}")
        greeting, self._greeting = self._greeting, None
        if greeting is not None:
            greeting.errback(self._lost)
        for request in self._pipeline.stop():
            self._count(request.call.answer.name, "recv", "lost")
            request.deferred.errback(VppLostError(str(self._lost)))
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher.callback(self._lost)

    # Sending

    @property
    def _wire(self) -> ITCPTransport:
        # Twisted's UNIX transports are TCP transports in all but the name of the interface.
        return cast(ITCPTransport, self.transport)

    def _submit(self, name: str, values: tuple[Any, ...], *, is_dump: bool) -> Deferred[Any]:
        call = self._calls.get(name)
        if call is None:
            return fail(VppMissingError(f"this VPP has no message {name} with the expected fields"))
        if self._lost is not None:
            return fail(VppLostError(str(self._lost)))
        request = self._pipeline.begin(call)
        request.frames = [self._packed(call, request.context, values)]
        if is_dump:
            request.rows = []
            request.frames.append(self._packed(self._calls["control_ping"], request.context, ()))
        self._pipeline.submit(request)
        self._pump()
        return request.deferred

    def _packed(self, call: Call, context: int, values: tuple[Any, ...]) -> tuple[str, bytes]:
        return call.layout.name, frame(call.layout.pack(call.id, self.client_index, context, *values))

    def _pump(self) -> None:
        if not self._held and self._lost is None:
            self._pipeline.pump()

    def _write(self, requests: list[Request]) -> None:
        self._send([each for request in requests for each in request.frames])

    def _send(self, frames: list[tuple[str, bytes]]) -> None:
        for name, framed in frames:
            self._count(name, "send", "ok")
            if self.trace:
                message = framed[FRAME_HEADER.size :]
                self._log.debug("vpp-api-send", msg=name, fields=self._described(name, message))
        self._wire.write(b"".join(framed for _, framed in frames))

    # Receiving

    def _message_received(self, message: bytes) -> None:
        try:
            number, context = REPLY_HEAD.unpack_from(message)
        except struct.error:
            self._count("unknown", "recv", "malformed")
            return
        if number == _WELCOME and self._greeting is not None:
            self._welcomed(message)
        elif (request := self._pipeline.find(context)) is None:
            self._unasked(number, message)
        elif number == request.call.answer_id:
            self._answered(request, message)
        elif request.rows is not None and number == self._calls["control_ping"].answer_id:
            self._heard("control_ping_reply", "ok", message)
            self._end(request, request.rows)
        else:
            self._unasked(number, message)

    def _welcomed(self, message: bytes) -> None:
        greeting, self._greeting = self._greeting, None
        self._heard("sockclnt_create_reply", "ok", message)
        if greeting is not None:
            greeting.callback(message)

    def _answered(self, request: Request, message: bytes) -> None:
        name = request.call.answer.name
        try:
            values = request.call.read(message)
        except VppError as error:
            self._heard(name, "refused" if isinstance(error, VppRetvalError) else "malformed", message)
            self._end(request, Failure(error))
            return
        self._heard(name, "ok", message)
        if request.rows is None:
            self._end(request, values)
        elif len(request.rows) < MAX_ROWS:
            request.rows.append(values)
        else:
            self._end(request, Failure(VppProtocolError(f"more than {MAX_ROWS} rows of {name}")))

    def _end(self, request: Request, outcome: Any) -> None:
        self._pipeline.finish(request)
        request.deferred.callback(outcome)

    def _expired(self, request: Request) -> None:
        name = request.call.layout.name
        self._count(request.call.answer.name, "recv", "timeout")
        request.deferred.errback(VppTimeoutError(f"VPP did not answer {name} in time"))

    def _unasked(self, number: int, message: bytes) -> None:
        keepalive = self._calls.get("memclnt_keepalive")
        if keepalive is not None and number == keepalive.id:
            self._keep_alive(keepalive, message)
            return
        # Mostly the answer to a request that was given up.
        self._heard("unknown", "ignored", message)

    def _keep_alive(self, call: Call, message: bytes) -> None:
        try:
            *_, context = call.layout.unpack(message)
        except VppProtocolError:
            self._heard(call.layout.name, "malformed", message)
            return
        self._heard(call.layout.name, "ok", message)
        self._send([(call.answer.name, frame(call.answer.pack(call.answer_id, context, 0)))])

    # Logging

    def _heard(self, name: str, result: str, message: bytes) -> None:
        self._count(name, "recv", result)
        if self.trace:
            self._log.debug("vpp-api-recv", msg=name, result=result, fields=self._described(name, message))

    def _described(self, name: str, message: bytes) -> str:
        for call in self._calls.values():
            for layout in (call.layout, call.answer):
                if layout.name == name:
                    return layout.describe(message)
        return f"{len(message)} bytes"
