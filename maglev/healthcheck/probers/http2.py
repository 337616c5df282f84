"""Probes over HTTP/2: of HTTP, and of gRPC's health service. What is said is pure, how it gets there is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.protocol import connectionDone

from maglev.healthcheck.probers.answer import ANSWER_LIMIT
from maglev.healthcheck.probers.grpc_answer import CONTENT_TYPE, PATH, GrpcAnswer, question
from maglev.healthcheck.probers.http import USER_AGENT, fields_of, host_of
from maglev.healthcheck.probers.http2_answer import Http2Answer
from maglev.healthcheck.probers.http2_exchange import Http2Exchange, Http2Request
from maglev.healthcheck.probers.probe import Probe, how_lost
from maglev.model.result import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.python.failure import Failure

    from maglev.healthcheck.probers.base import Conclude
    from maglev.healthcheck.probers.expectation import Expectation
    from maglev.healthcheck.probers.http2_exchange import AnswerReader
    from maglev.model.check_params import GrpcParams
    from maglev.model.config import Backend, Healthcheck, HttpParams

ALPN: Final = b"h2"
"""What a TLS handshake has to agree on (RFC 9113, 3.2)."""

HTTP_FRAMES: Final = 1024
"""Frames of an HTTP answer: its body takes 64 of them if it comes in pieces of 1 KiB."""

GRPC_FRAMES: Final = 64
"""Frames of an answer of gRPC: it takes 6 or 7."""

GRPC_BYTES: Final = 1 << 16


def http_request(backend: Backend, healthcheck: Healthcheck, params: HttpParams) -> Http2Request:
    """Return the request of an HTTP probe."""
    (method, path, host), fields = fields_of(backend, healthcheck, params)
    headers = (*_pseudo(healthcheck, method, path, host), *((name.lower(), value) for name, value in fields))
    return Http2Request(headers, params.body, ANSWER_LIMIT, HTTP_FRAMES)


def grpc_request(backend: Backend, healthcheck: Healthcheck, params: GrpcParams) -> Http2Request:
    """Return the call of a gRPC probe."""
    headers = (
        *_pseudo(healthcheck, "POST", PATH, params.host or host_of(backend, healthcheck)),
        ("te", "trailers"),
        ("content-type", CONTENT_TYPE),
        ("user-agent", USER_AGENT),
    )
    return Http2Request(headers, question(params.service), GRPC_BYTES, GRPC_FRAMES)


def _pseudo(healthcheck: Healthcheck, method: str, path: str, host: str) -> tuple[tuple[str, str], ...]:
    scheme = "http" if healthcheck.tls is None else "https"
    return (":method", method), (":scheme", scheme), (":authority", host), (":path", path)


class Http2Probes:
    """Makes the probes of the backends that get the same request."""

    __slots__ = ("__weakref__", "_new_reader", "_request")

    def __init__(self, request: Http2Request, new_reader: Callable[[], AnswerReader]) -> None:
        self._request = request
        self._new_reader = new_reader

    @classmethod
    def of_http(cls, request: Http2Request, expectation: Expectation) -> Http2Probes:
        """Return what makes HTTP probes."""
        return cls(request, lambda: Http2Answer(expectation))

    @classmethod
    def of_grpc(cls, request: Http2Request) -> Http2Probes:
        """Return what makes gRPC probes."""
        return cls(request, GrpcAnswer)

    def __call__(self, conclude: Conclude) -> Http2Probe:
        """Return a new probe."""
        return Http2Probe(conclude, Http2Exchange(self._request, self._new_reader()))


class Http2Probe(Probe):
    """Carries one exchange, and concludes as soon as its outcome is certain.

    It then reads on to the end of the body, like `maglev.healthcheck.probers.http.HttpProbe`.
    """

    def __init__(self, conclude: Conclude, exchange: Http2Exchange) -> None:
        super().__init__(conclude)
        self._exchange = exchange
        self._concluded = False

    @property
    def unfinished(self) -> bool:
        """Whether it has concluded, and the answer has not ended."""
        return self._concluded and not self._exchange.ended

    def connectionMade(self) -> None:
        """Send the request."""
        self._say(self._exchange.begin())

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the answer."""
        exchange = self._exchange
        self._say(exchange.feed(data))
        if self._concluded:
            if exchange.ended:
                self._hang_up()
        elif exchange.verdict is not None:
            self._concluded = True
            self._conclude(*exchange.verdict)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Judge what came, unless the probe is over already."""
        how = how_lost(reason)
        if how is None:
            self._exchange.close()
            return
        verdict = self._exchange.end(how)
        if self._concluded:
            self._hang_up()  # what ended may be the TLS session only
            return
        self._concluded = True
        self._conclude(*verdict)

    def timeout_verdict(self) -> tuple[Code, str]:
        """Return how far the answer was."""
        return Code.L7TOUT, self._exchange.progress()

    def _say(self, data: bytes) -> None:
        if data and self.transport is not None:
            self.transport.write(data)

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
