"""Base class of the objects that clients can call: basic values in, basic values or named errors out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.spread.pb import Referenceable

from maglev.model.errors import ArgumentError, MaglevError
from maglev.rpc.basic import BasicError
from maglev.rpc.wire import InternalError, WireError, to_wire
from maglev.runtime.logs.logger import EventLogger

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from maglev.rpc.server.peer import ClientBroker


class Exported(Referenceable):
    """An object that a client can call; all calls go to `receive`, whatever their name.

    Methods are not looked up by name, as Twisted does: it never awaits an ``async def``, and the client gets an
    ``Unpersistable`` as a success.
    """

    _log = EventLogger()

    def remoteMessageReceived(self, broker: ClientBroker, message: str, args: Any, kw: Any) -> Deferred[Any]:
        """Answer a call: the result, encoded, or an error with a stable name."""
        broker.call_begins()
        answer = Deferred.fromCoroutine(self._answer(broker, message, args, kw))
        answer.addErrback(self._tell)
        if not broker.answer_wanted:
            answer.addErrback(lambda _: None)
        # Added after the broker's own callbacks, which send the answer.
        answer.addBoth(_and_then, broker.call_ends)
        return answer

    def receive(self, message: str, args: list[Any], kwargs: dict[Any, Any]) -> Coroutine[Deferred[Any], Any, Any]:
        """Answer a call with basic values or another `Exported`.

        Args:
            message: Name of the method.
            args: Basic values and references.
            kwargs: The same.

        Raises:
            WireError: Sent to the client by its name.
        """
        raise NotImplementedError

    async def _answer(self, broker: ClientBroker, message: str, args: Any, kw: Any) -> object:
        try:
            given, named = broker.unserialize(args), broker.unserialize(kw)
        except BasicError as error:
            raise ArgumentError(str(error)) from None
        if not isinstance(given, list) or not isinstance(named, dict):
            raise ArgumentError("expected a list of arguments and a dictionary of named ones")
        return broker.serialize(await self.receive(message, given, named))

    def _tell(self, failure: Failure) -> Failure:
        """Pass on errors that are meant for clients; hide the text and traceback of any other."""
        if isinstance(failure.value, WireError):
            return failure
        if isinstance(failure.value, MaglevError):
            return Failure(to_wire(failure.value))
        if isinstance(failure.value, CancelledError):  # the client is gone, or the daemon is stopping
            return Failure(InternalError())
        self._log.failure("pb-call-failed", failure=failure)
        return Failure(InternalError())


def _and_then(result: Any, done: Any) -> Any:
    done()
    return result
