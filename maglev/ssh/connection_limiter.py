"""Limits the number of connections: those that are not logged in yet, by how far they have come, and those that are."""

from __future__ import annotations

import random
from enum import IntEnum
from typing import TYPE_CHECKING

from maglev.runtime.admission import Places, Trust, WaitingRoom, trust_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.caller import Caller
    from maglev.runtime.admission import Descriptors, Visitor
    from maglev.ssh.limits import Limits


class Stage(IntEnum):
    """How far a connection has come that is not logged in."""

    SILENT = 0
    """The peer has said nothing. A client sends its version at once, so it is here for one round trip."""
    GREETED = 1
    """It has sent its version."""
    ENCRYPTED = 2
    """It has exchanged keys, which costs it about as much work as us. A person may have to touch a hardware key."""


class ConnectionLimiter:
    """Admits connections, and counts logins.

    The number of pending connections is limited, not their rate. Each stage has places of its own: who only connects
    can't displace a client that is further.
    """

    def __init__(
        self, limits: Limits, descriptors: Descriptors, choose: Callable[[int], int] = random.randrange
    ) -> None:
        """Create it, without connections.

        Args:
            limits: Number of connections, unless descriptors are short.
            descriptors: Those of the process.
            choose: Returns a random number below its argument.
        """
        shares = [descriptors.share(limits.startups) for _ in Stage]
        self._rooms = [WaitingRoom(share.get_size, choose) for share in shares]
        self._places = Places(descriptors.share(limits.logins).get_size, Trust.OPERATOR)

    @property
    def logins(self) -> int:
        """Number of connections that are logged in."""
        return len(self._places)

    @property
    def pending(self) -> int:
        """Number of connections that are not logged in yet."""
        return sum(map(len, self._rooms))

    @property
    def turned_away(self) -> int:
        """Number of pending connections that had to make room."""
        return sum(room.turned_away for room in self._rooms)

    def arrive(self, pending: Visitor, stage: Stage = Stage.SILENT) -> None:
        """Register a pending connection that has reached a stage; another one there may be cut off."""
        self.leave(pending)
        self._rooms[stage].enter(pending)

    def leave(self, pending: Visitor) -> None:
        """Remove a pending connection that is closed or logged in; harmless if it is removed already."""
        for room in self._rooms:
            room.leave(pending)

    def log_in(self, caller: Caller, source: str) -> str:
        """Allocate a login to a caller from a source; return why that is refused, or an empty text."""
        for room in self._rooms:
            room.remember(source)
        return self._places.take(caller.name, trust_of(caller.role))

    def log_out(self, caller: Caller) -> None:
        """Release the login of a caller."""
        self._places.give_back(caller.name, trust_of(caller.role))
