"""What ``maglevd --check`` says of the machine where it runs, for probes by way of VIPs."""

from __future__ import annotations

import attrs
import pytest

from maglev.config.check import report
from maglev.healthcheck.probers.obstacles import obstacles
from maglev.healthcheck.probers.routes import Routes
from maglev.model.check_params import Via
from maglev.model.problem import Problem, ProblemKind
from maglev.model.result import LocalFault
from tests.fakes.configs import make_check, make_config, make_frontend

CHECK = make_check(via=Via.VIP)
LOST = LocalFault("tunnel", "192.0.2.1 is an address of this machine: its answers are dropped")


@pytest.fixture
def asked(monkeypatch):
    """The pairs of addresses that were asked about; each VIP but the second is lost."""
    found = []

    def fault_of_answers(_routes, vip, backend):
        found.append((vip.address[0], backend.address[0]))
        return {"192.0.2.1": LOST, "192.0.2.3": LocalFault("network", "no route")}.get(vip.address[0])

    monkeypatch.setattr(Routes, "fault_of_answers", fault_of_answers)
    return found


def config_of(check=CHECK, netns=None):
    frontends = [make_frontend(f"web{number}", f"192.0.2.{number}") for number in (1, 2, 3)]
    return make_config(frontends, checks=[check], netns=netns)


def test_a_warning_for_each_vip_that_is_lost(asked):
    text = f"on this machine, {LOST.detail}; see By way of a VIP"
    assert list(obstacles(config_of())) == [Problem(ProblemKind.WARNING, "maglev.healthchecks.tcp.via", text)]
    assert asked.count(("192.0.2.1", "10.0.0.1")) == 1
    assert len([vip for vip, _ in asked if vip == "192.0.2.1"]) == 1, "once is enough"


def test_nothing_is_asked_without_such_healthchecks(asked):
    assert list(obstacles(config_of(attrs.evolve(CHECK, via=Via.DIRECT)))) == []
    assert asked == []


def test_a_plain_check_beside_it_is_not_asked_about(asked):
    mixed = config_of(netns="no-such-namespace")
    assert len(list(obstacles(mixed))) == 1


def test_a_machine_without_namespaces_says_nothing(asked, monkeypatch):
    def refuse(_name):
        raise OSError

    monkeypatch.setattr("maglev.healthcheck.probers.obstacles.NetworkNamespace", refuse)
    assert list(obstacles(config_of(netns="blue"))) == []


def test_the_report_has_the_warnings_of_the_machine(tmp_path):
    path = tmp_path / "maglev.yaml"
    path.write_text("maglev: {vpp: {lb: {ipv4-src-address: 192.0.2.254, ipv6-src-address: '2001:db8::fe'}}}\n")
    lines, status = report(path, lambda _config: [Problem(ProblemKind.WARNING, "a.b", "it is so")])
    assert lines == [f"{path}: warning: a.b: it is so", f"{path}: valid, 1 warning"]
    assert status == 0
