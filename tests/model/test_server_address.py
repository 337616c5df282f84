"""Lists of servers: every form, what they are called, and what is refused."""

from __future__ import annotations

import pytest

from maglev.model.errors import ArgumentError
from maglev.model.server_address import MAX_SERVERS, ServerAddress, server_addresses


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("lb1", "lb1", "tls:lb1:2223"),
        ("lb1.example.net:4000", "lb1.example.net", "tls:lb1.example.net:4000"),
        ("tls:lb1:1", "lb1", "tls:lb1:1"),
        ("192.0.2.1", "192.0.2.1", "tls:192.0.2.1:2223"),
        ("[2001:db8::1]", "2001:db8::1", "tls:[2001:db8::1]:2223"),
        ("tls:[2001:db8::1]:5", "2001:db8::1", "tls:[2001:db8::1]:5"),
        ("unix:/run/pb.sock", "unix:/run/pb.sock", "unix:/run/pb.sock"),
    ],
)
def test_every_form_of_an_address(text, name, address):
    assert server_addresses(text) == (ServerAddress(name, address),)


def test_a_list_keeps_its_order_and_ignores_blanks_and_empty_places():
    assert [each.name for each in server_addresses(" lb2, lb1:5 ,,lb3,")] == ["lb2", "lb1", "lb3"]


def test_servers_of_one_host_are_told_apart_by_their_ports():
    assert [each.name for each in server_addresses("lb1:1,lb1:2,lb2")] == ["lb1:1", "lb1:2", "lb2"]


@pytest.mark.parametrize(
    "text", ["unix:", "tls:lb1:", "tls:lb1:0", "lb1:65536", "tcp:lb1:1", "2001:db8::1", "a b", "[x]"]
)
def test_an_invalid_address_is_refused_with_what_was_expected(text):
    with pytest.raises(ArgumentError, match=r"invalid address .*: expected unix:PATH or tls:HOST:PORT"):
        server_addresses(f"lb1,{text}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no address"),
        (" , ", "no address"),
        ("lb1,lb2,tls:lb1:2223", "tls:lb1:2223 is there twice"),
        (",".join(f"lb{number}" for number in range(MAX_SERVERS + 1)), "17 servers: expected at most 16"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(text, words):
    with pytest.raises(ArgumentError, match=words):
        server_addresses(text)
