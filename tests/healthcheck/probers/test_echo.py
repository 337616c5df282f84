"""ICMP messages as bytes."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maglev.healthcheck.probers import echo
from maglev.healthcheck.probers.echo import Reply, Unreachable
from tests.fakes.icmp import as_reply, error, ipv4, ipv6

V4, V6 = socket.AF_INET, socket.AF_INET6
PAYLOAD = bytes(range(56))


def test_an_ipv4_request_bears_its_checksum():
    message = echo.request(V4, 0x1234, 0x5678, PAYLOAD)
    assert message[:2] == b"\x08\x00"
    assert message[4:] == b"\x12\x34\x56\x78" + PAYLOAD
    assert echo.checksum(message) == 0


@pytest.mark.parametrize(("message", "expected"), [
    (b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7", 0x220D),  # the example of RFC 1071 section 3
    (b"\x01", 0xFEFF),
    (b"\xff\xff" * 40, 0),
])  # fmt: skip
def test_the_checksum_is_that_of_the_rfc(message, expected):
    assert echo.checksum(message) == expected


@given(st.binary(max_size=100), st.integers(0, 65535), st.integers(0, 65535))
def test_every_ipv4_request_sums_up_to_zero(payload, identifier, sequence):
    assert echo.checksum(echo.request(V4, identifier, sequence, payload)) == 0


@pytest.mark.parametrize("family", [V4, V6])
def test_a_reply_reads_back_as_what_was_asked(family):
    message = as_reply(family, echo.request(family, 7, 9, PAYLOAD))
    assert echo.read(family, message) == Reply(7, 9, PAYLOAD)


@pytest.mark.parametrize("family", [V4, V6])
def test_a_request_or_a_part_of_a_reply_is_nothing(family):
    message = echo.request(family, 7, 9, PAYLOAD)
    assert echo.read(family, message) is None
    for length in range(8):
        assert echo.read(family, as_reply(family, message)[:length]) is None


@pytest.mark.parametrize(
    ("family", "wrap", "target", "code", "reason"),
    [
        (V4, ipv4, "192.0.2.1", 1, "host unreachable"),
        (V4, lambda message: ipv4(message, options=b"\x01" * 8), "192.0.2.1", 13, "administratively prohibited"),
        (V4, ipv4, "192.0.2.1", 99, "unreachable (code 99)"),
        (V6, ipv6, "2001:db8::1", 3, "address unreachable"),
        (V6, ipv6, "2001:db8::1", 0, "no route to destination"),
    ],
)
@pytest.mark.parametrize("quoted", [8, 20, 64])
def test_an_error_tells_which_request_it_is_about(family, wrap, target, code, reason, quoted):
    request = echo.request(family, 7, 9, PAYLOAD)[:quoted]
    found = echo.read(family, error(family, code, wrap(request)))
    assert found == Unreachable(7, 9, target, PAYLOAD[: quoted - 8], reason)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (V4, error(V4, 4, ipv4(echo.request(V4, 7, 9, PAYLOAD)))),
        (V4, error(V4, 1, ipv4(echo.request(V4, 7, 9, PAYLOAD), protocol=socket.IPPROTO_UDP))),
        (V4, error(V4, 1, ipv4(as_reply(V4, echo.request(V4, 7, 9, PAYLOAD))))),
        (V4, error(V4, 1, ipv4(echo.request(V4, 7, 9, b"")[:7]))),
        (V4, error(V4, 1, b"\x4f" + bytes(30))),
        (V6, error(V6, 1, ipv6(echo.request(V6, 7, 9, PAYLOAD), following=socket.IPPROTO_TCP))),
        (V6, error(V6, 1, ipv6(b"")[:39])),
        (V6, struct.pack("!BBHI", 2, 0, 0, 1280) + ipv6(echo.request(V6, 7, 9, PAYLOAD))),
    ],
)
def test_an_error_about_something_else_is_nothing(family, message):
    assert echo.read(family, message) is None


def test_an_ipv4_header_is_stripped_with_its_options():
    assert echo.strip_ipv4_header(ipv4(b"x")) == b"x"
    assert echo.strip_ipv4_header(ipv4(b"x", options=b"\x01" * 40)) == b"x"
    assert echo.strip_ipv4_header(b"") == echo.strip_ipv4_header(b"\x41" * 30) == b""


@given(st.sampled_from([V4, V6]), st.binary(max_size=120))
def test_arbitrary_bytes_never_raise(family, message):
    echo.read(family, message)
    echo.read(family, error(family, 1, message))
    echo.strip_ipv4_header(message)
