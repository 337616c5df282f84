"""A load balancer to look at: maglevd on the simulator of VPP, with web servers and traffic, in one process.

``python -m tests.tools.stage PORT FOLDER``, in a network namespace of its own whose loopback has the addresses. Each
line of its standard input stops or starts a backend: ``stop web1``. Samples of traffic come every second, so that ten
minutes of them need not be waited for.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

PERIOD = 1

BACKENDS = {
    **{f"web{number}": (f"198.51.100.{10 + number}", "http") for number in range(1, 6)},
    **{f"api{number}": (f"2001:db8:2::{number}", "http") for number in range(1, 4)},
    **{f"mx{number}": (f"198.51.100.{20 + number}", "smtp") for number in range(1, 3)},
}
"""Address and healthcheck of each backend."""

PORTS = {"http": 8080, "smtp": 25}

LINES = "\n".join(
    f"    {name}: {{address: '{host}', healthcheck: {check}}}" for name, (host, check) in BACKENDS.items()
)

CONFIG = f"""\
maglev:
  vpp:
    lb:
      ipv4-src-address: 203.0.113.254
      ipv6-src-address: '2001:db8::fe'
      startup-min-delay: 0s
      startup-max-delay: 2s
  healthchecks:
    http: {{type: http, port: 8080, interval: 1s, fast-interval: 200ms, down-interval: 1s, timeout: 500ms, fall: 2,
            params: {{path: /healthz}}}}
    smtp: {{type: tcp, port: 25, interval: 2s, fast-interval: 200ms, down-interval: 1s, timeout: 500ms, fall: 2}}
  backends:
{LINES}
  frontends:
    shop:
      description: the shop, and a page that says sorry
      address: 203.0.113.80
      protocol: tcp
      port: 443
      pools:
        - {{name: primary, backends: {{web1: {{}}, web2: {{}}, web3: {{weight: 50}}, web4: {{}}}}, min-up: 2}}
        - {{name: sorry, backends: {{web5: {{}}}}}}
    api:
      description: partners, by IPv6
      address: 2001:db8::80
      protocol: tcp
      port: 443
      when-none-eligible: hold
      pools: [{{name: only, backends: {{api1: {{}}, api2: {{}}, api3: {{}}}}}}]
    mail:
      address: 203.0.113.25
      protocol: tcp
      port: 25
      pools: [{{name: only, backends: {{mx1: {{}}, mx2: {{weight: 20}}}}}}]
"""

LOADS = {"203.0.113.80": (160, 60), "2001:db8::80": (70, 25), "203.0.113.25": (12, 9)}
"""New flows of a VIP in a fifth of a second: the average, and by how much it goes up and down."""


def main(port: str, folder: str) -> None:
    import maglev.vpp.sync.service as vpp_service
    import maglev.web.feed
    import maglev.web.history

    maglev.web.feed.PERIOD = maglev.web.history.PERIOD = PERIOD
    vpp_service.COUNT_PERIOD = PERIOD
    import socket

    from twisted.internet import reactor
    from twisted.internet.stdio import StandardIO
    from twisted.internet.task import LoopingCall
    from twisted.protocols.basic import LineReceiver
    from twisted.web.resource import Resource
    from twisted.web.server import Site

    from maglev.config.load import load_file
    from maglev.daemon.options import Options
    from maglev.daemon.tap import Daemon
    from maglev.runtime.clock import use_monotonic_time
    from maglev.vppsim.simulator import Simulator

    class Health(Resource):
        isLeaf = True

        def render_GET(self, request):
            return b"well\n"

    socket.gethostname = lambda: "lb1"
    use_monotonic_time(reactor)
    root = Path(folder)
    (root / "maglev.yaml").write_text(CONFIG)
    simulator = Simulator(reactor, str(root / "api.sock"), str(root / "stats.sock"))
    simulator.start()
    servers = {}

    def start(name):
        address, check = BACKENDS[name]
        servers[name] = reactor.listenTCP(PORTS[check], Site(Health()), interface=address)

    for name in BACKENDS:
        start(name)
    options = Options()
    files = {"config": "maglev.yaml", "vpp-api-addr": "api.sock", "vpp-stats-addr": "stats.sock", "state-dir": "state"}
    arguments = [f"--{name}={root / file}" for name, file in files.items()]
    options.parseOptions(
        [*arguments, "--metrics-addr=", "--ssh-addr=", f"--pb-addr=unix:{root}/pb.sock", f"--web-addr=127.0.0.1:{port}"]
    )
    daemon = Daemon(reactor, options, load_file(root / "maglev.yaml").config)
    daemon.privilegedStartService()
    daemon.startService()

    def carry():
        for vip in simulator.vips():
            average, swing = LOADS[str(vip.prefix).partition("/")[0]]
            now = time.monotonic()
            simulator.carry(vip, max(0, round(average + swing * (math.sin(now / 9) + math.sin(now / 2.3) / 2))))

    class StageOrders(LineReceiver):
        delimiter = b"\n"

        def lineReceived(self, line):
            verb, name = line.decode().split()
            if verb == "stop":
                servers[name].stopListening()
            else:
                start(name)

        def connectionLost(self, reason):
            reactor.stop()

    LoopingCall(carry).start(0.2)
    StandardIO(StageOrders())
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
