"""Limits the number of clients: those on a UNIX socket, whom the kernel names at once, and those over TLS.

A local user whose places are all taken gets in at the cost of its own connections that have not logged in; nobody who
has is ever turned out.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, cast

from maglev.runtime.admission import Places, Trust, WaitingRoom, trust_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.caller import Caller
    from maglev.rpc.server.identity import Identities
    from maglev.rpc.server.peer import ClientBroker
    from maglev.runtime.admission import Descriptors

LOCAL: Final = 256
"""Clients on the UNIX socket: consoles and scripts of this machine. 16 places are kept for root."""

REMOTE: Final = 128
"""Clients that have logged in over TLS."""

UNKNOWN: Final = 128
"""Connections over TLS that are not logged in; a handshake takes two round trips."""


class ClientLimiter:
    """Admits clients; those over TLS have to log in before they take one of the places."""

    def __init__(
        self, identities: Identities, descriptors: Descriptors, choose: Callable[[int], int] = random.randrange
    ) -> None:
        """Create it, without clients.

        Args:
            identities: Identifies clients on the UNIX socket.
            descriptors: Those of the process.
            choose: Returns a random number below its argument.
        """
        self._identities = identities
        self._local = Places(descriptors.share(LOCAL).get_size, Trust.ROOT)
        self._remote = Places(descriptors.share(REMOTE).get_size, Trust.OPERATOR)
        self._unknown = WaitingRoom(descriptors.share(UNKNOWN).get_size, choose)
        self._silent = WaitingRoom(lambda: LOCAL, choose)
        """Those on the UNIX socket that have a place and have not logged in."""
        self._taken: dict[ClientBroker, tuple[Places, str, Trust]] = {}

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self._taken) + len(self._unknown)

    def arrive(self, client: ClientBroker) -> bool:
        """Admit a connection or not; over TLS it is always admitted, but another one may have to go."""
        trust = self._identities.local_trust(client.transport)
        if trust is None:
            self._unknown.enter(client)
            return True
        refusal = self._take(self._local, client, client.source, trust)
        if refusal and (other := self._silent.make_room(client.source)) is not None:
            self.leave(cast("ClientBroker", other))
            refusal = self._take(self._local, client, client.source, trust)
        if refusal:
            return False
        self._silent.enter(client)
        return True

    def log_in(self, client: ClientBroker, caller: Caller) -> str:
        """Allocate a place to a client that has said who it is; return why that is refused, or an empty text."""
        self._silent.leave(client)
        if client in self._taken:
            return ""
        self._unknown.remember(client.source)
        refusal = self._take(self._remote, client, caller.name, trust_of(caller.role))
        if not refusal:
            self._unknown.leave(client)
        return refusal

    def leave(self, client: ClientBroker) -> None:
        """Forget a connection that is lost; harmless if it was not admitted."""
        self._unknown.leave(client)
        self._silent.leave(client)
        place = self._taken.pop(client, None)
        if place is not None:
            places, who, trust = place
            places.give_back(who, trust)

    def _take(self, places: Places, client: ClientBroker, who: str, trust: Trust) -> str:
        refusal = places.take(who, trust)
        if not refusal:
            self._taken[client] = places, who, trust
        return refusal
