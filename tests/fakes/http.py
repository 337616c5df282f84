"""A client's connection to a site of ours, over a transport in memory."""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

PLENTY = 64


class StepwiseClock(Clock):
    """A clock whose turns are those of a reactor: what is scheduled in one turn comes in the next at the earliest."""

    def turn(self, count=100):
        for _ in range(count):
            for call in [call for call in self.calls if call.getTime() <= self.seconds()]:
                if call.active():
                    self.calls.remove(call)
                    call.called = 1
                    call.func(*call.args, **call.kw)


class HalfClosingTransport(StringTransport):
    """A transport whose writing side can be closed, as that of TCP."""

    half_closed = False

    def loseWriteConnection(self):
        self.half_closed = True


class HttpConnection:
    """A client's connection to a site."""

    def __init__(self, site, host="192.0.2.1"):
        kind = IPv6Address if ":" in host else IPv4Address
        self.transport = HalfClosingTransport(peerAddress=kind("TCP", host, 50000))
        self.channel = site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def ask(self, path=b"/metrics", method=b"GET", **headers):
        lines = [method + b" " + path + b" HTTP/1.1", b"Host: h"]
        lines += [key.replace("_", "-").encode() + b": " + value for key, value in headers.items() if value is not None]
        self.send(b"\r\n".join([*lines, b"", b""]))

    def send(self, data):
        self.channel.dataReceived(data)

    def lose(self):
        self.channel.connectionLost(Failure(ConnectionDone()))

    def head(self):
        return self.transport.value().partition(b"\r\n\r\n")[0]

    def status(self):
        return int(self.head().split(b" ")[1]) if self.head() else None

    def body(self):
        """Return the body of a chunked answer, or None while it is not complete."""
        data, body = self.transport.value().partition(b"\r\n\r\n")[2], b""
        while data:
            size, _, data = data.partition(b"\r\n")
            if size == b"0":
                return body
            body += data[: int(size, 16)]
            data = data[int(size, 16) + 2 :]
        return None

    def text(self):
        """Return what follows the head of the first answer."""
        return self.transport.value().partition(b"\r\n\r\n")[2]

    def count(self):
        """Return the number of answers."""
        return self.transport.value().count(b"HTTP/1.1 ")

    @property
    def paused(self):
        """Whether the server has stopped reading."""
        return self.transport.producerState == "paused"

    @property
    def closing(self):
        return self.transport.disconnecting

    @property
    def aborted(self):
        return not self.transport.connected or self.transport.disconnected
