"""Asks nameservers for the addresses of a name: over UDP, and over TCP what did not fit.

Each question has a socket of its own, which the kernel binds to a random port and connects to the nameserver, so that
it takes datagrams from there only; and an identifier from the system's random source. What answers another question is
ignored. A nameserver has ``timeout`` seconds over UDP and as many over TCP; then the next one is asked, and the whole
list twice.
"""

from __future__ import annotations

import errno
import os
import secrets
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from maglev.model.addresses import canonical, family
from maglev.model.names import DNS_PORT
from maglev.model.text import printable
from maglev.resolver.answer import MESSAGE_LIMIT, Addresses, AddressQuestion, Bad, Then
from maglev.runtime.files import read_bounded

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from maglev.model.names import NamedBackends, ResolverConfig

ROUNDS: Final = 2
"""How often the list of nameservers is gone through: a datagram may be lost."""

MOST_SERVERS: Final = 3
"""Nameservers that are read from ``/etc/resolv.conf``, as libc does (``MAXNS``)."""

MOST_STRAYS: Final = 256
"""Datagrams without an answer that are read of one nameserver: reading more of a flood helps only its sender."""

BURST: Final = 16
"""Datagrams that are read in one turn of the reactor."""

DATAGRAM_LIMIT: Final = 4096
"""Bytes of a datagram that are read; more than we say to take, for servers that do not listen."""

RESOLV_CONF: Final = "/etc/resolv.conf"
_RESOLV_CONF_LIMIT: Final = 64 * 1024
_LENGTH: Final = struct.Struct("!H")


def system_nameservers(path: str = RESOLV_CONF) -> tuple[tuple[str, int], ...]:
    """Return the nameservers of this machine; none if the file can't be read, or has none."""
    try:
        content = read_bounded(path, _RESOLV_CONF_LIMIT) or b""
    except OSError:
        return ()
    found = []
    for line in content.decode("ascii", "replace").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append((canonical(words[1]), DNS_PORT))
            except ValueError:
                continue
    return tuple(found[:MOST_SERVERS])


class Lookup:
    """Looks up addresses with the nameservers of the configuration."""

    def __init__(self, reactor: Any) -> None:
        """Create it.

        Args:
            reactor: Opens sockets, and has a clock.
        """
        self._reactor = reactor

    async def addresses(self, names: NamedBackends, config: ResolverConfig) -> Addresses | Bad:
        """Return the addresses of a name, or why there are none. It raises nothing but a cancellation."""
        question = AddressQuestion(names.dns_name, names.family)
        servers = config.nameservers or system_nameservers()
        last = Bad(f"{RESOLV_CONF} has no nameserver")
        for server in servers * ROUNDS:
            found = await self._ask(question, server, config.timeout)
            if isinstance(found, Addresses):
                return found
            last = Bad(f"{found.why} ({_shown(server)})", found.then)
            if found.then is Then.END:
                break
        return last

    async def _ask(self, question: AddressQuestion, server: tuple[str, int], timeout: float) -> Addresses | Bad:
        found = await self._ask_by_udp(question, server, timeout)
        if isinstance(found, Bad) and found.then is Then.TCP:
            found = await self._ask_by_tcp(question, server, timeout)
        return found

    async def _ask_by_udp(self, question: AddressQuestion, server: tuple[str, int], timeout: float) -> Addresses | Bad:
        exchange = _Datagrams(self._reactor, question)
        try:
            exchange.send_to(server)
            return await exchange.answer.addTimeout(timeout, self._reactor, lambda *_: Bad("no answer in time"))
        except OSError as error:  # no descriptor, no route, no IPv6
            return Bad(printable(f"can't be asked: {error.strerror or error}"))
        finally:
            exchange.close()

    async def _ask_by_tcp(self, question: AddressQuestion, server: tuple[str, int], timeout: float) -> Addresses | Bad:
        endpoint = TCP6ClientEndpoint if family(server[0]) == 6 else TCP4ClientEndpoint
        stream = _Stream(question)
        try:
            await connectProtocol(endpoint(self._reactor, *server, timeout=timeout), stream)
        except (ConnectError, OSError) as error:
            return Bad(printable(f"no connection over TCP: {error}"))
        try:
            timed = stream.answer.addTimeout(timeout, self._reactor, lambda *_: Bad("no whole answer in time over TCP"))
            return await timed
        finally:
            stream.end()


