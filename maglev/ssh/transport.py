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
)
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from zope.interface import implementer

from maglev.model.text import printable
from maglev.runtime.admission import source_of
from maglev.runtime.logs.logger import EventLogger
from maglev.ssh.algorithms import CIPHERS, COMPRESSIONS, HOST_KEYS, KEY_EXCHANGES, MACS, SIGNATURE_NAMES
from maglev.ssh.authentication import KeyAuthentication
from maglev.ssh.connection import ConsoleConnection
from maglev.ssh.connection_limiter import Stage
from maglev.ssh.limits import GRACE, KEXINIT_LIMIT, UNKNOWN_PEER_BUFFER
from maglev.ssh.packet_transport import PacketTransport
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
"""TCP keep-alive settings: a vanished peer is noticed within two minutes, even if we have nothing to send."""


class ISshFactory(Protocol):
    """The factory of the connections of one console."""

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
        """Return the runner of a channel."""

    def gone(self, connection: ConsoleTransport) -> None:
        """Called when a connection is lost."""


@implementer(IPushProducer)
class ConsoleTransport(PacketTransport):
    """The server's side of one connection.

    Until `caller` is set, the peer is unauthenticated: a deadline runs, little is buffered, only one key exchange is
    done, and any exception is blamed on the peer.

    Attributes:
        caller: The user who logged in; None before that.
        origin: Address of the peer, for people: ``ssh 192.0.2.7:50222``.
        source: Whom it counts for; see `maglev.runtime.admission.source_of`.
        flooded: Whether the peer is slow to take what we send.
    """

    _log: ClassVar[EventLogger] = EventLogger()  # type: ignore[misc]

    # No version: unauthenticated peers need not know it.
    ourVersionString = b"SSH-2.0-maglevd"
    transport: Any

    def __init__(self, factory: ISshFactory) -> None:
        self.factory: Any = factory
        self.supportedKeyExchanges = list(KEY_EXCHANGES)
        self.supportedCiphers = list(CIPHERS)
        self.supportedMACs = list(MACS)
        self.supportedCompressions = list(COMPRESSIONS)
        self.supportedPublicKeys = list(HOST_KEYS)
        self.caller: Caller | None = None
        self.origin = "ssh"
        self.source = ""
        self.flooded = False
        self._factory = factory
        self._ending = False
        self._registered = False
        self._exchanges = 0
        self._refusal = ""
        self._user = ""
        self._deadline: IDelayedCall | None = None
        self._last_words: IDelayedCall | None = None

    # Start and end

    def connectionMade(self) -> None:
        """Start the deadline for the login, and send our version."""
        self.origin = _origin(self.transport.getPeer())
        self.source = source_of(self.transport)
        self._factory.connections.add(self)
        self._tune()
        self._deadline = self._factory.clock.callLater(self._factory.limits.login_timeout, self._too_late)
        self.transport.registerProducer(self, True)
        self._registered = True
        self._factory.limiter.arrive(self)
        if not self._ending:
            PacketTransport.connectionMade(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Release all resources."""
        self._ending = True
        _stop(self._deadline)
        _stop(self._last_words)
        self._factory.limiter.leave(self)
        if self.caller is not None:
            self._factory.limiter.log_out(self.caller)
            self._factory.logins.left(self.caller)
        elif self._refusal:
            self._factory.logins.refused(self._refusal, self.origin, self._user)
        PacketTransport.connectionLost(self, reason)
        self._factory.gone(self)

    def dismiss(self, words: str) -> None:
        """End the connection because maglevd stops."""
        if isinstance(self.service, ConsoleConnection):
            self.service.dismiss(words)
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, words.encode())

    def abort(self) -> None:
        """End the connection at once."""
        self._ending = True
        self._unregister()
        self.transport.abortConnection()

    def turn_away(self) -> None:
        """End the connection at once, because its place is needed."""
        self._refusal = "too many connections that are not logged in"
        self.abort()

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Send the reason, and end the connection even if the peer does not read it."""
        if self._ending:
            return
        # Unauthenticated peers are logged when they are gone. Conch's own messages here may quote them.
        self._refusal = self._refusal or printable(desc)
        PacketTransport.sendDisconnect(self, reason, desc)
        self._close_soon()

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """End the connection on the peer's request, even if the peer then stays connected without reading."""
        reader = PacketReader(packet)
        self.receiveError(reader.uint32(), reader.string())
        self.transport.loseConnection()
        self._close_soon()

    def _close_soon(self) -> None:
        self._ending = True
        self._unregister()
        if self._last_words is None:
            self._last_words = self._factory.clock.callLater(GRACE, self.abort)

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
        # These may fail if the peer is gone already; the next read notices.
        with contextlib.suppress(OSError):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
            for option, value in KEEPALIVE:
                self.transport.getHandle().setsockopt(socket.IPPROTO_TCP, option, value)

    # Bytes from the peer

    def dataReceived(self, data: bytes) -> None:
        """Process received bytes; at worst, they end this connection."""
        if self._ending:
            return
        if self.caller is None and len(self.buf) + len(data) > 2 * UNKNOWN_PEER_BUFFER:
            self._broken("sent too much before logging in")
            return
        greeted = self.gotVersion
        try:
            PacketTransport.dataReceived(self, data)
        except PacketError as error:
            self._broken(str(error))
        except Exception as error:  # noqa: BLE001  # Conch raises anything for a packet that it does not expect
            if self.caller is None:
                self._broken(f"broke the protocol: {printable(repr(error))}")
            else:
                self._log.failure("ssh-connection-failed", origin=self.origin)
                self.abort()
        if self.gotVersion and not greeted and not self.isEncrypted("both"):
            self._reached(Stage.GREETED)

    def _reached(self, stage: Stage) -> None:
        """Compete from now on with those that have come as far."""
        if self.caller is None and not self._ending:
            self._factory.limiter.arrive(self, stage)

    def getPacket(self) -> bytes | None:
        """Return the next packet; none once the connection is ending."""
        packet: bytes | None = None if self._ending else PacketTransport.getPacket(self)
        return packet

    def _broken(self, reason: str) -> None:
        self._log.debug("ssh-protocol-error", origin=self.origin, reason=reason)
        self._refusal = self._refusal or reason
        self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, b"protocol error")

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Begin a key exchange; only one before the login, because each blocks the reactor for a millisecond."""
        self._exchanges += 1
        if len(packet) > KEXINIT_LIMIT:
            raise PacketError("too many algorithms")
        if self.caller is None and self._exchanges > 1:
            raise PacketError("a second key exchange before the login")
        PacketTransport.ssh_KEXINIT(self, packet)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Change keys, and resume the output that waited for them."""
        PacketTransport.ssh_NEWKEYS(self, packet)
        self._reached(Stage.ENCRYPTED)
        self._resume_channels()

    def sendExtInfo(self, extensions: object) -> None:  # noqa: ARG002  # Conch's signature
        """Announce the signatures that we accept (RFC 8308, 3.1); Conch would announce the type of our host key."""
        PacketTransport.sendExtInfo(self, [(b"server-sig-algs", b",".join(SIGNATURE_NAMES))])

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        """Start the authentication, the only service that may be requested: once, and only after encryption."""
        name = PacketReader(packet).string()
        if name != KeyAuthentication.name or self.service is not None or not self.isEncrypted("both"):
            self.sendDisconnect(DISCONNECT_SERVICE_NOT_AVAILABLE, b"no such service now")
            return
        self.sendPacket(MSG_SERVICE_ACCEPT, NS(name))
        self.setService(KeyAuthentication(self._factory.keyring, self._factory.limits.attempts))

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        """Ignore the extensions of the client: we need none of them, and Conch parses them in quadratic time."""

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Ignore that the peer disconnects: each client does at the end."""
        self._log.debug("ssh-disconnected", origin=self.origin, code=reasonCode, text=printable(description))

    def receiveUnimplemented(self, seqnum: int) -> None:
        """Ignore that the peer does not know one of our packets."""
        self._log.debug("ssh-unimplemented", origin=self.origin, packet=seqnum)

    # Results of the authentication

    def key_refused(self, reason: str, user: bytes) -> None:
        """Remember why a key was refused; logged once, at the end, however many keys were offered."""
        self._refusal = reason
        self._user = printable(user)

    def log_in(self, caller: Caller, fingerprint: str) -> str:
        """Log a caller in; return why that is refused, or an empty text."""
        refusal = self._factory.limiter.log_in(caller, self.source)
        if refusal:
            self.key_refused(refusal, caller.name.encode())
            return refusal
        self.caller = caller
        self._factory.limiter.leave(self)
        _stop(self._deadline)
        self._factory.logins.entered(caller, fingerprint)
        return ""

    def start_connection(self) -> None:
        """Start carrying sessions for the user who logged in."""
        assert self.caller is not None  # noqa: S101  # by the order of the calls
        factory = self._factory
        self.setService(
            ConsoleConnection(factory.clock, factory.work, factory.limits, self.caller, factory.open_channel)
        )

    def give_up_on_reader(self) -> None:
        """Abort the connection: a peer that does not read would not read a last message either."""
        self._log.warn("ssh-stalled", caller=str(self.caller))
        self.abort()

    # Bytes to the peer

    @property
    def can_write(self) -> bool:
        """Whether output of sessions may be sent now: the peer reads, and no key exchange is under way."""
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
        """Do nothing: the connection is about to be lost, and `connectionLost` cleans up."""
        self.flooded = True

    def _resume_channels(self) -> None:
        if isinstance(self.service, ConsoleConnection):
            self.service.resume()


def _stop(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()


def _origin(peer: Any) -> str:
    """Return the address of a peer, for people."""
    host = getattr(peer, "host", None)
    if host is None:
        return "ssh unix"
    shown = f"[{host}]" if ":" in host else host
    return f"ssh {shown}:{peer.port}"
