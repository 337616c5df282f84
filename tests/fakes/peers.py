"""Real peers for probes: servers that behave as the test says, and network namespaces to put them in."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from maglev.healthcheck.probers.netns import NetworkNamespace
from tests.fakes.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

RESET = struct.pack("ii", 1, 0)


class ScriptedServer:
    """A server in a thread of its own, for use as a context manager; the script has each connection in turn.

    Attributes:
        port: Where it listens.
        stopping: Set at the end, for scripts that wait.
        heard: What scripts received, and from where.
    """

    def __init__(
        self,
        script: Callable[[ScriptedServer, socket.socket], None],
        *,
        address: str = "127.0.0.1",
        tls: tuple[Path, Path] | None = None,
        namespace: str | None = None,
    ) -> None:
        self._script = script
        self._tls = None
        if tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if namespace is None:
            self._listener = socket.create_server((address, 0), family=family, backlog=128)
        else:
            inside = NetworkNamespace(namespace)
            self._listener = inside.call(socket.create_server, (address, 0), family=family, backlog=128)
            inside.close()
        self.port = self._listener.getsockname()[1]
        self.stopping = threading.Event()
        self.heard: list[tuple[bytes, tuple]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            connection.settimeout(60)
            with connection, contextlib.suppress(OSError):
                if self._tls is None:
                    self._script(self, connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as session:
                        self._script(self, session)

    def listen_to(self, connection: socket.socket) -> bytes:
        """Receive a request, and keep it."""
        data = connection.recv(65536)
        self.heard.append((data, connection.getpeername()))
        return data


def answer(*pieces: bytes) -> Callable[[ScriptedServer, socket.socket], None]:
    """Return a script that waits for a request and sends these."""

    def script(peer: ScriptedServer, connection: socket.socket) -> None:
        peer.listen_to(connection)
        for piece in pieces:
            connection.sendall(piece)

    return script


def drip(data: bytes, pause: float) -> Callable[[ScriptedServer, socket.socket], None]:
    """Return a script that sends a byte, pauses, and so on for ever."""

    def script(peer: ScriptedServer, connection: socket.socket) -> None:
        while True:
            for byte in data:
                connection.sendall(bytes([byte]))
                if peer.stopping.wait(pause):
                    return

    return script


def flood(first: bytes, piece: bytes) -> Callable[[ScriptedServer, socket.socket], None]:
    """Return a script that waits for a request and sends a beginning, and then the same piece for ever."""

    def script(peer: ScriptedServer, connection: socket.socket) -> None:
        peer.listen_to(connection)
        connection.sendall(first)
        while not peer.stopping.is_set():
            connection.sendall(piece)

    return script


def silence(peer: ScriptedServer, connection: socket.socket) -> None:
    """Script that accepts and says nothing until the other end closes."""
    while connection.recv(65536):
        pass


def hang_up(peer: ScriptedServer, connection: socket.socket) -> None:
    """Script that closes after the first bytes."""
    connection.recv(65536)


def reset_after(data: bytes) -> Callable[[ScriptedServer, socket.socket], None]:
    """Return a script that waits for a request, sends these, waits until they are taken, and resets."""

    def script(peer: ScriptedServer, connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)
        while unread(connection) and not peer.stopping.wait(0.01):  # a reset overtakes what is not yet read
            pass
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    return script


def unread(connection: socket.socket) -> bool:
    """Return whether the other end of a connection over IPv4, in this namespace, has not yet read all that was sent."""
    ends = " ".join(_as_in_proc(*end) for end in (connection.getpeername(), connection.getsockname()))
    for _ in range(3):  # the kernel may leave out a line while its table changes
        for line in Path("/proc/net/tcp").read_text().splitlines():
            if ends in line:
                _, waiting = line.split()[4].split(":")
                return int(waiting, 16) > 0
    return False


def _as_in_proc(address: str, port: int) -> str:
    number = int.from_bytes(socket.inet_aton(address), sys.byteorder)
    return f"{number:08X}:{port:04X}"


def refusing_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    return free_port()


@functools.cache
def why_no_namespaces() -> str | None:
    """Return why network namespaces can't be made here; None if they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2"
    probe = Namespace("try")
    try:
        with probe:
            return None
    except subprocess.CalledProcessError as error:
        return f"network namespaces can't be made: {error.stderr.strip()}"


class Namespace:
    """A network namespace with a working loopback, for use as a context manager.

    Attributes:
        name: As for ``ip netns``; unique to this process.
    """

    def __init__(self, name: str) -> None:
        self.name = f"maglevtest-{os.getpid()}-{name}"

    def __enter__(self) -> Self:
        run_ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        return self

    def __exit__(self, *_exc_info: object) -> None:
        run_ip("netns", "del", self.name)

    def ip(self, *words: str) -> None:
        """Run ``ip`` inside."""
        run_ip("-n", self.name, *words)

    def set(self, key: str, value: str) -> None:
        """Set a kernel parameter (``net.*``) inside."""
        path = f"/proc/sys/{key.replace('.', '/')}"
        _run("ip", "netns", "exec", self.name, "sh", "-c", f"echo '{value}' > {path}")


def run_ip(*words: str) -> None:
    """Run ``ip``."""
    _run("ip", *words)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True)
