"""Frames of HTTP/2 as a server sends them, good and bad, made by hand; and the answers of gRPC's health service."""

from __future__ import annotations

from hpack import Encoder

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK, PADDED = 1, 4, 1, 8


def frame(kind, payload=b"", flags=0, stream=1, size=None):
    """Return a frame; `size` is what its head says, if that is to be wrong."""
    length = len(payload) if size is None else size
    return length.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(*pairs):
    """Return SETTINGS with these numbers and values."""
    return frame(SETTINGS, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs), 0, 0)


def headers(*pairs, end=False):
    """Return a whole block of headers."""
    block = Encoder().encode([(name.encode(), value) for name, value in pairs])
    return frame(HEADERS, block, END_HEADERS | (END_STREAM if end else 0))


def data(content, *, end=False):
    """Return a part of a body."""
    return frame(DATA, content, END_STREAM if end else 0)


def goaway(last, code=0, said=b""):
    """Return GOAWAY."""
    return frame(GOAWAY, last.to_bytes(4, "big") + code.to_bytes(4, "big") + said, 0, 0)


def reset(code):
    """Return RST_STREAM of the one stream."""
    return frame(RST_STREAM, code.to_bytes(4, "big"))


START = settings() + frame(SETTINGS, b"", ACK, 0)
"""How every answer begins."""

GRPC = headers((":status", "200"), ("content-type", "application/grpc"))
WELL = headers((":status", "200"), ("content-type", "text/plain"))


def message(content, flag=0):
    """Return a message of gRPC."""
    return bytes((flag,)) + len(content).to_bytes(4, "big") + content


SERVING = message(b"\x08\x01")


def trailers(status="0", *more):
    """Return the end of a call."""
    return headers(("grpc-status", status), *more, end=True)
