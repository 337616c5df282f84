"""The presets for protocols of lines: SMTP, IMAP, POP3, Redis, SSH. No I/O.

Each asks for as little as shows that the application works, and takes its leave as the protocol wants it, so that the
server logs no more than a session that ended well. A line that is neither the wanted answer nor an error of the
protocol ends the probe at once: something else listens there.

What is bounded: a line, to 4 KiB, and the lines of an answer, to 64; that is several times what the RFCs allow.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

import attrs

from maglev.healthcheck.probers.dialogue import Parting, received
from maglev.model.check_params import Preset
from maglev.model.result import Code
from maglev.model.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from maglev.healthcheck.probers.dialogue import Verdict

LINE_LIMIT: Final = 4096
LINES_LIMIT: Final = 64


@attrs.frozen
class AnswerLines:
    """An answer of the backend, line by line, without their ends.

    Attributes:
        say: What to say first; empty if the backend speaks first.
        good: The last line of an answer that passes.
        bad: A line with which the application says that it can't (L7STS).
        more: A line with another one after it; None if there is none such.
    """

    say: bytes
    good: re.Pattern[bytes]
    bad: re.Pattern[bytes]
    more: re.Pattern[bytes] | None = None


@attrs.frozen
class LinesPreset:
    """A protocol of lines.

    Attributes:
        name: For details.
        answers: What has to be answered.
        farewell: What to say after the last answer, or after an error.
    """

    name: str
    answers: tuple[AnswerLines, ...]
    farewell: bytes


def _lines(good: bytes, bad: bytes, more: bytes | None = None, *, say: bytes = b"") -> AnswerLines:
    passing, failing = (re.compile(each, re.IGNORECASE) for each in (good, bad))
    return AnswerLines(say, passing, failing, None if more is None else re.compile(more))


def _disconnect() -> bytes:
    """Return our identification and a packet SSH_MSG_DISCONNECT, not encrypted yet (RFC 4253, 4.2, 6 and 11.1)."""
    by_application = 11
    words = b"health check"
    payload = struct.pack("!BII", 1, by_application, len(words)) + words + struct.pack("!I", 0)
    padding = 8 - (5 + len(payload)) % 8
    padding += 8 if padding < 4 else 0
    packet = struct.pack("!IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)
    return b"SSH-2.0-maglevd\r\n" + packet


LINES_PRESETS: Final[Mapping[Preset, LinesPreset]] = {
    # RFC 5321, 4.2: 220 and 250, with a hyphen on all lines but the last. "localhost" is what HAProxy says.
    Preset.SMTP: LinesPreset(
        "SMTP",
        (
            _lines(rb"220(?: |$)", rb"[45]\d\d", rb"220-"),
            _lines(rb"250(?: |$)", rb"[45]\d\d", rb"250-", say=b"EHLO localhost\r\n"),
        ),
        b"QUIT\r\n",
    ),
    # RFC 9051, 7.1: the greeting is OK, PREAUTH or BYE.
    Preset.IMAP: LinesPreset("IMAP", (_lines(rb"\* (?:OK|PREAUTH)\b", rb"\* BYE\b"),), b"a LOGOUT\r\n"),
    # RFC 1939, 4
    Preset.POP3: LinesPreset("POP3", (_lines(rb"\+OK", rb"-ERR"),), b"QUIT\r\n"),
    # An inline command, which every version takes.
    Preset.REDIS: LinesPreset("Redis", (_lines(rb"\+PONG$", rb"-", say=b"PING\r\n"),), b"QUIT\r\n"),
    # RFC 4253, 4.2 and 5.1: other lines may come first; 1.99 is a server that can also speak 1.x.
    Preset.SSH: LinesPreset("SSH", (_lines(rb"SSH-(?:2\.0|1\.99)-", rb"SSH-", rb"(?!SSH-)"),), _disconnect()),
}


class LinesDialogue:
    """A conversation in a protocol of lines."""

    def __init__(self, preset: LinesPreset) -> None:
        self.verdict: Verdict | None = None
        self.parting = Parting.WAIT
        self._preset = preset
        self._position = 0
        self._count = 0
        self._line = bytearray()

    def begin(self) -> bytes:
        """Return what to say first (`Dialogue.begin`)."""
        return self._preset.answers[0].say

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the backend (`Dialogue.feed`)."""
        say = b""
        while data and self.verdict is None:
            end = data.find(b"\n") + 1
            taken = data[: (end or len(data))][: LINE_LIMIT - len(self._line)]
            data = data[len(taken) :]
            self._line += taken
            if taken.endswith(b"\n"):
                line = bytes(self._line)
                self._line.clear()
                say += self._take(line.rstrip(b"\r\n"))
            elif len(self._line) == LINE_LIMIT:
                self._fail(f"a line of more than {LINE_LIMIT} bytes")
        return say

    def _take(self, line: bytes) -> bytes:
        """Take a line; return what to say."""
        wanted = self._preset.answers[self._position]
        self._count += 1
        if wanted.good.match(line):
            self._position += 1
            if self._position < len(self._preset.answers):
                return self._preset.answers[self._position].say
            self.verdict = Code.L7OK, ""
            return self._preset.farewell
        if wanted.bad.match(line):
            self.verdict = Code.L7STS, printable(line)
            return self._preset.farewell
        if wanted.more is None or not wanted.more.match(line):
            self._fail(f"not {self._preset.name}: {received(line) if line else 'received an empty line'}")
        elif self._count >= LINES_LIMIT:
            self._fail(f"more than {LINES_LIMIT} lines")
        return b""

    def _fail(self, detail: str) -> None:
        self.verdict = Code.L7RSP, printable(detail)
        self.parting = Parting.RESET

    def progress(self) -> str:
        """Return what is missing (`Dialogue.progress`)."""
        what = self._preset.answers[self._position].say.partition(b"\r\n")[0].decode("ascii")
        rest = f", {received(self._line)}" if self._line else ""
        return f"no answer to {what}{rest}" if what else f"no greeting of {self._preset.name}{rest}"

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came (`Dialogue.end`)."""
        return self.verdict or (Code.L7RSP, printable(f"{how}: {self.progress()}"))
