"""The lean connection: system calls in, protocol calls out."""

from __future__ import annotations

import errno
import os
import socket
import struct
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Protocol
from zope.interface.verify import verifyObject

from maglev.healthcheck.probers.connection import READ_SIZE, Connection
from maglev.healthcheck.probers.sockets import Destination
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.probe_io import FakeOpener, FakePoller, FakeSocket

DESTINATION = Destination(socket.AF_INET, ("127.0.0.1", 80))
LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class RecordingProtocol(Protocol):
    def __init__(self):
        self.calls = []
        self.on_made = lambda transport: None
        self.on_data = lambda data: None

    def connectionMade(self):
        self.calls.append("made")
        self.on_made(self.transport)

    def dataReceived(self, data):
        self.calls.append(data)
        self.on_data(data)

    def connectionLost(self, reason):
        self.calls.append(type(reason.value))
        self.lost_text = str(reason.value)


class FakeOwner:
    def __init__(self):
        self.protocol = RecordingProtocol()
        self.outcomes = []
        self.crashes = 0
        self.connection = None

    def build_protocol(self):
        return self.protocol

    def conclude_with(self, outcome):
        self.outcomes.append(outcome)
        self.connection.abortConnection()

    def crash(self):
        self.crashes += 1


class ConnectionSetup:
    def __init__(self, *connects, opener=None):
        self.socket = FakeSocket(*connects)
        self.poller = FakePoller()
        self.owner = FakeOwner()
        self.protocol = self.owner.protocol
        self.connection = Connection(self.poller, opener or FakeOpener(self.socket), DESTINATION, self.owner)
        self.owner.connection = self.connection

    @property
    def events(self):
        return self.poller.waiting.get(1000)

    def opened(self):
        self.connection.open()
        return self

    def connected(self):
        self.connection.open()
        self.connection.ready(EPOLLOUT)
        return self


def test_it_is_a_transport():
    verifyObject(ITransport, ConnectionSetup().connection)


def test_it_waits_for_the_connection_then_for_the_answer():
    bench = ConnectionSetup(errno.EINPROGRESS, 0).opened()
    assert (bench.events, bench.protocol.calls) == (EPOLLOUT, [])
    bench.connection.ready(EPOLLOUT)
    assert (bench.events, bench.protocol.calls) == (EPOLLIN, ["made"])


def test_a_connection_may_be_made_before_open_returns():
    bench = ConnectionSetup(0).opened()
    assert (bench.events, bench.protocol.calls) == (EPOLLIN, ["made"])


@pytest.mark.parametrize("pending", [errno.EALREADY, errno.EINPROGRESS])
def test_a_stale_event_is_not_taken_for_a_connection(pending):
    bench = ConnectionSetup(errno.EINPROGRESS, pending, pending, errno.EISCONN).opened()
    assert not bench.connection.ready(EPOLLOUT)
    assert not bench.connection.ready(EPOLLOUT | EPOLLHUP)
    assert bench.protocol.calls == []
    assert bench.connection.ready(EPOLLOUT), "there was something to take"
    assert bench.protocol.calls == ["made"]


@pytest.mark.parametrize("later", [False, True])
def test_a_refused_connection_is_told_and_closed(later):
    bench = ConnectionSetup(*([errno.EINPROGRESS] if later else []), errno.ECONNREFUSED).opened()
    bench.connection.ready(EPOLLERR | EPOLLHUP)
    assert bench.owner.outcomes == [Result(Code.L4CON, "connection refused")]
    assert bench.socket.closed
    assert bench.protocol.calls == []


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES])
def test_what_says_our_own_routing_table_is_our_fault_and_what_says_the_network_is_the_backends(number):
    bench = ConnectionSetup(number)
    bench.connection.open()
    assert isinstance(bench.owner.outcomes[0], LocalFault)
    bench = ConnectionSetup(errno.EINPROGRESS, number)
    bench.connection.open()
    bench.connection.ready(EPOLLOUT | EPOLLERR)
    assert bench.owner.outcomes[0].code is Code.L4CON


def test_no_socket_is_the_fault_of_this_machine():
    fault = LocalFault("descriptors", "too many open files")
    bench = ConnectionSetup(opener=FakeOpener(fault)).opened()
    assert bench.owner.outcomes == [fault]


def test_no_room_in_the_poller_is_the_fault_of_this_machine():
    bench = ConnectionSetup(errno.EINPROGRESS)
    bench.poller.error = errno.ENOSPC
    bench.opened()
    assert [outcome.reason for outcome in bench.owner.outcomes] == ["descriptors"]
    assert bench.socket.closed


