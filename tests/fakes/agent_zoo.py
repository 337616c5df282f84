"""Agents of every kind, as HAProxy's manual describes them and as it does not, and what HAProxy makes of each."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self


class Speech(NamedTuple):
    """What an agent says.

    Attributes:
        sent: The bytes, in pieces that are sent 50 ms apart.
        code: Code of our result.
        word: What holds after it, in our words.
        ends: How it ends: ``close``, ``reset``, or ``stay`` until the client closes.
        differs: Whether HAProxy makes something else of it, and why; empty if it does not.
    """

    sent: tuple[bytes, ...]
    code: str
    word: str = "up"
    ends: str = "close"
    differs: str = ""


ZOO = (
    Speech((b"up\n",), "L7OK"),
    Speech((b"up\r\n",), "L7OK"),
    Speech((b"UP ready 75%\n",), "L7OK", "75%"),
    Speech((b"75%\n",), "L7OK", "75%"),
    Speech((b"\t75%,ready ,up\n",), "L7OK", "75%"),
    Speech((b"0%\n",), "L7OK", "0%"),
    Speech((b"100%\n",), "L7OK"),
    Speech((b"200%\n",), "L7OK", differs="an agent raises nothing"),
    Speech((b"drain\n",), "L7OK", "drain"),
    Speech((b"maint\n",), "L7OK", "maint"),
    Speech((b"drain ready\n",), "L7OK"),
    Speech((b"Drain,50%\n",), "L7OK", "drain 50%"),
    Speech((b"down\n",), "L7STS", "down"),
    Speech((b"down #disk is full\n",), "L7STS", "down"),
    Speech((b"down#disk\n",), "L7RSP"),
    Speech((b"fail\n",), "L7STS", "fail"),
    Speech((b"stopped # by hand, up\n",), "L7STS", "stopped"),
    Speech((b"down up\n",), "L7OK"),
    Speech((b"up down\n",), "L7STS", "down"),
    Speech((b"maxconn:30\n",), "L7OK"),
    Speech((b"maxconn:30 40%\n",), "L7OK", "40%"),
    Speech((b"#down\n",), "L7RSP"),
    Speech((b"\n",), "L7RSP"),
    Speech((b"\ndown\n",), "L7RSP"),
    Speech((b"40% odd\n",), "L7OK", "40%"),
    Speech((b"odd 40%\n",), "L7OK", "40%"),
    Speech((b"odd\n",), "L7RSP"),
    Speech((b"-40%\n",), "L7RSP"),
    Speech((b"40.5%\n",), "L7RSP"),
    Speech((b"40\n",), "L7RSP"),
    Speech((b"40 %\n",), "L7RSP"),
    Speech((b"40%\ndown\n",), "L7OK", "40%"),
    Speech((b"40%\n",), "L7OK", "40%", ends="stay"),
    Speech((b"40%\n", b"x" * 4096, b"x" * 4096), "L7OK", "40%"),
    Speech((b"d", b"o", b"w", b"n", b"\n"), "L7STS", "down"),
    Speech((b"down",), "L7RSP"),
    Speech((b"",), "L7RSP"),
    Speech((b"down",), "L7RSP", ends="reset"),
    Speech((b"HTTP/1.1 200 OK\r\n\r\n",), "L7RSP"),
    Speech((b"\xff\xfe\x80\x1b[31m\n",), "L7RSP"),
    Speech((b"\x16\x03\x01\x02\n",), "L7RSP"),
)


class AgentServer:
    """Answers a request ``N`` LF with the Nth speech; use it as a context manager.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        asked: How often each speech was made to the end.
    """

    def __enter__(self) -> Self:
        self.asked: Counter[int] = Counter()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                connection.settimeout(60)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while not request.endswith(b"\n"):
                data = connection.recv(64)
                if not data:
                    return
                request += data
            number = int(request)
            try:
                self._speak(connection, ZOO[number])
            finally:
                self.asked[number] += 1

    def _speak(self, connection: socket.socket, speech: Speech) -> None:
        for index, piece in enumerate(speech.sent):
            time.sleep(0.05 if index else 0)
            connection.sendall(piece)
        if speech.ends == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        if speech.ends == "close":
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


_GLOBAL = """
global
  stats socket {folder}/haproxy.sock
defaults
  mode tcp
  timeout connect 5s
  timeout client 5s
  timeout server 5s
"""

_BACKEND = """
backend b{number}
  balance roundrobin
  server s 127.0.0.1:9 weight 100 agent-check agent-port {port} agent-inter 500ms agent-send "{number}\\n"
"""


def find_haproxy() -> str | None:
    """Return the path of the program, if it is installed."""
    return shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def ask_haproxy(folder: Path, server: AgentServer) -> list[str]:
    """Let HAProxy ask every agent twice; return what it makes of each server, in our words."""
    program = find_haproxy()
    assert program is not None
    configuration = folder / "haproxy.cfg"
    backends = (_BACKEND.format(number=number, port=server.port) for number in range(len(ZOO)))
    configuration.write_text(_GLOBAL.format(folder=folder) + "".join(backends))
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", str(configuration)], stderr=log, stdout=log)
        try:
            deadline = time.monotonic() + 60
            # When one has been asked for the third time, HAProxy is through with what it heard at first.
            while time.monotonic() < deadline and min(server.asked[number] for number in range(len(ZOO))) < 3:
                time.sleep(0.2)
            rows = [row for row in _stat(folder / "haproxy.sock") if row["svname"] == "s"]
        finally:
            process.terminate()
            process.wait(60)
    return [_in_words(row) for row in rows]


def _in_words(row: dict[str, str]) -> str:
    """Return the state of a server and its weight."""
    status, weight = row["status"].split()[0], int(row["weight"])
    order = {"MAINT": "maint", "DRAIN": "drain"}.get(status, "")
    down = "down" if status == "DOWN" else ""
    percent = f"{weight}%" if weight != 100 else ""
    return " ".join(filter(None, (down, order, percent))) or "up"


def _stat(path: Path) -> list[dict[str, str]]:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(path))
        stream.sendall(b"show stat -1 4 -1\n")
        text = b""
        while data := stream.recv(65536):
            text += data
    return list(csv.DictReader(io.StringIO(text.decode("latin-1"))))
