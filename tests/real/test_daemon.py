"""The main job as a whole: maglevd, nginx, and VPP (simulated and real), read back with VPP's own client."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.fleet import Fleet
from tests.fakes.nginx import find_nginx
from tests.fakes.papi import PapiReader
from tests.fakes.vpp_instance import private_vpp

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed"),
]

GRE4 = 0
NET = f"127.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
A, B, C, D = (f"{NET}.{index}" for index in (1, 2, 3, 4))

SETTINGS = """
maglev:
  vpp:
    lb:
      ipv4-src-address: 192.0.2.254
      ipv6-src-address: 2001:db8::fe
      sticky-buckets-per-core: 1024
      startup-min-delay: {delay}
      startup-max-delay: 10s
  healthchecks:
    web: {{type: http, port: {port}, interval: 200ms, fast-interval: 50ms, timeout: {timeout}, fall: 2}}
"""

BACKENDS = """
  backends:
    a: {{address: {a}, healthcheck: web}}
    b: {{address: {b}, healthcheck: web}}
    c: {{address: {c}, healthcheck: web}}
"""

SITE = """
    site:
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools:
        - {{name: primary, backends: {{a: {{weight: {weight}}}, b: {{}}}}}}
        - {{name: fallback, backends: {{c: {{weight: 40}}}}}}
"""

PLAIN = """
    {name}:
      address: {address}
      protocol: udp
      port: 53
      pools:
        - {{name: only, backends: {{a: {{}}}}}}
