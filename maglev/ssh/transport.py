"""One SSH connection, from the first byte to the last."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_PROTOCOL_ERROR,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
    MSG_SERVICE_ACCEPT,
    SSHServerTransport,
)
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from zope.interface import implementer

from maglev.model.result import printable
from maglev.runtime.logs.logger import EventLogger
from maglev.ssh.algorithms import CIPHERS, COMPRESSIONS, HOST_KEYS, KEY_EXCHANGES, MACS, SIGNATURE_NAMES
from maglev.ssh.authentication import KeyAuthentication
from maglev.ssh.connection import ConsoleConnection
from maglev.ssh.limits import GRACE, KEXINIT_LIMIT, UNKNOWN_PEER_BUFFER
from maglev.ssh.packets import PacketError, PacketReader

if TYPE_CHECKING:
    from twisted.conch.ssh.keys import Key
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from maglev.model.caller import Caller
    from maglev.runtime.cooperator import WorkQueue
    from maglev.ssh.channel import SessionChannel
    from maglev.ssh.connection_limiter import ConnectionLimiter
    from maglev.ssh.keyring import KeyRing
    from maglev.ssh.limits import Limits
    from maglev.ssh.logins import Logins
    from maglev.terminal.stream import IRunner, Opening

KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A peer that has vanished is noticed within two minutes, also while only we would have something to say."""


class ISshFactory(Protocol):
    """What the connections of one console share."""

    clock: IReactorTime
    work: WorkQueue
    limits: Limits
    limiter: ConnectionLimiter
    logins: Logins
    keyring: KeyRing
    connections: set[ConsoleTransport]
    publicKeys: dict[bytes, Key]
    privateKeys: dict[bytes, Key]

    def open_channel(self, channel: SessionChannel, opening: Opening) -> IRunner:
        """Return what runs in a channel."""

    def gone(self, connection: ConsoleTransport) -> None:
        """Called when a connection is lost."""


