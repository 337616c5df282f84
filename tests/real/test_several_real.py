"""Several checks of a backend, and what VPP has of it when one fails: 0 with ``all``, its weight with ``any``."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.papi import PapiReader
from tests.fakes.ports import free_port
from tests.fakes.vpp_instance import private_vpp

pytestmark = [pytest.mark.real, pytest.mark.vpp]

ALL, ANY, OTHER = "127.78.0.1", "127.78.0.2", "127.78.0.3"
VIP = ("192.0.2.1/32", 6, 80)

FILE = """\
maglev:
  vpp: {{lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe", startup-min-delay: 0s,
              startup-max-delay: 5s}}}}
  healthchecks:
    web: {{type: tcp, port: {web}, interval: 100ms, timeout: 30s, fall: 2}}
    gre: {{type: tcp, port: {gre}, interval: 100ms, timeout: 30s, fall: 2}}
  backends:
    every: {{address: {ALL}, healthcheck: [web, gre]}}
    some: {{address: {ANY}, healthcheck: {{checks: [web, gre], require: any}}}}
    other: {{address: {OTHER}, healthcheck: web}}
  frontends:
    www: {{address: 192.0.2.1, protocol: tcp, port: 80,
          pools: [{{name: p, backends: {{every: {{weight: 40}}, some: {{weight: 30}}, other: {{weight: 20}}}}}}]}}
"""


@contextlib.contextmanager
def listening(port):
    """Take connections to a port of every address of 127.0.0.0/8."""
    with socket.create_server(("0.0.0.0", port), backlog=512, reuse_port=False) as server:
        yield server


@pytest.mark.parametrize("kind", ["process", "real"])
def test_one_check_that_fails_takes_the_weight_unless_any_is_enough(tmp_path, kind):
    web, gre = free_port("0.0.0.0"), free_port("0.0.0.0")
    with contextlib.ExitStack() as stack:
        vpp = stack.enter_context(private_vpp(kind))
        stack.enter_context(listening(web))
        tunnel = stack.enter_context(listening(gre))
        daemon = MaglevDaemon(tmp_path, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
        daemon.config.write_text(FILE.format(web=web, gre=gre, ALL=ALL, ANY=ANY, OTHER=OTHER))
        stack.enter_context(daemon)
        reader = stack.enter_context(PapiReader(vpp.api_socket))
        reader.wait_for({VIP: {ALL: 40, ANY: 30, OTHER: 20}})

        tunnel.close()
        reader.wait_for({VIP: {ALL: 0, ANY: 30, OTHER: 20}})
        down = daemon.wait_for_event("backend-transition", backend="every", to="down")
        assert "gre" in down["detail"]
        assert {each["backend"] for each in daemon.events("backend-transition") if each["to"] == "down"} == {"every"}

        stack.enter_context(listening(gre))
        reader.wait_for({VIP: {ALL: 40, ANY: 30, OTHER: 20}})
