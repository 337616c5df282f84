"""One request over HTTP/2 and its answer, in bytes: no I/O. The frames are h2's; what they may cost is bounded here.

Theory of operation. The request goes out at once, with the preface: it is small enough for the window and the frame
size that every server begins with (RFC 9113, 6.5.2 and 6.9.2), so that no setting of the server's can hold it back.
What comes is cut into frames, and h2 gets them one by one, so that a piece of the connection can't cost more than the
frames that are still allowed. What is bounded, and why:

* frames in all, of any type: each costs some 20 microseconds, whether it is a PING of 17 bytes or carries 16 KiB;
* bytes in all;
* the size of a frame: the 16 KiB that we announce;
* the headers of all header blocks together, as HPACK unpacks them (RFC 9113, 6.5.2): a byte may stand for kilobytes;
* a header block before it is unpacked: h2 keeps all of its frames until the last one has come.

A reader judges the answer: `maglev.healthcheck.probers.http2_answer` or `grpc_answer`. Everything else is a verdict,
too: another protocol, a broken frame, a stream that is reset, a connection that goes away.

A GOAWAY does not reach h2, which would refuse the rest of an answer that the server still wants to give (RFC 9113,
6.8).

An H2Connection refers to itself (its table of handlers holds its own methods), so that it and all that it keeps would
wait for the garbage collector, which seldom runs here. An exchange that is over takes it apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import attrs
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings

from maglev.model.result import Code
from maglev.model.text import excerpt, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from h2.events import Event

    from maglev.healthcheck.probers.expectation import Verdict

HeaderPairs: TypeAlias = "Sequence[tuple[bytes, bytes]]"

HEADER_LIST_LIMIT: Final = 1 << 16
"""Octets of all headers, each with 32 more, as SETTINGS_MAX_HEADER_LIST_SIZE counts them; bytes of a packed block."""

FRAME_SIZE: Final = 1 << 14
"""What no frame may exceed unless we allow it (RFC 9113, 4.2)."""

LINGER_BYTES: Final = 1 << 16
"""Bytes that are read after the verdict, so that the server is not reset while it writes."""

_PER_HEADER: Final = 32
_STATUS: Final = b":status"
_FRAME_HEAD: Final = 9
_HEADERS: Final = 1
_SETTINGS: Final = 4
_PUSH_PROMISE: Final = 5
_GOAWAY: Final = 7
_CONTINUATION: Final = 9
_BEGINS_BLOCK: Final = frozenset({_HEADERS, _PUSH_PROMISE})
_OF_A_STREAM: Final = frozenset({0, _HEADERS, 3, _PUSH_PROMISE, _CONTINUATION})
"""With DATA and RST_STREAM."""

_GOAWAY_LEAST: Final = 8
_STREAM: Final = 1
_LAST_STREAM: Final = (1 << 31) - 1

_CONFIGURATION: Final = H2Configuration(
    client_side=True,
    header_encoding=False,
    validate_outbound_headers=False,  # they come from a checked configuration
    normalize_outbound_headers=False,
    validate_inbound_headers=False,  # nginx sends values that end with a blank; nothing is forwarded
    normalize_inbound_headers=False,
)
_OWN_SETTINGS: Final = {
    SettingCodes.ENABLE_PUSH: 0,
    SettingCodes.MAX_CONCURRENT_STREAMS: 1,
    SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_LIST_LIMIT,
}


class AnswerReader(Protocol):
    """Judges an answer. None of its methods may raise, whatever the bytes.

    Attributes:
        verdict: The verdict, once there is one; it never changes.
    """

    verdict: Verdict | None

    def take_headers(self, headers: HeaderPairs) -> None:
        """Take the headers, names in lower case, ``:status`` among them."""

    def take_data(self, data: bytes) -> None:
        """Take a part of the body."""

    def take_trailers(self, headers: HeaderPairs) -> None:
        """Take the headers after the body."""

    def end(self, how: str) -> Verdict:
        """Return the verdict on an answer that ended early; ``how`` says why it ended, empty for an orderly end."""

    def progress(self) -> str:
        """Return how far the answer is, for a probe whose time is up."""


@attrs.frozen
class Http2Request:
    """A request, and what its answer may cost.

    Attributes:
        headers: With the pseudo-headers first.
        body: At most 16 KiB.
        byte_limit: Bytes of the answer, with all frames.
        frame_limit: Its frames.
    """

    headers: tuple[tuple[str, str], ...]
    body: bytes
    byte_limit: int
    frame_limit: int


class Http2Exchange:
    """Carries one request and its answer.

    Attributes:
        verdict: The verdict, once there is one; it never changes.
        ended: Whether nothing more of the answer is to be read.
    """

    def __init__(self, request: Http2Request, reader: AnswerReader) -> None:
        self.verdict: Verdict | None = None
        self.ended = False
        self._request = request
        self._reader = reader
        self._h2 = H2Connection(_CONFIGURATION)
        self._h2.local_settings = Settings(client=True, initial_values=_OWN_SETTINGS)
        self._buffer = bytearray()
        self._bytes_left = request.byte_limit
        self._frames_left = request.frame_limit
        self._headers_left = HEADER_LIST_LIMIT
        self._block = 0  # bytes of the header block under way, or of the last one
        self._begun = False
        self._goaway = ""

    def begin(self) -> bytes:
        """Return what to send first: all that this side has to say."""
        self._h2.initiate_connection()
        self._h2.send_headers(_STREAM, self._request.headers, end_stream=not self._request.body)
        if self._request.body:
            self._h2.send_data(_STREAM, self._request.body, end_stream=True)
        return self._h2.data_to_send()

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the backend; return what to send now. None of them can make it raise."""
        if not self.ended:
            self._read(data)
        return self._to_send()

    def end(self, how: str) -> Verdict:
        """Return the verdict on what came before the connection ended; ``how`` says how it ended."""
        if self.verdict is None:
            if self._begun or not self._buffer:
                self._stop(f"{self._goaway}, {how}" if self._goaway else how)
            else:
                self._fail(self._another_protocol())
        self.close()
        return self.verdict or (Code.L7RSP, how)

    def close(self) -> None:
        """Read nothing more, and let go of all that came, now."""
        self.ended = True
        self._buffer.clear()
        vars(self._h2).clear()

    def progress(self) -> str:
        """Return how far the answer is."""
        said = self._reader.progress() if self._begun else "no answer"
        return f"{said}; {self._goaway}" if self._goaway else said

    def _read(self, data: bytes) -> None:
        self._bytes_left -= len(data)
        self._buffer += data if self._bytes_left >= 0 else data[: self._bytes_left]
        while not self.ended and (frame := self._next_frame()):
            self._take(frame)
        if self._bytes_left < 0 and not self.ended:
            self._stop("answer too large")

    def _to_send(self) -> bytes:
        if self.ended:
            self.close()
            return b""
        return self._h2.data_to_send()

    # Frames

    def _next_frame(self) -> bytes:
        """Return the next whole frame, and take it from the buffer; empty if there is none."""
        buffer = self._buffer
        if len(buffer) < _FRAME_HEAD:
            return b""
        if not self._begun:
            if buffer[3] != _SETTINGS or buffer[5:9] != b"\0\0\0\0" or buffer[0]:
                self._fail(self._another_protocol())
                return b""
            self._begun = True
        size = int.from_bytes(buffer[:3], "big")
        block = self._block_with(buffer[3], size)
        if size > FRAME_SIZE:
            self._stop(f"a frame of {size} bytes, where {FRAME_SIZE} are allowed")
        elif block > HEADER_LIST_LIMIT:
            self._fail("headers too large")
        if self.ended or len(buffer) < _FRAME_HEAD + size:
            return b""
        if not self._frames_left:
            self._stop(f"more than {self._request.frame_limit} frames")
            return b""
        self._frames_left -= 1
        self._block = block
        frame = bytes(buffer[: _FRAME_HEAD + size])
        del buffer[: _FRAME_HEAD + size]
        return frame

    def _block_with(self, kind: int, size: int) -> int:
        """Return the bytes of the header block with a frame of this kind and size."""
        if kind in _BEGINS_BLOCK:
            return size
        return self._block + size if kind == _CONTINUATION else 0

    def _take(self, frame: bytes) -> None:
        if frame[3] == _GOAWAY:
            self._go_away(frame)
            return
        stream = int.from_bytes(frame[5:9], "big") & _LAST_STREAM
        if stream > _STREAM and frame[3] in _OF_A_STREAM:  # h2 would take it for a request
            self._stop(f"broken HTTP/2: a frame of stream {stream}, which nobody opened")
            return
        try:
            events = self._h2.receive_data(frame)
        except Exception as error:  # noqa: BLE001  # whatever it is: these bytes are the reason, and h2 is done with
            self._stop(f"broken HTTP/2: {_reason_of(error)}")
            return
        for event in events:
            self._hear(event)

    def _hear(self, event: Event) -> None:
        reader = self._reader
        if isinstance(event, (InformationalResponseReceived, ResponseReceived)):
            good = self._count(event.headers) and self._check_status(event.headers)
            if good and isinstance(event, ResponseReceived):
                reader.take_headers(event.headers)
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, _STREAM)
            reader.take_data(event.data)
        elif isinstance(event, TrailersReceived):
            if self._count(event.headers):
                reader.take_trailers(event.headers)
        elif isinstance(event, StreamReset):
            self._stop(f"stream reset ({_name_of(event.error_code)})")
        elif isinstance(event, StreamEnded) and not self.ended:
            self._stop("")
        if self.verdict is None and reader.verdict is not None:
            self.verdict = reader.verdict
            self._bytes_left = min(self._bytes_left, LINGER_BYTES)

    def _count(self, headers: HeaderPairs) -> bool:
        """Return whether a block of headers is within the limit of all of them."""
        self._headers_left -= sum(len(name) + len(value) + _PER_HEADER for name, value in headers)
        if self._headers_left < 0:
            self._fail("headers too large")
        return not self.ended

    def _check_status(self, headers: HeaderPairs) -> bool:
        """Return whether there is one status at most; two, and a proxy may go by the other (RFC 9113, 8.3)."""
        statuses = sum(name == _STATUS for name, _ in headers)
        if statuses > 1:
            self._fail(f"malformed answer: {statuses} times :status")
        return not self.ended

    def _go_away(self, frame: bytes) -> None:
        body = frame[_FRAME_HEAD:]
        if len(body) < _GOAWAY_LEAST or frame[5:9] != b"\0\0\0\0":
            self._stop("broken HTTP/2: malformed GOAWAY")
            return
        last = int.from_bytes(body[:4], "big") & _LAST_STREAM
        said = excerpt(body[_GOAWAY_LEAST:].decode("latin-1"))
        self._goaway = f"GOAWAY {_name_of(int.from_bytes(body[4:8], 'big'))}{f' ({said})' if said else ''}"
        if last < _STREAM:
            self._stop(self._goaway)

    # Ends

    def _stop(self, how: str) -> None:
        """Nothing more is to come; empty if that is in order."""
        self.ended = True
        if self.verdict is None:
            code, detail = self._reader.end(how)
            self.verdict = code, printable(detail)

    def _fail(self, detail: str) -> None:
        self.ended = True
        if self.verdict is None:
            self.verdict = Code.L7RSP, printable(detail)

    def _another_protocol(self) -> str:
        """Return what came in the place of the SETTINGS with which a server begins."""
        start = bytes(self._buffer[:400])
        if start.startswith((b"HTTP/1", b"HTTP/0")):
            line = start.splitlines()[0].decode("latin-1")
            return f'not HTTP/2: an answer in HTTP/1.1 ("{excerpt(line)}")'
        if start.startswith(b"\x15\x03"):
            return "not HTTP/2: a TLS alert"
        return f'not HTTP/2: received "{excerpt(start.decode("latin-1"))}"'


def _name_of(code: ErrorCodes | int) -> str:
    """Return the name of an error code (RFC 9113, 7)."""
    try:
        return ErrorCodes(code).name
    except ValueError:
        return f"error {int(code)}"


def _reason_of(error: Exception) -> str:
    """Return what h2 says of bytes that it refuses."""
    words = str(error.args[0]) if error.args else ""
    return excerpt(words.rstrip(".")) if words else type(error).__name__
