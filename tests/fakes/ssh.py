"""A client of the console without sockets and ciphers: it speaks in packets to `ConsoleConnection`."""

from __future__ import annotations

import struct

from twisted.conch.ssh.common import NS, getNS
from twisted.internet.task import Clock

from maglev.model.caller import Caller, Role
from maglev.runtime.cooperator import Cooperator
from maglev.ssh.connection import ConsoleConnection
from maglev.ssh.console import Console
from maglev.ssh.limits import Limits
from maglev.ssh.logins import Logins
from tests.fakes.console import ConsoleWorld, Register
from tests.fakes.screen import ScreenDouble

OPEN, CONFIRMED, REFUSED, ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE = range(90, 101)
ADA = Caller("ada", Role.OPERATOR, "ssh 192.0.2.7:50222")
VERA = Caller("vera", Role.VIEWER, "ssh 192.0.2.8:50223")


class PacketTransport:
    """What a connection sends, as packets."""

    def __init__(self):
        self.sent = []
        self.can_write = True
        self.disconnects = []
        self.given_up = 0
        self.listener = lambda _number, _payload: None

    def sendPacket(self, number, payload):
        self.sent.append((number, payload))
        self.listener(number, payload)

    def sendDisconnect(self, reason, text):
        self.disconnects.append((reason, text))

    def give_up_on_reader(self):
        self.given_up += 1


class ChannelClient:
    """One channel, seen from the client."""

    def __init__(self, peer, remote, number):
        self.peer = peer
        self.remote = remote
        self.number = number
        self.out = b""
        self.err = b""
        self.replies = []
        self.status = None
        self.eof = False
        self.closed = False
        self.granted = 0
        self.screen = None

    def _send(self, kind, payload=b""):
        self.peer.connection.packetReceived(kind, struct.pack(">L", self.remote) + payload)

    def request(self, kind, data=b"", *, reply=True):
        self._send(REQUEST, NS(kind) + (b"\1" if reply else b"\0") + data)
        return self.replies[-1] if reply and self.replies else None

    def pty(self, columns=80, rows=24, term=b"xterm"):
        self.screen = ScreenDouble(columns or 80, rows or 24)
        return self.request(b"pty-req", NS(term) + struct.pack(">4L", columns, rows, 0, 0) + NS(b""))

    def shell(self):
        return self.request(b"shell")

    def exec(self, command):
        return self.request(b"exec", NS(command))

    def resize(self, columns, rows):
        self.screen.columns = columns or 80
        return self.request(b"window-change", struct.pack(">4L", columns, rows, 0, 0), reply=False)

    def type(self, text):
        """Type, and give the daemon a few turns."""
        self._send(DATA, NS(text if isinstance(text, bytes) else text.encode()))
        self.peer.turn()

    def send_eof(self):
        self._send(EOF)
        self.peer.turn()

    def close(self):
        self._send(CLOSE)
        self.peer.turn()

    def adjust(self, count):
        self._send(ADJUST, struct.pack(">L", count))
        self.peer.turn()

    def raw(self, kind, payload=b""):
        self._send(kind, payload)

    def take(self, number, payload):
        if number == DATA:
            data = getNS(payload)[0]
            self.out += data
            if self.screen is not None:
                self.screen.feed(data)
        elif number == EXTENDED:
            self.err += getNS(payload[4:])[0]
        elif number == REQUEST:
            kind, rest = getNS(payload)
            assert kind == b"exit-status"
            self.status = struct.unpack(">L", rest[1:])[0]
        elif number in {SUCCESS, FAILURE}:
            self.replies.append(number == SUCCESS)
        elif number == ADJUST:
            self.granted += struct.unpack(">L", payload)[0]
        elif number == EOF:
            assert not self.eof, "two EOFs"
            self.eof = True
        elif number == CLOSE:
            assert not self.closed, "two closes"
            self.closed = True


class SshPeer:
    """A client that is logged in: opens channels, and hears what comes for each."""

    def __init__(self, caller=ADA, limits=None, opener=None, world=None, greeting="maglevd 0.1 on lb1", host=""):
        self.clock = Clock()
        self.world = world or ConsoleWorld()
        self.register = Register()
        self.logins = Logins()
        self.limits = limits or Limits()
        self.console = Console(
            self.clock,
            Cooperator(self.clock).queue("ssh"),
            self.limits.idle_timeout,
            self.world.control_for,
            self.register,
            self.logins,
            greeting,
            host,
        )
        self.transport = PacketTransport()
        self.transport.listener = self._hear
        self.connection = ConsoleConnection(
            self.clock, self.console.work, self.limits, caller, opener or self.console.open
        )
        self.connection.transport = self.transport
        self.connection.serviceStarted()
        self.channels = {}
        self.refusals = []

    def _hear(self, number, payload):
        if number == CONFIRMED:
            remote, local = struct.unpack(">2L", payload[:8])
            self.channels[remote] = ChannelClient(self, local, remote)
        elif number == REFUSED:
            self.refusals.append(struct.unpack(">2L", payload[:8]))
        elif number > CONFIRMED:
            self.channels[struct.unpack(">L", payload[:4])[0]].take(number, payload[4:])

    def open(self, window=2**21, packet=32768, kind=b"session"):
        number = len(self.channels) + 100
        self.connection.packetReceived(OPEN, NS(kind) + struct.pack(">3L", number, window, packet))
        return self.channels.get(number)

    def terminal(self, columns=80, rows=24, term=b"xterm"):
        """Return a channel with a shell on a terminal."""
        channel = self.open()
        assert channel.pty(columns, rows, term)
        assert channel.shell()
        self.turn()
        return channel

    def turn(self, count=20):
        """Let everything happen that wants to happen now."""
        for _ in range(count):
            self.clock.advance(0)

    def lose(self):
        """Lose the connection."""
        self.connection.serviceStopped()
        self.turn()
