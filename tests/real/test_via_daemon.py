"""All of maglevd with probes by way of a VIP, with no capability but CAP_NET_RAW, in its own process and in workers."""

from __future__ import annotations

import contextlib
import subprocess
import sys

import pytest

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.gre_lab import BACKEND, VIPS, VPP, GreLab, run_unit, why_no_gre_lab

WHY_NOT = why_no_gre_lab()
pytestmark = [pytest.mark.real, pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")]

PORT = 8080
PATHS = {family: f"gre@{VIPS[family]}" for family in VIPS}

SETTINGS = """
maglev:
  vpp: {{lb: {{ipv4-src-address: {vpp[4]}, ipv6-src-address: "{vpp[6]}", startup-max-delay: 5s}}}}
  healthchecker: {{probe-workers: {workers}}}
  healthchecks:
    web: {{type: http, port: {port}, interval: 200ms, timeout: 800ms, fall: 2}}
    gre: {{type: http, port: {port}, interval: 200ms, timeout: 800ms, fall: 2, via: vip}}
  backends:
    www1: {{address: {backend[4]}, healthcheck: [web, gre]}}
  frontends:
    four: {{address: {vips[4]}, protocol: tcp, port: 80, pools: [{{name: only, backends: {{www1: }}}}]}}
    six: {{address: "{vips[6]}", protocol: tcp, port: 80, pools: [{{name: only, backends: {{www1: }}}}]}}
"""


class ConfinedDaemon(MaglevDaemon):
    """maglevd in the namespace of the host, as root without root's capabilities."""

    def __init__(self, folder, host):
        super().__init__(folder, "--vpp-api-addr", "")
        self._host = host

    def command(self):
        only = "-all,+net_raw"
        confined = ["setpriv", "--bounding-set", only, "--inh-caps", only, "--ambient-caps", only]
        return ["ip", "netns", "exec", self._host, *confined, *super().command()]


@pytest.fixture(params=[0, 2], ids=["alone", "workers"])
def daemon(request, tmp_path):
    with GreLab(workers=request.param) as lab:
        made = ConfinedDaemon(tmp_path, lab.host.name)
        made.lab = lab
        where = {"vpp": VPP, "backend": BACKEND, "vips": VIPS}
        made.config.write_text(SETTINGS.format(workers=request.param, port=PORT, **where))
        with serving(lab, tmp_path), made:
            made.wait_for_event("backend-transition", backend="www1", to="up")
            yield made
        assert "Traceback" not in made.output()


@contextlib.contextmanager
def serving(lab, folder):
    """Serve HTTP on all addresses of the backend, of both families."""
    command = ["ip", "netns", "exec", lab.backend.name, sys.executable, "-m", "http.server", "--bind", "::", str(PORT)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=folder, **quiet)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def come_back(daemon, seen):
    daemon.wait_for_event("backend-transition", after=seen, backend="www1", to="up")


def test_each_fault_has_its_diagnosis_and_names_the_path(daemon):
    lab = daemon.lab
    for break_it, mend, code, path in (
        (lambda: lab.remove_vip(4), lambda: lab.add_vip(4), "L4VIP", PATHS[4]),
        (lambda: lab.remove_vip(6), lambda: lab.add_vip(6), "L4VIP", PATHS[6]),
        (lab.block_gre, lab.unblock_gre, "L4GRE", None),
    ):
        seen = len(daemon.events("backend-transition"))
        break_it()
        event = daemon.wait_for_event("backend-transition", after=seen, backend="www1", to="down")
        assert event["code"] == code, event
        assert path is None or path in event["detail"], event
        mend()
        come_back(daemon, seen)


def test_what_is_ours_takes_nobody_down(daemon):
    lab = daemon.lab
    seen = len(daemon.events("backend-transition"))
    lab.host.ip("addr", "add", f"{VIPS[4]}/32", "dev", "lo")
    discarded = daemon.wait_for_event("probe-discarded", reason="tunnel", healthcheck=PATHS[4])
    assert "is an address of this machine" in discarded["detail"]
    daemon.wait_for_event("evidence-lost", total=1)
    lab.host.ip("addr", "del", f"{VIPS[4]}/32", "dev", "lo")
    daemon.wait_for_event("evidence-regained")
    run_unit(lab.host, "ExecStop", WORKERS="2" if daemon.metrics()["maglev_probe_workers"] else "0")
    after = len(daemon.events("probe-discarded"))
    daemon.wait_for_event("probe-discarded", after=after, reason="tunnel", healthcheck=PATHS[6])
    assert len(daemon.events("backend-transition")) == seen
    assert daemon.metrics()['maglev_probe_discarded_total{reason="tunnel"}'] > 0
