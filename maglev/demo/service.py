"""The demonstration: VPP's simulator, three web servers on loopback and maglevd between them, in one process.

``maglevd --demo`` needs no configuration, no VPP and no privileges. It tells what to try, and shows what happens.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.error import CannotListenError

from maglev.config.load import load_file
from maglev.demo.fixtures import HOSTS, PORT, Switchboard, TrafficGenerator, WebServer, switch_site
from maglev.model.errors import StartError
from maglev.model.listen_address import tcp_address
from maglev.runtime.cooperator import Cooperator
from maglev.vppsim.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.application.service import IService
    from twisted.internet.interfaces import IListeningPort

    from maglev.model.config import Config


SWITCH_PORT: Final = 8481
"""Port of the switchboard, on 127.0.0.1."""

CONFIG: Final = f"""\
# The configuration of the demonstration. Change it, then: kill -HUP the process.
maglev:
  vpp:
    lb:
      ipv4-src-address: 192.0.2.254
      ipv6-src-address: 2001:db8::fe
      startup-min-delay: 0s
      startup-max-delay: 2s
      weights: least-moving
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

{page}Try, in another terminal:
    curl -X POST {switch}/www1/stop       the simulator's weight of www1 goes to 0
    curl -X POST {switch}/www2/stop       the pool fallback takes over: www3 gets 100
    curl -X POST {switch}/www1/start      and gives way again
    curl {switch}/                        what the simulated VPP holds now
    curl -s {metrics}/metrics | grep ^maglev_backend_state
    curl -s {metrics}/metrics | grep ^maglev_vpp_backend_route      simulated traffic, by backend
    edit {config} and: kill -HUP {pid}
{consoles}
What happens is shown below; Ctrl-C ends it.
"""


PAGE: Final = """\
Open the live page in a browser, and leave it open:
    {url}

"""


SSH: Final = """
The console (try ?, TAB, and: watch events):
    ssh -p {port} -i {folder}/key -o UserKnownHostsFile={folder}/known_hosts \\
        -o StrictHostKeyChecking=accept-new demo@{host}
"""

MAGLEVC: Final = """
The same commands from a shell, or a script:
    {maglevc} --server {server} show frontends demo
"""


class DemoOptions(Protocol):
    """The options of maglevd, as far as the demonstration reads and replaces them.

    Attributes:
        given: Names of the settings that are not at their defaults, but given.
    """

    given: set[str]

    def __getitem__(self, name: str, /) -> str: ...
    def __setitem__(self, name: str, value: str, /) -> None: ...


class Demo(MultiService):
    """maglevd, its simulated VPP and its backends, as one service."""

    def __init__(
        self,
        reactor: Any,
        options: DemoOptions,
        build_daemon: Callable[[Any, Any, Config], IService],
    ) -> None:
        """Build everything; nothing listens yet.

        Args:
            reactor: The reactor, whose clock must be monotonic.
            options: Complete options; those of VPP and of the configuration are replaced.
            build_daemon: Builds maglevd from the reactor, the options and a valid configuration.
        """
        MultiService.__init__(self)
        self._reactor = reactor
        self._work = Cooperator(reactor).queue("demo")
        self._options = options
        # Removed at the end; at that of the process if nothing was ever started.
        self._folder = TemporaryDirectory(prefix="maglevd-demo-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        self._config = folder / "maglev.yaml"
        self._config.write_text(CONFIG)
        api, stats = str(folder / "api.sock"), str(folder / "stats.sock")
        self._simulator = Simulator(reactor, api, stats)
        self._visitors = TrafficGenerator(reactor, self._simulator)
        self._servers = {name: WebServer(reactor, self._work, name, host) for name, host in HOSTS.items()}
        self._switch: IListeningPort | None = None
        keys = str(_make_key(folder))
        replaced = {"config": str(self._config), "vpp-api-addr": api, "vpp-stats-addr": stats}
        replaced |= {"ssh-operator-keys": keys, "ssh-viewer-keys": keys}
        if "state-dir" not in options.given:
            replaced["state-dir"] = str(folder / "state")
        for name, value in replaced.items():
            options[name] = value
        if "pb-addr" not in options.given:
            options["pb-addr"] = f"unix:{folder}/pb.sock"
        options.given |= {"ssh-addr", "pb-addr"}
        self.daemon = build_daemon(reactor, options, load_file(self._config).config)
        cast("Any", self.daemon).setServiceParent(self)

    def startService(self) -> None:
        """Start the simulator and the web servers, then maglevd, and tell what to try.

        Raises:
            StartError: One of the loopback addresses is taken, or the folder's name is too long for a socket.
        """
        try:
            self._simulator.start()
            for server in self._servers.values():
                server.start()
            site = switch_site(self._work, Switchboard(self._servers, self._simulator))
            self._switch = self._reactor.listenTCP(SWITCH_PORT, site, interface="127.0.0.1")
        except (CannotListenError, OSError) as error:
            raise StartError(f"the demonstration can't listen on its address: {error}") from error
        self._visitors.start()
        MultiService.startService(self)
        # Only now is it certain that every port could be had.
        print(self._welcome(), flush=True)  # noqa: T201

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
            metrics=f"http://{self._options['metrics-addr']}",
            config=self._config,
            page=PAGE.format(url=f"http://{self._options['web-addr']}") if self._options["web-addr"] else "",
            consoles=self._consoles(),
            pid=os.getpid(),
        )

    def _consoles(self) -> str:
        text = ""
        if self._options["ssh-addr"]:
            host, port = tcp_address("--ssh-addr", self._options["ssh-addr"])
            text += SSH.format(folder=self._folder.name, host=host, port=port)
        if self._options["pb-addr"]:
            text += MAGLEVC.format(maglevc=_maglevc(), server=self._options["pb-addr"])
        return text


def _make_key(folder: Path) -> Path:
    """Make a key pair for the console, in ``key``; return the path of the file that authorizes it."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    (folder / "key").touch(0o600)
    (folder / "key").write_bytes(pem)
    allowed = folder / "operator_keys"
    allowed.write_bytes(private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" demo\n")
    return allowed


def _maglevc() -> str:
    """Return the command to type for maglevc: the one beside the running program, if there is one."""
    beside = Path(sys.argv[0]).parent / "maglevc"
    return str(beside) if beside.exists() else "maglevc"
