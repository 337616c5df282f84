"""A client for scripts and programs: the control interface of a maglevd in another process.

A script::

    from twisted.internet import defer, task

    from maglev.rpc.client.control import connect

    async def main(reactor):
        client = await connect(reactor, "unix:/run/vpp-maglev/pb.sock")
        frontend = await client.frontend("web")
        print(frontend["state"])

    task.react(lambda reactor: defer.ensureDeferred(main(reactor)))

Every call ends: with a result, with an error of `maglev.model.errors`, or with `LostError` or `NoAnswerError`.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.protocol import Factory
from twisted.spread.pb import DeadReferenceError, PBConnectionLost, RemoteReference

from maglev.interfaces import IControl
from maglev.model.caller import Caller, Role
from maglev.model.errors import ArgumentError
from maglev.rpc.basic import BasicError
from maglev.rpc.client.broker import DaemonBroker
from maglev.rpc.client.endpoint import endpoint_of, reason_of
from maglev.rpc.client.subscription import RemoteSubscription
from maglev.rpc.wire import METHODS, ONE_COMMAND, VERBS, DaemonError, LostError, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from twisted.internet.interfaces import IAddress, IDelayedCall, IStreamClientEndpoint
    from twisted.python.failure import Failure

    from maglev.rpc.tls import TlsFiles


DEFAULT_ADDRESS: Final = "unix:/run/vpp-maglev/pb.sock"

PING_INTERVAL: Final = 20.0
"""Seconds between two pings: they keep the daemon from considering us dead, and tell us when the daemon is."""

LOGIN_DEADLINE: Final = 10.0
"""Seconds from the connection to the answer to the login, with the handshakes between."""

CLOSE_DEADLINE: Final = 2.0
"""Seconds for the daemon to take what was sent before the end."""


async def connect(
    reactor: Any,
    address: str = DEFAULT_ADDRESS,
    tls: TlsFiles | None = None,
    *,
    one_command: bool = False,
    allowance: int | None = None,
) -> Client:
    """Connect to a maglevd, and log in.

    Args:
        reactor: The reactor.
        address: ``unix:PATH`` or ``tls:HOST:PORT``.
        tls: The certificates; required for ``tls:``.
        one_command: Whether it is for one command: the daemon then logs the login for debugging only.
        allowance: Bytes that the daemon may send until `Client.allow` is called; None for any number.

    Raises:
        RefusedError: The address is invalid, or a file of certificates can't be used.
        ForbiddenError: The daemon refused the login.
        LostError: The connection could not be made.
        NoAnswerError: The peer accepted the connection but did not answer.
    """
    endpoint = endpoint_of(reactor, address, tls)
    return await connect_by(reactor, endpoint, address, one_command=one_command, allowance=allowance)


async def connect_by(
    reactor: Any,
    endpoint: IStreamClientEndpoint,
    address: str,
    *,
    one_command: bool = False,
    allowance: int | None = None,
) -> Client:
    """Connect by an endpoint, and log in; as `connect`.

    Args:
        reactor: The reactor.
        endpoint: The endpoint of the daemon.
        address: The name of the daemon in errors.
        one_command: As for `connect`.
        allowance: As for `connect`.
    """
    factory = _Brokers(allowance)
    try:
        # An endpoint does not notify the factory of a failed connection: a caller that asked it would wait for ever.
        broker = cast("DaemonBroker", await endpoint.connect(factory))
    except (ConnectError, DNSLookupError, OSError) as error:
        message = f"can't connect to maglevd at {address}: {reason_of(error)}"
        raise LostError(message) from None
    try:
        perspective = await _login(broker, factory.ready, one_command=one_command).addTimeout(LOGIN_DEADLINE, reactor)
        caller = await _caller(reactor, perspective)
        client = Client(reactor, broker, perspective, caller)  # type: ignore[abstract]  # the verbs are added below
    except BaseException as error:
        broker.transport.abortConnection()  # type: ignore[union-attr]
        if isinstance(error, DeferredTimeout):
            message = f"maglevd at {address} does not answer"
            raise NoAnswerError(message) from None
        raise
    return client


class Client(IControl):
    """The control interface over a connection; see `maglev.interfaces.IControl` for what each verb does and returns.

    The verbs are coroutines with the signatures and types of that interface; they are generated below.

    Attributes:
        caller: Our identity, as the daemon sees it.
    """

    def __init__(self, reactor: Any, broker: DaemonBroker, perspective: RemoteReference, caller: Caller) -> None:
        """Create a client on a connection that is logged in; use `connect` to get one.

        Args:
            reactor: Measures deadlines.
            broker: The connection.
            perspective: The result of the login.
            caller: Our identity.
        """
        self.caller = caller
        self._reactor = reactor
        self._broker = broker
        self._perspective = perspective
        self._lost: list[Deferred[None]] = []
        self._ping_call: IDelayedCall | None = reactor.callLater(PING_INTERVAL, self._ping)
        broker.notifyOnDisconnect(self._connection_lost)

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return not self._broker.disconnected

    def when_lost(self) -> Deferred[None]:
        """Return a Deferred that fires when the connection is lost, at once if it is lost already."""
        waiting: Deferred[None] = Deferred()
        if self.connected:
            self._lost.append(waiting)
        else:
            waiting.callback(None)
        return waiting

    def allow(self, allowance: int) -> None:
        """Let the daemon send so many bytes from now on; with more, the connection ends."""
        self._broker.allowance = allowance

    def abort(self) -> None:
        """End the connection at once."""
        if self.connected:
            self._broker.transport.abortConnection()  # type: ignore[union-attr]

    async def close(self) -> None:
        """Close the connection and wait until it is closed, for a moment if the daemon has data of ours to read."""
        if self.connected:
            last = self._reactor.callLater(CLOSE_DEADLINE, self._broker.transport.abortConnection)  # type: ignore[union-attr]
            self._broker.transport.loseConnection()  # type: ignore[union-attr]
            await self.when_lost()
            if last.active():
                last.cancel()

    async def watch(self, *, log: str | None = None, backend: bool = True, frontend: bool = True) -> RemoteSubscription:
        """Subscribe to events."""
        watch = RemoteSubscription(self._unwatch)
        self._broker.notifyOnDisconnect(watch.connection_lost)
        try:
            watch.number = await self._ask("watch", watch, log, backend, frontend)
        except BaseException:
            watch.given_up()
            self._broker.dontNotifyOnDisconnect(watch.connection_lost)
            raise
        return watch

    # Implementation

    async def _ask(self, method: str, *arguments: object) -> Any:
        return await called(self._reactor, self._perspective, method, *arguments)

    def _unwatch(self, watch: RemoteSubscription) -> None:
        self._broker.dontNotifyOnDisconnect(watch.connection_lost)
        if self.connected and watch.number:
            Deferred.fromCoroutine(self._ask("unwatch", watch.number)).addErrback(_not_important)

    def _ping(self) -> None:
        self._ping_call = None
        Deferred.fromCoroutine(self._ask("ping")).addCallbacks(self._answered, self._not_answered)

    def _answered(self, _: object) -> None:
        if self.connected:
            self._ping_call = self._reactor.callLater(PING_INTERVAL, self._ping)

    def _not_answered(self, _: Failure) -> None:
        self._broker.transport.abortConnection()  # type: ignore[union-attr]

    def _connection_lost(self) -> None:
        if self._ping_call is not None:
            self._ping_call.cancel()
        waiting, self._lost = self._lost, []
        for each in waiting:
            each.callback(None)


def _remote(declared: Callable[..., object]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return a verb of the interface as a method of the client."""
    name, signature = declared.__name__, inspect.signature(declared)
    defaults = [parameter.default for parameter in signature.parameters.values()][1:]

    @functools.wraps(declared)
    def verb(self: Client, *args: object, **kwargs: object) -> Coroutine[Any, Any, Any]:
        given = signature.bind(self, *args, **kwargs)
        given.apply_defaults()
        arguments = [*given.args[1:]]  # it is a method
        # An older daemon does not know the newest arguments: it is not told what has its default.
        while arguments and arguments[-1] == defaults[len(arguments) - 1]:
            arguments.pop()
        return called(self._reactor, self._perspective, name, *arguments)

    return verb


