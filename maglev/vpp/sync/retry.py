"""When VPP is read again after it refused something: at once, then ever later while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

MIN_RETRY: Final = 1.0
"""Seconds to the second attempt; the first is made at once, and each later one waits twice as long."""


class Retry:
    """One attempt that waits for its time."""

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
