"""A zoo of odd HTTP answers, and what it takes to show it to HAProxy: every client judges some of them its own way."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import shutil
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    Results = list[tuple[str, str]]

OK = b"HTTP/1.1 200 OK\r\n"
WELL = b"all is well\n"
LENGTH = b"Content-Length: 12\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"c\r\nall is well\n\r\n0\r\n\r\n"
TYPE = b"Content-Type: text/plain\r\n"


class Odd(NamedTuple):
    """One answer.

    Attributes:
        name: What is odd about it, for a person.
        sent: The bytes, in pieces that are sent 50 ms apart.
        stays: Whether the server then waits for the client to close.
        why: Which of `REASONS` makes HAProxy's result another one; empty if it is the same.
    """

    name: str
    sent: tuple[bytes, ...]
    stays: bool = False
    why: str = ""


REASONS = {
    "headers": "HAProxy forwards headers and refuses odd ones; a probe takes its verdict from the status line.",
    "size": "HAProxy's buffer has room for 100 headers and 16 KiB; a probe's limit is 64 KiB.",
    "length": "Without a usable length the body ends with the connection.",
    "coding": "The transfer coding is unknown or not final, so the body ends with the connection (RFC 9112, 6.3).",
    "codings": "HAProxy knows chunked alone; a probe reads lists (RFC 9110, 5.6.1), and ignores identity, like curl.",
    "chunks": "Only a regexp needs the chunks. It is matched against what came before the broken one.",
    "interim": "1xx answers are skipped (RFC 9110, 15.2); HAProxy takes the first one for the answer.",
    "end": "A regexp is matched when the body is complete; HAProxy matches while it arrives.",
    "protocol": "RTSP is not HTTP; HAProxy matches the status only.",
}
"""Why a probe judges another way than HAProxy."""


def _odd(name: str, *sent: bytes, stays: bool = False, why: str = "") -> Odd:
    return Odd(name, sent, stays, why)


def _coded(codings: bytes) -> bytes:
    return b"Transfer-Encoding:" + codings + b"\r\n\r\n"


ZOO = (
    # Line ends
    _odd("line feeds only", b"HTTP/1.1 200 OK\nContent-Type: text/plain\n\n" + WELL),
    _odd("line feeds only, 503", b"HTTP/1.1 503 Service Unavailable\nContent-Type: text/plain\n\nsick\n"),
    _odd("line feed after the status line only", b"HTTP/1.1 200 OK\n" + LENGTH + b"\r\n" + WELL),
    _odd("line feed instead of the empty line", OK + LENGTH + b"\n" + WELL),
    _odd("line feeds in chunk framing", OK + CHUNKED + b"\r\nc\nall is well\n\n0\n\n"),
    _odd("carriage returns only", b"HTTP/1.1 200 OK\rContent-Length: 12\r\r" + WELL),
    _odd("two carriage returns per line", b"HTTP/1.1 200 OK\r\r\nContent-Length: 12\r\r\n\r\r\n" + WELL, why="headers"),
    _odd("empty lines before the answer", b"\r\n\r\n" + OK + LENGTH + b"\r\n" + WELL),
    _odd("a line feed before the answer", b"\n" + OK + LENGTH + b"\r\n" + WELL),
    # The status line
    _odd("no reason phrase", b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\n" + WELL),
    _odd("no reason phrase, no space", b"HTTP/1.1 200\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("two spaces before the status", b"HTTP/1.1  200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("a tab before the status", b"HTTP/1.1\t200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("reason phrase in Latin-1", b"HTTP/1.1 200 d\xe9j\xe0\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("reason phrase in UTF-8", "HTTP/1.1 200 ✓\r\n".encode() + LENGTH + b"\r\n" + WELL),
    _odd("NUL in the reason phrase", b"HTTP/1.1 200 O\0K\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("escape sequence in the reason phrase", b"HTTP/1.1 200 \x1b[31mOK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + TYPE + b"\r\n" + WELL),
    _odd("HTTP/1.2", b"HTTP/1.2 200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("HTTP/0.9 in a status line", b"HTTP/0.9 200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("HTTP/2.0 in a status line", b"HTTP/2.0 200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("HTTP/2 in a status line", b"HTTP/2 200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("HTTP/1.10", b"HTTP/1.10 200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("lower case http", b"http/1.1 200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("ICY, as of Shoutcast", b"ICY 200 OK\r\n" + TYPE + b"\r\n" + WELL),
    _odd("RTSP", b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", why="protocol"),
    _odd("HTTP/0.9: only a body", b"<html>all is well</html>\n"),
    _odd("status of two digits", b"HTTP/1.1 20 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("status of four digits", b"HTTP/1.1 2000 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("status of letters", b"HTTP/1.1 abc OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("negative status", b"HTTP/1.1 -200 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("status joined to its phrase", b"HTTP/1.1 200OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("status line and nothing else", b"HTTP/1.1 200 OK\r\n"),
    _odd("status line without its end", b"HTTP/1.1 200 OK"),
    _odd("status 000", b"HTTP/1.1 000 OK\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("status 999", b"HTTP/1.1 999 OK\r\n" + LENGTH + b"\r\n" + WELL),
    # Header lines
    _odd("no header at all", OK + b"\r\n" + WELL),
    _odd("line without a colon", OK + b"no colon here\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("line without a colon, 503", b"HTTP/1.1 503 No\r\nno colon here\r\n\r\n", why="headers"),
    _odd("empty header name", OK + b": empty\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("space before the colon", OK + b"Content-Type : text/plain\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("space within the name", OK + b"Content Type: text/plain\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("folded value", OK + b"X: a\r\n  b\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("folded line first", OK + b"  b\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("NUL in a value", OK + b"X: a\0b\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("NUL in a name", OK + b"X\0Y: a\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("control character in a value", OK + b"X: \x01\x7f\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("Latin-1 in a value", OK + b"X: \xe9\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("Latin-1 in a name", OK + b"\xe9: x\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("carriage return in a value", OK + b"X: a\rb\r\n" + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("empty value", OK + b"X:\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("status line twice", OK + OK + LENGTH + b"\r\n" + WELL, why="headers"),
    _odd("200 headers", OK + b"".join(b"X-%d: y\r\n" % n for n in range(200)) + LENGTH + b"\r\n" + WELL, why="size"),
    _odd("a header of 20 KB", OK + b"X: " + b"y" * 20000 + b"\r\n" + LENGTH + b"\r\n" + WELL, why="size"),
    _odd("headers without an end", OK + LENGTH),
    # Lengths
    _odd("a header of 66,000 bytes", OK + b"X: " + b"y" * 66000 + b"\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("Content-Length and chunked", OK + LENGTH + CHUNKED + b"\r\n" + CHUNKS),
    _odd("chunked and Content-Length", OK + CHUNKED + LENGTH + b"\r\n" + CHUNKS),
    _odd("Content-Length twice, the same", OK + LENGTH + LENGTH + b"\r\n" + WELL),
    _odd("Content-Length twice, not the same", OK + LENGTH + b"Content-Length: 3\r\n\r\n" + WELL, why="length"),
    _odd("Content-Length as a list", OK + b"Content-Length: 12, 12\r\n\r\n" + WELL),
    _odd("Content-Length of 30 digits", OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + WELL, why="length"),
    _odd("negative Content-Length", OK + b"Content-Length: -1\r\n\r\n" + WELL, why="length"),
    _odd("Content-Length with a plus", OK + b"Content-Length: +12\r\n\r\n" + WELL, why="length"),
    _odd("Content-Length in letters", OK + b"Content-Length: many\r\n\r\n" + WELL, why="length"),
    _odd("Content-Length empty", OK + b"Content-Length:\r\n\r\n" + WELL, why="length"),
    _odd("body shorter than its length", OK + b"Content-Length: 100\r\n\r\n" + WELL),
    _odd("body longer than its length", OK + b"Content-Length: 3\r\n\r\n" + WELL),
    _odd("body after a length of 0", OK + b"Content-Length: 0\r\n\r\n" + WELL),
    _odd("body until close, kept open", OK + TYPE + b"\r\n" + WELL, stays=True, why="end"),
    _odd("complete, kept open", OK + LENGTH + b"\r\n" + WELL, stays=True),
    # Transfer codings
    _odd("unknown transfer coding", OK + b"Transfer-Encoding: gzip\r\n\r\n" + WELL, why="coding"),
    _odd("identity as transfer coding", OK + b"Transfer-Encoding: identity\r\n\r\n" + WELL, why="coding"),
    _odd("chunked before gzip", OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKS, why="coding"),
    _odd("chunked twice", OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + CHUNKS, why="coding"),
    _odd("chunked, quoted", OK + b'Transfer-Encoding: "chunked"\r\n\r\n' + CHUNKS, why="coding"),
    _odd("empty codings, kept open", OK + _coded(b" , chunked ,") + CHUNKS, stays=True, why="codings"),
    _odd("an empty coding line, kept open", OK + CHUNKED + _coded(b"") + CHUNKS, stays=True),
    _odd("a tab after chunked, kept open", OK + _coded(b" chunked\t") + CHUNKS, stays=True),
    _odd("chunked in a folded line, kept open", OK + _coded(b"\r\n ,\r\n chunked") + CHUNKS, stays=True, why="codings"),
    _odd("gzip before chunked, kept open", OK + _coded(b"gzip, chunked") + CHUNKS, stays=True, why="codings"),
    _odd("identity and a length, kept open", OK + LENGTH + _coded(b"identity") + WELL, stays=True, why="codings"),
    _odd("chunked and no colon, kept open", OK + CHUNKED + b"x\r\n\r\n" + CHUNKS, stays=True, why="headers"),
    _odd("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n" + CHUNKS),
    _odd("chunk size not hexadecimal", OK + CHUNKED + b"\r\nxyz\r\nall is well\n\r\n0\r\n\r\n", why="chunks"),
    _odd("chunk size with spaces", OK + CHUNKED + b"\r\nc  \r\nall is well\n\r\n0\r\n\r\n"),
    _odd("chunk extensions", OK + CHUNKED + b"\r\nc;a=b\r\nall is well\n\r\n0\r\n\r\n"),
    _odd("chunk size of 20 digits", OK + CHUNKED + b"\r\n" + b"f" * 20 + b"\r\nall is well\n\r\n", why="chunks"),
    _odd("chunk longer than its size", OK + CHUNKED + b"\r\n3\r\nall is well\n\r\n0\r\n\r\n", why="chunks"),
    _odd("no last chunk", OK + CHUNKED + b"\r\nc\r\nall is well\n\r\n"),
    _odd("no chunks in spite of chunked", OK + CHUNKED + b"\r\n" + WELL, why="chunks"),
    _odd("trailers", OK + CHUNKED + b"\r\nc\r\nall is well\n\r\n0\r\nX: y\r\n\r\n"),
    # Other
    _odd("204 with a body", b"HTTP/1.1 204 No Content\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("304", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    _odd("100 before 200", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"\r\n" + WELL, why="interim"),
    _odd("100 before 200, line feeds", b"HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n\n" + WELL, why="interim"),
    _odd("103 before 503", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 503 No\r\n\r\n"),
    _odd("101", b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + WELL),
    _odd("200 with an upgrade", OK + b"Connection: upgrade\r\nUpgrade: x\r\n" + LENGTH + b"\r\n" + WELL),
    _odd("301", b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
    _odd("two answers", (OK + LENGTH + b"\r\n" + WELL) * 2),
    _odd("body compressed", OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\0\0"),
    _odd("status line in pieces", b"HT", b"TP/1.1 2", b"00 OK\r", b"\n" + LENGTH + b"\r", b"\n" + WELL),
    _odd("line feeds in pieces", b"HTTP/1.1 200 OK\nX:", b" y\n", b"\n", WELL),
    _odd("nothing", b""),
    _odd("nothing, kept open", b"", stays=True),
    _odd("headers, kept open", OK + LENGTH, stays=True),
    _odd("TLS alert", b"\x15\x03\x01\x00\x02\x02\x46"),
    _odd("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
    _odd("binary", b"\x00\xff\xfe\x80\r\n\r\n"),
)


class ZooServer:
    """Answers a request for ``/N`` with the Nth animal; use it as a context manager.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    def __enter__(self) -> Self:
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
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            found = re.match(rb"[A-Z]+ /(\d+) ", request)
            assert found is not None
            odd = ZOO[int(found[1])]
            for number, piece in enumerate(odd.sent):
                time.sleep(0.05 if number else 0)
                connection.sendall(piece)
            if not odd.stays:
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


