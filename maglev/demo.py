"""The demonstration: VPP's simulator, three web servers on loopback and maglevd between them, in one process.

``maglevd --demo`` needs no configuration, no VPP and no privileges. It tells what to try, and shows what happens.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.web.pages import notFound
from twisted.web.resource import Resource
from twisted.web.server import Site

from maglev.config.load import load_file
from maglev.errors import StartError
from maglev.tap import Daemon
from maglev.vppsim.simulator import Simulator

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IListeningPort
    from twisted.web.http import Request as HttpRequest
    from twisted.web.server import Request

    from maglev.tap import Options

HOSTS: Final = {"www1": "127.0.0.11", "www2": "127.0.0.12", "www3": "127.0.0.13"}
PORT: Final = 8480
"""Of the web servers; not one that something else on a developer's machine is likely to have on all addresses."""

SWITCH_PORT: Final = 8481
"""Of the switchboard, on 127.0.0.1."""

VISIT_PERIOD: Final = 0.5
"""Seconds between two bursts of simulated traffic; VPP's counters are read every five."""

VISITS: Final = 10
"""New sessions in a burst, to each VIP."""

CONFIG: Final = f"""\
# The configuration of the demonstration. Change it, then: kill -HUP the process.
maglev:
  vpp:
    lb:
      ipv4-src-address: 192.0.2.254
      ipv6-src-address: 2001:db8::fe
      startup-min-delay: 0s
      startup-max-delay: 2s
  healthchecks:
    web:
      type: http
      port: {PORT}
      interval: 500ms
      fast-interval: 100ms
      timeout: 400ms
      fall: 2
      params: {{path: /healthz}}
  backends:
    www1: {{address: {HOSTS["www1"]}, healthcheck: web}}
    www2: {{address: {HOSTS["www2"]}, healthcheck: web}}
    www3: {{address: {HOSTS["www3"]}, healthcheck: web}}
  frontends:
    demo:
      description: two web servers, and one that waits for both to fail
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools:
        - name: primary
          backends: {{www1: {{weight: 100}}, www2: {{weight: 50}}}}
        - name: fallback
          backends: {{www3: {{}}}}
"""

WELCOME: Final = """
maglevd runs on a simulator of VPP, with three web servers of its own:
    www1 {www1} and www2 {www2} serve (pool primary), www3 {www3} waits (pool fallback).

Try, in another terminal:
    curl -X POST {switch}/www1/stop       the simulator's weight of www1 goes to 0
    curl -X POST {switch}/www2/stop       the pool fallback takes over: www3 gets 100
    curl -X POST {switch}/www1/start      and gives way again
    curl {switch}/                        what the simulated VPP holds now
    curl -s {metrics}/metrics | grep ^maglev_backend_state
    curl -s {metrics}/metrics | grep ^maglev_vpp_backend_route      simulated traffic, by backend
    edit {config} and: kill -HUP {pid}

What happens is shown below; Ctrl-C ends it.
"""


class _QuietSite(Site):
    noisy = False

    def log(self, request: HttpRequest) -> None:
        """Say nothing: what matters is told by maglevd."""


class WebServer:
    """A web server on one loopback address that can be stopped and started."""

    def __init__(self, reactor: Any, name: str, host: str) -> None:
        self._reactor = reactor
        self._host = host
        self._site = _QuietSite(_Answer(f"{name} is well\n"))
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
        """Listen no more."""
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


class Visitors:
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


class Demo(MultiService):
    """maglevd, its simulated VPP and its backends, as one service."""

    def __init__(self, reactor: Any, options: Options) -> None:
        """Build everything; nothing listens yet.

        Args:
            reactor: The reactor, whose clock must be monotonic.
            options: Complete options; those of VPP and of the configuration are replaced.
        """
        MultiService.__init__(self)
        self._reactor = reactor
        self._metrics = options["metrics-addr"]
        # Removed at the end; at that of the process if nothing was ever started.
        self._folder = TemporaryDirectory(prefix="maglevd-demo-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._config = folder / "maglev.yaml"
        self._config.write_text(CONFIG)
        api, stats = str(folder / "api.sock"), str(folder / "stats.sock")
        self._simulator = Simulator(reactor, api, stats)
        self._visitors = Visitors(reactor, self._simulator)
        self._servers = {name: WebServer(reactor, name, host) for name, host in HOSTS.items()}
        self._switch: IListeningPort | None = None
        options |= {"config": str(self._config), "vpp-api-addr": api, "vpp-stats-addr": stats}
        self.daemon = Daemon(reactor, options, load_file(self._config).config)
        cast("Any", self.daemon).setServiceParent(self)

    def startService(self) -> None:
        """Start the simulator and the web servers, then maglevd, and tell what to try.

        Raises:
            StartError: One of the loopback addresses is taken.
        """
        self._simulator.start()
        try:
            for server in self._servers.values():
                server.start()
            site = _QuietSite(Switchboard(self._servers, self._simulator))
            self._switch = self._reactor.listenTCP(SWITCH_PORT, site, interface="127.0.0.1")
        except CannotListenError as error:
            raise StartError(f"the demonstration can't listen: {error}") from error
        self._visitors.start()
        print(self._welcome(), flush=True)  # noqa: T201
        MultiService.startService(self)

    def stopService(self) -> Deferred[Any]:
        """Stop everything, and leave nothing behind."""
        self._visitors.stop()
        stopping = [MultiService.stopService(self), self._simulator.stop()]
        stopping += [server.stop() for server in self._servers.values()]
        if self._switch is not None:
            stopping.append(maybeDeferred(self._switch.stopListening))
        return DeferredList(stopping).addBoth(lambda _: self._folder.cleanup())

    def _welcome(self) -> str:
        return WELCOME.format(
            **HOSTS,
            switch=f"http://127.0.0.1:{SWITCH_PORT}",
            metrics=f"http://{self._metrics}",
            config=self._config,
            pid=os.getpid(),
        )
