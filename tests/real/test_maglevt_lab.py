"""maglevt in the packet lab: what it says of a real VPP, against what the lab itself has measured.

The lab's own traffic and maglevt ask the same VIP from the same namespace, each with connections of its own. For an
outage that both notice, they must agree to within the time between two of their requests and what either was late by.
"""

import json
import signal
import subprocess
import sys
import time

import pytest

from maglev.maglevt.daemon_link import RETRY
from tests.fakes.lab import ADDRESSES, PORT, VIP
from tests.fakes.lab_vpp import prefer
from tests.fakes.papi import PapiReader
from tests.real.test_packets import KEY, again_if_late, daemon, lab, weights, whole_lab

__all__ = ["daemon", "lab", "whole_lab"]

pytestmark = [pytest.mark.real, pytest.mark.vpp]

ONE = "[{name: only, backends: {b1: {}}}]"
FAILOVER = "[{name: primary, backends: {b1: {}}}, {name: fallback, backends: {b2: {}}}]"
UNLIKE = "[{name: only, backends: {b1: {weight: 100}, b2: {weight: 50}, b3: {weight: 10}, b4: {weight: 0}}}]"

RATE = 100
"""Requests of maglevt in a second; the lab makes 200."""

CLOSE = 0.05
"""Seconds by which two measurements of an outage may differ: some intervals between requests at both its ends."""

MAGLEVT = [sys.executable, "-c", "from maglev.maglevt.program import main; main()"]


class LabTester:
    """maglevt in the client's namespace, from now until the end of this context.

    Attributes:
        report: What it said in the end.
        status: Its exit status.
    """

    def __init__(self, lab, daemon, folder, *options):
        self._metrics = folder / "maglevt.sock"
        command = ["ip", "netns", "exec", lab.client, *MAGLEVT]
        if not any(each.endswith(".yml") for each in options):
            command += ["--server", f"unix:{daemon.pb_socket}"]
        command += ["--json", "--who", "header:X-Backend", "--rate", str(RATE), "--listen", f"unix:{self._metrics}"]
        self._command = [*command, *options]
        self._process = None
        self.report = None
        self.status = None

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        prefer(self._process.pid)
        deadline = time.monotonic() + 60
        while self.answers() < 30:
            assert self._process.poll() is None, self._process.communicate()[1]
            assert time.monotonic() < deadline, "maglevt got no answers"
            time.sleep(0.05)
        return self

    def __exit__(self, *_exc_info):
        self._process.send_signal(signal.SIGINT)
        try:
            output, errors = self._process.communicate(timeout=60)
        finally:
            self._process.kill()
            self._process.wait()
        assert not errors, errors
        self.report = json.loads(output)
        self.status = self._process.returncode

    @property
    def vip(self):
        """What it said of the VIP."""
        (vip,) = self.report["vips"]
        return vip

    @property
    def texts(self):
        """What was on the timeline."""
        return [entry["text"] for entry in self.report["timeline"]]

    def places(self, beginning):
        """Return where on the timeline there are texts with this beginning."""
        return [number for number, text in enumerate(self.texts) if text.startswith(beginning)]

    def answers(self):
        """Return how many good answers there have been, by its metrics."""
        command = ["curl", "-sf", "--unix-socket", str(self._metrics), "http://localhost/metrics"]
        lines = subprocess.run(command, capture_output=True, check=False, text=True).stdout.splitlines()
        found = [line for line in lines if line.startswith("maglevt_requests_total") and 'result="good"' in line]
        return int(found[0].split()[-1]) if found else 0


def longest_outage(records):
    """Return the longest outage by the definition of maglevt, from what the lab's own traffic has noticed.

    Returns:
        Seconds until the first good request after it was sent, and until that was answered.
    """
    longest, start = (0.0, 0.0), None
    for each in records.requests:
        if each.failed:
            start = each.start if start is None else start
        elif start is not None:
            longest, start = max(longest, (each.start - start, each.end - start)), None
    assert start is None, "the outage goes on"
    return longest


