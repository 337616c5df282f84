"""A client of a simulator without sockets: blocking to look at, because everything happens at once."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from maglev.vppsim.simulator import Simulator

HEADER = struct.Struct(">QII")


@implementer(ITCPTransport)
class MemoryTransport(StringTransport):
    """Collects what is written, and tells the protocol at once when it closes."""

    def __init__(self, protocol):
        super().__init__()
        self._protocol = protocol
        self.closed = None

    def loseConnection(self):
        self._close(ConnectionDone())

    def abortConnection(self):
        self._close(ConnectionAborted())

    def _close(self, reason):
        if self.closed is None:
            self.closed = reason
            self._protocol.connectionLost(Failure(reason))


class MemoryClient:
    """A registered client of a running simulator.

    Attributes:
        index: The client index that it was given.
        table: Number by name with CRC, as the simulator told it.
    """

    def __init__(self, simulator: Simulator) -> None:
        self._messages = simulator.boot.messages
        self.protocol = simulator.factory.buildProtocol(None)
        self.transport = MemoryTransport(self.protocol)
        self._received = b""
        self.protocol.makeConnection(self.transport)
        self.send(struct.pack(">HI64s", 15, 1, b"test"))
        self.index, self.table = 0, {}
        for name, hello in self.receive():
            assert name == "sockclnt_create_reply"
            self.index = hello.index
            self.table = {entry.name: entry.index for entry in hello.message_table}

    @property
    def closed(self):
        """Why the connection was closed, or None."""
        return self.transport.closed

    def send(self, *messages: bytes) -> None:
        """Send messages as they are, each in its frame."""
        self.protocol.dataReceived(b"".join(HEADER.pack(0, len(message), 0) + message for message in messages))

    def request(self, name: str, **fields: Any) -> None:
        """Send a request without looking at the answer."""
        self.send(self._messages.pack(name, {"client_index": self.index, "context": 7, **fields}))

    def receive(self) -> list[tuple[str, Any]]:
        """Return the whole messages that have come since the last call: name and fields."""
        self._received += self.transport.value()
        self.transport.clear()
        messages = []
        while len(self._received) >= HEADER.size:
            end = HEADER.size + HEADER.unpack_from(self._received)[1]
            if len(self._received) < end:
                break
            decoded = self._messages.unpack(self._received[HEADER.size : end])
            assert decoded is not None
            messages.append(decoded)
            self._received = self._received[end:]
        return messages

    def call(self, name: str, **fields: Any) -> Any:
        """Send a request and return the fields of its only answer."""
        self.request(name, **fields)
        ((_, answer),) = self.receive()
        assert answer.context == 7
        return answer

    def dump(self, name: str, **fields: Any) -> list[Any]:
        """Send a dump and return the fields of its details."""
        self.request(name, **fields)
        self.request("control_ping")
        *details, (last, _) = self.receive()
        assert last == "control_ping_reply"
        return [fields for _, fields in details]

    def run(self, command: str) -> tuple[int, str]:
        """Run commands and return the retval and the output."""
        answer = self.call("cli_inband", cmd=command)
        return answer.retval, answer.reply
