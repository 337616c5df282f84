"""A real SSH client of Conch and a connection of the console, joined in memory."""

from __future__ import annotations

from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet.address import IPv4Address
from twisted.internet.defer import succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from maglev.model.caller import Role
from maglev.runtime.admission import Descriptors
from maglev.runtime.cooperator import Cooperator
from maglev.ssh.ciphers import PacketCiphers
from maglev.ssh.connection_limiter import ConnectionLimiter
from maglev.ssh.console import Console
from maglev.ssh.hostkey import host_key
from maglev.ssh.keyring import KeyRing
from maglev.ssh.limits import Limits
from maglev.ssh.logins import Logins
from maglev.ssh.packet_transport import STRICT_CLIENT, PacketTransport
from maglev.ssh.service import SshFactory
from tests.fakes.console import ConsoleWorld, Register


class SshWire(StringTransport):
    """One end of a connection; it is lost as soon as it is closed and everything is written."""

    def __init__(self, host="192.0.2.7", port=50222):
        super().__init__(peerAddress=IPv4Address("TCP", host, port))
        self.protocol = None
        self.lost = False
        self.stuck = False
        self.aborted = False

    def loseConnection(self):
        self.disconnecting = True

    def abortConnection(self):
        self.aborted = True
        self.lose()

    def settle(self):
        if self.disconnecting and not self.stuck:
            self.lose()

    def lose(self):
        if not self.lost:
            self.lost = True
            self.protocol.connectionLost(Failure(ConnectionDone()))


class Client(SSHClientTransport):
    """Takes any host key, and then does as the test says."""

    def __init__(self, then):
        self._then = then
        self.secured = False
        self.refusals = []

    def verifyHostKey(self, hostKey, fingerprint):
        return succeed(True)

    def connectionSecure(self):
        """Called after each key exchange."""
        if not self.secured:
            self.secured = True
            self._then(self)

    def ssh_SERVICE_ACCEPT(self, packet):
        if hasattr(self, "instance"):
            super().ssh_SERVICE_ACCEPT(packet)

    def receiveError(self, reasonCode, description):
        self.refusals.append((reasonCode, description))


class SealingClient(Client):
    """Knows Encrypt-then-MAC, AES-GCM and, if it shall, strict key exchange.

    Attributes:
        heard: The numbers of the packets received.
    """

    sendPacket = PacketTransport.sendPacket
    getPacket = PacketTransport.getPacket

    def __init__(self, then, ciphers=(b"aes256-ctr",), macs=(b"hmac-sha2-256",), *, strict=True):
        super().__init__(then)
        self.supportedCiphers = list(ciphers)
        self.supportedMACs = list(macs)
        self.strict = strict
        self.supportedKeyExchanges = [b"curve25519-sha256", *([STRICT_CLIENT] if strict else [])]
        self.heard = []

    def ssh_KEXINIT(self, packet):
        super().ssh_KEXINIT(packet)
        names = ("outCipType", "inCipType", "outMACType", "inMACType")
        self.nextEncryptions = PacketCiphers(*(getattr(self.nextEncryptions, name) for name in names))

    def ssh_NEWKEYS(self, packet):
        if self.strict:
            self.incomingPacketSequence = 0
        super().ssh_NEWKEYS(packet)

    def dispatchMessage(self, messageNum, payload):
        self.heard.append(messageNum)
        super().dispatchMessage(messageNum, payload)


class KeyUser(SSHUserAuthClient):
    """Offers keys, one after the other."""

    def __init__(self, keys, user=b"anybody"):
        self.connected = RecordedConnection()
        super().__init__(user, self.connected)
        self._keys = list(keys)
        self._current = None

    def getPublicKey(self):
        self._current = self._keys.pop(0) if self._keys else None
        return self._current and self._current.public()

    def getPrivateKey(self):
        return succeed(self._current)

    def getPassword(self, prompt=None):
        return None


class RecordedConnection(SSHConnection):
    started = False

    def serviceStarted(self):
        self.started = True


class ConsoleRig:
    """A console without a listener: makes connections in memory."""

    def __init__(self, path, limits=None, operators=(), viewers=(), descriptors=None):
        self.clock = Clock()
        self.world = ConsoleWorld()
        self.logins = Logins()
        self.limits = limits or Limits()
        (path / "operators").write_bytes(b"".join(operators))
        (path / "viewers").write_bytes(b"".join(viewers))
        console = Console(
            self.clock,
            Cooperator(self.clock).queue("ssh"),
            self.limits.idle_timeout,
            self.world.control_for,
            Register(),
            self.logins,
            "maglevd",
        )
        ring = KeyRing({Role.OPERATOR: str(path / "operators"), Role.VIEWER: str(path / "viewers")})
        limiter = ConnectionLimiter(self.limits, descriptors or Descriptors(lambda: 0))
        self.factory = SshFactory(self.clock, self.limits, limiter, host_key(str(path / "state")), ring, console)

    def connect(self, host="192.0.2.7", port=50222):
        """Return the server's end of a connection whose peer says nothing by itself."""
        protocol = self.factory.buildProtocol(None)
        wire = SshWire(host, port)
        wire.protocol = protocol
        protocol.makeConnection(wire)
        return protocol

    def login(self, *keys, user=b"anybody", then=None, host="192.0.2.7", client=Client, chunk=None):
        """Have a client connect and offer keys; return it, the server's end, and the client's service."""
        server = self.connect(host)
        service = KeyUser(keys, user)
        client = client(then or (lambda transport: transport.requestService(service)))
        wire = SshWire()
        wire.protocol = client
        client.makeConnection(wire)
        pump(client, server, chunk=chunk)
        return client, server, service


def pump(*ends, chunk=None):
    """Carry bytes between two ends until there are none; so many at a time, or all at once."""
    one, other = (end.transport for end in ends)
    while one.value() or other.value():
        for source, target in ((one, other), (other, one)):
            data = source.value()
            source.clear()
            for start in range(0, len(data), chunk or len(data) or 1):
                if not target.lost:
                    target.protocol.dataReceived(data[start : start + (chunk or len(data))])
    for wire in (one, other):
        wire.settle()


def key_line(key: Key, comment=b"ada"):
    """Return the line of a key in a file of authorized keys."""
    return key.public().toString("OPENSSH") + b" " + comment + b"\n"
