"""The question of gRPC's health checking protocol, and what its answers mean: no I/O.

The service is ``grpc.health.v1.Health``, its method ``Check``; the messages are so small that they are read and written
here (``grpc/health/v1/health.proto``)::

    message HealthCheckRequest { string service = 1; }
    message HealthCheckResponse {
      enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
      ServingStatus status = 1;
    }

A message travels with a flag (compressed or not) and its length before it; after it come trailers with the status of
the call, ``grpc-status``. A call that fails at once has them in the place of the headers ("gRPC over HTTP2",
"Responses").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from maglev.model.result import Code
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maglev.healthcheck.probers.expectation import Verdict
    from maglev.healthcheck.probers.http2_exchange import HeaderPairs

PATH: Final = "/grpc.health.v1.Health/Check"
CONTENT_TYPE: Final = "application/grpc"

MESSAGE_LIMIT: Final = 1024
"""Bytes of the answer's message, which takes two of them."""

_PREFIX: Final = 5
_SERVICE_FIELD: Final = b"\x0a"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT: Final = 10
_STATUS: Final = re.compile(rb"[1-9][0-9]{2}")
_GOOD: Final = b"200"

STATUSES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_SERVING: Final = 1

CALL_STATUSES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The codes of a call, by number."""

_EXPLAINED: Final = {
    "NOT_FOUND": "NOT_FOUND: the server does not know this service",
    "UNIMPLEMENTED": "UNIMPLEMENTED: no health service there",
}


class MalformedMessageError(Exception):
    """A message is not what the protocol says; the text says why."""


def question(service: str) -> bytes:
    """Return the message that asks for a service, with its prefix; the empty name is the server as a whole."""
    name = service.encode()
    message = _SERVICE_FIELD + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*encoded, number))


def status_in(message: bytes) -> int:
    """Return the status in an answer's message: 0 if it has none, the last one if it has several.

    Raises:
        MalformedMessageError: It is not a message of protobuf.
    """
    status = 0
    for field, kind, number in _fields(message):
        if field == 1 and kind == _VARINT:
            status = number
    return status


def _fields(message: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the number, the kind and, of a varint, the value of each field."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        kind, number = tag & 7, 0
        if kind == _VARINT:
            number, at = _read_varint(message, at)
        elif kind == _BYTES:
            length, at = _read_varint(message, at)
            at += length
        elif kind in {_FIXED64, _FIXED32}:
            at += 8 if kind == _FIXED64 else 4
        else:
            raise MalformedMessageError("malformed message")
        if at > len(message):
            raise MalformedMessageError("truncated message")
        yield tag >> 3, kind, number


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, at + index + 1
    raise MalformedMessageError("truncated message" if len(message) - at < _LONGEST_VARINT else "malformed message")


class GrpcAnswer:
    """Reads the answer to one call (`maglev.healthcheck.probers.http2_exchange.AnswerReader`)."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None
        self._begun = False
        self._data = bytearray()
        self._trailers: HeaderPairs = ()

    def take_headers(self, headers: HeaderPairs) -> None:
        """Look whether this is an answer of gRPC; it may be all of it."""
        self._begun = True
        status, kind = _value(headers, b":status"), _value(headers, b"content-type")
        if not _STATUS.fullmatch(status):
            self._decide(Code.L7RSP, f'malformed answer: "{_shown(status)}" is not a status')
        elif status != _GOOD:
            self._decide(Code.L7STS, f"HTTP status {_shown(status)}, not an answer of gRPC")
        elif not re.fullmatch(rb"application/grpc([;+].*)?", kind):
            self._decide(Code.L7RSP, f'not an answer of gRPC: its content-type is "{_shown(kind)}"')
        else:
            self._trailers = headers

    def take_data(self, data: bytes) -> None:
        """Take a part of the message."""
        if self.verdict is not None:
            return
        self._data += data[: _PREFIX + MESSAGE_LIMIT + 1 - len(self._data)]
        if len(self._data) < _PREFIX:
            return
        size = int.from_bytes(self._data[1:_PREFIX], "big")
        if self._data[0]:
            self._decide(Code.L7RSP, "a compressed message, though none was asked for")
        elif size > MESSAGE_LIMIT:
            self._decide(Code.L7RSP, f"a message of {size} bytes, where two are expected")
        elif len(self._data) > _PREFIX + size:
            self._decide(Code.L7RSP, "more than one message")

    def take_trailers(self, headers: HeaderPairs) -> None:
        """Take the status of the call."""
        self._trailers = headers

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came."""
        if how:
            self._decide(Code.L7RSP, f"{how} with {self.progress()}")
        elif self.verdict is None:
            self._judge()
        return self.verdict or (Code.L7RSP, how)

    def progress(self) -> str:
        """Return how far the answer is."""
        if not self._begun:
            return "no answer"
        return "headers, but no message" if not self._data else "a message, but no trailers"

    def _judge(self) -> None:
        """The stream has ended in order."""
        called = _value(self._trailers, b"grpc-status")
        if not re.fullmatch(rb"[0-9]{1,3}", called):
            what = f'an invalid grpc-status, "{_shown(called)}"' if called else "no grpc-status"
            self._decide(Code.L7RSP, f"{'a message' if self._data else 'stream ended'} with {what}")
        elif int(called):
            self._decide(Code.L7STS, _failure(int(called), _value(self._trailers, b"grpc-message")))
        elif len(self._data) < _PREFIX or len(self._data) < _PREFIX + int.from_bytes(self._data[1:_PREFIX], "big"):
            self._decide(Code.L7RSP, "truncated message" if self._data else "no message")
        else:
            self._judge_message(bytes(self._data[_PREFIX:]))

    def _judge_message(self, message: bytes) -> None:
        try:
            status = status_in(message)
        except MalformedMessageError as error:
            self._decide(Code.L7RSP, str(error))
            return
        if status < len(STATUSES):
            self._decide(Code.L7OK if status == _SERVING else Code.L7STS, STATUSES[status])
        else:
            self._decide(Code.L7STS, f"status {status}, which the protocol does not have")

    def _decide(self, code: Code, detail: str) -> None:
        self.verdict = code, printable(detail)


def _value(headers: HeaderPairs, name: bytes) -> bytes:
    """Return the value of the first header with this name; empty if there is none."""
    return next((value for key, value in headers if key == name), b"")


def _shown(value: bytes) -> str:
    return excerpt(value.decode("latin-1"))


def _failure(called: int, message: bytes) -> str:
    """Return what a failed call says; its message is percent-encoded UTF-8."""
    name = CALL_STATUSES[called] if called < len(CALL_STATUSES) else f"grpc-status {called}"
    text = _EXPLAINED.get(name, name)
    said = unquote_to_bytes(message[:1000]).decode("utf-8", "replace")
    return f"{text} ({said})" if said else text
