"""A client of BIRD's control socket: one command at a time, each with a deadline, replies of bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineOnlyReceiver

from maglev.announce.bird_text import BirdReply, ReplyReader
from maglev.model.errors import LocalError

if TYPE_CHECKING:
    from twisted.python.failure import Failure

DEADLINE: Final = 2.0
"""Seconds for a connection, and for each command: BIRD answers within a millisecond unless it hangs."""

LINE_LIMIT: Final = 4096
REPLY_LIMIT: Final = 1 << 20
"""Bytes of a line, and of a reply: ten thousand protocols."""

READY: Final = 1
"""BIRD's greeting."""


class BirdError(LocalError):
    """BIRD can't be reached, does not answer, or answers what can't be understood."""


class BirdConnection(LineOnlyReceiver):
    """One connection to BIRD.

    Attributes:
        lost: Why it has ended; empty while it lasts.
    """

    delimiter = b"\n"
    MAX_LENGTH = LINE_LIMIT

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._reader = ReplyReader()
        self._size = 0
        self._waiting: Deferred[BirdReply] | None = None
        self._ended: list[Deferred[None]] = []
        self._one = DeferredLock()
        self.lost = ""

    async def greeting(self) -> None:
        """Wait for BIRD's first line.

        Raises:
            BirdError: It is another one, or does not come.
        """
        reply = await self._next()
        if reply.code != READY:
            self.close(f"expected BIRD's greeting, not {reply}")
            raise BirdError(self.lost)

    async def command(self, text: str) -> BirdReply:
        """Send a command and return the reply, whatever it says.

        Raises:
            BirdError: There is none.
        """
        async with self._one:
            if self.lost:
                raise BirdError(self.lost)
            self.sendLine(text.encode("ascii"))
            return await self._next()

    def when_lost(self) -> Deferred[None]:
        """Return a Deferred that fires when the connection has ended."""
        ended: Deferred[None] = Deferred()
        if self.lost:
            ended.callback(None)
        else:
            self._ended.append(ended)
        return ended

    def close(self, why: str = "closed by maglevd") -> None:
        """End the connection, whatever BIRD does."""
        self.lost = self.lost or why
        transport: Any = self.transport
        if transport is not None:
            transport.abortConnection()

    async def _next(self) -> BirdReply:
        self._waiting = Deferred()
        try:
            return await self._waiting.addTimeout(DEADLINE, self._reactor)
        except DeferredTimeout:
            self.close(f"BIRD did not answer within {DEADLINE:g} s")
            raise BirdError(self.lost) from None

    # LineOnlyReceiver

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a reply."""
        self._size += len(line)
        if self._size > REPLY_LIMIT:
            self.close(f"BIRD answered more than {REPLY_LIMIT} bytes")
            return
        try:
            reply = self._reader.feed(line.decode("utf-8", "backslashreplace"))
        except ValueError as error:
            self.close(str(error))
            return
        if reply is not None:
            self._size = 0
            waiting, self._waiting = self._waiting, None
            if waiting is not None and not waiting.called:
                waiting.callback(reply)

    def lineLengthExceeded(self, _: bytes) -> None:
        """Leave a BIRD that sends no lines."""
        self.close(f"BIRD sent a line of more than {LINE_LIMIT} bytes")

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Tell everyone who waits."""
        self.lost = self.lost or "BIRD closed the connection"
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.errback(BirdError(self.lost))
        ended, self._ended = self._ended, []
        for each in ended:
            each.callback(None)


async def connect_bird(reactor: Any, path: str) -> BirdConnection:
    """Return a connection over which BIRD has sent its greeting.

    Raises:
        BirdError: There is none.
    """
    endpoint = UNIXClientEndpoint(reactor, path, timeout=DEADLINE)
    connection = BirdConnection(reactor)
    try:
        await connectProtocol(endpoint, connection)
    except Exception as error:
        raise BirdError(f"can't connect to {path}: {_reason(error)}") from error
    await connection.greeting()
    return connection


def _reason(error: Exception) -> str:
    number = getattr(error, "osError", None)
    return str(number) if isinstance(number, int) else str(error) or type(error).__name__
