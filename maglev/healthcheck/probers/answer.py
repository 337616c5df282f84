"""An HTTP answer as it comes in, and what it has to be: no I/O.

The status line decides, however odd the rest is: strictness about line ends, header lines and framing protects proxies
from requests that two of them read differently (RFC 9112 section 11), and a probe forwards nothing. The bytes are
parsed by llhttp (`httptools`), in C, with all its leniencies. Where even that gives up in the headers, they are read
*plainly*: a status line, then lines up to an empty one, then a body until the connection ends. Framing matters only to
know where a body ends.

What is bounded, and why:

* the header block with all interim (1xx) answers before it: 64 KiB, several times what servers accept themselves;
* the body that is kept for the regexp: 64 KiB; without one, nothing is kept and nothing is waited for;
* the whole answer: 1 MiB, because chunk framing may take many times the bytes that it frames, for ever;
* what is read after the verdict, so that the server is not reset while it writes: 64 KiB.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

import attrs
import httptools
import re2

from maglev.model.result import Code
from maglev.model.text import printable

if TYPE_CHECKING:
    from maglev.model.config import HttpParams

HEADER_LIMIT: Final = 65536
STATUS_LINE_LIMIT: Final = 4096
BODY_LIMIT: Final = 65536
ANSWER_LIMIT: Final = 1 << 20
LINGER_LIMIT: Final = 65536

_SWITCHING_PROTOCOLS: Final = 101
_LONGEST_LENGTH: Final = 18
"""Digits of the longest Content-Length that is understood."""

# What HAProxy takes for one, in h1_headers_to_hdr_list() of src/h1.c: empty lines before it, any version of two digits,
# spaces or tabs, any number of digits; the reason phrase does not matter.
_STATUS_LINE: Final = re.compile(rb"[\r\n]*HTTP/\d\.\d[ \t]+(\d{1,9})(?:[ \t\r][^\n]*)?\n")
_STATUS_LINE_BEGUN: Final = re.compile(rb"[\r\n]*HTTP/\d\.\d[ \t][^\n]*\Z")
_EMPTY_LINE: Final = re.compile(rb"\n\r{0,2}\n")
_CONTENT_LENGTH: Final = re.compile(rb"\ncontent-length[ \t]*:([^\r\n]*)", re.IGNORECASE)
_TRANSFER_ENCODING: Final = re.compile(rb"\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_CONTENT_ENCODING: Final = re.compile(rb"\ncontent-encoding[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE)

# The arguments of `httptools.HttpResponseParser.set_dangerous_leniencies`, dangerous to those who forward.
_ALL_LENIENCIES: Final = (True,) * 10

Verdict = tuple[Code, str]


class Progress(enum.Enum):
    """How far the answer is."""

    NOTHING = "no answer"
    HEADERS = "headers not complete"
    BODY = "body not complete"
    END = "complete"


@attrs.frozen
class Expectation:
    """What a healthcheck wants of an answer.

    Attributes:
        codes: Inclusive ranges of accepted status codes.
        pattern: RE2 object that must be found in the body; None accepts any body.
        forbidden: RE2 object that must not be found in it; None accepts any body.
        wants_body: Whether the verdict depends on the body.
    """

    codes: tuple[tuple[int, int], ...]
    pattern: re2._Regexp | None = None
    forbidden: re2._Regexp | None = None
    wants_body: bool = attrs.field(init=False)

    @wants_body.default
    def _has_pattern(self) -> bool:
        return self.pattern is not None or self.forbidden is not None

    @classmethod
    def of(cls, params: HttpParams) -> Expectation:
        """Return what these parameters ask for, ready to be used many times.

        Raises:
            re2.error: The pattern is not valid.
        """
        patterns = params.response_regexp, params.response_regexp_not
        return cls(params.response_codes, *(None if each is None else compile_pattern(each) for each in patterns))

    def accepts(self, status: int) -> bool:
        """Return whether the status code is an accepted one."""
        return any(low <= status <= high for low, high in self.codes)

    def judge_body(self, body: bytes, missing: str) -> Verdict:
        """Return the verdict on a body; ``missing`` says which part of it did not arrive, if any.

        A truncated body is judged by what did arrive, as HAProxy does.
        """
        text = _utf8(body)
        if self.pattern is not None and self.pattern.search(text) is None:
            return Code.L7RSP, f"body does not match{missing}"
        if self.forbidden is not None and self.forbidden.search(text) is not None:
            return Code.L7RSP, f"body matches response-regexp-not{missing}"
        return Code.L7OK, ""


def compile_pattern(regexp: str) -> re2._Regexp:
    """Return a pattern whose search takes time linear in the body, whatever the pattern.

    Raises:
        re2.error: The pattern is not valid.
    """
    options = re2.Options()
    options.log_errors = False  # RE2 would write to our standard error
    return re2.compile(regexp.encode(), options)


def _length_of(head: bytes) -> int | None:
    """Return the length of the body; None if it is not told, or not in one way only.

    Equal values, in a list or in several lines, are one (RFC 9112, 6.3, item 5).
    """
    values = {value.strip() for found in _CONTENT_LENGTH.findall(head) for value in found.split(b",")}
    if len(values) != 1 or _TRANSFER_ENCODING.search(head):
        return None
    (value,) = values
    return int(value) if value.isdigit() and len(value) <= _LONGEST_LENGTH else None


def _utf8(body: bytes) -> bytes:
    """Return the body as UTF-8, in which RE2 works; each other byte counts as U+FFFD, so that ``.`` matches it."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace").encode()
    return body


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
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(*_ALL_LENIENCIES)
        self._received = 0
        self._limit = ANSWER_LIMIT
        self._status = 0
        self._head = bytearray()  # until the headers are complete
        self._gave_up: str | None = None  # why llhttp did, in the headers
        self._searched = 0
        self._missing: int | None = None  # bytes of a body whose length only we understood
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes from the backend; none of them can make it raise."""
        if self._parser is None or (self.verdict is not None and self.progress is not Progress.BODY):
            return
        self._received += len(data)
        if self.progress is not Progress.BODY:
            self._head += data
        if self._gave_up is None:
            self._parse(self._parser, data)
        elif self.progress is Progress.BODY:
            self._take_plainly(data)
        else:
            self._read_plainly()
        self._check_bounds()

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

    def _parse(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # judged by its headers, like any answer
        except httptools.HttpParserError as error:
            reason = printable(str(error))
            if self.progress is Progress.BODY:
                self._end_body(f"; malformed framing: {reason}")
            elif self.verdict is None:
                self._gave_up = reason
                self._read_plainly()

    def _read_plainly(self) -> None:
        """Read headers that llhttp does not: they are whatever comes between a status line and an empty line."""
        while True:
            line = _STATUS_LINE.match(self._head)
            if line is None:
                if len(self._head) > STATUS_LINE_LIMIT or _STATUS_LINE_BEGUN.match(self._head) is None:
                    self._decide(Code.L7RSP, f"malformed answer: {self._gave_up}")
                return
            empty = _EMPTY_LINE.search(self._head, max(line.end() - 1, self._searched))
            if empty is None:
                self._searched = len(self._head) - 3  # an empty line may be under way
                return
            body = bytes(self._head[empty.end() :])
            if self._is_interim(int(line[1])):
                self._head, self._searched = bytearray(body), 0
                if not body:
                    return
                continue
            self._missing = _length_of(bytes(self._head[: empty.end()]))
            self._begin_body(int(line[1]))
            self._take_plainly(body)
            return

    def _take_plainly(self, data: bytes) -> None:
        """Take a part of the body that llhttp does not frame."""
        if self._missing is None:
            self.on_body(data)
            return
        self.on_body(data[: self._missing])
        self._missing -= len(data)
        if self._missing <= 0 and self.progress is Progress.BODY:
            self._end_body()

    def _check_bounds(self) -> None:
        if self.progress is Progress.BODY:
            if self._received > self._limit:
                self._end_body("; answer too large")
        elif self._received > HEADER_LIMIT:
            self._decide(Code.L7RSP, "headers too large")
        elif self.progress is Progress.NOTHING and self._received:
            self.progress = Progress.HEADERS

    def _decide(self, code: Code, detail: str) -> None:
        if self.verdict is None:
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
        if found is None or found[1].strip().lower() == b"identity":
            return ""
        return printable(f"; it is compressed ({found[1].decode('latin-1').strip()})")

    @staticmethod
    def _is_interim(status: int) -> bool:
        return 100 <= status < 200 and status != _SWITCHING_PROTOCOLS

    def _begin_body(self, status: int) -> None:
        """The headers are complete of the answer that counts."""
        self._status = status
        self.progress = Progress.BODY
        if not self._expectation.accepts(status):
            self._decide(Code.L7STS, f"status {status}")
        elif not self._expectation.wants_body:
            self._decide(Code.L7OK, f"status {status}")

    # What httptools calls. Nothing here may raise.

    def on_headers_complete(self) -> None:
        """A header block is complete: of an interim answer, or of the one that counts."""
        if self._parser is None or self.verdict is not None:
            return
        if not self._head.startswith(b"HTTP/") and not self._head.lstrip(b"\r\n").startswith(b"HTTP/"):
            self._decide(Code.L7RSP, "malformed answer: not HTTP")  # llhttp also reads RTSP and ICE
        elif not self._is_interim(status := self._parser.get_status_code()):
            self._begin_body(status)

    def on_body(self, data: bytes) -> None:
        """More of the body."""
        if self.progress is Progress.BODY and self.verdict is None:
            self._body += data[: BODY_LIMIT - len(self._body)]
            if len(self._body) == BODY_LIMIT:
                self._judge_body()

    def on_message_complete(self) -> None:
        """An answer is complete: an interim one, or the one that counts."""
        if self.progress is Progress.BODY:
            self._end_body()