_GLOBAL = """
global
  stats socket {folder}/haproxy.sock
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
"""

_BACKEND = """
backend {kind}{number}
  option httpchk
  http-check send meth GET uri /{number} ver HTTP/1.1 hdr Host zoo
  http-check expect status 200
  {more}
  timeout check {timeout}ms
  server s 127.0.0.1:{port} check inter 4s fall 1 rise 1
"""


def find_haproxy() -> str | None:
    """Return the path of the program, if it is installed."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")


def ask_haproxy(
    folder: Path, port: int, timeout_ms: int = 2000, satisfied: Callable[[Results], bool] = bool
) -> Results:
    """Let HAProxy check each animal; return the result codes: by the status, and by the status and a pattern.

    Args:
        folder: Where its files may be.
        port: Of the animals.
        timeout_ms: Of a check, milliseconds.
        satisfied: Returns whether the results are those that are wanted. If they are not, it is given the time to check
            again: on a busy machine, a check may be late.
    """
    program = find_haproxy()
    assert program is not None
    configuration = folder / "haproxy.cfg"
    text = _GLOBAL.format(folder=folder)
    for number in range(len(ZOO)):
        for kind, more in (("status", ""), ("body", "http-check expect rstring well")):
            text += _BACKEND.format(kind=kind, number=number, more=more, timeout=timeout_ms, port=port)
    configuration.write_text(text)
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-db", "-f", str(configuration)], stderr=log, stdout=log)
        try:
            return _results(folder / "haproxy.sock", satisfied)
        finally:
            process.terminate()
            process.wait(60)


def _results(path: Path, satisfied: Callable[[Results], bool]) -> Results:
    deadline = time.monotonic() + 60
    found: Results = []
    while time.monotonic() < deadline and not (found and satisfied(found)):
        time.sleep(0.2)
        try:
            rows = _stat(path)
        except OSError:
            continue
        codes = {row["# pxname"]: row["check_status"] for row in rows if row["svname"] == "s"}
        if codes and all(code not in {"", "INI"} and not code.startswith("*") for code in codes.values()):
            found = [(codes[f"status{number}"], codes[f"body{number}"]) for number in range(len(ZOO))]
    assert found, "HAProxy has not checked every server"
    return found


def _stat(path: Path) -> list[dict[str, str]]:
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(path))
        stream.sendall(b"show stat -1 4 -1\n")
        text = b""
        while data := stream.recv(65536):
            text += data
    return list(csv.DictReader(io.StringIO(text.decode())))