for _name in VERBS:
    setattr(Client, _name, _remote(getattr(IControl, _name)))


async def called(reactor: Any, target: RemoteReference, method: str, *arguments: object) -> Any:
    """Call a method of the daemon, with a deadline.

    Raises:
        MaglevError: The daemon's error, as one of ours; or `LostError`, `NoAnswerError`.
    """
    deadline = METHODS[method].deadline
    try:
        # Raises at once, not through the Deferred, when the connection is gone.
        return await target.callRemote(method, *arguments).addTimeout(deadline, reactor)
    except (DeadReferenceError, PBConnectionLost):
        raise LostError("lost the connection to maglevd") from None
    except BasicError as error:
        message = f"an argument of {method} can't be sent: {error}"
        raise ArgumentError(message) from None
    except DeferredTimeout:
        message = f"maglevd did not answer within {deadline:g} seconds"
        raise NoAnswerError(message) from None


async def _caller(reactor: Any, perspective: RemoteReference) -> Caller:
    view = await called(reactor, perspective, "whoami")
    return Caller(view["name"], Role(view["role"]), view["origin"])


async def _log_in(broker: DaemonBroker, ready: Awaitable[None], *, one_command: bool) -> RemoteReference:
    try:
        await ready
        said = ONE_COMMAND if one_command else None
        perspective = await broker.remoteForName("root").callRemote("loginAnonymous", said)
    except (DeadReferenceError, PBConnectionLost):
        message = f"maglevd hung up: {reason_of(broker.lost_because)}"
        raise LostError(message) from None
    if not isinstance(perspective, RemoteReference):
        raise DaemonError("the login did not return a callable object")
    return perspective


def _login(broker: DaemonBroker, ready: Awaitable[None], *, one_command: bool) -> Deferred[RemoteReference]:
    return Deferred.fromCoroutine(_log_in(broker, ready, one_command=one_command))


def _not_important(_: object) -> None:
    """Ignore the failure: the subscription is over for us, and the daemon will notice."""


class _Brokers(Factory):
    """Makes the broker of one connection.

    Attributes:
        ready: Fires when the handshake is done; fails if the connection ends before that.
    """

    noisy = False
    unsafeTracebacks = False

    def __init__(self, allowance: int | None) -> None:
        self.ready: Deferred[None] = Deferred()
        self._allowance = allowance

    def buildProtocol(self, _: IAddress | None) -> DaemonBroker:  # type: ignore[override]
        broker = DaemonBroker(self.ready, self._allowance)
        broker.factory = self  # type: ignore[assignment]  # Twisted has it untyped
        return broker

    def clientConnectionMade(self, _: DaemonBroker) -> None:
        """The handshake is done."""
        self.ready.callback(None)