def test_what_the_protocol_writes_goes_out_at_once():
    bench = ConnectionSetup(errno.EINPROGRESS, 0)
    bench.protocol.on_made = lambda transport: transport.write(b"request")
    bench.connected()
    assert bench.socket.sent == b"request"
    assert bench.events == EPOLLIN


def test_what_the_kernel_does_not_take_goes_out_later():
    bench = ConnectionSetup(errno.EINPROGRESS, 0)
    bench.socket.room = 3
    bench.protocol.on_made = lambda transport: transport.writeSequence([b"req", b"uest"])
    bench.connected()
    assert (bench.socket.sent, bench.events) == (b"req", EPOLLIN | EPOLLOUT)
    bench.connection.write(b"!")
    bench.connection.ready(EPOLLOUT)
    assert bench.socket.sent == b"req"
    bench.socket.room = 100
    bench.connection.ready(EPOLLOUT)
    assert (bench.socket.sent, bench.events) == (b"request!", EPOLLIN)


def test_a_send_that_fails_ends_the_connection_after_the_protocol_had_its_turn():
    bench = ConnectionSetup(errno.EINPROGRESS, 0)
    bench.socket.send_error = OSError(errno.EPIPE, "broken pipe")
    during = []

    def write(transport):
        transport.write(b"request")
        during.append(list(bench.protocol.calls))

    bench.protocol.on_made = write
    bench.connected()
    assert during == [["made"]]
    assert bench.protocol.calls == ["made", ConnectionLost]
    assert os.strerror(errno.EPIPE) in bench.protocol.lost_text
    assert bench.socket.closed


@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.ENOMEM])
def test_no_memory_to_send_is_the_fault_of_this_machine(number):
    bench = ConnectionSetup(errno.EINPROGRESS, 0)
    bench.socket.send_error = OSError(number, "no memory")
    bench.protocol.on_made = lambda transport: transport.write(b"request")
    bench.connected()
    assert [outcome.reason for outcome in bench.owner.outcomes] == ["memory"]
    assert bench.protocol.calls == ["made", ConnectionAborted]


def test_data_are_read_as_they_come_and_the_end_is_told_once():
    bench = ConnectionSetup(0).opened()
    bench.socket.incoming = [b"a" * (READ_SIZE + 1)]
    assert [bench.connection.ready(EPOLLIN) for _ in range(3)] == [True, True, False]
    bench.socket.incoming = [b""]
    assert [bench.connection.ready(EPOLLIN | EPOLLHUP) for _ in range(2)] == [True, False]
    assert bench.protocol.calls == ["made", b"a" * READ_SIZE, b"a", ConnectionDone]
    assert bench.socket.closed
    assert bench.poller.waiting == {}


def test_a_reset_is_told_with_its_name():
    bench = ConnectionSetup(0).opened()
    bench.socket.incoming = [ConnectionResetError(errno.ECONNRESET, "reset")]
    assert bench.connection.ready(EPOLLERR)
    assert bench.protocol.calls == ["made", ConnectionLost]
    assert os.strerror(errno.ECONNRESET) in bench.protocol.lost_text


def test_it_ends_with_a_reset_and_the_protocol_can_let_go():
    bench = ConnectionSetup(0).opened()
    bench.connection.abortConnection()
    bench.connection.abortConnection()
    bench.connection.loseConnection()
    assert bench.socket.options[-1] == LINGER
    assert bench.protocol.calls == ["made", ConnectionAborted]


def test_the_handshake_ends_with_what_is_sent_or_when_the_backend_is_to_speak_first():
    bench = ConnectionSetup(0).opened()
    delayed, at_once = ((socket.IPPROTO_TCP, socket.TCP_QUICKACK, value) for value in (0, 1))
    assert bench.socket.options == [delayed]
    bench.connection.acknowledge()
    assert bench.socket.options == [delayed, at_once]
    bench.connection.abortConnection()
    bench.connection.acknowledge()
    assert bench.socket.options[-1] == LINGER


def test_a_connection_that_is_not_known_to_be_made_also_ends_with_a_reset():
    bench = ConnectionSetup(errno.EINPROGRESS).opened()
    bench.connection.abortConnection()
    assert bench.socket.options[-1] == LINGER
    assert bench.socket.closed
    assert bench.protocol.calls == []


def test_an_abort_from_within_a_protocol_call_is_safe():
    bench = ConnectionSetup(errno.EINPROGRESS, 0)
    bench.protocol.on_made = lambda transport: transport.abortConnection()
    bench.connected()
    assert bench.protocol.calls == ["made", ConnectionAborted]
    assert bench.poller.waiting == {}

    bench = ConnectionSetup(0).opened()
    bench.protocol.on_data = lambda data: bench.connection.abortConnection()
    bench.socket.incoming = [b"x", b"y"]
    bench.connection.ready(EPOLLIN)
    bench.connection.ready(EPOLLIN)
    assert bench.protocol.calls == ["made", b"x", ConnectionAborted]


