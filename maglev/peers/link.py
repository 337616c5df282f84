"""The connection to one other balancer: asks it every second what it serves, for as long as the daemon runs.

A session connects, reads over and over, and ends at the first fault: no answer in time, more bytes than a reading may
have, or an answer that makes no sense. The next one begins after a pause that doubles from fault to fault. What was
read last stays, with its time: those who compare decide how old it may be.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater

from maglev.model.bounds import PAGE, PEER_PAGE
from maglev.model.errors import ArgumentError, MaglevError
from maglev.peers.reading import StandingReader
from maglev.runtime.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from maglev.model.server_address import ServerAddress
    from maglev.peers.reading import BalancerStanding
    from maglev.runtime.cooperator import WorkQueue

INTERVAL: Final = 1.0
"""Seconds between two readings."""

CONNECT_LIMIT: Final = 3.0
READ_LIMIT: Final = 3.0
"""Seconds for a connection with its login, and for a reading: a peer that needs longer counts as silent."""

MIN_PAUSE: Final = 0.5
MAX_PAUSE: Final = 10.0
"""Shortest and longest pause in seconds before another connection."""

ALLOWANCE: Final = 4 * 1024 * 1024
"""Bytes of one reading: `maglev.peers.reading.MAX_SERVERS` servers. A peer that sends more is flooding."""


class IPeerClient(Protocol):
    """What is used of a connection: `maglev.rpc.client.control.Client`."""

    def allow(self, allowance: int) -> None:
        """Let it send so many bytes."""

    def abort(self) -> None:
        """End the connection at once."""

    async def served_vips(self, after: str = "", limit: int = PAGE) -> Any:
        """Return a page of what it serves; not to be trusted, whatever the interface promises."""


class PeerLink:
    """What one peer said last.

    Attributes:
        where: The peer.
        standing: What it serves; None before the first answer.
        heard_at: When that came, by the clock; None before.
        first_heard_at: When the first answer of the present session came; None outside of one.
        why: What keeps the peer from being compared: no session, or no answer in it yet; empty once it has answered.
    """

    def __init__(
        self,
        work: WorkQueue,
        where: ServerAddress,
        connect: Callable[[str], Awaitable[IPeerClient]],
        jitter: Callable[[], float],
        news: Callable[[], None],
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            work: Where answers are taken apart, in turns with others.
            where: The peer.
            connect: Connects to its address.
            jitter: Returns a factor around 1 for each pause.
            news: Called after each answer, and after each fault.
        """
        self.where = where
        self.standing: BalancerStanding | None = None
        self.heard_at: float | None = None
        self.first_heard_at: float | None = None
        self.why = "not connected yet"
        self._work = work
        self._clock = work.clock
        self._connect = connect
        self._jitter = jitter
        self._news = news
        self._pause = MIN_PAUSE
        self._client: IPeerClient | None = None
        self._tasks = Tasks()

    def start(self) -> None:
        """Begin."""
        self._tasks.repeat(self._clock, "peer", self._session)

    def stop(self) -> None:
        """End."""
        self._tasks.cancel()
        self._hang_up()

    async def _session(self) -> float:
        """Connect and read until something fails; return the seconds to wait then."""
        try:
            self._client = await self._within(CONNECT_LIMIT, partial(self._connect, self.where.address))
            while True:
                await self._within(READ_LIMIT, self._read)
                await deferLater(self._clock, INTERVAL * self._jitter())
        except DeferredTimeout:
            self.why = "it does not answer"
        except ArgumentError:
            self.why = "its version of maglevd can't be compared with this one"
        except MaglevError as error:
            self.why = str(error) or type(error).__name__
        finally:
            self._hang_up()
        self._news()
        pause, self._pause = self._pause, min(2 * self._pause, MAX_PAUSE)
        return pause * self._jitter()

    async def _within(self, limit: float, call: Callable[[], Awaitable[Any]]) -> Any:
        async def called() -> Any:
            return await call()

        return await Deferred.fromCoroutine(called()).addTimeout(limit, self._clock)

    async def _read(self) -> None:
        client = self._client
        assert client is not None  # noqa: S101  # a session reads only when it is connected
        client.allow(ALLOWANCE)
        reader = StandingReader()
        after: str | None = ""
        while after is not None:
            page = await client.served_vips(after, PEER_PAGE)
            await self._work.run(reader.page(page))
            after = reader.after(page)
        self.standing = reader.standing()
        self.heard_at = self._clock.seconds()
        self.first_heard_at = self.first_heard_at or self.heard_at
        self.why = ""
        self._pause = MIN_PAUSE
        self._news()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        self.first_heard_at = None
        if client is not None:
            client.abort()
