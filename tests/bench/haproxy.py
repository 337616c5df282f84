"""HAProxy as a checker: a configuration that makes it do the same work as ours, and nothing else.

What it does was looked at with strace (version 2.6), and is what ours does: a TCP check connects with the last
acknowledgement of the handshake delayed and closes with a reset. An HTTP check adds ``Connection: close`` to the
request, reads the answer once, decides by the status line and closes. A TLS check resumes the session of the one before
it, of TLS 1.2 as of 1.3 (nginx's ``$ssl_session_reused`` agrees), unless the server has no tickets to give, or
``no-ssl-reuse`` says otherwise.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Self

from tests.bench.backends import FULL_TLS_PORT, PATH, PORT, SERVER_NAME, TLS_PORT, NotThereError, address_of
from tests.bench.place import CHECKER_CORE, find_program, on_core

NAME = "HAProxy"

_GLOBAL = """global
  nbthread 1
  stats socket {socket}
defaults
  mode {mode}
  timeout connect {timeout:.0f}ms
  timeout check {timeout:.0f}ms
  timeout server 10s
  timeout client 10s
backend all
"""
_HTTP = f"""  option httpchk
  http-check send meth GET uri {PATH} ver HTTP/1.1 hdr Host {SERVER_NAME} hdr User-Agent bench hdr Accept */*
"""


def configuration(
    socket: Path, kind: str, servers: int, interval: float, timeout: float, ca: Path | None = None
) -> str:
    """Return a configuration with so many servers.

    Args:
        socket: Where its command line listens: without any listener it does not start.
        kind: ``tcp``, ``http``, ``https`` or ``https-full`` (sessions can't be resumed).
        servers: How many.
        interval: Seconds between two checks of a server.
        timeout: Seconds that a check may take.
        ca: The authority that signed the backends' certificate, for TLS.
    """
    text = _GLOBAL.format(socket=socket, mode="tcp" if kind == "tcp" else "http", timeout=timeout * 1e3)
    if kind != "tcp":
        text += _HTTP
    port, options = PORT, ""
    if kind.startswith("https"):
        port = FULL_TLS_PORT if kind == "https-full" else TLS_PORT
        options = f" check-ssl verify required ca-file {ca} check-sni {SERVER_NAME} verifyhost {SERVER_NAME}"
    text += f"  default-server check inter {interval * 1e3:.0f}ms{options}\n"
    return text + "".join(f"  server s{index} {address_of(index)}:{port}\n" for index in range(servers))


class Haproxy:
    """A running HAProxy; use it as a context manager."""

    def __init__(self, folder: Path, text: str) -> None:
        self._path = folder / "haproxy.cfg"
        self._path.write_text(text)

    def __enter__(self) -> Self:
        program = find_program("haproxy")
        if program is None:
            raise NotThereError("HAProxy is not installed")
        with on_core(CHECKER_CORE), self._path.with_suffix(".log").open("wb") as log:
            self.process = subprocess.Popen([program, "-db", "-f", str(self._path)], stdout=log, stderr=log)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.process.kill()
        self.process.wait(10)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.process.pid

    def output(self) -> str:
        """Return what it wrote."""
        return self._path.with_suffix(".log").read_text()