def test_nothing_is_written_to_a_closed_connection():
    bench = ConnectionSetup(0).opened()
    bench.connection.abortConnection()
    bench.connection.write(b"late")
    assert bench.socket.sent == b""


def test_a_bug_is_the_owners_matter_only_while_the_connection_is_its():
    bench = ConnectionSetup(0).opened()
    bench.connection.crash()
    assert bench.owner.crashes == 1
    bench.connection.abortConnection()
    bench.connection.crash()
    assert bench.owner.crashes == 1


def test_it_knows_both_addresses():
    bench = ConnectionSetup(0)
    assert bench.connection.getHost().port == 0
    bench.opened()
    assert (bench.connection.getPeer().host, bench.connection.getPeer().port) == ("127.0.0.1", 80)
    assert bench.connection.getHost().port == 40000
    v6 = Connection(bench.poller, FakeOpener(), Destination(socket.AF_INET6, ("::1", 80, 0, 0)), bench.owner)
    assert v6.getPeer().type == "TCP"
    assert v6.getPeer().host == "::1"


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("own", "other"),
    [(("127.0.0.1", 80), ("127.0.0.1", 80)), (("::1", 80, 0, 0), ("::1", 80, 0, 0))],
)
def test_a_port_that_is_connected_to_itself_is_not_open(later, own, other):
    bench = ConnectionSetup(*([errno.EINPROGRESS] if later else []), 0)
    bench.socket.own, bench.socket.other = own, other
    bench.opened()
    bench.connection.ready(EPOLLOUT)
    assert [(outcome.code, outcome.detail[:19]) for outcome in bench.owner.outcomes] == [
        (Code.L4CON, "connected to itself")
    ]
    assert bench.socket.closed
    assert bench.protocol.calls == []


@pytest.mark.parametrize("other", [("127.0.0.2", 80), OSError(errno.ENOTCONN, "not connected")])
def test_the_same_port_at_another_address_is_another_end(other):
    bench = ConnectionSetup(0)
    bench.socket.own, bench.socket.other = ("127.0.0.1", 80), other
    assert bench.opened().protocol.calls == ["made"]


class FakeKeeper:
    def __init__(self):
        self.closings = 0

    def closed(self):
        self.closings += 1


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.ENOMEM])
def test_a_connection_that_lingers_tells_its_owner_nothing_more(number):
    bench = ConnectionSetup(0).opened()
    keeper = FakeKeeper()
    bench.connection.linger(keeper)
    bench.socket.incoming = [b"more", OSError(number, "failed")]
    bench.connection.ready(EPOLLIN)
    assert keeper.closings == 0
    bench.connection.ready(EPOLLIN)
    bench.connection.abortConnection()
    assert bench.protocol.calls == ["made", b"more", ConnectionLost]
    assert (bench.owner.outcomes, keeper.closings, bench.socket.closed) == ([], 1, True)


def test_a_bug_while_it_lingers_closes_it():
    bench = ConnectionSetup(0).opened()
    keeper = FakeKeeper()
    bench.connection.linger(keeper)
    bench.connection.crash()
    assert (bench.owner.crashes, keeper.closings, bench.socket.closed) == (0, 1, True)


def test_our_side_can_be_closed_alone():
    bench = ConnectionSetup()
    bench.protocol.on_data = lambda data: bench.connection.loseWriteConnection()
    bench.connection.open()
    bench.socket.incoming = [b"R"]
    bench.connection.ready(EPOLLIN)
    assert bench.socket.shut == [socket.SHUT_WR]
    assert not bench.socket.closed
    bench.socket.incoming = [b""]
    bench.connection.ready(EPOLLIN)
    assert bench.protocol.calls == ["made", b"R", ConnectionDone]
    bench.connection.loseWriteConnection()
    assert bench.socket.shut == [socket.SHUT_WR]


def test_our_side_of_a_broken_connection_need_not_be_closed():
    bench = ConnectionSetup()
    bench.protocol.on_data = lambda data: bench.connection.loseWriteConnection()
    bench.connection.open()
    bench.socket.incoming = [b"R"]
    bench.socket.shut_error = OSError(errno.ENOTCONN, "not connected")
    bench.connection.ready(EPOLLIN)
    assert bench.protocol.calls == ["made", b"R", ConnectionLost]
    assert bench.socket.closed
