"""The root object of a connection: identifies the client, and returns a perspective.

Perspective Broker's own login with a password is not offered: it proves knowledge of an MD5 sum, with a challenge from
a predictable generator. A client's role follows from its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import LogLevel

from maglev.model.errors import ArgumentError, ForbiddenError, LimitError
from maglev.rpc.server.exported import Exported
from maglev.rpc.wire import ONE_COMMAND
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from maglev.model.caller import Caller
    from maglev.rpc.server.client_limiter import ClientLimiter
    from maglev.rpc.server.identity import Identities
    from maglev.rpc.server.peer import ClientBroker
    from maglev.rpc.server.perspective import Perspective


class Login(Exported):
    """The root object of one connection."""

    _log = EventLogger()

    def __init__(
        self,
        broker: ClientBroker,
        identities: Identities,
        limiter: ClientLimiter,
        perspective_for: Callable[[Caller], Perspective],
    ) -> None:
        """Create the object; the login follows.

        Args:
            broker: The broker of the connection, which is not made yet.
            identities: Identifies the client.
            limiter: Knows whether there is a place for it.
            perspective_for: Creates the object that the client will call.
        """
        self._broker = broker
        self._identities = identities
        self._limiter = limiter
        self._perspective_for = perspective_for
        self._asked = False

    async def receive(self, message: str, args: list[Any], kwargs: dict[Any, Any]) -> Perspective:  # noqa: ARG002
        """Log the client in; the only method, under the name that Twisted's clients use.

        A client that says that it comes for one command is logged for debugging only: scripts do that all day, and what
        they change is in the log anyway (``audit``). That a client says so gives it nothing else.
        """
        if message != "loginAnonymous":
            raise ArgumentError("only the anonymous login is supported: your connection identifies you")
        if self._asked:
            raise LimitError("this connection is already logged in")
        self._asked = True
        caller = await self._identities.identify(self._broker.transport)
        if caller is None:
            raise ForbiddenError("your certificate has no usable name")
        if self._broker.disconnected:
            raise LimitError("the connection is gone")
        refusal = self._limiter.log_in(self._broker, caller)
        if refusal:
            raise LimitError(refusal)
        said = args[0] if args else None  # a reference of any other client may be there, which cannot be compared
        level = LogLevel.debug if isinstance(said, str) and said == ONE_COMMAND else LogLevel.info
        self._log.emit(level, "pb-login", who=caller.name, role=str(caller.role), origin=caller.origin)
        self._broker.logged_in()
        perspective = self._perspective_for(caller)
        self._broker.notifyOnDisconnect(perspective.close)
        return perspective
