"""Addresses of our listeners, as people write them and as Twisted wants them."""

import pytest
from twisted.internet.endpoints import serverFromString
from twisted.internet.testing import MemoryReactor
from twisted.web.resource import Resource
from twisted.web.server import Site

from maglev.model.errors import StartError
from maglev.model.listen_address import strport, tcp_address
from maglev.model.text import printable

GOOD = {
    "127.0.0.1:9091": "tcp:9091:interface=127.0.0.1",
    "localhost:80": "tcp:80:interface=localhost",
    ":9091": "tcp:9091",
    "[::1]:9091": r"tcp6:9091:interface=\:\:1",
    "[::]:0": r"tcp6:0:interface=\:\:",
    "unix:/run/vpp-maglev/metrics.sock": "unix:/run/vpp-maglev/metrics.sock",
    r"unix:/odd:name=\x": r"unix:/odd\:name\=\\x",
}


@pytest.mark.parametrize(("text", "description"), GOOD.items())
def test_an_address_becomes_the_description_of_an_endpoint(text, description):
    assert strport("--metrics-addr", text) == description


def test_an_empty_address_is_off():
    assert strport("--metrics-addr", "") is None


NO_PORT = ["9091", "127.0.0.1", "127.0.0.1:", "[::1]", "[::1]9091", "unix:", "h:-1", "h:65536", "h:123456", "h:\u0661"]
NO_HOST = ["::1:9091", "[x]:1", "[]:1", "a b:1", "h/x:1", "http://127.0.0.1:9091", "h:1:interface=0.0.0.0", "h:1\n"]


@pytest.mark.parametrize("text", [*NO_PORT, *NO_HOST])
def test_anything_else_is_refused_by_the_name_of_the_option(text):
    with pytest.raises(StartError, match=r"^--metrics-addr: ") as caught:
        strport("--metrics-addr", text)
    assert f'invalid address "{printable(text)}": expected HOST:PORT, [v6]:PORT or unix:PATH' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "listens"),
    [("127.0.0.1:9091", (9091, "127.0.0.1")), ("[::1]:9091", (9091, "::1")), (":9091", (9091, ""))],
)
def test_twisted_listens_where_the_address_says(text, listens):
    reactor = MemoryReactor()
    serverFromString(reactor, strport("--metrics-addr", text)).listen(Site(Resource()))

    assert [(server[0], server[3]) for server in reactor.tcpServers] == [listens]


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:9091", ("127.0.0.1", 9091)), ("[::1]:65535", ("::1", 65535)), (":80", ("", 80)), ("h:0", ("h", 0))],
)
def test_an_address_that_can_only_be_tcp_is_a_host_and_a_port(text, address):
    assert tcp_address("--pb-tls-addr", text) == address


@pytest.mark.parametrize("text", ["", "unix:/x", *NO_PORT, *NO_HOST])
def test_what_is_not_a_host_and_port_is_refused_by_the_name_of_the_option(text):
    with pytest.raises(StartError, match=r'^--pb-tls-addr: invalid address ".*": expected HOST:PORT or \[v6\]:PORT$'):
        tcp_address("--pb-tls-addr", text)
