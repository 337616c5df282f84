"""A lost connection is freed at once: the cyclic collector may not run for thousands of them."""

from __future__ import annotations

import gc
import socket
import ssl
import struct
import weakref
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import pytest_twisted
from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.task import deferLater

from maglev.rpc.client.control import connect
from maglev.rpc.server.listening import TlsPort
from maglev.rpc.server.login import Login
from maglev.rpc.tls import TlsFiles
from maglev.runtime.listening import UnixSocket
from tests.fakes.certificates import Authority
from tests.rpc.test_listening import Served

pytestmark = pytest.mark.real


@contextmanager
def no_collector():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.fixture
def files(tmp_path):
    authority = Authority("ours")
    certificate, key = authority.issue(tmp_path, "localhost", "127.0.0.1")
    person = authority.issue_person(tmp_path, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "alice")]))
    root = authority.write_root(tmp_path)
    return TlsFiles(root, str(certificate), str(key)), TlsFiles(root, *map(str, person))


def hello():
    """Return the first message of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    out = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    return out.read()


async def until(condition, what):
    for _ in range(12_000):
        if condition():
            return
        await deferLater(reactor, 0.005)
    raise AssertionError(f"not so after a minute: {what()}")


async def arrived(service):
    """Return weak references to the only connection: its broker, and the transports below it."""
    await until(lambda: service._brokers, lambda: "a connection")
    (part,) = service._brokers
    parts = [weakref.ref(part)]
    while (part := getattr(part, "transport", None)) is not None:
        parts.append(weakref.ref(part))
    return parts


def left(parts):
    return [part() for part in parts if part() is not None]


def turn_away(service):
    for broker in tuple(service._brokers):  # the one that sent nonsense is gone
        broker.turn_away()


def vanish(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("said", ["nothing", "hello", "nonsense"])
@pytest.mark.parametrize("how", ["vanishes", "closes", "is turned away"])
@pytest.mark.parametrize("tls", [True, False])
@pytest_twisted.ensureDeferred
async def test_a_connection_that_never_logged_in(files, tmp_path, tls, how, said):
    path = str(tmp_path / "run" / "pb.sock")
    listener = TlsPort(reactor, "127.0.0.1", 0, files[0]) if tls else UnixSocket(reactor, path)
    async with Served(listener) as served:
        with no_collector():
            client = socket.socket(socket.AF_INET if tls else socket.AF_UNIX)
            client.connect(("127.0.0.1", served.port) if tls else path)
            parts = await arrived(served.service)
            client.sendall({"nothing": b"", "hello": hello(), "nonsense": b"\xff" * 64}[said])
            await deferLater(reactor, 0.05)
            if how == "is turned away":
                turn_away(served.service)
            elif how == "vanishes":
                vanish(client)
            client.close()
            await until(lambda: not left(parts), lambda: left(parts))


@pytest.mark.parametrize("tls", [True, False])
@pytest_twisted.ensureDeferred
async def test_a_client_that_logged_in(files, tmp_path, monkeypatch, tls):
    # Twisted keeps what is logged before logging begins, and with it the object that logs.
    monkeypatch.setattr(Login, "_log", SimpleNamespace(emit=lambda *_, **__: None))
    path = str(tmp_path / "run" / "pb.sock")
    listener = TlsPort(reactor, "127.0.0.1", 0, files[0]) if tls else UnixSocket(reactor, path)
    async with Served(listener) as served:
        with no_collector():
            client = await connect(reactor, f"tls:127.0.0.1:{served.port}" if tls else f"unix:{path}", files[1])
            parts = await arrived(served.service)
            await client.frontend("web")
            await client.close()
            await until(lambda: not left(parts), lambda: left(parts))
