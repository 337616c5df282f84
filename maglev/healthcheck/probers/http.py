"""HTTP/1.1 probes: one request, one answer, no redirects followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from twisted.internet.protocol import connectionDone

from maglev.healthcheck.probers.answer import Answer, Progress
from maglev.healthcheck.probers.probe import Probe, how_lost
from maglev.model.addresses import family
from maglev.model.check_params import HttpMethod
from maglev.model.config import CheckType
from maglev.model.result import Code
from maglev.model.version import PROJECT_URL, VERSION

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from maglev.healthcheck.probers.base import Conclude
    from maglev.healthcheck.probers.expectation import Expectation, Verdict
    from maglev.model.config import Backend, Healthcheck, HttpParams

_DEFAULT_PORTS: Final = {CheckType.HTTP: 80, CheckType.HTTPS: 443}

# Everything printable in ASCII goes out as it was configured; blanks, control characters and the rest are
# percent-encoded, so that no value can end a line of the request (RFC 9112 section 3.2, RFC 3986 section 2.1).
_AS_IS: Final = "".join(chr(code) for code in range(0x21, 0x7F))

_IN_VALUE: Final = f"{_AS_IS} \t"


USER_AGENT: Final = f"maglevd/{VERSION} (+{PROJECT_URL})"


def fields_of(
    backend: Backend, healthcheck: Healthcheck, params: HttpParams
) -> tuple[tuple[str, str, str], list[tuple[str, str]]]:
    """Return what a request has in any version of HTTP: method, path and host; and the names and values of headers."""
    host = params.host or host_of(backend, healthcheck)
    given = {name.lower() for name, _ in params.headers}
    own = (("User-Agent", USER_AGENT), ("Accept", "*/*"))
    fields = [(name, value) for name, value in own if name.lower() not in given]
    fields += [(quote(name, _AS_IS), quote(value, _IN_VALUE)) for name, value in params.headers]
    if params.method is HttpMethod.POST:
        fields.append(("Content-Length", str(len(params.body))))
    return (str(params.method), quote(params.path, _AS_IS), quote(host, _AS_IS)), fields


def request_for(backend: Backend, healthcheck: Healthcheck, params: HttpParams) -> bytes:
    """Return the request that a probe sends over HTTP/1.1."""
    (method, path, host), fields = fields_of(backend, healthcheck, params)
    lines = (
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        *(f"{name}: {value}" for name, value in fields),
        "Connection: close",
    )
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii") + params.body


def host_of(backend: Backend, healthcheck: Healthcheck) -> str:
    """Return the address and the port, as the Host header has them; without the port if it is the usual one."""
    address = f"[{backend.address}]" if family(backend.address) == 6 else backend.address
    default = _DEFAULT_PORTS.get(healthcheck.type)
    return address if healthcheck.l4_port == default else f"{address}:{healthcheck.l4_port}"


class HttpProbes:
    """Makes the probes of the backends that get the same request."""

    __slots__ = ("__weakref__", "_expectation", "_request")

    def __init__(self, request: bytes, expectation: Expectation) -> None:
        self._request = request
        self._expectation = expectation

    def __call__(self, conclude: Conclude) -> HttpProbe:
        """Return a new probe."""
        return HttpProbe(conclude, self._request, self._expectation)


class HttpProbe(Probe):
    """Sends the request, and concludes as soon as the outcome is certain.

    That may be long before the end of the body. It then reads on to that end: many servers write headers and body
    apart, and log an error if a reset comes between.
    """

    def __init__(self, conclude: Conclude, request: bytes, expectation: Expectation) -> None:
        super().__init__(conclude)
        self._request = request
        self._answer = Answer(expectation)
        self._concluded = False

    @property
    def unfinished(self) -> bool:
        """Whether it has concluded, and the body has not ended."""
        answer = self._answer
        return answer.verdict is not None and answer.progress is Progress.BODY

    def connectionMade(self) -> None:
        """Send the request."""
        if self.transport is not None:
            self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        """Take a part of the answer."""
        answer = self._answer
        answer.feed(data)
        if self._concluded:
            if not answer.unfinished:
                self._hang_up()
        elif answer.verdict is not None:
            self.come_to(answer.verdict)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Judge what came, unless the probe is over already."""
        how = how_lost(reason)
        verdict = None if how is None else self._answer.end(how)
        self._answer.release()
        if self._concluded:
            if how is not None:
                self._hang_up()  # what ended may be the TLS session only
        elif verdict is not None:
            self.come_to(verdict)

    def come_to(self, verdict: Verdict) -> None:
        """Conclude."""
        self._concluded = True
        self._conclude(*verdict)

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def timeout_verdict(self) -> tuple[Code, str]:
        """Return how far the answer was."""
        return Code.L7TOUT, self._answer.progress.value
