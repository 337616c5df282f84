"""The backends: one nginx, on all addresses of loopback, for all programs that are compared."""

from __future__ import annotations

import math
import os
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

from tests.bench.place import SERVER_CORE, find_program, on_core

PORT = 18480
TLS_PORT = 18443
FULL_TLS_PORT = 18444
"""Where no session is ever resumed, so that each connection is a full handshake, whatever the client would like."""
SERVER_NAME = "backend.test"
PATH = "/healthz"

_CONFIGURATION = """
{user} daemon off; pid {folder}/pid; error_log {folder}/error.log crit; worker_processes 1;
worker_rlimit_nofile 65536;
events {{ worker_connections 32768; multi_accept on; }}
http {{
  log_format session '$ssl_session_reused';
  access_log off; server_tokens off; keepalive_timeout 60;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{ listen {port} backlog=32768; location / {{ return 200 "ok\\n"; }} }}
  {secure}
}}
"""
_SECURE = """
  server {{
    listen {port} ssl backlog=32768; access_log {folder}/sessions.log session;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_session_cache off; ssl_session_tickets {tickets};
    location / {{ return 200 "ok\\n"; }}
  }}
"""


class NotThereError(Exception):
    """A program that a measurement needs is not installed, or does not work here."""


def configuration(folder: Path, certificate: tuple[Path, Path] | None = None) -> str:
    """Return nginx's configuration; with a certificate and its key it serves TLS too."""
    secure = ""
    if certificate is not None:
        for port, tickets in ((TLS_PORT, "on"), (FULL_TLS_PORT, "off")):
            chain, key = certificate
            secure += _SECURE.format(folder=folder, port=port, tickets=tickets, chain=chain, key=key)
    user = "user root;" if os.geteuid() == 0 else ""
    return _CONFIGURATION.format(user=user, folder=folder, port=PORT, secure=secure)


class Backends:
    """A running nginx; use it as a context manager."""

    def __init__(self, folder: Path, certificate: tuple[Path, Path] | None = None) -> None:
        self._folder = folder / "nginx"
        self._folder.mkdir()
        (self._folder / "nginx.conf").write_text(configuration(self._folder, certificate))

    def __enter__(self) -> Self:
        program = find_program("nginx")
        if program is None:
            raise NotThereError("nginx is not installed")
        folder = str(self._folder)
        command = [program, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
        with on_core(SERVER_CORE):
            self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        wait_for_port(PORT)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def sessions(self) -> tuple[int, int]:
        """Return how many TLS connections brought a request so far, and how many of them resumed a session."""
        lines = (self._folder / "sessions.log").read_text().split()
        return len(lines), lines.count("r")


class Witness:
    """Asks nginx for its page, from time to time, as somebody who is not a checker: use it as a context manager.

    When a backend is called down, it tells whether that was wrong. A machine that is busy with other programs can keep
    nginx itself from answering in time.

    Attributes:
        slowest: The longest time to an answer so far, in seconds; infinite if one did not come.
        connects: How many connections it made.
    """

    GAP = 0.02
    PATIENCE = 5.0

    def __init__(self) -> None:
        self.slowest = 0.0
        self.connects = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self.GAP):
            start = time.monotonic()
            self.connects += 1
            try:
                self._ask()
            except OSError:
                self.slowest = math.inf
            self.slowest = max(self.slowest, time.monotonic() - start)

    def _ask(self) -> None:
        with socket.create_connection(("127.0.0.1", PORT), self.PATIENCE) as stream:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.sendall(b"GET / HTTP/1.1\r\nHost: witness\r\nConnection: close\r\n\r\n")
            if not stream.recv(4096):
                raise ConnectionError("closed without an answer")


def wait_for_port(port: int, address: str = "127.0.0.1") -> None:
    """Wait until something listens."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection((address, port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def address_of(index: int) -> str:
    """Return the address of a backend: 127.16.0.0/12, some 250 in each /24."""
    return f"127.{16 + index // 62500}.{index // 250 % 250}.{index % 250 + 1}"
