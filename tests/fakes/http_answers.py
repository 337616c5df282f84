"""The beginning of an HTTP answer, and the verdict on one in pieces."""

from __future__ import annotations

from maglev.healthcheck.probers.answer import Answer
from maglev.healthcheck.probers.expectation import Expectation
from maglev.model.config import HttpParams


def read(*pieces, regexp=None, forbidden=None, codes=((200, 200),), end=None):
    """Return the verdict on an answer in pieces; None while there is none."""
    answer = Answer(Expectation.of(HttpParams("/", None, codes, regexp, forbidden)))
    for piece in pieces:
        answer.feed(piece)
    verdict = answer.end(end) if end else answer.verdict
    answer.release()
    return verdict


HEAD = b"HTTP/1.1 200 OK\r\n"
