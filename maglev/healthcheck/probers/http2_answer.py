"""Judges an HTTP answer that came by HTTP/2, as `maglev.healthcheck.probers.answer` judges one of HTTP/1.1: no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from maglev.healthcheck.probers.answer import BODY_LIMIT
from maglev.healthcheck.probers.expectation import compression_note
from maglev.model.result import Code
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from maglev.healthcheck.probers.expectation import Expectation, Verdict
    from maglev.healthcheck.probers.http2_exchange import HeaderPairs

_STATUS: Final = re.compile(rb"[1-9][0-9]{2}")


class Http2Answer:
    """Comes to a verdict as soon as it is certain (`maglev.healthcheck.probers.http2_exchange.AnswerReader`)."""

    def __init__(self, expectation: Expectation) -> None:
        self.verdict: Verdict | None = None
        self._expectation = expectation
        self._status = 0
        self._encodings: list[bytes] = []
        self._body = bytearray()

    def take_headers(self, headers: HeaderPairs) -> None:
        """Judge the status and the headers."""
        status = next((value for name, value in headers if name == b":status"), b"")
        if not _STATUS.fullmatch(status):
            shown = excerpt(status.decode("latin-1"))
            self.verdict = Code.L7RSP, printable(f'malformed answer: "{shown}" is not a status')
            return
        self._status = int(status)
        self._encodings = [value for name, value in headers if name == b"content-encoding"]
        self.verdict = self._expectation.judge_head(
            self._status, lambda wanted: [value for name, value in headers if name.lower() == wanted.key]
        )

    def take_data(self, data: bytes) -> None:
        """Keep a part of the body, if the verdict depends on it."""
        if self.verdict is None:
            self._body += data[: BODY_LIMIT - len(self._body)]
            if len(self._body) == BODY_LIMIT:
                self._judge_body("")

    def take_trailers(self, headers: HeaderPairs) -> None:
        """Ignore what comes after the body, as with HTTP/1.1."""

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came."""
        if self._status:
            self._judge_body(f"; {how}" if how else "")
        else:
            self.verdict = Code.L7RSP, f"{how or 'stream ended'} with no answer"
        return self.verdict or (Code.L7RSP, how)

    def progress(self) -> str:
        """Return how far the answer is."""
        return "body not complete" if self._status else "no answer"

    def _judge_body(self, missing: str) -> None:
        code, detail = self._expectation.judge_body(bytes(self._body), missing)
        detail = detail or f"status {self._status}"
        if code is not Code.L7OK or self._expectation.forbidden is not None:
            detail += compression_note(self._encodings)
        self.verdict = code, detail
