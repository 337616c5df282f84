"""HTTP probes: what they send, and how they end."""

from __future__ import annotations

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from maglev.healthcheck.probers.connection import ABORTED, DONE
from maglev.healthcheck.probers.expectation import Expectation
from maglev.healthcheck.probers.http import HttpProbe, request_for
from maglev.model.check_params import HttpMethod
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams
from maglev.model.result import Code
from maglev.model.version import VERSION


def request(address="192.0.2.1", port=80, kind=CheckType.HTTP, **params):
    healthcheck = Healthcheck("web", kind, port, 1, 1, 1, 1)
    return request_for(Backend("b", address), healthcheck, HttpParams(**params)).decode()


def header(text, name):
    return [line.partition(": ")[2] for line in text.split("\r\n") if line.startswith(f"{name}:")]


def test_the_request_is_complete_and_says_who_asks():
    text = request(path="/health?full=1")
    assert text.startswith("GET /health?full=1 HTTP/1.1\r\nHost: 192.0.2.1\r\n")
    assert text.endswith("\r\n\r\n")
    assert header(text, "User-Agent")[0].startswith(f"maglevd/{VERSION} (+http")
    assert header(text, "Connection") == ["close"]
    assert header(text, "Accept") == ["*/*"]


@pytest.mark.parametrize(
    ("address", "port", "kind", "host"),
    [
        ("192.0.2.1", 80, CheckType.HTTP, "192.0.2.1"),
        ("192.0.2.1", 8080, CheckType.HTTP, "192.0.2.1:8080"),
        ("192.0.2.1", 443, CheckType.HTTPS, "192.0.2.1"),
        ("192.0.2.1", 443, CheckType.HTTP, "192.0.2.1:443"),
        ("2001:db8::1", 80, CheckType.HTTP, "[2001:db8::1]"),
        ("2001:db8::1", 8443, CheckType.HTTPS, "[2001:db8::1]:8443"),
    ],
)
def test_the_host_is_the_address_with_a_port_that_is_not_the_default(address, port, kind, host):
    assert header(request(address, port, kind), "Host") == [host]


def test_a_configured_host_goes_out_as_it_is():
    assert header(request(port=8080, host="www.example.org"), "Host") == ["www.example.org"]


def test_further_headers_come_before_the_end_and_replace_only_what_is_not_the_probes_own():
    text = request(headers=(("X-A", "a \t b"), ("accept", "text/html"), ("USER-AGENT", "me"), ("X-Empty", "")))
    assert text.split("\r\n")[1:] == [
        "Host: 192.0.2.1",
        "X-A: a \t b",
        "accept: text/html",
        "USER-AGENT: me",
        "X-Empty: ",
        "Connection: close",
        "",
        "",
    ]


@pytest.mark.parametrize("method", [HttpMethod.HEAD, HttpMethod.OPTIONS])
def test_the_method_is_the_configured_one(method):
    text = request(method=method)
    assert text.startswith(f"{method} / HTTP/1.1\r\nHost: ")
    assert "Content-Length" not in text


@pytest.mark.parametrize("body", [b"", b'{"deep": true}\r\n\r\nGET'])
def test_a_post_says_how_long_its_body_is(body):
    text = request(method=HttpMethod.POST, body=body, headers=(("Content-Type", "application/json"),))
    head, _, sent = text.partition("\r\n\r\n")
    assert head.startswith("POST / HTTP/1.1\r\n")
    assert header(head, "Content-Length") == [str(len(body))]
    assert header(head, "Content-Type") == ["application/json"]
    assert sent.encode() == body


def test_no_header_can_end_its_line():
    text = request(headers=(("X-A\r\nX", "a\r\n\r\nGET"),))
    assert text.count("\r\n") == 7
    assert "X-A%0D%0AX: a%0D%0A%0D%0AGET\r\n" in text


def test_no_value_can_end_a_line_of_the_request():
    text = request(path="/a b\r\nX: y\u00e9%20", host="h\r\nZ: 1")
    assert text.count("\r\n") == 6
    assert text.startswith("GET /a%20b%0D%0AX:%20y%C3%A9%20 HTTP/1.1\r\nHost: h%0D%0AZ:%201\r\n")


class HttpExchange:
    def __init__(self, pattern=None):
        self.verdicts = []
        self.transport = StringTransport()
        expectation = Expectation.of(HttpParams(response_regexp=pattern))
        self.probe = HttpProbe(lambda code, detail="": self.verdicts.append((code, detail)), b"GET", expectation)
        self.probe.makeConnection(self.transport)


def test_the_request_is_sent_as_soon_as_the_connection_is_made():
    assert HttpExchange().transport.value() == b"GET"


def test_it_concludes_with_the_headers():
    bench = HttpExchange()
    bench.probe.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    bench.probe.connectionLost(ABORTED)
    assert bench.verdicts == [(Code.L7OK, "status 200")]


def test_a_reset_is_not_an_answer():
    bench = HttpExchange()
    bench.probe.connectionLost(Failure(ConnectionLost("Connection reset by peer")))
    assert bench.verdicts == [(Code.L7RSP, "Connection reset by peer with no answer")]


def test_a_body_ends_with_the_connection():
    bench = HttpExchange("well")
    bench.probe.dataReceived(b"HTTP/1.1 200 OK\r\n\r\nall is well")
    assert bench.verdicts == []
    bench.probe.connectionLost(DONE)
    assert bench.verdicts == [(Code.L7OK, "status 200")]


def test_an_aborted_probe_concludes_nothing():
    bench = HttpExchange()
    bench.probe.connectionLost(ABORTED)
    assert bench.verdicts == []


def test_a_timeout_tells_how_far_it_came():
    bench = HttpExchange("x")
    assert bench.probe.timeout_verdict() == (Code.L7TOUT, "no answer")
    bench.probe.dataReceived(b"HTTP/1.1 200 OK\r\n\r\n")
    assert bench.probe.timeout_verdict() == (Code.L7TOUT, "body not complete")