@implementer(IReadDescriptor)
class _Datagrams:
    """One question over UDP.

    A socket of our own: that of Twisted writes two lines into the log for each, and takes an ICMP error for the end of
    the socket without saying which one it was.
    """

    def __init__(self, reactor: Any, question: AddressQuestion) -> None:
        self._reactor = reactor
        self._question = question
        self._identifier = secrets.randbits(16)
        self._strays = 0
        self._socket: socket.socket | None = None
        self.answer: Deferred[Addresses | Bad] = Deferred()

    def send_to(self, server: tuple[str, int]) -> None:
        """Send the question.

        Raises:
            OSError: It can't be sent.
        """
        kind = socket.AF_INET6 if family(server[0]) == 6 else socket.AF_INET
        self._socket = socket.socket(kind, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._socket.connect(server)
        self._socket.send(self._question.message(self._identifier))
        self._reactor.addReader(self)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """Return the descriptor of the socket."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """Return a name for Twisted's log."""
        return "resolver"

    def doRead(self) -> None:
        """Take datagrams from the nameserver, some at a time."""
        for _ in range(BURST):
            if self.answer.called or self._socket is None:
                return
            try:
                self._take(self._socket.recv(DATAGRAM_LIMIT))
            except BlockingIOError:
                return
            except OSError as error:
                self._end(Bad(_refusal(error)))

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002  # the socket has a better one
        """Learn of an error on the socket: an ICMP message has come."""
        if self._socket is not None:
            number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._end(Bad(_refusal(OSError(number, os.strerror(number)))))

    def _take(self, datagram: bytes) -> None:
        found = self._question.read(datagram, self._identifier)
        self._strays += found is None
        if found is not None:
            self._end(found)
        elif self._strays > MOST_STRAYS:
            self._end(Bad(f"more than {MOST_STRAYS} datagrams did not answer the question"))

    def _end(self, found: Addresses | Bad) -> None:
        if not self.answer.called:
            self.answer.callback(found)


def _refusal(error: OSError) -> str:
    return (
        "refused: nothing listens there" if error.errno == errno.ECONNREFUSED else f"can't be reached: {error.strerror}"
    )


class _Stream(Protocol):
    """One question over TCP (RFC 7766, 8): each message has its length before it."""

    def __init__(self, question: AddressQuestion) -> None:
        self._question = question
        self._identifier = secrets.randbits(16)
        self._data = bytearray()
        self.answer: Deferred[Addresses | Bad] = Deferred()

    def connectionMade(self) -> None:
        """Send the question."""
        message = self._question.message(self._identifier)
        transport: Any = self.transport
        transport.write(_LENGTH.pack(len(message)) + message)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes from the nameserver."""
        if self.answer.called:
            return
        self._data += data
        if len(self._data) < _LENGTH.size:
            return
        (length,) = _LENGTH.unpack_from(self._data)
        if length > MESSAGE_LIMIT:
            self.answer.callback(Bad(f"the answer has {length} bytes, more than {MESSAGE_LIMIT}", Then.END))
        elif len(self._data) >= _LENGTH.size + length:
            message = bytes(self._data[_LENGTH.size : _LENGTH.size + length])
            found = self._question.read(message, self._identifier)
            if found is None:
                found = Bad("the answer over TCP is to another question")
            elif isinstance(found, Bad) and found.then is Then.TCP:
                found = Bad("the answer is truncated over TCP, too")
            self.answer.callback(found)

    def connectionLost(self, reason: Any = ConnectionClosed) -> None:  # noqa: ARG002  # whatever it was
        """Learn that it closed the connection."""
        if not self.answer.called:
            self.answer.callback(Bad("the connection over TCP was closed before the answer"))

    def end(self) -> None:
        """Close the connection at once."""
        transport: Any = self.transport
        transport.abortConnection()


def _shown(server: tuple[str, int]) -> str:
    address, port = server
    at = "" if port == DNS_PORT else f" port {port}"
    return f"{address}{at}"
