"""Probes by way of the VIP with a real VPP beside them: four faults have four diagnoses, and calm has none."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from tests.fakes.gre_lab import run_unit
from tests.fakes.lab import ADDRESSES, PORT, VIP, VPP_LAN
from tests.fakes.papi import PapiReader
from tests.real import test_packets
from tests.real.test_packets import KEY, LabDaemon

lab, whole_lab = test_packets.lab, test_packets.whole_lab

pytestmark = [pytest.mark.real, pytest.mark.vpp]

PATH = f"gre@{VIP}"
CALM = 3000
"""Probes."""

SETTINGS = """
maglev:
  vpp: {{lb: {{ipv4-src-address: {source}, ipv6-src-address: "2001:db8::fe", startup-min-delay: 0s}}}}
  healthchecker: {{netns: {netns}}}
  healthchecks:
    web: {{type: http, port: {port}, interval: 100ms, timeout: 1s, fall: 2}}
    gre: {{type: http, port: {port}, interval: 100ms, timeout: 1s, fall: 2, via: vip}}
  backends:
    b1: {{address: {b1}, healthcheck: [web, gre]}}
    b2: {{address: {b2}, healthcheck: [web, gre]}}
    b3: {{address: {b3}, healthcheck: [web, gre]}}
    b4: {{address: {b4}, healthcheck: [web, gre]}}
  frontends:
    site: {{address: {vip}, protocol: tcp, port: {port}, pools: [{{name: p, backends: {{b1: , b2: , b3: , b4: }}}}]}}
"""


@pytest.fixture
def daemon(lab, tmp_path):
    made = LabDaemon(lab, tmp_path)
    addresses = {"netns": lab.fabric, "source": VPP_LAN, "vip": VIP, "port": PORT, **ADDRESSES}
    made.config.write_text(SETTINGS.format(**addresses))
    fabric = SimpleNamespace(name=lab.fabric)
    run_unit(fabric)
    try:
        made.start()
        for name in ADDRESSES:
            made.wait_for_event("backend-transition", backend=name, to="up")
        wait_for(lambda: set(weights_in(lab).values()) == {100} and len(weights_in(lab)) == len(ADDRESSES))
        yield made
    finally:
        made.finish()
        run_unit(fabric, "ExecStop")


def wait_for(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def weights_in(lab):
    with PapiReader(lab.vpp.api_socket) as reader:
        return reader.weights().get(KEY, {})


FAULTS = {
    "stop_serving": {"web": "L4CON", PATH: "L4CON"},
    "lose_vip": {PATH: "L4VIP"},
    "block_gre": {PATH: "L4GRE"},
    "cut": {"web": "L4TOUT", PATH: "L4TOUT"},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_a_diagnosis_of_its_own_and_vpp_gives_the_server_no_flows(lab, daemon, fault):
    backend = lab.backends["b2"]
    seen = {name: len(daemon.events(name)) for name in ("check-transition", "backend-transition")}
    getattr(backend, fault)()
    try:
        for check, code in FAULTS[fault].items():
            found = {"backend": "b2", "healthcheck": check, "to": "down"}
            event = daemon.wait_for_event("check-transition", after=seen["check-transition"], **found)
            assert event["code"] == code, event
        wait_for(lambda: weights_in(lab)[ADDRESSES["b2"]] == 0)
        down = [
            event for event in daemon.events("check-transition")[seen["check-transition"] :] if event["to"] == "down"
        ]
        assert {event["healthcheck"] for event in down} == set(FAULTS[fault])
        assert {event["backend"] for event in down} == {"b2"}
    finally:
        backend.restore()
    daemon.wait_for_event("backend-transition", after=seen["backend-transition"], backend="b2", to="up")
    wait_for(lambda: weights_in(lab)[ADDRESSES["b2"]] == 100)


def test_in_calm_there_is_none(lab, daemon):
    def probes(result):
        lines = daemon.metrics().items()
        return sum(value for line, value in lines if line.startswith("maglev_probe_total") and f'"{result}"' in line)

    before = probes("pass")
    wait_for(lambda: probes("pass") >= before + CALM, seconds=300.0)
    print(f"{probes('pass') - before:.0f} probes passed, {len(daemon.events('probe-discarded'))} discarded")
    assert probes("fail") == 0
    assert [event for event in daemon.events("check-transition") if event["to"] == "down"] == []
