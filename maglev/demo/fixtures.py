"""The surroundings of the demonstration: web servers, a switchboard to stop and start them, and simulated traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.pages import notFound
from twisted.web.resource import Resource

from maglev.runtime.http import READ_ONLY, BoundedSite

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IListeningPort
    from twisted.web.server import Request

    from maglev.runtime.cooperator import WorkQueue
    from maglev.vppsim.simulator import Simulator

HOSTS: Final = {"www1": "127.0.0.11", "www2": "127.0.0.12", "www3": "127.0.0.13"}
PORT: Final = 8480
"""Port of the web servers: one that nothing else on a developer's machine is likely to bind on all addresses."""

VISIT_PERIOD: Final = 0.5
"""Seconds between two bursts of simulated traffic; VPP's counters are read every five."""

CONNECTIONS: Final = 256
"""To each web server, and to the switchboard: those of some seconds, as on a machine that is busy, and of a tester with
fifty requests a second."""

VISITS: Final = 10
"""New sessions in a burst, to each VIP."""


class WebServer:
    """A web server on one loopback address that can be stopped and started."""

    def __init__(self, reactor: Any, work: WorkQueue, name: str, host: str) -> None:
        self._reactor = reactor
        self._host = host
        self._site = BoundedSite(work, lambda: CONNECTIONS, _Answer(f"{name} is well\n"))
        self._port: IListeningPort | None = None

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._port is not None

    def start(self) -> None:
        """Listen.

        Raises:
            CannotListenError: Something else does.
        """
        if self._port is None:
            self._port = self._reactor.listenTCP(PORT, self._site, interface=self._host)

    def stop(self) -> Deferred[Any]:
        """Stop listening."""
        port, self._port = self._port, None
        return maybeDeferred(port.stopListening if port is not None else lambda: None)


class _Answer(Resource):
    isLeaf = True

    def __init__(self, text: str) -> None:
        Resource.__init__(self)
        self._text = text.encode()

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return self._text


class Switchboard(Resource):
    """Stops and starts the web servers, and shows what the simulated VPP holds."""

    isLeaf = True

    def __init__(self, servers: dict[str, WebServer], simulator: Simulator) -> None:
        Resource.__init__(self)
        self._servers = servers
        self._simulator = simulator

    def render_GET(self, request: Request) -> bytes:
        """Show the weights, and which servers run."""
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        lines = [
            f"{name} {HOSTS[name]} {'runs' if each.running else 'stopped'}" for name, each in self._servers.items()
        ]
        for vip, weights in self._simulator.vips().items():
            lines.append(f"vip {vip.prefix} protocol {vip.protocol} port {vip.port}")
            lines += [f"    {address} weight {weight}" for address, weight in weights.items()]
        return "\n".join(lines).encode() + b"\n"

    def render_POST(self, request: Request) -> bytes:
        """Do ``/NAME/stop`` or ``/NAME/start``."""
        name, _, action = request.path.decode("ascii", "replace").strip("/").partition("/")
        server = self._servers.get(name)
        if server is None or action not in {"stop", "start"}:
            return cast("bytes", notFound(message="ask for /www1/stop or /www1/start").render(request))
        if action == "stop":
            server.stop()
        else:
            server.start()
        return f"{name}: {action}\n".encode()


def switch_site(work: WorkQueue, switchboard: Switchboard) -> BoundedSite:
    """Return the site of the switchboard."""
    return BoundedSite(work, lambda: CONNECTIONS, switchboard, (*READ_ONLY, b"POST"))


class TrafficGenerator:
    """Sends simulated traffic to every VIP, so that there is something to count."""

    def __init__(self, reactor: Any, simulator: Simulator) -> None:
        self._reactor = reactor
        self._simulator = simulator
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._call = self._reactor.callLater(VISIT_PERIOD, self._visit)

    def stop(self) -> None:
        """Stop; harmless if it never began."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _visit(self) -> None:
        self.start()
        if self._simulator.running:
            for vip in self._simulator.vips():
                self._simulator.carry(vip, VISITS)
