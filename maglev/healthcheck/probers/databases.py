"""The presets for MySQL and PostgreSQL: each begins a login, and ends it as the server wants it. No I/O.

MySQL (and MariaDB) greets first, and counts every connection that ends before the login is answered: after
``max_connect_errors`` of them it blocks the host. So the greeting alone would do harm; the login of a user without a
password is answered, and ended with ``COM_QUIT``. A refused login does not count, as it was answered.

PostgreSQL is sent the startup message of a login. It answers that it wants a password, for any user, or lets the
user in, and is ready. Either is proof enough. It logs nothing about a client that goes then, if it goes in order: by
closing its side, or with ``Terminate``.

Packets of more than 16 KiB are refused: what comes before the end of a login takes some hundred bytes.
"""

from __future__ import annotations

import struct
from typing import Final

from maglev.healthcheck.probers.dialogue import NO_ANSWER, Parting, Verdict, received
from maglev.model.result import Code
from maglev.model.text import printable

PACKET_LIMIT: Final = 1 << 14

ROUNDS: Final = 4
"""Packets of a login that are answered, at most."""

_MYSQL_HEADER: Final = 4
_PROTOCOL_10: Final = 10
_MYSQL_OK: Final = 0x00
_MYSQL_ERROR: Final = 0xFF
_MYSQL_MORE: Final = (0x01, 0xFE)  # more data for the plugin, or another plugin
_COM_QUIT: Final = b"\x01\0\0\0\x01"

# CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH
_CAPABILITIES: Final = 0x1 | 0x200 | 0x8000 | 0x80000
_UTF8: Final = 33
_LARGEST_PACKET: Final = 1 << 24

_PROTOCOL_3: Final = 3 << 16
_PG_HEADER: Final = struct.Struct("!cI")
_TERMINATE: Final = b"X\0\0\0\x04"
# NoticeResponse, NegotiateProtocolVersion; after the login ParameterStatus and BackendKeyData
_PG_NOTES: Final = (b"N", b"v", b"S", b"K")
PG_ROUNDS: Final = 64
"""Messages until the verdict, at most: a server of today sends some fifteen."""


class MysqlDialogue:
    """The login of a MySQL user without a password."""

    def __init__(self, user: str) -> None:
        self.verdict: Verdict | None = None
        self.parting = Parting.WAIT
        self._user = user.encode("ascii")
        self._data = bytearray()
        self._rounds = 0

    def begin(self) -> bytes:
        """Return nothing: the server greets first (`Dialogue.begin`)."""
        return b""

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the backend (`Dialogue.feed`)."""
        say = b""
        self._data += data
        while self.verdict is None and len(self._data) >= _MYSQL_HEADER:
            length = int.from_bytes(self._data[:3], "little")
            if not 1 <= length <= PACKET_LIMIT:
                self._fail(f"not MySQL: {received(self._data)}")
            elif len(self._data) < _MYSQL_HEADER + length:
                break
            else:
                packet = bytes(self._data[_MYSQL_HEADER : _MYSQL_HEADER + length])
                number = self._data[3]
                del self._data[: _MYSQL_HEADER + length]
                say += self._take(packet, (number + 1) % 256)
        return say

    def _take(self, packet: bytes, number: int) -> bytes:
        """Take a packet; return the answer, which has this number."""
        kind = packet[0]
        self._rounds += 1
        if kind == _MYSQL_ERROR:
            self.verdict = Code.L7STS, _mysql_error(packet)
        elif self._rounds == 1 and kind == _PROTOCOL_10:
            return _mysql_packet(_login(self._user), number)
        elif self._rounds > 1 and kind == _MYSQL_OK:
            self.verdict = Code.L7OK, ""
            return _COM_QUIT
        elif 1 < self._rounds <= ROUNDS and kind in _MYSQL_MORE:
            return _mysql_packet(b"", number)  # no password, for any plugin
        else:
            self._fail(f"not MySQL: {received(packet)}")
        return b""

    def _fail(self, detail: str) -> None:
        self.verdict = Code.L7RSP, printable(detail)
        self.parting = Parting.RESET

    def progress(self) -> str:
        """Return what is missing (`Dialogue.progress`)."""
        missing = "answer to the login" if self._rounds else "greeting"
        return printable(f"no {missing} of MySQL, {received(self._data)}" if self._data else f"no {missing} of MySQL")

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came (`Dialogue.end`)."""
        return self.verdict or (Code.L7RSP, printable(f"{how}: {self.progress()}"))


