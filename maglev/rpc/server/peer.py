"""The server's end of one connection: reads calls, enforces deadlines and limits, and hangs up on violations.

The server hangs up on a client that

* has not logged in after `LOGIN_DEADLINE`;
* was silent for `SILENCE` (the client of this project pings far more often);
* does not read what was written to it for `WRITE_DEADLINE`;
* sends an invalid message, or one longer than `MAX_MESSAGE`.

Reading stops while a client has its maximum number of calls under way, and while it does not read its answers; so these
numbers bound what one client can make the daemon hold. Received data is processed in portions, in turns with the other
clients (`maglev.runtime.cooperator`).
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IPushProducer
from twisted.spread.pb import Error as PbError
from zope.interface import implementer

from maglev.model.text import printable
from maglev.rpc.basic import BasicError
from maglev.rpc.broker import BasicBroker, BasicTypes
from maglev.rpc.tokens import TokenError
from maglev.runtime.admission import source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from maglev.rpc.server.disconnects import Disconnects
    from maglev.runtime.cooperator import WorkQueue

LOGIN_DEADLINE: Final = 10.0
"""Seconds from the connection to the login: enough for a TLS handshake over a bad line."""

SILENCE: Final = 90.0
"""Seconds of silence allowed to a client that is logged in: a little more than four lost pings of our client."""

WRITE_DEADLINE: Final = 30.0
"""Seconds for a client to read, once the transport has buffered more than its 64 KiB."""

MAX_MESSAGE: Final = 16 * 1024
"""Maximum size of a message from a client, in bytes: ten times that of a call with all arguments at their longest."""

MAX_CALLS: Final = 8
"""Maximum number of calls of one client under way; further ones wait unread."""

PORTION: Final = 4096
"""Bytes processed before others get a turn: fifty calls of the usual size, a millisecond or two of work."""


@implementer(IPushProducer)
class ClientBroker(BasicBroker):
    """The broker of one client.

    Attributes:
        limit: Maximum size of a message from the client, in bytes.
        taking: Whether the client reads what is written to it.
        ended: Whether the server ended the connection.
        source: Whom it counts for (`maglev.runtime.admission.source_of`); empty before it is made.
    """

    limit = MAX_MESSAGE
    taking = True

    def __init__(
        self, clock: IReactorTime, work: WorkQueue, admit: Callable[[ClientBroker], bool], drops: Disconnects
    ) -> None:
        """Create a broker that is not connected yet.

        Args:
            clock: Measures the deadlines.
            work: The queue in which received data is processed.
            admit: Called when the connection is made; False hangs up.
            drops: Counts connections that the server ends.
        """
        BasicBroker.__init__(self, isClient=False, security=BasicTypes())
        self._clock = clock
        self._queue = work
        self._admit = admit
        self._drops = drops
        self._input = b""
        self._messages: Iterator[Any] = iter(())
        self._waiting: deque[Any] = deque()
        self._calls = 0
        self._working = False
        self._deadline: IDelayedCall | None = None
        self._silence = LOGIN_DEADLINE
        self._heard = 0.0
        self._stuck: IDelayedCall | None = None
        self.ended = False
        self.source = ""

    # The connection

    def connectionMade(self) -> None:
        """Begin the handshake, if there is room for another client."""
        self.source = source_of(self.transport)
        if not self._admit(self):
            self.turn_away()
        if self.ended:
            return
        self._heard = self._clock.seconds()
        self._deadline = self._clock.callLater(LOGIN_DEADLINE, self._not_heard)
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]
        BasicBroker.connectionMade(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Discard received data that is not processed yet.

        A TLS transport would keep its producer, this broker: a cycle that only the cyclic collector frees.
        """
        for call in (self._deadline, self._stuck):
            if call is not None and call.active():
                call.cancel()
        self._input = b""
        self._messages = iter(())
        self._waiting.clear()
        self.transport.unregisterProducer()  # type: ignore[union-attr]
        BasicBroker.connectionLost(self, reason)

    def logged_in(self) -> None:
        """Replace the deadline for the login by the one for silence."""
        self._silence = SILENCE

    def hang_up(self, reason: str, **fields: object) -> None:
        """End the connection at once, and count the reason."""
        if not self.ended and not self.disconnected:
            self.ended = True
            self._drops.note(reason, peer=self.source, **fields)
            self.end()

    def turn_away(self) -> None:
        """End the connection because its place is needed."""
        self.hang_up("too-many")

    def end(self) -> None:
        """End the connection at once, discarding unsent data."""
        self.transport.abortConnection()  # type: ignore[union-attr]

    def _not_heard(self) -> None:
        """Hang up on a client that was silent for too long, or check again when it would be."""
        left = self._heard + self._silence - self._clock.seconds()
        if left <= 0:
            self.hang_up("silent" if self._silence == SILENCE else "no-login")
        else:
            self._deadline = self._clock.callLater(left, self._not_heard)

    # Reading

    def dataReceived(self, data: bytes) -> None:
        """Queue received data, to be processed in the next turns."""
        if self._silence == SILENCE:
            self._heard = self._clock.seconds()
        self._input += data
        self._work_later()
        if len(self._input) > PORTION:
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def call_begins(self) -> None:
        """Count a call that is under way."""
        self._calls += 1

    def call_ends(self) -> None:
        """Count a call as answered; there is room for another one."""
        self._calls -= 1
        self._work_later()

    def _work_later(self) -> None:
        if not self._working and not self.disconnected and (self._input or self._waiting):
            self._working = True
            self._queue.soon(self._work)

    def _work(self) -> None:
        """Process a portion; go on in the next turn if there is more, else resume reading."""
        self._working = False
        try:
            self._work_off()
        except (TokenError, BasicError) as error:
            self._bad(error)
        except Exception as error:  # noqa: BLE001  # whatever Twisted's broker makes of a message that makes no sense
            self._bad(error)
        if self.disconnected or self.ended:
            return
        if self._waiting or self._input:
            self.transport.pauseProducing()  # type: ignore[union-attr]
            if self._has_room():
                self._work_later()
        else:
            self.transport.resumeProducing()  # type: ignore[union-attr]

    def _work_off(self) -> None:
        if not self._waiting:
            portion, self._input = self._input[:PORTION], self._input[PORTION:]
            self._waiting.extend(islice(self._reader.feed(portion), PORTION))
        while self._waiting and self._has_room() and not self.ended:
            self.callExpressionReceived(self._waiting.popleft())

    def _has_room(self) -> bool:
        return self.taking and self._calls < MAX_CALLS

    def _bad(self, error: Exception) -> None:
        self.hang_up("bad-message", error=type(error).__name__, text=printable(str(error)))

    def proto_error(self, requestID: Any, fail: Any) -> None:  # noqa: ARG002
        """Treat an error of the client as a failure, and ignore its content."""
        self.waiting_for(requestID).errback(PbError("the client answered with an error"))

    def proto_answer(self, requestID: Any, netResult: Any) -> None:  # noqa: ARG002
        """Treat an answer of the client as an acknowledgement, and ignore its content."""
        self.waiting_for(requestID).callback(None)

    def proto_cachemessage(self, *_: Any) -> None:
        """Refuse calls to cached objects, which do not exist here."""
        raise TokenError("cached objects are not supported")

    def proto_didNotUnderstand(self, *_: Any) -> None:
        """Hang up on a client that does not speak the protocol; Twisted would log its text unescaped."""
        raise TokenError("the client rejected a message")

    # Flow control: called by the transport

    def pauseProducing(self) -> None:
        """Stop reading calls and start the deadline: the client does not read."""
        self.taking = False
        if self._stuck is None:
            self._stuck = self._clock.callLater(WRITE_DEADLINE, self.hang_up, "not-reading")

    def resumeProducing(self) -> None:
        """Go on: the client has read everything."""
        self.taking = True
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        self._work_later()

    def stopProducing(self) -> None:
        """Do nothing: `connectionLost` cleans up."""
