"""The client's end of a subscription: batches of events, each answered when the reader has taken it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.spread.pb import Error as PbError
from twisted.spread.pb import Referenceable
from zope.interface import implementer

from maglev.interfaces import ISubscription
from maglev.rpc.basic import Encoded, encode
from maglev.rpc.wire import ENDED, EVENTS, LostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.event_views import EventView
    from maglev.rpc.client.broker import DaemonBroker

    Batch = list[EventView]


@implementer(ISubscription)
class RemoteSubscription(Referenceable):
    """A stream of events from a daemon.

    Delayed answers slow the daemon down: it sends a batch or two ahead, and no more.

    Attributes:
        number: The daemon's number for it; 0 before it is known.
    """

    def __init__(self, closed: Callable[[RemoteSubscription], None]) -> None:
        """Create a subscription without events.

        Args:
            closed: Called when the reader closes it.
        """
        self.number = 0
        self._closed = closed
        self._batches: deque[tuple[Batch, Deferred[Encoded]]] = deque()
        self._waiting: Deferred[Batch] | None = None
        self._ended = False
        self._lost = False

    def next(self) -> Deferred[Batch]:
        """Wait for events; an empty list after the end of the subscription.

        Raises:
            RuntimeError: Another call is waiting already.
            LostError: (through the Deferred) The connection was lost.
        """
        if self._waiting is not None:
            raise RuntimeError("another call is already waiting for the next events")
        if self._batches:
            return succeed(self._take())
        if self._lost:
            return fail(LostError("lost the connection to maglevd"))
        if self._ended:
            return succeed([])
        self._waiting = Deferred(self._cancelled)
        return self._waiting

    def close(self) -> None:
        """End the subscription."""
        if not self._ended:
            self._end()
            self._closed(self)
        while self._batches:
            self._take()

    def given_up(self) -> None:
        """End the subscription because it could not be made, or its caller did not wait for it."""
        self._ended = True

    def connection_lost(self) -> None:
        """End the subscription because the connection is lost."""
        self._lost = True
        self._end()

    def remoteMessageReceived(self, broker: DaemonBroker, message: str, args: Any, kw: Any) -> Any:  # noqa: ARG002
        """Receive events from the daemon."""
        if message == ENDED:
            self._end()
            return _TAKEN
        if message != EVENTS or self._ended:
            # This also ends the subscription in the daemon, in case the earlier request to do so was lost.
            raise PbError("this subscription has ended")
        [batch] = broker.unserialize(args)
        taken: Deferred[Encoded] = Deferred()
        self._batches.append((batch, taken))
        self._hand_out()
        return taken

    def _end(self) -> None:
        self._ended = True
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            if self._lost:
                waiting.errback(LostError("lost the connection to maglevd"))
            else:
                waiting.callback([])

    def _hand_out(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.callback(self._take())

    def _take(self) -> Batch:
        batch, taken = self._batches.popleft()
        taken.callback(_TAKEN)
        return batch

    def _cancelled(self, _: Deferred[Batch]) -> None:
        self._waiting = None


_TAKEN = Encoded(encode(None))
