"""Makes PNG files small: one byte for each pixel, of at most 256 colours (PNG specification, 4.3 and 9)."""

from __future__ import annotations

import struct
import zlib
from collections import Counter

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}


def reduced(data: bytes) -> bytes:
    """Return a picture of eight bits per channel with a palette in place of its colours."""
    width, height, channels, pixels = _decoded(data)
    colours = [pixels[at : at + 3] for at in range(0, len(pixels), channels)]
    counts = Counter(colours)
    palette = [colour for colour, _ in counts.most_common(256)]
    places = {colour: place for place, colour in enumerate(palette)}
    alike = {}
    for colour in counts:
        if colour not in places:
            coarse = bytes(part & 0xF8 for part in colour)
            if coarse not in alike:
                alike[coarse] = _nearest(coarse, palette)
            places[colour] = alike[coarse]
    indexed = bytes(places[colour] for colour in colours)
    rows = b"".join(b"\0" + indexed[at : at + width] for at in range(0, len(indexed), width))
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    parts = ((b"IHDR", head), (b"PLTE", b"".join(palette)), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _nearest(colour, palette):
    def distance(place):
        return sum((one - other) ** 2 for one, other in zip(colour, palette[place], strict=True))

    return min(range(len(palette)), key=distance)


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _decoded(data):
    """Return width, height, bytes of a pixel, and the pixels."""
    at, compressed, size = len(_SIGNATURE), b"", (0, 0, 0)
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            assert (depth, interlaced) == (8, 0)
            size = (width, height, CHANNELS[colours])
        elif kind == b"IDAT":
            compressed += content
        at += 12 + length
    width, height, channels = size
    return width, height, channels, _unfiltered(zlib.decompress(compressed), width * channels, channels)


def _unfiltered(raw, stride, channels):
    pixels, above = bytearray(), bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        kind, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for at in range(stride) if kind else ():
            left = line[at - channels] if at >= channels else 0
            corner = above[at - channels] if at >= channels else 0
            line[at] = (line[at] + _predicted(kind, left, above[at], corner)) & 255
        pixels += line
        above = line
    return bytes(pixels)


def _predicted(kind, left, up, corner):
    if kind == 1:
        return left
    if kind == 2:
        return up
    if kind == 3:
        return (left + up) // 2
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
