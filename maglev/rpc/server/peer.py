"""The server's end of one connection: what it takes in at a time, how long it waits, and when it hangs up.

A client is ended when it

* has not logged in after `LOGIN_DEADLINE`;
* was not heard of for `SILENCE` (the client of this project pings far more often);
* does not take what was written to it for `WRITE_DEADLINE`;
* sends what is no message, or one longer than `MAX_MESSAGE`.

Reading stops while as many calls are under way as a client may have, and while it does not take its answers; so what
one client can make the daemon hold is bounded by these numbers. What has been read is worked off in portions, in turns
with the other clients (`maglev.runtime.cooperator`).
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IPushProducer
from twisted.spread.pb import Error as PbError
from zope.interface import implementer

from maglev.model.result import printable
from maglev.rpc.basic import BasicError
from maglev.rpc.broker import BasicBroker, BasicTypes
from maglev.rpc.server.identity import quota_key
from maglev.rpc.tokens import TokenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from maglev.rpc.server.disconnects import Disconnects
    from maglev.runtime.cooperator import WorkQueue

LOGIN_DEADLINE: Final = 10.0
"""Seconds from the connection to the login: a TLS handshake over a bad line, and no more."""

SILENCE: Final = 90.0
"""Seconds without a byte from a client that is logged in: four of our client's pings lost, and a bit."""

WRITE_DEADLINE: Final = 30.0
"""Seconds for taking what is written, once the transport holds more than its 64 KiB."""

MAX_MESSAGE: Final = 16 * 1024
"""Bytes of one message from a client: a call with every argument at its longest has a tenth of that."""

MAX_CALLS: Final = 8
"""Calls of one client under way; the next ones wait unread."""

PORTION: Final = 4096
"""Bytes worked off before others have their turn: fifty calls of the usual size, a millisecond or two of work."""


@implementer(IPushProducer)
class ClientBroker(BasicBroker):
    """The broker of one client.

    Attributes:
        limit: Bytes of one message from the client at most.
        taking: Whether the client takes what is written to it.
        ended: Whether the server ended the connection.
        whose: Whose it is as far as can be told without a login; empty before there is a connection.
    """

    limit = MAX_MESSAGE
    taking = True

    def __init__(
        self, clock: IReactorTime, work: WorkQueue, admit: Callable[[ClientBroker], bool], drops: Disconnects
    ) -> None:
        """Wait for the connection.

        Args:
            clock: Measures the deadlines.
            work: Where what was read is worked off.
            admit: Called when the connection is there; False hangs up.
            drops: Takes note of connections that are ended.
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
        self.whose = ""

    # The connection

    def connectionMade(self) -> None:
        """Begin the handshake, if there is room for another client."""
        self.whose = quota_key(self.transport)
        if not self._admit(self):
            self.hang_up("too-many")
            return
        self._heard = self._clock.seconds()
        self._deadline = self._clock.callLater(LOGIN_DEADLINE, self._not_heard)
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]
        BasicBroker.connectionMade(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """Forget what was read and is not done."""
        for call in (self._deadline, self._stuck):
            if call is not None and call.active():
                call.cancel()
        self._input = b""
        self._messages = iter(())
        self._waiting.clear()
        BasicBroker.connectionLost(self, reason)

    def logged_in(self) -> None:
        """From now on the client may be silent for a while."""
        self._silence = SILENCE

    def hang_up(self, reason: str, **fields: object) -> None:
        """End the connection at once, and take note of the reason."""
        if not self.ended and not self.disconnected:
            self.ended = True
            self._drops.note(reason, peer=self.whose, **fields)
            self.end()

    def end(self) -> None:
        """End the connection at once, whatever is unsent."""
        self.transport.abortConnection()  # type: ignore[union-attr]

    def _not_heard(self) -> None:
        """End a client that was silent for too long, or look again when it would be."""
        left = self._heard + self._silence - self._clock.seconds()
        if left <= 0:
            self.hang_up("silent" if self._silence == SILENCE else "no-login")
        else:
            self._deadline = self._clock.callLater(left, self._not_heard)

    # Reading

    def dataReceived(self, data: bytes) -> None:
        """Take bytes in, to be worked off in the next turns."""
        if self._silence == SILENCE:
            self._heard = self._clock.seconds()
        self._input += data
        self._work_later()
        if len(self._input) > PORTION:
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def call_begins(self) -> None:
        """Take note of a call under way."""
        self._calls += 1

    def call_ends(self) -> None:
        """Take note that an answer was sent; there is room for another call."""
        self._calls -= 1
        self._work_later()

    def _work_later(self) -> None:
        if not self._working and not self.disconnected and (self._input or self._waiting):
            self._working = True
            self._queue.soon(self._work)

    def _work(self) -> None:
        """Work off a portion; go on in the next turn if there is more, and read on if there is not."""
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
        """Take an error of the client as an error, and read nothing out of it."""
        self.waiting_for(requestID).errback(PbError("the client answered with an error"))

    def proto_answer(self, requestID: Any, netResult: Any) -> None:  # noqa: ARG002
        """Take an answer of the client as an acknowledgement, and read nothing out of it."""
        self.waiting_for(requestID).callback(None)

    def proto_cachemessage(self, *_: Any) -> None:
        """Refuse calls to cached objects: there are none."""
        raise TokenError("cached objects are not supported")

    def proto_didNotUnderstand(self, *_: Any) -> None:
        """Hang up on a client that does not speak the protocol; Twisted would log its words as they are."""
        raise TokenError("the client rejected a message")

    # Writing: what the transport calls when the client does not keep up

    def pauseProducing(self) -> None:
        """Write no more than must be: the client does not take it."""
        self.taking = False
        if self._stuck is None:
            self._stuck = self._clock.callLater(WRITE_DEADLINE, self.hang_up, "not-reading")

    def resumeProducing(self) -> None:
        """Go on: the client took everything."""
        self.taking = True
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        self._work_later()

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` does what there is to do."""
