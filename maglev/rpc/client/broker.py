"""The client's end of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.python.failure import Failure
from twisted.spread.pb import PBConnectionLost

from maglev.rpc.basic import BasicError, decode
from maglev.rpc.broker import BasicBroker, BasicTypes
from maglev.rpc.wire import DaemonError, from_wire

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

MAX_ANSWER: Final = 64 * 1024 * 1024
"""Maximum size of a message from the daemon, in bytes: ten times that of a frontend with the maximum of backends."""

MAX_BOUNDED: Final = 640 * 1024
"""The same for one that is allowed only so many bytes: what Banana allows for one string."""


class DaemonBroker(BasicBroker):
    """The broker of a connection to a daemon.

    Attributes:
        limit: Maximum size of a message from the daemon, in bytes.
        allowance: Bytes that the daemon may still send; None for any number.
        lost_because: Why the connection ended; None before that.
    """

    limit = MAX_ANSWER

    def __init__(self, ready: Deferred[None], allowance: int | None = None) -> None:
        """Create a broker that is not connected yet.

        Args:
            ready: Fires when the handshake is done; fails if the connection ends before that.
            allowance: Bytes that the daemon may send before it is allowed more; None for any number.
        """
        BasicBroker.__init__(self, isClient=True, security=BasicTypes())
        self._ready = ready
        self.allowance = allowance
        if allowance is not None:
            self.limit = MAX_BOUNDED
        self.lost_because: BaseException | None = None

    def dataReceived(self, data: bytes) -> None:
        """Process received data; end the connection if it is invalid, or more than allowed."""
        try:
            self._charge(len(data))
            for expression in self._reader.feed(data):
                self.callExpressionReceived(expression)
        except Exception as error:  # noqa: BLE001  # whatever Twisted's broker makes of a message without sense
            self.lost_because = error
            self.transport.abortConnection()  # type: ignore[union-attr]

    def _charge(self, size: int) -> None:
        if self.allowance is not None:
            self.allowance -= size
            if self.allowance < 0:
                raise DaemonError("it sent more than it was asked for")

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Fail everything that waits for an answer."""
        self.lost_because = self.lost_because or reason.value
        BasicBroker.connectionLost(self, reason)
        if not self._ready.called:
            self._ready.errback(Failure(PBConnectionLost(reason)))

    def proto_answer(self, requestID: Any, netResult: Any) -> None:
        """Pass an answer to the call that waits for it; Twisted would leave the call waiting if it were invalid."""
        waiting = self.waiting_for(requestID)
        try:
            answer = self.unserialize(netResult)
        except BasicError as error:
            waiting.errback(DaemonError(f"maglevd sent an invalid answer: {error}"))
        else:
            waiting.callback(answer)

    def proto_error(self, requestID: Any, fail: Any) -> None:
        """Pass an error to the call that waits for the answer, as one of ours."""
        waiting = self.waiting_for(requestID)
        try:
            view = decode(fail[1])
            error = from_wire(view["type"], view["value"], view.get("fields", {}))
        except (BasicError, LookupError, TypeError, ValueError, AttributeError):
            error = DaemonError("maglevd sent an unreadable error")
        waiting.errback(error)
