"""How many connections there may be: those that are not logged in yet, and those that are."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from maglev.asker import Asker
    from maglev.ssh.limits import Limits


class IStranger(Protocol):
    """A connection that is not logged in yet."""

    source: str
    """The address it comes from, without the port."""

    def turn_away(self) -> None:
        """End it at once: its place is needed."""


class Lobby:
    """Admits connections, and counts logins.

    There is no rate at which strangers may come; there is a number of them that may be here at once. One too many cuts
    off the oldest stranger of the source that has most: somebody who opens connections and says nothing only ever hurts
    their own.

    Attributes:
        turned_away: How many strangers had to make room.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._strangers: dict[str, dict[IStranger, None]] = {}
        self._count = 0
        self._logins: Counter[tuple[str, str]] = Counter()
        self.turned_away = 0

    @property
    def logins(self) -> int:
        """How many connections are logged in."""
        return self._logins.total()

    @property
    def strangers(self) -> int:
        """How many are not, yet."""
        return self._count

    def arrive(self, stranger: IStranger) -> None:
        """Take note of a new connection; this may cut off another."""
        self._strangers.setdefault(stranger.source, {})[stranger] = None
        self._count += 1
        if self._count > self._limits.startups:
            crowd = max(self._strangers.values(), key=len)
            oldest = next(iter(crowd))
            self.turned_away += 1
            self.leave(oldest)
            oldest.turn_away()

    def leave(self, stranger: IStranger) -> None:
        """Take note that a connection is gone or logged in; harmless if that is known."""
        crowd = self._strangers.get(stranger.source, {})
        if stranger in crowd:
            del crowd[stranger]
            self._count -= 1
            if not crowd:
                del self._strangers[stranger.source]

    def log_in(self, asker: Asker) -> str:
        """Give somebody a place; return why there is none, or an empty text."""
        person = _person(asker)
        if self._logins[person] >= self._limits.logins_per_asker:
            return f"{asker.name} is logged in {self._limits.logins_per_asker} times already"
        if self.logins >= self._limits.logins:
            return f"{self._limits.logins} people are logged in already"
        self._logins[person] += 1
        return ""

    def log_out(self, asker: Asker) -> None:
        """Take the place back."""
        person = _person(asker)
        self._logins[person] -= 1
        if not self._logins[person]:
            del self._logins[person]


def _person(asker: Asker) -> tuple[str, str]:
    return asker.name, str(asker.role)