@implementer(IPushProducer)
class ConsoleTransport(SSHServerTransport):
    """The server's side of one connection.

    Nobody is known here until `caller` is set: until then there is a deadline, little is buffered, one key exchange is
    done, and whatever raises is the peer's doing.

    Attributes:
        caller: Who logged in; None before that.
        origin: Where the peer is, for people: ``ssh 192.0.2.7:50222``.
        source: The same without the port.
        flooded: Whether the peer is slow to take what we send.
    """

    _log: ClassVar[EventLogger] = EventLogger()  # type: ignore[misc]

    # No version: pending need not know it.
    ourVersionString = b"SSH-2.0-maglevd"
    transport: Any

    def __init__(self, house: ISshFactory) -> None:
        self.factory: Any = house
        self.supportedKeyExchanges = list(KEY_EXCHANGES)
        self.supportedCiphers = list(CIPHERS)
        self.supportedMACs = list(MACS)
        self.supportedCompressions = list(COMPRESSIONS)
        self.supportedPublicKeys = list(HOST_KEYS)
        self.caller: Caller | None = None
        self.origin = self.source = "ssh"
        self.flooded = False
        self._house = house
        self._ending = False
        self._registered = False
        self._exchanges = 0
        self._refusal = ""
        self._user = ""
        self._deadline: IDelayedCall | None = None
        self._last_words: IDelayedCall | None = None

    # Coming and going

    def connectionMade(self) -> None:
        """Give the pending a deadline, and greet."""
        self.source, self.origin = _whence(self.transport.getPeer())
        self._house.connections.add(self)
        self._tune()
        self._deadline = self._house.clock.callLater(self._house.limits.login_timeout, self._too_late)
        self.transport.registerProducer(self, True)
        self._registered = True
        self._house.limiter.arrive(self)
        if not self._ending:
            SSHServerTransport.connectionMade(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Give back everything."""
        self._ending = True
        _stop(self._deadline)
        _stop(self._last_words)
        self._house.limiter.leave(self)
        if self.caller is not None:
            self._house.limiter.log_out(self.caller)
            self._house.logins.left(self.caller)
        elif self._refusal:
            self._house.logins.refused(self._refusal, self.origin, self._user)
        SSHServerTransport.connectionLost(self, reason)
        self._house.gone(self)

    def dismiss(self, words: str) -> None:
        """End it because maglevd stops."""
        if isinstance(self.service, ConsoleConnection):
            self.service.dismiss(words)
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, words.encode())

    def abort(self) -> None:
        """End it at once."""
        self._ending = True
        self._unregister()
        self.transport.abortConnection()

    def turn_away(self) -> None:
        """End it at once: its place is needed."""
        self._refusal = "too many connections that are not logged in"
        self.abort()

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Say why, and end the connection: also if the peer does not take our last words."""
        if self._ending:
            return
        # Of pending: told in the log when they are gone. What Conch says here may quote them.
        self._refusal = self._refusal or printable(desc)
        SSHServerTransport.sendDisconnect(self, reason, desc)
        self._close_soon()

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """End the connection as the peer wants, also if it then stays and does not read."""
        reader = PacketReader(packet)
        self.receiveError(reader.uint32(), reader.string())
        self.transport.loseConnection()
        self._close_soon()

    def _close_soon(self) -> None:
        self._ending = True
        self._unregister()
        if self._last_words is None:
            self._last_words = self._house.clock.callLater(GRACE, self.abort)

    def _unregister(self) -> None:
        # Twisted does not close a connection below a producer that it has paused.
        if self._registered:
            self._registered = False
            self.transport.unregisterProducer()

    def _too_late(self) -> None:
        self._refusal = self._refusal or "took too long to log in"
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, b"you took too long to log in")

    def _tune(self) -> None:
        transport = self.transport
        if not ITCPTransport.providedBy(transport):
            return
        # A peer that is gone already may make these fail; the next read says so.
        with contextlib.suppress(OSError):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
            for option, value in KEEPALIVE:
                self.transport.getHandle().setsockopt(socket.IPPROTO_TCP, option, value)

    # Bytes from the peer

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; whatever they are, they end at most this connection."""
        if self._ending:
            return
        if self.caller is None and len(self.buf) + len(data) > 2 * UNKNOWN_PEER_BUFFER:
            self._broken("sent too much before logging in")
            return
        try:
            SSHServerTransport.dataReceived(self, data)
        except PacketError as error:
            self._broken(str(error))
        except Exception as error:  # noqa: BLE001  # Conch raises anything for a packet that it does not expect
            if self.caller is None:
                self._broken(f"broke the protocol: {printable(repr(error))}")
            else:
                self._log.failure("ssh-connection-failed", origin=self.origin)
                self.abort()

    def getPacket(self) -> bytes | None:
        """Return the next packet; none once the connection is ending."""
        packet: bytes | None = None if self._ending else SSHServerTransport.getPacket(self)
        return packet

    def _broken(self, reason: str) -> None:
        self._log.debug("ssh-protocol-error", origin=self.origin, reason=reason)
        self._refusal = self._refusal or reason
        self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"protocol error")

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Begin a key exchange; pending get one, as each costs a millisecond of everybody's time."""
        self._exchanges += 1
        if len(packet) > KEXINIT_LIMIT:
            raise PacketError("too many algorithms")
        if self.caller is None and self._exchanges > 1:
            raise PacketError("a second key exchange before the login")
        SSHServerTransport.ssh_KEXINIT(self, packet)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Change keys, and go on with the output that waited for it."""
        SSHServerTransport.ssh_NEWKEYS(self, packet)
        self._resume_channels()

    def sendExtInfo(self, extensions: object) -> None:  # noqa: ARG002  # Conch's signature
        """Tell which signatures we accept (RFC 8308, 3.1); Conch would tell the type of our host key."""
        SSHServerTransport.sendExtInfo(self, [(b"server-sig-algs", b",".join(SIGNATURE_NAMES))])

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        """Start the authentication: the only service there is to ask for, once, and never in the clear."""
        name = PacketReader(packet).string()
        if name != KeyAuthentication.name or self.service is not None or not self.isEncrypted("both"):
            self.sendDisconnect(DISCONNECT_SERVICE_NOT_AVAILABLE, b"no such service now")
            return
        self.sendPacket(MSG_SERVICE_ACCEPT, NS(name))
        self.setService(KeyAuthentication(self._house.keyring, self._house.limits.attempts))

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        """Ignore what the client says of itself: we need none of it, and Conch takes quadratic time to read it."""

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Ignore that the peer disconnects: each client does at the end."""
        self._log.debug("ssh-disconnected", origin=self.origin, code=reasonCode, text=printable(description))

    def receiveUnimplemented(self, seqnum: int) -> None:
        """Ignore that the peer does not know one of our packets."""
        self._log.debug("ssh-unimplemented", origin=self.origin, packet=seqnum)

    # What the authentication finds

    def key_refused(self, reason: str, user: bytes) -> None:
        """Remember why nobody was let in; told once, at the end, however many keys were offered."""
        self._refusal = reason
        self._user = printable(user)

    def log_in(self, caller: Caller, fingerprint: str) -> str:
        """Let somebody in; return why that is not possible, or an empty text."""
        refusal = self._house.limiter.log_in(caller)
        if refusal:
            self.key_refused(refusal, caller.name.encode())
            return refusal
        self.caller = caller
        self._house.limiter.leave(self)
        _stop(self._deadline)
        self._house.logins.entered(caller, fingerprint)
        return ""

    def start_connection(self) -> None:
        """Begin to carry sessions, for the one who logged in."""
        assert self.caller is not None  # noqa: S101  # by the order of the calls
        house = self._house
        self.setService(ConsoleConnection(house.clock, house.work, house.limits, self.caller, house.open_channel))

    def give_up_on_reader(self) -> None:
        """Abort the connection: the peer does not read, so it would not read our last words either."""
        self._log.warn("ssh-stalled", caller=str(self.caller))
        self.abort()

    # Bytes to the peer

    @property
    def can_write(self) -> bool:
        """Whether output of sessions may be sent now: the peer takes it, and no key exchange is under way."""
        idle: bool = self._keyExchangeState == self._KEY_EXCHANGE_NONE
        return idle and not self.flooded and not self._ending

    def pauseProducing(self) -> None:
        """Hold output back: the peer does not read."""
        self.flooded = True

    def resumeProducing(self) -> None:
        """Go on with output."""
        self.flooded = False
        self._resume_channels()

    def stopProducing(self) -> None:
        """The connection is about to be lost; `connectionLost` does the rest."""
        self.flooded = True

    def _resume_channels(self) -> None:
        if isinstance(self.service, ConsoleConnection):
            self.service.resume()


def _stop(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


def _whence(peer: Any) -> tuple[str, str]:
    """Return the address of a peer without and with its port, for people."""
    host = getattr(peer, "host", None)
    if host is None:
        return "unix", "ssh unix"
    shown = f"[{host}]" if ":" in host else host
    return host, f"ssh {shown}:{peer.port}"
