"""Limits the number of connections: those that are not logged in yet, and those that are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from maglev.model.caller import Caller
    from maglev.ssh.limits import Limits


class IPendingConnection(Protocol):
    """A connection that is not logged in yet."""

    source: str
    """The address it comes from, without the port."""

    def turn_away(self) -> None:
        """End it at once, because its place is needed."""


class ConnectionLimiter:
    """Admits connections, and counts logins.

    The number of pending connections is limited, not their rate. One too many cuts off the oldest pending connection of
    the source that has most: a source that opens connections and stays silent only ever hurts its own.

    Attributes:
        turned_away: Number of pending connections that had to make room.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._strangers: dict[str, dict[IPendingConnection, None]] = {}
        self._count = 0
        self._logins: Counter[tuple[str, str]] = Counter()
        self.turned_away = 0

    @property
    def logins(self) -> int:
        """Number of connections that are logged in."""
        return self._logins.total()

    @property
    def pending(self) -> int:
        """Number of connections that are not logged in yet."""
        return self._count

    def arrive(self, pending: IPendingConnection) -> None:
        """Register a new connection; this may cut off another one."""
        self._strangers.setdefault(pending.source, {})[pending] = None
        self._count += 1
        if self._count > self._limits.startups:
            crowd = max(self._strangers.values(), key=len)
            oldest = next(iter(crowd))
            self.turned_away += 1
            self.leave(oldest)
            oldest.turn_away()

    def leave(self, pending: IPendingConnection) -> None:
        """Remove a pending connection that is closed or logged in; harmless if it is removed already."""
        crowd = self._strangers.get(pending.source, {})
        if pending in crowd:
            del crowd[pending]
            self._count -= 1
            if not crowd:
                del self._strangers[pending.source]

    def log_in(self, caller: Caller) -> str:
        """Allocate a login to a caller; return why that is refused, or an empty text."""
        person = _person(caller)
        if self._logins[person] >= self._limits.logins_per_caller:
            return f"too many sessions of {caller.name}: at most {self._limits.logins_per_caller}"
        if self.logins >= self._limits.logins:
            return f"too many sessions: at most {self._limits.logins}"
        self._logins[person] += 1
        return ""

    def log_out(self, caller: Caller) -> None:
        """Release the login of a caller."""
        person = _person(caller)
        self._logins[person] -= 1
        if not self._logins[person]:
            del self._logins[person]


def _person(caller: Caller) -> tuple[str, str]:
    return caller.name, str(caller.role)
