"""The object that a client finds first: it finds out who the client is, and hands out a perspective.

Perspective Broker's own login with a password is not offered: it proves knowledge of an MD5 sum, with a challenge out
of a predictable generator. What a client is allowed follows from the connection it came by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from maglev.api.exported import Exported
from maglev.api.wire import ArgumentError, ForbiddenError, LimitError
from maglev.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.api.identity import Identities
    from maglev.api.peer import ClientBroker
    from maglev.api.perspective import Perspective
    from maglev.asker import Asker


class Login(Exported):
    """The root object of one connection."""

    _log = EventLogger()

    def __init__(
        self, broker: ClientBroker, identities: Identities, perspective_for: Callable[[Asker], Perspective]
    ) -> None:
        """Wait for the login.

        Args:
            broker: The connection, which is not there yet.
            identities: Finds out who is at the other end.
            perspective_for: Makes the object that the client will call.
        """
        self._broker = broker
        self._identities = identities
        self._perspective_for = perspective_for
        self._asked = False

    async def receive(self, message: str, args: list[Any], kwargs: dict[Any, Any]) -> Perspective:  # noqa: ARG002
        """Log the client in; the only method there is, under the name that Twisted's clients call it by."""
        if message != "loginAnonymous":
            raise ArgumentError("there is only the anonymous login: who you are is known from your connection")
        if self._asked:
            raise LimitError("a connection can log in once")
        self._asked = True
        asker = await self._identities.identify(self._broker.transport)
        if asker is None:
            raise ForbiddenError("your certificate does not tell a name")
        if self._broker.disconnected:
            raise LimitError("the connection is gone")
        self._log.info("pb-login", who=asker.name, role=str(asker.role), origin=asker.origin)
        self._broker.logged_in()
        perspective = self._perspective_for(asker)
        self._broker.notifyOnDisconnect(perspective.close)
        return perspective
