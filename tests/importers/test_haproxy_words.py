"""Words, addresses and times mean what they mean to HAProxy."""

import pytest

from maglev.importers.haproxy.address import BindAddress, place_of, seconds
from maglev.importers.haproxy.words import QuoteError, words_of

# Words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  # nothing", []),
        ("a\tb  c # d", ["a", "b", "c"]),
        (r"a\ b c\#d \\", ["a b", "c#d", "\\"]),
        (r"a\x41\n\q", ["aA\n\\q"]),
        ("a\\", ["a\\"]),
        ("'a $X # b' c", ["a $X # b", "c"]),
        ("a'b'\"c\"", ["abc"]),
        ('""', [""]),
        (r'"a\"b \$X"', ['a"b $X']),
        ('"$X/${X}/${Y-none}/${Z}/$"', ["1/1/none/${Z}/$"]),
        ("$X ${X}", ["$X", "${X}"]),
    ],
)
def test_lines_are_split_as_haproxy_does(line, words):
    assert words_of(line, {"X": "1"}) == words


@pytest.mark.parametrize("line", ["'a", 'a "b', '"a\\"'])
def test_a_quote_that_is_not_closed_is_an_error(line):
    with pytest.raises(QuoteError):
        words_of(line, {})


# Addresses and times


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1:80", BindAddress("192.0.2.1", range(80, 81))),
        ("192.0.2.1", BindAddress("192.0.2.1", None)),
        ("192.0.2.1:80-82", BindAddress("192.0.2.1", range(80, 83))),
        ("192.0.2.1:82-80", BindAddress("192.0.2.1", None)),
        ("192.0.2.1:0", BindAddress("192.0.2.1", None)),
        ("192.0.2.1:http", BindAddress("192.0.2.1", None)),
        ("*:80", BindAddress(None, range(80, 81))),
        (":80", BindAddress(None, range(80, 81))),
        ("0.0.0.0:80", BindAddress(None, range(80, 81))),
        (":::80", BindAddress(None, range(80, 81))),
        ("[2001:DB8::1]:80", BindAddress("2001:db8::1", range(80, 81))),
        ("[2001:db8::1]", BindAddress("2001:db8::1", None)),
        ("2001:db8::1:80", BindAddress("2001:db8::1", range(80, 81))),
        ("ipv4@192.0.2.1:80", BindAddress("192.0.2.1", range(80, 81))),
        ("quic4@192.0.2.1:443", BindAddress("192.0.2.1", range(443, 444), udp=True)),
        ("/run/x.sock", BindAddress(None, None, local=True)),
        ("unix@/run/x.sock", BindAddress(None, None, local=True)),
        ("fd@3", BindAddress(None, None, local=True)),
        ("www.example.com:80", BindAddress(None, range(80, 81), dns_name="www.example.com")),
        ("www:80", BindAddress(None, range(80, 81))),
        ("${A}:${P}", BindAddress("192.0.2.9", range(81, 82))),
        ("${B}:80", BindAddress(None, range(80, 81))),
        ("239.1.1.1:80", BindAddress(None, range(80, 81))),
    ],
)
def test_addresses_mean_what_they_mean_to_haproxy(text, place):
    assert place_of(text, {"A": "192.0.2.9", "P": "81"}) == place


@pytest.mark.parametrize(
    ("text", "value"),
    [("100", 0.1), ("2s", 2), ("1m", 60), ("500us", 0.0005), ("1d", 86400), ("1h", 3600), ("soon", None)],
)
def test_times_are_milliseconds_unless_they_say_otherwise(text, value):
    assert seconds(text) == (None if value is None else pytest.approx(value))
