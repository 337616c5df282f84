"""An HTTP answer as it comes in, and what it has to be: no I/O.

The status line decides, however odd the rest is: strictness about line ends, header lines and framing protects proxies
from requests that two of them read differently (RFC 9112 section 11), and a probe forwards nothing. The bytes are
parsed by llhttp (`httptools`), in C, with all its leniencies. Where even that gives up in the headers, or would
misread the transfer coding, they are read *plainly*: a status line, then lines up to an empty one; for the body, llhttp
is then given a header block with nothing but its framing. Framing matters only to know where a body ends.

What is bounded, and why. A bound falls between two bytes, wherever the pieces end that the kernel delivers:

* the status lines and headers, with all interim (1xx) answers before them: 64 KiB, several times what servers accept;
* a status line that is read plainly: 4 KiB, as it is looked at again with each piece;
* the body that is kept for the regexp: 64 KiB; without one, nothing is kept and nothing is waited for;
* the whole answer: 1 MiB, because chunk framing may take many times the bytes that it frames, for ever;
* what is read after the verdict, so that the server is not reset while it writes: 64 KiB.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import httptools

from maglev.healthcheck.probers.expectation import compression_note, line_pattern
from maglev.model.result import Code
from maglev.model.text import excerpt

if TYPE_CHECKING:
    from maglev.healthcheck.probers.expectation import Expectation, Verdict

HEADER_LIMIT: Final = 1 << 16
STATUS_LINE_LIMIT: Final = 4096
BODY_LIMIT: Final = 1 << 16
ANSWER_LIMIT: Final = 1 << 20
LINGER_LIMIT: Final = 1 << 16

_SWITCHING_PROTOCOLS: Final = 101
_LONGEST_LENGTH: Final = 18
"""Digits of the longest Content-Length that is understood."""

# What HAProxy takes for one, in h1_headers_to_hdr_list() of src/h1.c: empty lines before it, any version of two digits,
# spaces or tabs, any number of digits; the reason phrase does not matter.
_STATUS_LINE: Final = re.compile(rb"[\r\n]*HTTP/\d\.\d[ \t]+(\d{1,9})(?:[ \t\r][^\n]*)?\n")
_STATUS_LINE_BEGUN: Final = re.compile(rb"[\r\n]*HTTP/\d\.\d[ \t][^\n]*\Z")
_EMPTY_LINE: Final = re.compile(rb"\n\r{0,2}\n")
_BLOCK: Final = re.compile(rb"[\r\n]*+(.*?\n)\r{0,2}\n", re.DOTALL)
_CONTENT_LENGTH: Final = line_pattern("content-length")
_TRANSFER_ENCODING: Final = line_pattern("transfer-encoding")
_CONTENT_ENCODING: Final = re.compile(rb"\ncontent-encoding[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE)

# The arguments of `httptools.HttpResponseParser.set_dangerous_leniencies`, dangerous to those who forward.
_ALL_LENIENCIES: Final = (True,) * 10

_TLS_ALERT: Final = b"\x15\x03"
_ORDINARY: Final = 200


class Progress(enum.Enum):
    """How far the answer is."""

    NOTHING = "no answer"
    HEADERS = "headers not complete"
    BODY = "body not complete"
    END = "complete"


def _codings(head: bytes | bytearray) -> list[bytes]:
    """Return the transfer codings, in lower case.

    A list may have empty elements (RFC 9110, 5.6.1.2). RFC 2616 had `identity` for no coding; curl ignores it, too.
    """
    listed = b",".join(_TRANSFER_ENCODING.findall(head)).lower().split(b",")
    return [coding for each in listed if (coding := each.strip()) not in {b"", b"identity"}]


def _framing_of(head: bytes) -> bytes:
    """Return a header line for the end of the body, written as llhttp knows it; empty if that is the connection's.

    A coding that is not `chunked` at its end leaves it to the connection (RFC 9112, 6.3, item 4). Equal lengths, in a
    list or in several lines, are one (item 5).
    """
    if codings := _codings(head):
        return b"Transfer-Encoding: chunked\r\n" if codings[-1] == b"chunked" else b""
    values = {value.strip() for found in _CONTENT_LENGTH.findall(head) for value in found.split(b",")}
    if len(values) != 1:
        return b""
    (value,) = values
    return b"Content-Length: %b\r\n" % value if value.isdigit() and len(value) <= _LONGEST_LENGTH else b""


def _may_be_misread(head: bytes | bytearray) -> bool:
    """Return whether llhttp may not see how the body is framed: it goes by the last bytes of a line of codings."""
    values = _TRANSFER_ENCODING.findall(head)
    return any(b"\n" in value or not value.lower().rstrip(b" ").endswith(b"chunked") for value in values)


def _new_parser(callbacks: Answer) -> httptools.HttpResponseParser:
    parser = httptools.HttpResponseParser(callbacks)
    parser.set_dangerous_leniencies(*_ALL_LENIENCIES)
    return parser


class Answer:
    """Reads one answer and comes to a verdict as soon as it is certain.

    Attributes:
        verdict: The verdict, once there is one; it never changes.
        progress: How far the answer is.
    """

    def __init__(self, expectation: Expectation) -> None:
        self.verdict: Verdict | None = None
        self.progress = Progress.NOTHING
        self._expectation = expectation
        self._parser: httptools.HttpResponseParser | None = _new_parser(self)
        self._received = 0
        self._limit = HEADER_LIMIT
        self._status = 0
        self._head = bytearray()  # until the headers are complete
        self._interims = 0  # answers at its start that do not count
        self._plain = False  # whether llhttp does not read the headers
        self._searched = 0
        self._body = bytearray()

    @property
    def head(self) -> bytes:
        """Status lines and headers, perhaps with a part of the body."""
        return bytes(self._head)

    @property
    def body(self) -> bytes:
        """The body, as far as it was kept for the verdict."""
        return bytes(self._body)

    def feed(self, data: bytes) -> None:
        """Take bytes from the backend; none of them can make it raise."""
        parser, progress = self._parser, self.progress
        if not data or parser is None or (self.verdict is not None and progress is not Progress.BODY):
            return
        if len(data) > self._limit - self._received:
            self._feed_beyond(data)
            return
        self._received += len(data)
        if progress is Progress.NOTHING:
            self.progress = Progress.HEADERS
        if progress is not Progress.BODY:
            self._head += data
        if not self._plain:
            try:
                parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                pass  # judged by its headers, like any answer
            except httptools.HttpParserError as error:
                self._go_on_without_parser(error)
        if self._plain:
            self._read_plainly()

    def _feed_beyond(self, data: bytes) -> None:
        """Take bytes up to the limit; those after it only if there is another limit by then."""
        room = self._limit - self._received
        if room:
            self.feed(data[:room])
        if self._received < self._limit:
            self.feed(data[room:])
        elif self.progress is Progress.BODY:
            self._end_body("; answer too large")
        else:
            self._decide(Code.L7RSP, "headers too large")

    @property
    def unfinished(self) -> bool:
        """Whether there is a verdict, and more of the body to come."""
        return self.verdict is not None and self.progress is Progress.BODY

    def end(self, how: str) -> Verdict:
        """Return the verdict on what arrived before the connection ended; ``how`` says how it ended."""
        if self.verdict is None:
            if self.progress is Progress.BODY:
                # Until-close bodies end here in order. Whether one with a length is short is not asked: see judge_body.
                self._judge_body("" if how == "closed" else f"; {how}")
            else:
                self._decide(Code.L7RSP, f"{how} with {self.progress.value}")
        self.progress = Progress.END
        return self.verdict or (Code.L7RSP, how)

    def release(self) -> None:
        """Let go of the parser, which refers to us."""
        self._parser = None

    def _go_on_without_parser(self, error: httptools.HttpParserError) -> None:
        """Read on, or not, after llhttp gave up."""
        if self.progress is Progress.BODY:
            self._end_body("; malformed trailer" if "header" in str(error) else "; malformed chunk")
        elif self.verdict is None:
            self._plain = True

    def _read_plainly(self) -> None:
        """Read headers that llhttp does not: they are whatever comes between a status line and an empty line."""
        while True:
            line = _STATUS_LINE.match(self._head)
            if line is None:
                if _STATUS_LINE_BEGUN.match(self._head) is None:
                    self._decide_malformed()
                elif len(self._head) > STATUS_LINE_LIMIT:
                    self._decide(Code.L7RSP, "status line too large")
                return
            empty = _EMPTY_LINE.search(self._head, max(line.end() - 1, self._searched))
            if empty is None:
                self._searched = len(self._head) - 3  # an empty line may be under way
                return
            body = bytes(self._head[empty.end() :])
            status = int(line[1])
            if not self._is_interim(status):
                self._read_body(status, _framing_of(bytes(self._head[: empty.end()])), body)
                return
            self._head, self._searched = bytearray(body), 0
            if not body:
                return

    def _read_body(self, status: int, framing: bytes, data: bytes) -> None:
        """Let a new parser read the body after headers that were read plainly."""
        self._plain = False
        self._begin_body(status, self._head)
        self._parser = parser = _new_parser(self)
        # Some statuses mean no body (RFC 9112, 6.3, item 1), and llhttp can't read a status of four digits.
        known = status if 100 <= status <= 999 else _ORDINARY
        try:
            parser.feed_data(b"HTTP/1.1 %d\r\n%b\r\n%b" % (known, framing, data))
        except httptools.HttpParserError as error:
            self._go_on_without_parser(error)

    def _decide_malformed(self) -> None:
        start = bytes(self._head.lstrip(b"\r\n"))
        line = re.split(rb"[\r\n]", start, maxsplit=1)[0]
        what = "a TLS alert" if start.startswith(_TLS_ALERT) else f'"{excerpt(line.decode("latin-1"))}"'
        self._decide(Code.L7RSP, f"malformed answer: expected a status line (HTTP/1.1 200), received {what}")

    def _decide(self, code: Code, detail: str) -> None:
        self.verdict = code, detail
        self._limit = self._received + LINGER_LIMIT

    def _end_body(self, missing: str = "") -> None:
        """Nothing of the body is to come that counts."""
        self.progress = Progress.END
        if self.verdict is None:
            self._judge_body(missing)

    def _judge_body(self, missing: str = "") -> None:
        code, detail = self._expectation.judge_body(bytes(self._body), missing)
        detail = detail or f"status {self._status}"
        # Nothing is found in a compressed body: that fails one pattern, and passes the other.
        if code is not Code.L7OK or self._expectation.forbidden is not None:
            detail += self._compression()
        self._decide(code, detail)

    def _compression(self) -> str:
        """Return what to say of a body that was compressed, though the probe did not ask for that."""
        found = _CONTENT_ENCODING.search(self._head)
        encodings = [] if found is None else [found[1].strip()]
        encodings += _codings(self._head)
        return compression_note(encodings)

    def _last_block(self) -> bytes:
        """Return what follows the interim answers, as far as llhttp and we see the same ends of them."""
        start = 0
        for _ in range(self._interims):
            block = _BLOCK.match(self._head, start)
            start = start if block is None else block.end()
        return bytes(self._head[start:])

    @staticmethod
    def _is_interim(status: int) -> bool:
        return 100 <= status < 200 and status != _SWITCHING_PROTOCOLS

    def _begin_body(self, status: int, head: bytes | bytearray) -> None:
        """The headers are complete of the answer that counts, and begin this."""
        self._status = status
        self.progress = Progress.BODY
        self._limit = ANSWER_LIMIT
        block = self._block_of(head) if self._expectation.headers else b""
        verdict = self._expectation.judge_head(status, lambda header: header.line.findall(block))
        if verdict is not None:
            self._decide(*verdict)
        if self._expectation.bodiless:
            self._end_body()

    @staticmethod
    def _block_of(head: bytes | bytearray) -> bytes:
        """Return the status line and headers at its start, without the body that may follow."""
        block = _BLOCK.match(head)
        return bytes(head) if block is None else block[1]

    # What httptools calls. Nothing here may raise.

    def on_headers_complete(self) -> None:
        """A header block is complete: of an interim answer, or of the one that counts."""
        if self._parser is None or self.progress is Progress.BODY or self.verdict is not None:
            return
        if not self._head.startswith(b"HTTP/") and not self._head.lstrip(b"\r\n").startswith(b"HTTP/"):
            self._decide_malformed()  # llhttp also reads RTSP and ICE
            return
        status = self._parser.get_status_code()
        if status < 200 and self._is_interim(status):
            self._interims += 1
            return
        if self._expectation.wants_body and _may_be_misread(self._head):
            self._plain = True
        else:
            self._begin_body(status, self._last_block() if self._interims else self._head)

    def on_body(self, data: bytes) -> None:
        """More of the body."""
        if self.progress is Progress.BODY and self.verdict is None:
            self._body += data[: BODY_LIMIT - len(self._body)]
            if len(self._body) == BODY_LIMIT:
                self._judge_body()

    def on_message_complete(self) -> None:
        """An answer is complete: an interim one, or the one that counts."""
        if self.progress is Progress.BODY:
            self.progress = Progress.END
            if self.verdict is None:
                self._judge_body()
