"""Listeners by description: TCP as Twisted has it, and UNIX sockets that outlive a killed process."""

from __future__ import annotations

import os
import socket
import stat

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import MemoryReactor

from maglev.model.errors import StartError
from maglev.model.listen_address import strport
from maglev.runtime.listening import listening


@pytest.fixture
def path(tmp_path):
    return tmp_path / "odd:name=" / "x.sock"


def service(path, with_reactor=reactor):
    return listening(with_reactor, strport("--metrics-addr", f"unix:{path}"), ServerFactory())


def leave_behind(path):
    """Leave what a killed process leaves: a socket that nobody serves, and the file that it had locked."""
    path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(path))
    path.with_name(f"{path.name}.lock").touch()


def test_tcp_is_left_to_twisted():
    memory = MemoryReactor()
    listening(memory, strport("--metrics-addr", "[::1]:9091"), ServerFactory()).startService()

    assert [(server[0], server[3]) for server in memory.tcpServers] == [(9091, "::1")]


@pytest_twisted.ensureDeferred
async def test_a_socket_is_for_owner_and_group_and_goes_with_the_service(path):
    listener = service(path)
    listener.privilegedStartService()
    listener.startService()
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    await listener.stopService()
    assert not path.exists()
    listener.startService()
    assert path.is_socket()
    await listener.stopService()


@pytest_twisted.ensureDeferred
async def test_a_socket_left_behind_by_a_killed_process_is_replaced(path):
    leave_behind(path)
    listener = service(path)
    listener.startService()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    await listener.stopService()


@pytest_twisted.ensureDeferred
async def test_a_lock_of_twisted_with_our_own_process_id_is_not_an_obstacle(path):
    leave_behind(path)
    lock = path.with_name(f"{path.name}.lock")
    lock.unlink()
    lock.symlink_to(str(os.getpid()))
    listener = service(path)
    listener.startService()
    await listener.stopService()


@pytest_twisted.ensureDeferred
async def test_two_do_not_listen_on_one_path(path):
    listener = service(path)
    listener.startService()
    with pytest.raises(StartError, match="another process listens there"):
        service(path).startService()
    assert path.is_socket()
    await listener.stopService()


@pytest_twisted.ensureDeferred
async def test_a_service_that_never_listened_stops():
    await service("/proc/no/such/x.sock").stopService()


def test_what_is_not_a_socket_stays(path):
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(StartError, match="is not a socket"):
        service(path).startService()

    assert path.read_text() == "precious"
