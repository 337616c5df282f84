"""The console as a service: what it listens on, what it leaves behind, and what importing it does."""

from __future__ import annotations

import subprocess
import sys

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.testing import MemoryReactorClock

from maglev.model.errors import StartError
from maglev.ssh.hostkey import FILE_NAME
from maglev.ssh.service import FAREWELL
from tests.fakes.console import ConsoleFolder
from tests.fakes.logs import recorded_events
from tests.fakes.ssh_client import SshWire


@pytest.fixture
def folder(tmp_path):
    return ConsoleFolder(tmp_path)


class ClosingReactor(MemoryReactorClock):
    """A reactor whose ports can be closed."""


def test_it_listens_and_says_where_and_with_which_key(folder):
    memory = ClosingReactor()
    service = folder.service(memory, "tcp:2222:interface=127.0.0.1")
    with recorded_events() as events:
        service.privilegedStartService()
        service.startService()

    assert [(port, interface) for port, _, _, interface in memory.tcpServers] == [(2222, "127.0.0.1")]
    started = dict(events)["ssh-start"]
    assert started["address"] == "tcp:2222:interface=127.0.0.1"
    assert started["host_key"].startswith("SHA256:")


def test_a_bad_host_key_refuses_the_start(folder):
    state = folder.path / "state"
    state.mkdir()
    (state / FILE_NAME).write_bytes(b"rubbish")
    (state / FILE_NAME).chmod(0o600)

    with pytest.raises(StartError):
        folder.service(ClosingReactor()).startService()


def test_mistakes_in_key_files_are_told_at_the_start(folder):
    folder.viewers.write_text("ssh-ed25519 rubbish vera\n")
    with recorded_events() as events:
        folder.service(ClosingReactor()).startService()

    told = dict(events)["ssh-key-refused"]
    assert (told["file"], told["line"]) == (str(folder.viewers), 1)


def test_two_consoles_in_one_process_do_not_know_of_each_other(tmp_path):
    services = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        memory = ClosingReactor()
        service = ConsoleFolder(tmp_path / name).service(memory)
        service.startService()
        services.append((service, memory.tcpServers[0][1]))

    (one, house), (two, other) = services
    assert house.privateKeys != other.privateKeys
    wire = SshWire()
    wire.protocol = house.buildProtocol(None)
    wire.protocol.makeConnection(wire)
    assert (len(house.connections), len(other.connections)) == (1, 0)
    wire.lose()
    assert one.logins is not two.logins


def test_stopping_gives_clients_a_moment_and_then_cuts_them_off(folder):
    memory = ClosingReactor()
    service = folder.service(memory)
    service.startService()
    house = memory.tcpServers[0][1]
    wire = SshWire()
    wire.protocol = house.buildProtocol(None)
    wire.protocol.makeConnection(wire)
    stopped = service.stopService()
    assert wire.disconnecting
    assert not stopped.called
    memory.advance(FAREWELL)

    assert wire.aborted
    assert stopped.called
    assert house.connections == set()


@pytest_twisted.ensureDeferred
async def test_a_port_that_is_taken_refuses_the_start(folder):
    taken = reactor.listenTCP(0, ClientFactory(), interface="127.0.0.1")
    service = folder.service(reactor, f"tcp:{taken.getHost().port}:interface=127.0.0.1")
    try:
        with pytest.raises(CannotListenError):
            service.startService()
    finally:
        await maybeDeferred(taken.stopListening)


class SilentClient(Protocol):
    """A client that says nothing, or junk, and notes when it is cut off."""

    def __init__(self, junk):
        self.junk = junk
        self.lost = Deferred()

    def connectionMade(self):
        if self.junk:
            self.transport.write(self.junk)

    def connectionLost(self, reason=None):
        self.lost.callback(None)


@pytest_twisted.ensureDeferred
async def test_a_service_on_a_unix_socket_starts_serves_and_stops(folder):
    path = folder.path / "console.sock"
    service = folder.service(reactor, f"unix:{path}")
    service.startService()
    factory = ClientFactory()
    client = SilentClient(b"junk\n" * 2000)
    factory.buildProtocol = lambda _: client
    reactor.connectUNIX(str(path), factory)
    await client.lost
    await service.stopService()

    assert not path.exists()


def test_importing_the_console_installs_no_reactor():
    program = "import sys, maglev.ssh.service, maglev.metrics.ssh; sys.exit('twisted.internet.reactor' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
