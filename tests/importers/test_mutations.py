"""Files with mistakes of all kinds: whatever is in them, what comes out is valid or says what is to be filled in."""

import random

import pytest

from maglev.importers.convert import convert

HAPROXY = rb"""
global
    setenv A 192.0.2.1
defaults
    mode http
    timeout check 1s
    option httpchk GET /x
    default-server inter 1s fastinter 100 rise 3
frontend f
    bind "${A}:80"
    bind *:443,[2001:db8::1]:443 ssl crt /x.pem
    use_backend b if { path /x }
    default_backend a
backend a
    balance source
    http-check send hdr Host a.example hdr X-A "b c"
    http-check expect ! rstring bad
    http-check expect rstatus ^[23]
    server s1 10.0.0.1:80 check weight 10
    server s2 name:80 check ssl verify none check-sni a.example backup
    server s3 10.0.0.3:80 check ssl ca-file /no/ca.pem crt /no/crt.pem curves P-256:X25519
    server-template t 1-3 10.0.0.9:80 check
listen b
    bind 192.0.2.2:1-9
    option tcp-check
    tcp-check connect port 81 ssl
    server s1 [2001:db8::1]:80 check source [2001:db8::2]
"""

KEEPALIVED = rb"""
$NET=192.0.2
virtual_server_group g {
    $NET.1-3 80
    fwmark 7
}
virtual_server group g {
    delay_loop 6
    lb_algo sh
    protocol UDP
    real_server 10.0.0.1 80 {
        weight 3
        HTTP_GET {
            url {
                path /x
                status_code 200-299 301
                regex "ok"
                regex_no_match
            }
            connect_timeout 2
        }
    }
    real_server 2001:db8::1 80 {
        MISC_CHECK { misc_path "/x" }
    }
    sorry_server 10.0.0.9 80
}
SSL { certificate /no/certificate keyfile /no/key }
virtual_server ${NET}.9 0 { inhibit_on_failure }
@main vrrp_instance v { state MASTER }
"""

PIECES = [
    *(bytes([code]) for code in b"\"'\\{}$#!@:*/-0([ \t\n\x1b"),
    *(b"${", b"::", b"9" * 20, "\u00b2\u00e9".encode()),
]
PIECES += [b"check ", b"nan", b"inf", b"-1", b"1.5"]


def mutated(chance, text):
    """Return a text with a few mistakes."""
    made = bytearray(text)
    for _ in range(chance.randint(1, 10)):
        place = chance.randrange(len(made) + 1)
        kind = chance.randrange(3)
        if kind == 0:
            made[place:place] = chance.choice(PIECES)
        elif kind == 1:
            del made[place : place + chance.randint(1, 20)]
        else:
            start = chance.randrange(len(made) + 1)
            made[place:place] = made[start : start + chance.randint(1, 60)]
    return bytes(made)


@pytest.mark.parametrize(("program", "text"), [("haproxy", HAPROXY), ("keepalived", KEEPALIVED)])
def test_no_mistake_in_a_file_breaks_the_import(tmp_path, program, text):
    chance = random.Random(7)
    path = tmp_path / "file"
    statuses = set()
    for _ in range(60):
        path.write_bytes(mutated(chance, text))
        made = convert(program, str(path))
        statuses.add(made.status)
        if made.status == 2:
            # A mistake can also give a server the address of a VIP; files are not here, curves not OpenSSL's.
            told = ("fill in (", "warning", "expected the address of a server", "can't be read", "knows no curve")
            assert all(any(words in remark for words in told) for remark in made.remarks[:-1]), made.remarks
        else:
            assert bool(made.text) == (made.status == 0)
    assert {1, 2} <= statuses