"""

SITE_KEY = ("192.0.2.1/32", 6, 80)


def settings(fleet, delay="0s", a=A, weight=100, frontends=("old",), timeout="60s"):
    """Return a configuration: the site, and a plain frontend for each name."""
    text = (
        SETTINGS.format(port=fleet.port, delay=delay, timeout=timeout) + BACKENDS.format(a=a, b=B, c=C) + "  frontends:"
    )
    text += SITE.format(weight=weight)
    for index, name in enumerate(frontends, 50):
        text += PLAIN.format(name=name, address=f"192.0.2.{index + (name == 'new')}")
    return text


@pytest.fixture(params=["process", pytest.param("real", marks=pytest.mark.vpp)])
def vpp(request):
    with private_vpp(request.param) as instance:
        yield instance


@pytest.fixture
def fleet(tmp_path):
    with Fleet(tmp_path, [A, B, C, D]) as made:
        yield made


@pytest.fixture
def daemon(tmp_path, vpp, fleet):
    made = MaglevDaemon(tmp_path, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
    made.config.write_text(settings(fleet))
    with made:
        yield made
    assert "Traceback" not in made.output()


def site(a, b, c):
    return {A: a, B: b, C: c}


def test_vpp_holds_what_the_specification_says_through_failures_and_reloads(vpp, fleet, daemon):
    old = {("192.0.2.50/32", 17, 53): {A: 100}}
    daemon.wait_for_event("vpp-connect")
    with PapiReader(vpp.api_socket) as reader:
        reader.wait_for({SITE_KEY: site(100, 100, 0), **old})
        daemon.reload(settings(fleet, timeout="2s"))
        daemon.wait_for_event("config-applied")
        assert reader.conf() == ("192.0.2.254", "2001:db8::fe", 1024, 40)
        assert {encap for encap, _ in reader.vips().values()} == {GRE4}

        # One stops answering, the other refuses: then pool 0 is empty, and the fallback takes over.
        fleet.freeze(B)
        reader.wait_for({SITE_KEY: site(100, 0, 0), **old})
        assert daemon.wait_for_event("backend-transition", backend="b", to="down")["code"] == "L7TOUT"
        fleet.kill(A)
        reader.wait_for({SITE_KEY: site(0, 0, 40), ("192.0.2.50/32", 17, 53): {A: 0}})
        assert daemon.wait_for_event("backend-transition", backend="a", to="down")["code"] == "L4CON"
        fleet.thaw(B)
        reader.wait_for({SITE_KEY: site(0, 100, 0), ("192.0.2.50/32", 17, 53): {A: 0}})
        fleet.start(A)
        reader.wait_for({SITE_KEY: site(100, 100, 0), **old})

        # A reload: a frontend added, one removed, one weight changed, one address changed.
        daemon.reload(settings(fleet, a=D, weight=70, frontends=("new",)))
        moved = {D: 70, B: 100, C: 0}
        reader.wait_for({SITE_KEY: moved, ("192.0.2.51/32", 17, 53): {D: 100}})
        daemon.wait_for_event("backend-transition", address=D, to="up")

        # A broken file is refused whole, with all its errors, and changes nothing.
        broken = settings(fleet).replace("192.0.2.254", "nonsense").replace("healthcheck: web", "healthcheck: wep")
        daemon.reload(broken)
        daemon.wait_for_event("config-kept")
        refused = [event["problem"] for event in daemon.events("config-refused")]
        problems = [problem for problem in refused if "warning: " not in problem]
        assert len(problems) == 4
        assert any("maglev.vpp.lb.ipv4-src-address" in problem for problem in problems)
        assert sum("did you mean" in problem and "web" in problem for problem in problems) == 3
        time.sleep(0.3)
        assert reader.weights() == {SITE_KEY: moved, ("192.0.2.51/32", 17, 53): {D: 100}}


def test_a_vpp_that_is_killed_twenty_times_has_everything_again_at_the_first_connection(vpp, fleet, daemon):
    expected = {SITE_KEY: site(100, 100, 0), ("192.0.2.50/32", 17, 53): {A: 100}}
    with PapiReader(vpp.api_socket) as reader:
        reader.wait_for(expected)
    for life in range(20):
        vpp.restart()
        with PapiReader(vpp.api_socket) as reader:
            reader.wait_for(expected)
        if life == 4:
            early = daemon.descriptors(), daemon.memory()
    assert daemon.memory() < early[1] + 2_000_000
    daemon.wait_for_descriptors(early[0] + 5)  # what it had not opened again yet; of fifteen lives, fifteen were left
    samples = daemon.metrics()
    assert samples["maglev_vpp_connected"] == 1
    assert not [event for event in daemon.events("backend-transition") if event["to"] == "down"]
    assert len(daemon.events("vpp-connect")) == 21


def test_probes_go_on_without_vpp(vpp, fleet, daemon):
    daemon.wait_for_event("vpp-connect")
    vpp.kill()
    daemon.wait_for_event("vpp-disconnect")
    fleet.kill(A)
    daemon.wait_for_event("backend-transition", backend="a", to="down")
    assert daemon.metrics()["maglev_vpp_connected"] == 0
    assert not any(name.startswith("maglev_vpp_info") for name in daemon.metrics())
    status, health = daemon.health()
    assert status == 200
    assert health["checks"]["vpp"]["detail"].startswith("not connected for ")
    vpp.restart()
    with PapiReader(vpp.api_socket) as reader:
        reader.wait_for({SITE_KEY: site(0, 100, 0), ("192.0.2.50/32", 17, 53): {A: 0}})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_restart_of_maglevd_while_all_is_healthy_writes_nothing(tmp_path, fleet, number):
    with private_vpp("process") as vpp:
        daemon = MaglevDaemon(tmp_path, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
        daemon.config.write_text(settings(fleet, delay="1s"))
        with daemon, PapiReader(vpp.api_socket) as reader:
            expected = {SITE_KEY: site(100, 100, 0), ("192.0.2.50/32", 17, 53): {A: 100}}
            reader.wait_for(expected)
            before = reader.cli("show sim writes")
            assert before
            status = daemon.kill(number)
            assert status == (0 if number == signal.SIGTERM else -signal.SIGKILL)
            daemon.start()
            daemon.wait_for_event("warm-up-released", after=1, over=True)
            time.sleep(0.5)
            assert reader.cli("show sim writes") == before
            assert reader.weights() == expected
            writes = {name: value for name, value in daemon.metrics().items() if "lbsync_total" in name}
            assert len(writes) == 10
            assert set(writes.values()) == {0}


def test_it_stops_and_leaves_vpp_as_it_is(vpp, fleet, daemon):
    expected = {SITE_KEY: site(100, 100, 0), ("192.0.2.50/32", 17, 53): {A: 100}}
    with PapiReader(vpp.api_socket) as reader:
        reader.wait_for(expected)
        assert daemon.kill(signal.SIGINT) == 0
        time.sleep(0.2)
        assert reader.weights() == expected


def test_a_closed_standard_output_does_not_stop_it(tmp_path, fleet):
    config = tmp_path / "maglev.yaml"
    config.write_text(settings(fleet))
    command = [sys.executable, "-m", "maglev", "--config", config, "--vpp-api-addr", "", "--metrics-addr", ""]
    command += ["--ssh-addr", "", "--pb-addr", ""]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert any('"event": "start"' in line for line in iter(process.stdout.readline, ""))
    process.stdout.close()
    fleet.kill(A)
    time.sleep(1)
    assert process.poll() is None
    process.terminate()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()
