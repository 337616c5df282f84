"""The stats segment of a connected VPP that could not be had at once, for want of a descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError

from maglev.model.errors import StatsError, VppError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from maglev.vpp.stats.segment import StatsSegment


class LateStats:
    """Asks for the segment at each look, until it has it; what is read before fails with the reason."""

    def __init__(self, open_segment: Callable[[], Deferred[StatsSegment]], reason: str) -> None:
        """Prepare; nothing is asked for before the first look.

        Args:
            open_segment: Gets the segment; fails with `VppError`.
            reason: Why it is not there yet, for a person.
        """
        self._open = open_segment
        self._reason = reason
        self._asking: Deferred[None] | None = None
        self._segment: StatsSegment | None = None
        self._closed = False

    def close(self) -> None:
        """Let go of the memory, and ask no more."""
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()
        if self._segment is not None:
            self._segment.close()

    def stale(self, now: float, patience: float) -> bool:
        """Return whether VPP's heart has stopped."""
        return self._present().stale(now, patience)

    def simple_at(self, name: str, columns: Collection[int]) -> dict[int, int]:
        """Return some columns of a counter; those that it does not have are left out."""
        return self._present().simple_at(name, columns)

    def combined_at(self, name: str, columns: Collection[int]) -> dict[int, tuple[int, int]]:
        """Return packets and bytes of some columns."""
        return self._present().combined_at(name, columns)

    def _present(self) -> StatsSegment:
        if self._segment is None:
            self._ask()
        if self._segment is None:
            raise StatsError(self._reason)
        return self._segment

    def _ask(self) -> None:
        if self._asking is None and not self._closed:
            self._asking = self._open().addCallback(self._got)
            self._asking.addErrback(self._not_got).addBoth(self._asked)

    def _got(self, segment: StatsSegment) -> None:
        self._segment = segment

    def _not_got(self, failure: Failure) -> None:
        failure.trap(VppError, CancelledError)
        self._reason = str(failure.value) or self._reason

    def _asked(self, _: object) -> None:
        self._asking = None
