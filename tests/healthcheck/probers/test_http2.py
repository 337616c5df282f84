"""Probes over HTTP/2: what they send, how they end, and what they leave open."""

from __future__ import annotations

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from maglev.healthcheck.probers.connection import ABORTED, DONE
from maglev.healthcheck.probers.expectation import Expectation
from maglev.healthcheck.probers.http2 import Http2Probes, grpc_request, http_request
from maglev.model.check_params import GrpcParams, HttpMethod
from maglev.model.config import Backend, CheckType, Healthcheck, HttpParams, TlsParams
from maglev.model.result import Code
from tests.fakes.frames import GRPC, SERVING, START, WELL, data, trailers

BACKEND = Backend("b", "192.0.2.1")


def received(sent):
    """Return the headers and the body that a server reads."""
    server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    events = server.receive_data(sent)
    (request,) = (event for event in events if isinstance(event, RequestReceived))
    return list(request.headers), b"".join(event.data for event in events if isinstance(event, DataReceived))


class Http2Bench:
    """A probe whose transport is in memory."""

    def __init__(self, probes):
        self.verdicts = verdicts = []
        self.transport = StringTransport()
        self.probe = probes(lambda code, detail="": verdicts.append((code, detail)))
        self.probe.makeConnection(self.transport)


def http(kind=CheckType.HTTP, tls=None, **params):
    params = HttpParams(http2=True, **params)
    request = http_request(BACKEND, Healthcheck("web", kind, 8080, 1, 1, 1, 1, tls=tls), params)
    return Http2Bench(Http2Probes.of_http(request, Expectation.of(params)))


def grpc(tls=None, **params):
    params = GrpcParams(**params)
    return Http2Bench(
        Http2Probes.of_grpc(grpc_request(BACKEND, Healthcheck("g", CheckType.GRPC, 50051, 1, 1, 1, 1, tls=tls), params))
    )


def test_an_http_request_has_what_one_of_http_1_has():
    bench = http(
        path="/x?y", method=HttpMethod.POST, body=b"{}", host="h.example", headers=(("X-A", "1"), ("Accept", "a"))
    )
    headers, body = received(bench.transport.value())
    assert [(name, value) for name, value in headers if name != "user-agent"] == [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "h.example"),
        (":path", "/x?y"),
        ("x-a", "1"),
        ("accept", "a"),
        ("content-length", "2"),
    ]
    assert dict(headers)["user-agent"].startswith("maglevd/")
    assert body == b"{}"


def test_the_scheme_is_that_of_the_connection_and_the_authority_the_address():
    headers, _ = received(http(CheckType.HTTPS, TlsParams()).transport.value())
    assert dict(headers)[":scheme"] == "https"
    assert dict(headers)[":authority"] == "192.0.2.1:8080"


@pytest.mark.parametrize(("tls", "scheme"), [(None, "http"), (TlsParams(), "https")])
def test_a_call_asks_for_the_service(tls, scheme):
    headers, body = received(grpc(tls, service="a.B").transport.value())
    assert headers[:6] == [
        (":method", "POST"),
        (":scheme", scheme),
        (":authority", "192.0.2.1:50051"),
        (":path", "/grpc.health.v1.Health/Check"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    assert body == b"\0\0\0\0\x05\x0a\x03a.B"
    assert dict(received(grpc(host="rpc.example").transport.value())[0])[":authority"] == "rpc.example"


def test_a_call_concludes_when_it_has_ended():
    bench = grpc()
    bench.probe.dataReceived(START + GRPC + data(SERVING))
    assert bench.verdicts == []
    assert bench.probe.timeout_verdict() == (Code.L7TOUT, "a message, but no trailers")
    bench.probe.dataReceived(trailers())
    assert bench.verdicts == [(Code.L7OK, "SERVING")]
    assert not bench.probe.unfinished


def test_it_answers_the_settings_of_the_server():
    bench = http()
    bench.transport.clear()
    bench.probe.dataReceived(START)
    assert bench.transport.value() == b"\0\0\0\x04\x01\0\0\0\0"


def test_after_the_verdict_it_reads_on_to_the_end_of_the_body():
    bench = http()
    bench.probe.dataReceived(START + WELL)
    assert bench.verdicts == [(Code.L7OK, "status 200")]
    assert bench.probe.unfinished
    bench.probe.dataReceived(data(b"x"))
    assert bench.probe.unfinished
    assert not bench.transport.disconnecting
    bench.probe.dataReceived(data(b"x", end=True))
    assert bench.transport.disconnecting
    assert not bench.probe.unfinished
    assert bench.verdicts == [(Code.L7OK, "status 200")]


def test_a_session_that_ends_after_the_verdict_ends_the_connection():
    bench = http()
    bench.probe.dataReceived(START + WELL)
    bench.probe.connectionLost(DONE)
    assert bench.transport.disconnecting
    assert bench.verdicts == [(Code.L7OK, "status 200")]


def test_a_reset_is_not_an_answer():
    bench = grpc()
    bench.probe.connectionLost(Failure(ConnectionLost("Connection reset by peer")))
    assert bench.verdicts == [(Code.L7RSP, "Connection reset by peer with no answer")]
    assert not bench.probe.unfinished


def test_an_aborted_probe_concludes_nothing():
    bench = http()
    bench.probe.connectionLost(ABORTED)
    assert bench.verdicts == []
