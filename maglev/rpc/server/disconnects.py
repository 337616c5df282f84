"""Counts connections that the server ended, and logs them at a limited rate, so that they can't fill a disk."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

PAUSE: Final = 10.0
"""Seconds between two log lines for the same reason."""


class Disconnects:
    """Counts and logs connections that the server ended.

    Attributes:
        counts: Number of connections, by reason.
    """

    _log = EventLogger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}  # reason: (when it was last logged, the count of that moment)
        self.counts: Counter[str] = Counter()

    def note(self, reason: str, **fields: object) -> None:
        """Count a connection that is ended now; log the first for a reason, then at most one every `PAUSE`."""
        self.counts[reason] += 1
        count, now = self.counts[reason], self._clock.seconds()
        last, logged = self._logged.get(reason, (now - PAUSE, 0))
        if now - last >= PAUSE:
            self._logged[reason] = (now, count)
            self._log.info("pb-client-dropped", reason=reason, **fields, more=count - logged - 1)
