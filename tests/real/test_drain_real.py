"""Drains with real flows: through a real VPP to real backends, ordered with maglevc and waited for.

The lab is described in `tests.fakes.lab`. Flows live for two seconds after their last packet.
"""

import subprocess
import time
from pathlib import Path

import pytest

from tests.fakes.lab import ADDRESSES
from tests.fakes.papi import PapiReader
from tests.fakes.program import MAGLEVC
from tests.real.test_packets import ALIKE, KEY, LabDaemon, again_if_late, lab, weights, whole_lab

__all__ = ["lab", "whole_lab"]

pytestmark = [pytest.mark.real, pytest.mark.vpp]


FLOW_TIMEOUT = 2


class DrainDaemon(LabDaemon):
    """maglevd in the lab, with flows that do not live long."""

    def settings(self, pools, **more):
        text = super().settings(pools, **more)
        return text.replace("      sync-interval", f"      flow-timeout: {FLOW_TIMEOUT}s\n      sync-interval")

    def order(self, line):
        """Begin a command."""
        command = [*MAGLEVC, "--server", f"unix:{self.pb_socket}", line]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=Path(__file__).parents[2])

    def ordered(self, line, seconds=60):
        """Run a command; return its exit status, its output and its errors."""
        process = self.order(line)
        output, errors = process.communicate(timeout=seconds)
        return process.returncode, output, errors

    def drains(self):
        """Return the phases and flows of what was logged of drains."""
        return [(event["phase"], event["flows"]) for event in self.events("drain")]


@pytest.fixture
def daemon(lab, tmp_path):
    made = DrainDaemon(lab, tmp_path)
    try:
        yield made
    finally:
        made.finish()


@again_if_late
def test_a_drain_leaves_every_flow_alone_and_is_done_when_they_have_ended(lab, daemon):
    daemon.serve(ALIKE, weights(100, 100, 100, 100))
    with lab.traffic(rate=50, sessions=40) as traffic:
        time.sleep(1)
        status, output, errors = daemon.ordered('set backend b2 drain wait timeout 3s reason "disk swap"')
        drained = time.monotonic()
        assert status == 1
        assert output.startswith("backend b2 up -> draining\nbackend b2 draining ")
        assert errors.startswith("% backend b2 is not drained: it has ")
        with PapiReader(lab.vpp.api_socket) as reader:
            reader.wait_for({KEY: weights(100, 0, 100, 100)})
        time.sleep(1)
    records = traffic.records
    on_b2 = [each for each in records.sessions if each.backend == "b2"]
    assert on_b2, "no session went to b2"
    assert records.failed == []
    assert "b2" not in records.shares(drained)
    # The traffic is over: the flows time out, which VPP does not say by its count.
    status, output, errors = daemon.ordered("set backend b2 drain wait timeout 1m then disable")
    assert (status, errors) == (0, ""), output
    assert output.splitlines()[-1].startswith("backend b2 drained 0 flows")
    assert daemon.ordered("show backends b2 | include state")[1].split() == ["state", "disabled"]
    phases = daemon.drains()
    print(phases)
    assert [phase for phase, _ in phases if phase != "draining"] == ["timed-out", "drained"]
    assert next(flows for phase, flows in phases if phase == "timed-out") > 0


@again_if_late
def test_a_drain_goes_on_after_the_daemon_was_killed_and_nothing_goes_to_its_backend_meanwhile(lab, daemon):
    daemon.serve(ALIKE, weights(100, 100, 100, 100))
    with lab.traffic(rate=50, sessions=20) as traffic:
        time.sleep(1)
        status, _, _ = daemon.ordered("set backend b2 drain flows 0 then disable")
        assert status == 0
        time.sleep(0.5)
        drained = time.monotonic()
        daemon.kill()
        daemon.start_again()
        assert daemon.ordered("show backends b2 | include override")[1].split()[:2] == ["override", "drain"]
        time.sleep(1)
    records = traffic.records
    assert records.failed == []
    assert "b2" not in records.shares(drained)
    end = time.monotonic() + 60
    while ("drained", 0) not in daemon.drains() and time.monotonic() < end:
        time.sleep(0.2)
    assert daemon.drains()[-1] == ("drained", 0)
    assert daemon.ordered("show backends b2 | include state")[1].split() == ["state", "disabled"]


@again_if_late
def test_nothing_is_confirmed_when_vpp_is_killed(lab, daemon):
    daemon.serve(ALIKE, weights(100, 100, 100, 100))
    with lab.traffic(rate=20, sessions=20, timeout=0.9):
        time.sleep(1)
        waiting = daemon.order(f"set host {ADDRESSES['b2']} drain wait then disable")
        time.sleep(3)
        lab.vpp.kill()
        _, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert errors.startswith("% backend b2 is not drained: cannot confirm: not connected to VPP")
    assert daemon.ordered("show backends b2 | include state")[1].split() == ["state", "draining"]
