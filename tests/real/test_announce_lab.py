"""A route as clients see it: a real VPP in the packet lab, a real BIRD and its peer, 200 connections a second.

The peer is looked at every millisecond. What the machine itself was late by is added where time is the claim.
"""

import fcntl
import signal
import time
from pathlib import Path

import pytest

from tests.fakes.bird import RouteWatch, bird_pair, why_no_bird
from tests.fakes.lab import ADDRESSES, VIP, Lab, why_no_lab
from tests.fakes.weight_watch import WeightWatch
from tests.real.test_packets import ALIKE, LabDaemon, allowed, detection_time, weights

pytestmark = [pytest.mark.real, pytest.mark.vpp]

ALL, NONE = weights(100, 100, 100, 100), weights(0, 0, 0, 0)
LOST_DELAY = 1.0

ANNOUNCE = """
  announce:
    vpp-lost-delay: 1s
    addresses: [{{address: {vip}}}]
    bird: {{include-file: {folder}/maglev-vips.conf, control-socket: {folder}/speaker.ctl, reassert-interval: 1s}}
"""


class AnnouncingDaemon(LabDaemon):
    """maglevd in the lab, with BIRD beside it."""

    folder = Path()

    def settings(self, pools, **options):
        """Return a configuration."""
        return super().settings(pools, **options) + ANNOUNCE.format(vip=VIP, folder=self.folder)


@pytest.fixture(scope="module")
def lab():
    if reason := why_no_lab() or why_no_bird():
        pytest.skip(reason)
    with Path(__file__).open() as lock, Lab() as made:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield made


@pytest.fixture
def birds(tmp_path):
    with bird_pair(tmp_path) as made:
        yield made


@pytest.fixture
def daemon(lab, birds, tmp_path):
    made = AnnouncingDaemon(lab, tmp_path)
    made.folder = tmp_path
    try:
        yield made
    finally:
        made.finish()


def kill_all(lab):
    """Kill all backends; return when the last one was dead."""
    for backend in lab.backends.values():
        backend.kill()
    return max(backend.failed for backend in lab.backends.values())


def weighed(watch, vpp_weights):
    """Return the last moment at which VPP did not have such weights yet."""
    return next(each.after for each in reversed(watch.sightings) if each.weights == vpp_weights)


def test_a_route_follows_what_serves_at_200_connections_a_second(lab, birds, daemon):
    speaker, peer = birds
    figures = []

    def figure(text, seconds):
        figures.append(f"{text}: {1000 * seconds:.0f} ms")

    daemon.serve(ALIKE, ALL)
    with RouteWatch(peer, f"{VIP}/32") as route, WeightWatch(lab.vpp.api_socket) as watch:
        route.wait(True)
        with lab.traffic() as traffic:
            # Everything that must not be noticed.
            time.sleep(0.5)
            changes = len(route.changes)
            speaker.ask("configure")
            for number in (signal.SIGTERM, signal.SIGKILL):
                daemon.kill(number)
                time.sleep(0.3)
                daemon.start_again()
            speaker.ask("configure")
            time.sleep(0.3)
            assert len(route.changes) == changes
        assert not traffic.records.failed
        figures.append(f"restart, kill -9 and two configures: {traffic.records.summary()}")

        for broken in (False, True):
            whole = speaker.conf.read_text()
            if broken:
                speaker.conf.write_text(whole + "\nhalf edited {\n")
            with lab.traffic() as traffic:
                time.sleep(0.5)
                death = kill_all(lab)
                withdrawn = route.wait(False)
                time.sleep(0.3)
            until = allowed(daemon, traffic.records, death, detection_time(0.0))
            what = "with a broken bird.conf" if broken else "as usual"
            figure(f"all backends killed, {what}: withdrawn after the last death", withdrawn - death)
            figure("  (detection takes at most", detection_time(0.0))
            assert withdrawn < until
            with lab.traffic() as traffic:
                back = time.monotonic()
                lab.repair()
                announced = route.wait(True)
                time.sleep(0.3)
            programmed = weighed(watch, watch.sightings[-1].weights)
            first = next(each for each in watch.sightings if each.after > back and any(each.weights.values()))
            figure("back: announced after VPP was first seen with a weight", announced - first.seen)
            assert announced > first.after
            assert programmed <= announced + 20
            speaker.conf.write_text(whole)
            watch.wait_for(ALL)

    with RouteWatch(peer, f"{VIP}/32") as route:
        route.wait(True)
        died = time.monotonic()
        lab.vpp.kill()
        figure("VPP killed: withdrawn after", route.wait(False) - died)
        assert route.changes[-1][0] - died > LOST_DELAY - 0.2
        lab.vpp.restart()
        started = lab.vpp.started
        announced = route.wait(True)
        synced = daemon.events("announcement")[-1]
        figure("VPP back: announced after its start", announced - started)
        assert synced["new"] == "announced"
    print("\n".join(figures))
    assert ADDRESSES
