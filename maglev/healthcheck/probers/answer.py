"""An HTTP answer as it comes in, and what it has to be: no I/O.

The bytes are parsed by llhttp (`httptools`), in C and strictly: bare line feeds, HTTP/0.9 and whatever else was meant
for lenient readers is malformed. What is bounded, and why:

* the header block with all interim (1xx) answers before it: 64 KiB, several times what servers accept themselves;
* the body that is kept for the regexp: 64 KiB; without one, nothing is kept and nothing is waited for;
* the whole answer: 1 MiB, because chunk framing may take many times the bytes that it frames, for ever.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

import attrs
import httptools
import re2

from maglev.model.result import Code
from maglev.model.text import printable

if TYPE_CHECKING:
    from maglev.model.config import HttpParams

HEADER_LIMIT: Final = 65536
BODY_LIMIT: Final = 65536
ANSWER_LIMIT: Final = 1 << 20

_SWITCHING_PROTOCOLS: Final = 101

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
    """

    codes: tuple[tuple[int, int], ...]
    pattern: re2._Regexp | None = None

    @classmethod
    def of(cls, params: HttpParams) -> Expectation:
        """Return what these parameters ask for, ready to be used many times.

        Raises:
            re2.error: The pattern is not valid.
        """
        regexp = params.response_regexp
        return cls(params.response_codes, None if regexp is None else compile_pattern(regexp))

    def accepts(self, status: int) -> bool:
        """Return whether the status code is an accepted one."""
        return any(low <= status <= high for low, high in self.codes)

    def judge_body(self, body: bytes, missing: str) -> Verdict:
        """Return the verdict on a body of which ``missing`` says what did not come, if anything.

        A body that was cut short is judged by what did come, as HAProxy does: what was found is there.
        """
        if self.pattern is None or self.pattern.search(_utf8(body)) is not None:
            return Code.L7OK, ""
        return Code.L7RSP, f"body does not match{missing}"


def compile_pattern(regexp: str) -> re2._Regexp:
    """Return a pattern whose search takes time linear in the body, whatever the pattern.

    Raises:
        re2.error: The pattern is not valid.
    """
    options = re2.Options()
    options.log_errors = False  # RE2 would write to our standard error
    return re2.compile(regexp.encode(), options)


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
        self._received = 0
        self._status = 0
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes from the backend; none of them can make it raise."""
        if self._parser is None or self.verdict is not None:
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # judged by its headers, like any answer
        except httptools.HttpParserError as error:
            self._decide(Code.L7RSP, printable(f"malformed answer: {error}"))
        self._check_bounds()

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came before the connection ended; ``how`` tells how it did."""
        if self.verdict is None:
            if self.progress is Progress.BODY:
                # Until-close bodies end here in order. Whether one with a length is short is not asked: see judge_body.
                self._judge_body("" if how == "closed" else f"; {how}")
            else:
                self._decide(Code.L7RSP, f"{how} with {self.progress.value}")
        return self.verdict or (Code.L7RSP, how)

    def release(self) -> None:
        """Let go of the parser, which refers to us."""
        self._parser = None

    def _check_bounds(self) -> None:
        if self.progress is Progress.BODY:
            if self._received > ANSWER_LIMIT:
                self._judge_body("; answer too large")
        elif self._received > HEADER_LIMIT:
            self._decide(Code.L7RSP, "headers too large")
        elif self.progress is Progress.NOTHING and self._received:
            self.progress = Progress.HEADERS

    def _decide(self, code: Code, detail: str) -> None:
        if self.verdict is None:
            self.verdict = code, detail

    def _judge_body(self, missing: str = "") -> None:
        code, detail = self._expectation.judge_body(bytes(self._body), missing)
        self._decide(code, detail or f"status {self._status}")

    # What httptools calls. Nothing here may raise.

    def on_headers_complete(self) -> None:
        """A header block is complete: of an interim answer, or of the one that counts."""
        if self._parser is None or self.verdict is not None:
            return
        status = self._status = self._parser.get_status_code()
        if 100 <= status < 200 and status != _SWITCHING_PROTOCOLS:
            return
        self.progress = Progress.BODY
        if not self._expectation.accepts(status):
            self._decide(Code.L7STS, f"status {status}")
        elif self._expectation.pattern is None:
            self._decide(Code.L7OK, f"status {status}")

    def on_body(self, data: bytes) -> None:
        """More of the body."""
        if self.progress is Progress.BODY and self.verdict is None:
            self._body += data[: BODY_LIMIT - len(self._body)]
            if len(self._body) == BODY_LIMIT:
                self._judge_body()

    def on_message_complete(self) -> None:
        """An answer is complete: an interim one, or the one that counts."""
        if self.progress is Progress.BODY and self.verdict is None:
            self.progress = Progress.END
            self._judge_body()
