"""When VPP is tried again: read after it refused something, and connected to after it was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.task import deferLater

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from maglev.vpp.sync.interfaces import IConnector

MIN_BACKOFF: Final = 0.25
MAX_BACKOFF: Final = 5.0
"""Seconds between attempts to connect, doubling from the one to the other."""

WATCH_PERIOD: Final = 0.1
"""Seconds between looks at the socket files while waiting: two stat calls, so that a new VPP is found at once."""

MIN_RETRY: Final = 1.0
"""Seconds to the second attempt; the first is made at once, and each later one waits twice as long."""


class Backoff:
    """The pauses between attempts to connect: ever longer, but over at once when VPP recreates its sockets."""

    def __init__(self, clock: IReactorTime, jitter: Callable[[], float]) -> None:
        """Begin with the shortest pause.

        Args:
            clock: A monotonic clock.
            jitter: Returns a factor for each pause, around 1.
        """
        self._clock = clock
        self._jitter = jitter
        self._pause = MIN_BACKOFF

    def worked(self) -> None:
        """Begin with the shortest pause again: a connection has worked."""
        self._pause = MIN_BACKOFF

    async def wait(self, connector: IConnector, seen: Hashable) -> None:
        """Wait until it is time for the next attempt.

        Args:
            connector: The way to VPP.
            seen: Its fingerprint before the last attempt.
        """
        until = self._clock.seconds() + self._pause * self._jitter()
        self._pause = min(2 * self._pause, MAX_BACKOFF)
        while (rest := until - self._clock.seconds()) > 0:
            await deferLater(self._clock, min(rest, WATCH_PERIOD))
            if connector.fingerprint() != seen:
                self._pause = MIN_BACKOFF
                return


class Retry:
    """One reading that waits for its time: at once after a refusal, then ever later while VPP goes on refusing."""

    def __init__(self, clock: IReactorTime) -> None:
        """Prepare; nothing waits.

        Args:
            clock: A monotonic clock.
        """
        self._clock = clock
        self._waiting: IDelayedCall | None = None
        self._delay = 0.0

    def schedule(self, attempt: Callable[[], None], longest: float) -> None:
        """Call `attempt` when its time comes; nothing happens if one waits already.

        Args:
            attempt: What is tried.
            longest: Seconds that no attempt after this one waits longer than.
        """
        if self._waiting is None:
            self._waiting = self._clock.callLater(self._delay, self._begin, attempt)
            self._delay = min(max(MIN_RETRY, 2 * self._delay), longest)

    def succeeded(self) -> None:
        """Make the next attempt one at once, unless one waits: then something else is still refused."""
        if self._waiting is None:
            self._delay = 0.0

    def cancel(self) -> None:
        """Forget what waits, and what failed."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self._delay = 0.0

    def _begin(self, attempt: Callable[[], None]) -> None:
        self._waiting = None
        attempt()
