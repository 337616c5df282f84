"""Twisted's broker with our own bounds, for both ends of a connection.

It replaces reading (`TokenReader`: bounded nesting and size), serializing (`encode`: basic types and references only)
and unserializing (`decode`: the same). The registry of classes that Twisted's unserializer consults is shared by the
whole process, and its default options accept every name with a dot in it; here it is never consulted. The protocol
remains Twisted's: dialects, calls, answers, references and their counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.python.failure import Failure
from twisted.spread.jelly import SecurityOptions
from twisted.spread.pb import Broker, Referenceable, RemoteReference
from twisted.spread.pb import Error as PbError

from maglev.rpc.basic import Encoded, decode, encode, write_expression
from maglev.rpc.tokens import TokenError, TokenReader
from maglev.rpc.wire import InternalError, WireError

_TYPES: Final = frozenset({b"None", b"boolean", b"unicode", b"list", b"tuple", b"dictionary", b"remote"})

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

FAILURE: Final = b"twisted.spread.pb.CopyableFailure"
"""The tag of an error; Twisted's own clients make a `twisted.spread.pb.CopiedFailure` of it."""


def failure_view(failure: Failure) -> dict[str, object]:
    """Return an error for the peer, in the form that Twisted's own clients expect.

    Errors that are not meant for the peer become an `InternalError` without any of their text.
    """
    error = failure.value if isinstance(failure.value, PbError) else InternalError()
    kinds = error.kinds if isinstance(error, WireError) else ()
    classes = [each for each in type(error).__mro__ if not issubclass(each, WireError)]
    names = [*kinds, *(f"{each.__module__}.{each.__qualname__}" for each in classes)]
    return {
        "type": names[0],
        "value": str(error),
        "parents": names,
        "fields": error.fields if isinstance(error, WireError) else {},
        "traceback": "Traceback unavailable\n",
        "frames": [],
        "stack": [],
        "tb": None,
        "count": 0,
        "captureVars": False,
    }


class BasicTypes(SecurityOptions):
    """Security options that allow only basic types and references, regardless of what is registered.

    They are a second line of defence: our code never calls the unserializer that consults them.
    """

    def isTypeAllowed(self, typeName: bytes | str) -> bool:
        """Refuse what is not in the list; Twisted's own method allows every name with a dot."""
        return (typeName.encode() if isinstance(typeName, str) else typeName) in _TYPES

    def isClassAllowed(self, klass: object) -> bool:  # noqa: ARG002
        """Refuse every class."""
        return False

    def isModuleAllowed(self, moduleName: object) -> bool:  # noqa: ARG002
        """Refuse every module."""
        return False


class BasicBroker(Broker):
    """A broker for basic values and references.

    Attributes:
        limit: Maximum size of a message from the peer, in bytes.
        answer_wanted: Whether the peer wants an answer to the call that is being received.
    """

    limit: int
    answer_wanted = True

    def connectionMade(self) -> None:
        """Begin to read."""
        if isinstance(self.transport.getPeer(), IPv4Address | IPv6Address):  # type: ignore[union-attr]
            # Pings notice a dead peer sooner; this is for firewalls that forget idle connections.
            self.transport.setTcpKeepAlive(True)  # type: ignore[union-attr]
        self._reader = TokenReader(self.incomingVocabulary, self.limit)
        Broker.connectionMade(self)

    def sendEncoded(self, obj: object) -> None:
        """Write an expression, or raise before any of it is written.

        Nothing is written after the end of the connection, when forgotten references would still be returned.
        """
        parts: list[bytes] = []
        write_expression(obj, parts.append)
        if not self.disconnected:
            self.transport.write(b"".join(parts))  # type: ignore[union-attr]

    def serialize(self, object: object, *_: object, **__: object) -> Any:  # noqa: A002  # Twisted's name for it
        """Return the expression for basic values and references to objects of ours.

        Raises:
            BasicError: It is, or contains, anything else.
        """
        if isinstance(object, Referenceable):
            return [b"remote", self.registerReference(object)]
        if isinstance(object, Failure):
            return [FAILURE, Encoded(encode(failure_view(object)))]
        if isinstance(object, tuple):  # the arguments of a call: the only place where references are nested
            return [b"tuple", *(self.serialize(each) for each in object)]
        return object if isinstance(object, Encoded) else Encoded(encode(object))

    def unserialize(self, sexp: object, *_: object) -> Any:
        """Return the basic value or the reference of an expression.

        Raises:
            BasicError: It is anything else.
        """
        return decode(sexp, self._reference)

    def proto_message(self, requestID: Any, objectID: Any, message: Any, answerRequired: Any, *arguments: Any) -> None:
        """Receive a call.

        Raises:
            TokenError: A number or name is of another type; Twisted would log a traceback.
        """
        if not (isinstance(requestID, int) and isinstance(objectID, int | bytes) and isinstance(message, bytes)):
            raise TokenError("a call needs a number, an object and a name")
        self.answer_wanted = bool(answerRequired)
        Broker.proto_message(self, requestID, objectID, message, answerRequired, *arguments)

    def waiting_for(self, number: Any) -> Deferred[Any]:
        """Remove and return the Deferred that waits for the answer to a call; raises KeyError if there is none."""
        waiting: dict[Any, Deferred[Any]] = self.waitingForAnswers or {}
        return waiting.pop(number)

    def _reference(self, number: Any) -> RemoteReference:
        if not isinstance(number, int | bytes):
            raise TypeError
        return RemoteReference(None, self, number, doRefCount=True)