def wait_for(lab, expected):
    with PapiReader(lab.vpp.api_socket) as reader:
        reader.wait_for({KEY: expected})


def kill_the_only_backend(lab, _daemon):
    lab.backends["b1"].kill()
    time.sleep(1.0)
    lab.repair()
    wait_for(lab, {ADDRESSES["b1"]: 100})


def switch_pools(lab, _daemon):
    lab.backends["b1"].kill()
    wait_for(lab, {ADDRESSES["b1"]: 0, ADDRESSES["b2"]: 100})


def restart_everything(lab, daemon):
    lab.vpp.kill()
    daemon.kill(signal.SIGTERM)
    time.sleep(0.5)
    lab.vpp.restart()
    daemon.start_again()
    time.sleep(RETRY)


DRILLS = {
    "kill": (kill_the_only_backend, ONE, {"b1": 100}, f"backend b1 {ADDRESSES['b1']} up -> down"),
    "switch": (switch_pools, FAILOVER, {"b1": 100, "b2": 0}, f"backend b1 {ADDRESSES['b1']} up -> down"),
    "restart": (restart_everything, ONE, {"b1": 100}, "connected to maglevd again"),
}


@pytest.mark.parametrize("name", DRILLS)
@again_if_late
def test_its_longest_outage_is_that_of_the_lab(lab, daemon, tmp_path, name):
    drill, pools, before, event = DRILLS[name]
    daemon.serve(pools, {ADDRESSES[each]: weight for each, weight in before.items()})
    with LabTester(lab, daemon, tmp_path, "--max-gap", "50ms") as tester, lab.traffic(hold=0, sessions=0) as traffic:
        time.sleep(0.5)
        drill(lab, daemon)
        time.sleep(1.0)
    (least, most), theirs = longest_outage(traffic.records), tester.vip["longest_outage"]["seconds"]
    # A busy machine is late to ask, and late to answer.
    late = max(lab.late) + tester.vip["lateness"] + tester.vip["latency"]["max"]
    print(f"{name}: {theirs:.3f} s by maglevt, {least:.3f} to {most:.3f} s by the lab; late {late:.3f}; {tester.texts}")
    assert least - CLOSE - late < theirs < most + CLOSE + late
    assert tester.vip["outage_at_least"] <= theirs <= tester.vip["outage_at_most"]
    assert tester.status == 1
    assert tester.report["promises"][0]["verdict"] == "broken"
    assert tester.places("requests fail")[0] < tester.places(event)[0]


@again_if_late
def test_answers_follow_the_weights(lab, daemon, tmp_path):
    daemon.serve(UNLIKE, weights(100, 50, 10, 0))
    with LabTester(lab, daemon, tmp_path, "--shares", "--max-fail", "1%") as tester:
        time.sleep(12)
    print(tester.vip["answers"], tester.vip["shares"])
    assert tester.vip["shares"]["answers"] > 1000
    assert tester.vip["shares"]["degrees"] == 2
    assert tester.vip["shares"]["follow"] is True
    assert tester.status == 0


@again_if_late
def test_answers_that_do_not_follow_the_weights_are_noticed(lab, daemon, tmp_path):
    daemon.serve(UNLIKE, weights(100, 50, 10, 0))
    backends = {name: {"weight": 50} for name in ("b1", "b2", "b3")}
    vip = {"address": VIP, "port": PORT, "check": "http", "backends": backends}
    (tmp_path / "vips.yml").write_text(json.dumps({"maglevt": {"site": vip}}))
    with LabTester(lab, daemon, tmp_path, str(tmp_path / "vips.yml"), "--shares") as tester:
        time.sleep(4)
    print(tester.vip["answers"], tester.vip["shares"])
    assert tester.vip["shares"]["follow"] is False
    assert tester.status == 1