def _mysql_packet(payload: bytes, number: int) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes((number,)) + payload


def _login(user: bytes) -> bytes:
    """Return the payload of a HandshakeResponse41 without a password."""
    head = struct.pack("<IIB23x", _CAPABILITIES, _LARGEST_PACKET, _UTF8)
    return head + user + b"\0\0mysql_native_password\0"


def _mysql_error(packet: bytes) -> str:
    """Return the number and text of an error packet; before the login it has no SQL state."""
    number = int.from_bytes(packet[1:3], "little")
    text = packet[9:] if packet[3:4] == b"#" else packet[3:]
    return printable(f"{number}: {text[:400].decode('latin-1')}")


class PostgresqlDialogue:
    """The beginning of a PostgreSQL user's login."""

    def __init__(self, user: str) -> None:
        self.verdict: Verdict | None = None
        self.parting = Parting.WAIT
        self._user = user.encode("ascii")
        self._data = bytearray()
        self._rounds = 0
        self._is_in = False

    def begin(self) -> bytes:
        """Return the startup message (`Dialogue.begin`)."""
        words = b"user\0%b\0database\0postgres\0application_name\0maglevd\0\0" % self._user
        return struct.pack("!II", 8 + len(words), _PROTOCOL_3) + words

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the backend (`Dialogue.feed`)."""
        say = b""
        self._data += data
        while self.verdict is None and len(self._data) >= _PG_HEADER.size:
            kind, length = _PG_HEADER.unpack_from(self._data)
            if not 4 <= length <= PACKET_LIMIT:
                self._fail(f"not PostgreSQL: {received(self._data)}")
            elif len(self._data) < 1 + length:
                break
            else:
                body = bytes(self._data[_PG_HEADER.size : 1 + length])
                del self._data[: 1 + length]
                say += self._take(kind, body)
        return say

    def _take(self, kind: bytes, body: bytes) -> bytes:
        """Take a message; return what to say."""
        self._rounds += 1
        if kind == b"R" and len(body) >= 4 and not self._is_in:
            self._is_in = body[:4] == bytes(4)  # AuthenticationOk; whether there is such a user comes later
            if not self._is_in:
                self.verdict = Code.L7OK, ""
                self.parting = Parting.HALF_CLOSE
        elif kind == b"Z" and self._is_in:
            self.verdict = Code.L7OK, ""
            return _TERMINATE
        elif kind == b"E":
            self.verdict = Code.L7STS, _pg_error(body)
        elif kind not in _PG_NOTES or self._rounds > PG_ROUNDS:
            self._fail(f"not PostgreSQL: {received(kind + body)}")
        return b""

    def _fail(self, detail: str) -> None:
        self.verdict = Code.L7RSP, printable(detail)
        self.parting = Parting.RESET

    def progress(self) -> str:
        """Return what is missing (`Dialogue.progress`)."""
        return printable(f"no answer to the login, {received(self._data)}" if self._data else NO_ANSWER)

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came (`Dialogue.end`)."""
        return self.verdict or (Code.L7RSP, printable(f"{how}: {self.progress()}"))


def _pg_error(body: bytes) -> str:
    """Return the severity, SQL state and text of an ErrorResponse: fields of a letter and a text, each ended by 0."""
    fields = {each[:1]: each[1:] for each in reversed(body[:4096].split(b"\0"))}
    words = (fields.get(letter, b"")[:400].decode("latin-1") for letter in (b"S", b"C", b"M"))
    return printable(" ".join(word for word in words if word) or "an error")
