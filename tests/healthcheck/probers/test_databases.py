"""The presets for MySQL and PostgreSQL, packet by packet."""

from __future__ import annotations

import struct

import pytest

from maglev.healthcheck.probers.databases import PACKET_LIMIT, PG_ROUNDS, ROUNDS, MysqlDialogue, PostgresqlDialogue
from maglev.healthcheck.probers.dialogue import Parting
from maglev.model.result import Code

PIECES = pytest.mark.parametrize("piece", [None, 1, 3])

GREETING = b"\x0a10.11.6-MariaDB\0" + bytes(4) + b"saltsalt\0" + bytes(30)
OK = b"\0\0\0\x02\0\0\0"
QUIT = b"\x01\0\0\0\x01"


def packet(number, payload):
    return struct.pack("<I", len(payload))[:3] + bytes((number,)) + payload


def message(kind, body=b""):
    return kind + struct.pack("!I", 4 + len(body)) + body


def feed(talk, data, piece=None):
    step = piece or len(data)
    return b"".join(talk.feed(data[at : at + step]) for at in range(0, len(data), step))


@PIECES
def test_a_mysql_login_is_completed_and_quit(piece):
    talk = MysqlDialogue("maglevd")
    assert talk.begin() == b""
    assert talk.progress() == "no greeting of MySQL"
    login = feed(talk, packet(0, GREETING), piece)
    assert login[:4] == struct.pack("<I", len(login) - 4)[:3] + b"\x01"
    assert login.endswith(b"\0" * 23 + b"maglevd\0" + b"\0" + b"mysql_native_password\0")
    assert talk.progress() == "no answer to the login of MySQL"
    assert feed(talk, packet(2, OK), piece) == QUIT
    assert (talk.verdict, talk.parting) == ((Code.L7OK, ""), Parting.WAIT)


@PIECES
def test_another_plugin_gets_no_password_either(piece):
    talk = MysqlDialogue("maglevd")
    feed(talk, packet(0, GREETING), piece)
    assert feed(talk, packet(2, b"\xfecaching_sha2_password\0salt"), piece) == b"\0\0\0\x03"
    assert feed(talk, packet(4, b"\x01\x04"), piece) == b"\0\0\0\x05"
    feed(talk, packet(6, b"\xff\x15\x04#28000Access denied"), piece)
    assert talk.verdict == (Code.L7STS, "1045: Access denied")


@pytest.mark.parametrize(
    ("packets", "code", "detail"),
    [
        ([packet(0, b"\xff\x69\x04Host 'x' is blocked")], Code.L7STS, "1129: Host 'x' is blocked"),
        ([packet(0, b"\xff")], Code.L7STS, "0: "),
        ([packet(0, b"\x09old")], Code.L7RSP, 'not MySQL: received "\\x09old"'),
        ([packet(0, OK)], Code.L7RSP, 'not MySQL: received "\\x00\\x00\\x00\\x02\\x00\\x00\\x00"'),
        ([packet(0, GREETING), packet(2, b"\x03")], Code.L7RSP, 'not MySQL: received "\\x03"'),
        ([packet(0, GREETING), packet(2, GREETING[:2])], Code.L7RSP, 'not MySQL: received "\\x0a1"'),
        ([packet(0, GREETING), *[packet(2, b"\xfe")] * ROUNDS], Code.L7RSP, 'not MySQL: received "\\xfe"'),
        ([b"SSH-2.0-x\r\n"], Code.L7RSP, 'not MySQL: received "SSH-2.0-x\\x0d\\x0a"'),
        ([packet(0, b"")], Code.L7RSP, 'not MySQL: received "\\x00\\x00\\x00\\x00"'),
        ([packet(0, b"x" * (PACKET_LIMIT + 1))[:4]], Code.L7RSP, 'not MySQL: received "\\x01@\\x00\\x00"'),
    ],
)
def test_what_else_a_mysql_port_may_say(packets, code, detail):
    talk = MysqlDialogue("maglevd")
    for each in packets:
        talk.feed(each)
    assert talk.verdict == (code, detail)
    assert talk.feed(packet(9, OK)) == b""
    assert talk.parting is (Parting.WAIT if code is Code.L7STS else Parting.RESET)


def test_half_a_mysql_greeting_is_none():
    talk = MysqlDialogue("maglevd")
    talk.feed(packet(0, GREETING)[:8])
    assert talk.end("closed") == (Code.L7RSP, 'closed: no greeting of MySQL, received "<\\x00\\x00\\x00\\x0a10."')


def test_a_postgresql_login_begins_with_the_user():
    begun = PostgresqlDialogue("me").begin()
    assert begun[:8] == struct.pack("!II", len(begun), 196608)
    assert begun[8:] == b"user\0me\0database\0postgres\0application_name\0maglevd\0\0"


@PIECES
@pytest.mark.parametrize(
    ("method", "more", "said", "parting"),
    [
        (0, message(b"S", b"a\0b\0") + message(b"K", bytes(8)) + message(b"Z", b"I"), b"X\0\0\0\x04", Parting.WAIT),
        (5, b"", b"", Parting.HALF_CLOSE),
        (10, b"", b"", Parting.HALF_CLOSE),
    ],
)
def test_a_postgresql_that_asks_for_a_password_or_is_ready_passes(method, more, said, parting, piece):
    talk = PostgresqlDialogue("me")
    answer = message(b"v", bytes(8)) + message(b"N", b"SNOTE\0\0") + message(b"R", struct.pack("!I", method) + b"salt")
    assert feed(talk, answer + more, piece) == said
    assert (talk.verdict, talk.parting) == ((Code.L7OK, ""), parting)


@pytest.mark.parametrize(
    ("answer", "code", "detail"),
    [
        (message(b"E", b"SFATAL\0C57P03\0Mstarting up\0\0"), Code.L7STS, "FATAL 57P03 starting up"),
        (message(b"E", b"M1\0M2\0"), Code.L7STS, "1"),
        (message(b"E"), Code.L7STS, "an error"),
        (message(b"R", bytes(4)) + message(b"E", b"Mno such role\0\0"), Code.L7STS, "no such role"),
        (message(b"R", bytes(4)) * 2, Code.L7RSP, 'not PostgreSQL: received "R\\x00\\x00\\x00\\x00"'),
        (message(b"R", b"\0"), Code.L7RSP, 'not PostgreSQL: received "R\\x00"'),
        (message(b"Z", b"I"), Code.L7RSP, 'not PostgreSQL: received "ZI"'),
        (message(b"N") * PG_ROUNDS + message(b"N", b"x"), Code.L7RSP, 'not PostgreSQL: received "Nx"'),
        (b"HTTP/1.1 400", Code.L7RSP, 'not PostgreSQL: received "HTTP/1.1 400"'),
        (b"R\0\0\0\x03", Code.L7RSP, 'not PostgreSQL: received "R\\x00\\x00\\x00\\x03"'),
    ],
)
def test_what_else_a_postgresql_port_may_say(answer, code, detail):
    talk = PostgresqlDialogue("me")
    assert talk.feed(answer) == b""
    assert talk.verdict == (code, detail)
    assert talk.feed(message(b"R", bytes(4))) == b""
    assert talk.parting is (Parting.WAIT if code is Code.L7STS else Parting.RESET)


def test_half_a_postgresql_answer_is_none():
    talk = PostgresqlDialogue("me")
    assert talk.progress() == "no answer"
    talk.feed(b"R\0\0\0\x08\0")
    assert talk.end("closed") == (
        Code.L7RSP,
        'closed: no answer to the login, received "R\\x00\\x00\\x00\\x08\\x00"',
    )
