"""The presets for protocols of lines: what servers say, what something else says, and how each takes its leave."""

from __future__ import annotations

import pytest

from maglev.healthcheck.probers.dialogue import Parting
from maglev.healthcheck.probers.greetings import LINE_LIMIT, LINES_LIMIT, LINES_PRESETS, LinesDialogue
from maglev.model.check_params import Preset
from maglev.model.result import Code

GOOD = {
    Preset.SMTP: [b"220-mx1\r\n220 ESMTP\r\n", b"250-mx1\r\n250-SIZE 1\r\n250 OK\r\n"],
    Preset.IMAP: [b"* OK [CAPABILITY IMAP4rev1] ready\r\n"],
    Preset.POP3: [b"+OK ready\r\n"],
    Preset.REDIS: [b"+PONG\r\n"],
    Preset.SSH: [b"Go away\r\n\r\nSSH-2.0-OpenSSH_9.2p1 Debian\r\n"],
}
FAREWELL = {
    Preset.SMTP: b"QUIT\r\n",
    Preset.IMAP: b"a LOGOUT\r\n",
    Preset.POP3: b"QUIT\r\n",
    Preset.REDIS: b"QUIT\r\n",
}
FIRST = {Preset.REDIS: b"PING\r\n"}


def dialogue(preset):
    return LinesDialogue(LINES_PRESETS[preset])


def feed(talk, data, piece):
    step = piece or len(data)
    return b"".join(talk.feed(data[at : at + step]) for at in range(0, len(data), step))


@pytest.mark.parametrize("piece", [None, 1, 5])
@pytest.mark.parametrize("preset", GOOD)
def test_what_a_server_says_passes_and_is_taken_leave_of(preset, piece):
    talk = dialogue(preset)
    said = [talk.begin(), *(feed(talk, answer, piece) for answer in GOOD[preset])]
    assert talk.verdict == (Code.L7OK, "")
    assert talk.parting is Parting.WAIT
    assert said[0] == FIRST.get(preset, b"")
    if preset in FAREWELL:
        assert said[-1] == FAREWELL[preset]


def test_smtp_says_hello_after_the_greeting():
    talk = dialogue(Preset.SMTP)
    assert talk.feed(b"220-mx\r\n") == b""
    assert talk.feed(b"220\r\n") == b"EHLO localhost\r\n"
    assert talk.progress() == "no answer to EHLO localhost"


def test_ssh_is_told_who_goes_and_why_in_a_packet_of_its_own_form():
    talk = dialogue(Preset.SSH)
    name, packet = talk.feed(b"SSH-1.99-x\n").split(b"\r\n", 1)
    assert name == b"SSH-2.0-maglevd"
    length, padding = int.from_bytes(packet[:4]), packet[4]
    assert len(packet) == 4 + length
    assert len(packet) % 8 == 0
    assert padding >= 4
    payload = packet[5 : len(packet) - padding]
    assert payload == b"\x01" + (11).to_bytes(4) + (12).to_bytes(4) + b"health check" + bytes(4)


@pytest.mark.parametrize(
    ("preset", "answer", "detail"),
    [
        (Preset.SMTP, b"554 5.7.1 go away\r\n", "554 5.7.1 go away"),
        (Preset.SMTP, b"220 x\r\n421 too busy\r\n", "421 too busy"),
        (Preset.IMAP, b"* BYE out of memory\r\n", "* BYE out of memory"),
        (Preset.POP3, b"-ERR busy\r\n", "-ERR busy"),
        (Preset.REDIS, b"-LOADING Redis is loading\r\n", "-LOADING Redis is loading"),
        (Preset.REDIS, b"-NOAUTH \x1b[2J\r\n", "-NOAUTH \\x1b[2J"),
        (Preset.SSH, b"SSH-1.5-old\r\n", "SSH-1.5-old"),
    ],
)
def test_an_application_that_says_that_it_cannot_is_taken_leave_of_too(preset, answer, detail):
    talk = dialogue(preset)
    talk.feed(answer)
    assert talk.verdict == (Code.L7STS, detail)
    assert talk.parting is Parting.WAIT


@pytest.mark.parametrize(
    ("preset", "answer", "detail"),
    [
        (Preset.SMTP, b"SSH-2.0-x\r\n", 'not SMTP: received "SSH-2.0-x"'),
        (Preset.SMTP, b"220-a\r\n251 b\r\n", 'not SMTP: received "251 b"'),
        (Preset.SMTP, b"\n", "not SMTP: received an empty line"),
        (Preset.IMAP, b"+OK pop\r\n", 'not IMAP: received "+OK pop"'),
        (Preset.IMAP, b"* OKAY\r\n", 'not IMAP: received "* OKAY"'),
        (Preset.POP3, b"HTTP/1.1 400 Bad\r\n", 'not POP3: received "HTTP/1.1 400 Bad"'),
        (Preset.REDIS, b"+PONGO\r\n", 'not Redis: received "+PONGO"'),
        (Preset.REDIS, b"x" * LINE_LIMIT, "a line of more than 4096 bytes"),
        (Preset.SSH, b"hello\n" * LINES_LIMIT, "more than 64 lines"),
    ],
)
@pytest.mark.parametrize("piece", [None, 1])
def test_something_else_is_not_taken_leave_of(preset, answer, detail, piece):
    talk = dialogue(preset)
    feed(talk, answer + b"more", piece)
    assert talk.verdict == (Code.L7RSP, detail)
    assert talk.parting is Parting.RESET
    assert talk.feed(b"220 too late\r\n") == b""


@pytest.mark.parametrize(
    ("preset", "came", "missing"),
    [
        (Preset.IMAP, b"", "no greeting of IMAP"),
        (Preset.IMAP, b"* O", 'no greeting of IMAP, received "* O"'),
        (Preset.REDIS, b"", "no answer to PING"),
        (Preset.REDIS, b"+PON", 'no answer to PING, received "+PON"'),
        (Preset.SSH, b"wait\r\n", "no greeting of SSH"),
    ],
)
def test_half_an_answer_is_none(preset, came, missing):
    talk = dialogue(preset)
    talk.feed(came)
    assert talk.verdict is None
    assert talk.progress() == missing
    assert talk.end("closed") == (Code.L7RSP, f"closed: {missing}")


def test_the_verdict_stays_when_the_connection_ends():
    talk = dialogue(Preset.POP3)
    talk.feed(b"+OK\r\n-ERR\r\n")
    assert talk.end("closed") == (Code.L7OK, "")
