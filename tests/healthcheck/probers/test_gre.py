"""What is put before a client's packet, byte by byte; real packets are in `tests.real.test_via_real`."""

from __future__ import annotations

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from maglev.healthcheck.probers.gre import OVERHEAD, Encapsulation, key_for, key_of

INNER = {
    4: bytes.fromhex("45000028 00004000 40060000 c0000263 c0000201 9c400050 00000000 00000000 5002ffff 00000000"),
    6: bytes.fromhex(
        "60000000 00140640 20010db8000000000000000000000063 20010db8000000000000000000000001"
        "9c400050 00000000 00000000 5002ffff 00000000"
    ),
}
"""A SYN from port 40000 to port 80 of a VIP."""

ADDRESSES_4 = some.ip_addresses(v=4).map(str)


def words(data):
    return struct.unpack(f"!{len(data) // 2}H", data)


def checksum(header):
    """Sum a header as RFC 1071 says: 0xffff if its checksum is right."""
    total = sum(words(header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_ipv4_outside_as_vpp_writes_it():
    wrapped = Encapsulation("192.0.2.254", "198.51.100.1").wrap(INNER[4])
    assert wrapped == (
        # version and length, DSCP, 64 bytes, id, no flags, TTL 128, GRE, checksum
        bytes.fromhex("45 00 0040 0000 0000 80 2f 4d5c")
        + ipaddress.ip_address("192.0.2.254").packed
        + ipaddress.ip_address("198.51.100.1").packed
        + bytes.fromhex("0000 0800")
        + INNER[4]
    )


def test_ipv6_outside_as_vpp_writes_it():
    wrapped = Encapsulation("2001:db8::fe", "2001:db8:1::1").wrap(INNER[6])
    assert wrapped == (
        # version, class and label, 64 bytes, GRE, hop limit 128
        bytes.fromhex("60000000 0040 2f 80")
        + ipaddress.ip_address("2001:db8::fe").packed
        + ipaddress.ip_address("2001:db8:1::1").packed
        + bytes.fromhex("0000 86dd")
        + INNER[6]
    )


@pytest.mark.parametrize(("inner", "protocol"), [(4, "0800"), (6, "86dd")])
@pytest.mark.parametrize(("outer", "source", "backend"), [
    (4, "192.0.2.254", "198.51.100.1"),
    (6, "2001:db8::fe", "2001:db8:1::1"),
])  # fmt: skip
def test_each_family_goes_in_each(outer, source, backend, inner, protocol):
    wrapped = Encapsulation(source, backend).wrap(INNER[inner])
    assert wrapped[OVERHEAD[outer] - 4 :] == bytes.fromhex("0000" + protocol) + INNER[inner]


@given(ADDRESSES_4, ADDRESSES_4, some.integers(20, 65000))
def test_the_length_and_the_checksum_are_right(source, backend, length):
    packet = INNER[4][:20].ljust(length, b"\0")
    header = Encapsulation(source, backend).wrap(packet)[:20]
    assert int.from_bytes(header[2:4], "big") == length + OVERHEAD[4]
    assert checksum(header) == 0xFFFF


@pytest.mark.parametrize(("family", "source", "vip"), [
    (4, "192.0.2.99", "192.0.2.1"),
    (6, "2001:db8::63", "2001:db8::1"),
])  # fmt: skip
def test_a_packet_has_the_key_of_its_probe(family, source, vip):
    expected = key_for(socket.IPPROTO_TCP, source, vip, 40000)
    assert key_of(INNER[family]) == expected
    others = [
        key_for(socket.IPPROTO_UDP, source, vip, 40000),
        key_for(socket.IPPROTO_TCP, source, vip, 40001),
        key_for(socket.IPPROTO_TCP, vip, source, 40000),
    ]
    assert expected not in others
    assert len({expected, *others}) == 4


@pytest.mark.parametrize("packet", [
    b"",
    b"\x46" + INNER[4][1:],
    b"\x00" * 60,
    b"\xff" * 60,
])  # fmt: skip
def test_a_packet_that_no_probe_sends_has_no_key(packet):
    assert key_of(packet) == b""


@given(some.binary(max_size=80))
def test_whatever_comes_has_a_key_or_none(packet):
    assert isinstance(key_of(packet), bytes)
