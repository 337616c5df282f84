"""What clients notice: real connections through a real VPP to real backends, while all sorts of things happen.

The lab is described in `tests.fakes.lab`. Traffic is 200 new connections a second, and some that live on; each test
says what may fail, and when. Where time is the claim, what the machine itself was late by (as the process that makes
the traffic measured it at that time) is added to the deadline.
"""

import fcntl
import functools
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.lab import ADDRESSES, PORT, VIP, VPP_LAN, Lab, why_no_lab
from tests.fakes.lab_vpp import prefer
from tests.fakes.papi import PapiReader
from tests.fakes.weight_watch import WeightWatch

pytestmark = [pytest.mark.real, pytest.mark.vpp]

KEY = (f"{VIP}/32", 6, PORT)

INTERVAL, FAST_INTERVAL, TIMEOUT, FALL = 0.2, 0.1, 0.2, 2

SETTINGS = """
maglev:
  healthchecker: {{netns: {netns}}}
  vpp:
    lb:
      ipv4-src-address: {source}
      ipv6-src-address: 2001:db8::1
      weights: {way}
      sync-interval: 1s
      startup-min-delay: 200ms
      startup-max-delay: 20s
  healthchecks:
    web: {{type: http, port: {port}, interval: 200ms, fast-interval: 100ms, timeout: 200ms, rise: 2, fall: 2}}
  backends:
    b1: {{address: {b1}, healthcheck: web}}
    b2: {{address: {b2}, healthcheck: web}}
    b3: {{address: {b3}, healthcheck: web, enabled: {enabled}}}
    b4: {{address: {b4}, healthcheck: web}}
  frontends:
    site:
      address: {vip}
      protocol: tcp
      port: {port}
      pools: {pools}
"""

ALIKE = "[{name: only, backends: {b1: {}, b2: {}, b3: {}, b4: {}}}]"
UNLIKE = "[{name: only, backends: {b1: {}, b2: {}, b3: {weight: 50}, b4: {weight: 0}}}]"
TWO_POOLS = "[{name: primary, backends: {b1: {}, b2: {}}}, {name: fallback, backends: {b3: {}, b4: {}}}]"

AS_WRITTEN, LEAST_MOVING = WAYS = ("as-written", "least-moving")

MARGIN = 0.1
"""Seconds after the detection in which a failed request may still begin."""

JITTER = 1.1

LATE = 0.1
"""Seconds by which the traffic may be late in a test that fails."""


def detection_time(timeout):
    """Return the seconds that may pass until a backend is known to be down.

    The last good probe began just before; the next comes an interval later, and more until `FALL` have failed. Each
    takes `timeout` to fail, and the next one does not wait for less than the fast interval.
    """
    return JITTER * INTERVAL + (FALL - 1) * max(JITTER * FAST_INTERVAL, timeout) + timeout


def weights(*values):
    """Return the weights of b1 to b4 by address."""
    return dict(zip(ADDRESSES.values(), values, strict=True))


def programmed(way, *values):
    """Return what VPP is told for the weights of b1 to b4, if each is 100 or 0, by address."""
    return weights(*(value if way == AS_WRITTEN else value // 100 for value in values))


@pytest.fixture(scope="module")
def whole_lab():
    if reason := why_no_lab():
        pytest.skip(reason)
    with Lab() as made:
        yield made


@pytest.fixture
def lab(whole_lab):
    # Pytest may run the tests of one module in several processes, each with a lab of its own. Those would fight for
    # the CPUs, and be what they measure.
    with Path(__file__).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        whole_lab.repair()
        yield whole_lab


def again_if_late(test):
    """Let a test that has failed try again, if its instruments were late: then it has measured the machine."""

    @functools.wraps(test)
    def tries(lab, daemon, **parameters):
        for _ in range(2):
            lab.late.clear()
            try:
                return test(lab, daemon, **parameters)
            except AssertionError as error:
                if max(lab.late, default=0.0) < LATE:
                    raise
                print(f"again, as the traffic was late by up to {max(lab.late):.3f} s: {error}")
            daemon.begin_again()
            lab.repair()
        return test(lab, daemon, **parameters)

    return tries


class LabDaemon(MaglevDaemon):
    """maglevd in the lab."""

    def __init__(self, lab, folder):
        super().__init__(folder, "--vpp-api-addr", lab.vpp.api_socket, "--vpp-stats-addr", lab.vpp.stats_socket)
        self._lab = lab

    def settings(self, pools, *, enabled="true", way=AS_WRITTEN):
        """Return a configuration."""
        addresses = {"netns": self._lab.fabric, "source": VPP_LAN, "vip": VIP, "port": PORT, **ADDRESSES}
        return SETTINGS.format(pools=pools, enabled=enabled, way=way, **addresses)

    def start(self):
        super().start()
        prefer(self.pid)

    def begin_again(self):
        """End it, and forget what it said and what it was ordered."""
        self.finish()
        self._log.unlink()
        shutil.rmtree(self.state, ignore_errors=True)

    def finish(self):
        """End it; nothing in it may have gone wrong without our knowing."""
        if self.process is not None:
            self.kill()
            assert "Traceback" not in self.output()

    def serve(self, pools, expected, way=AS_WRITTEN):
        """Start it, and return when VPP is as it should be."""
        self.config.write_text(self.settings(pools, way=way))
        self.start()
        self.wait_for_event("vpp-connect")
        with PapiReader(self._lab.vpp.api_socket) as reader:
            reader.wait_for({KEY: expected})

    def start_again(self):
        """Start it after its end, and return when it has compared all of VPP with what should be."""
        starts = len(self.events("warm-up-released"))
        self.start()
        self.wait_for_event("warm-up-released", after=starts, over=True)


@pytest.fixture
def daemon(lab, tmp_path):
    made = LabDaemon(lab, tmp_path)
    try:
        yield made
    finally:
        made.finish()


def allowed(daemon, records, since, detection):
    """Return until when requests may fail: the claim, and what this machine was late by."""
    discarded = TIMEOUT * len(daemon.events("probe-discarded"))
    late = records.lag(since, since + detection + MARGIN)
    return since + detection + MARGIN + late + discarded


def backends_of(records):
    return {each.backend for each in records} - {None}


@pytest.mark.parametrize(("way", "timeout"), [("kill", 0.0), ("cut", TIMEOUT)])
@again_if_late
def test_failed_requests_stop_within_the_time_that_it_takes_to_detect_a_dead_backend(lab, daemon, way, timeout):
    daemon.serve(ALIKE, weights(100, 100, 100, 100))
    detection = detection_time(timeout)
    with lab.traffic() as traffic:
        time.sleep(0.7)
        before = time.monotonic()
        getattr(lab.backends["b2"], way)()
        death = lab.backends["b2"].failed
        time.sleep(detection + 1.5)
    records = traffic.records
    until = allowed(daemon, records, death, detection)
    failed = [each for each in records.requests if each.failed]
    last = max(each.start for each in failed)
    print(
        f"{way}: last failed request began {last - death:.3f} s after, detection {detection:.3f}; {records.summary()}"
    )
    assert last < until
    assert backends_of(records.failed) <= {"b2"}
    assert all(each.end > before for each in records.failed)
    assert records.shares(until).keys() == {"b1", "b3", "b4"}


@pytest.mark.parametrize(("dead", "way"), [((), AS_WRITTEN), (("b4",), AS_WRITTEN), (("b4",), LEAST_MOVING)])
@again_if_late
def test_no_request_notices_that_maglevd_is_restarted_killed_or_reloaded(lab, daemon, dead, way):
    for name in dead:
        lab.backends[name].kill()
    expected = programmed(way, *(0 if name in dead else 100 for name in ADDRESSES))
    daemon.serve(ALIKE, expected, way)
    lab.vpp.forget()
    with WeightWatch(lab.vpp.api_socket) as watch, lab.traffic() as traffic:
        time.sleep(0.3)
        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon.kill(number)
            time.sleep(0.2)
            daemon.start_again()
            time.sleep(0.3)
        for _ in range(3):
            daemon.reload(daemon.settings(ALIKE, way=way))
            time.sleep(0.2)
    assert len(daemon.events("config-reload")) == 3
    print(traffic.records.summary(), f"{watch.polls} polls, longest {watch.longest:.3f} s")
    assert not traffic.records.failed
    assert [each.weights for each in watch.sightings] == [expected]
    assert not [message for message in lab.vpp.handled() if message.writes]
    assert traffic.records.shares().keys() == ADDRESSES.keys() - set(dead)


@again_if_late
def test_no_request_notices_that_the_weights_are_programmed_the_other_way(lab, daemon):
    daemon.serve(UNLIKE, weights(100, 100, 50, 0))
    lab.vpp.forget()
    with WeightWatch(lab.vpp.api_socket) as watch, lab.traffic() as traffic:
        for _ in range(2):
            for way, expected in ((LEAST_MOVING, weights(2, 2, 1, 0)), (AS_WRITTEN, weights(100, 100, 50, 0))):
                time.sleep(0.3)
                daemon.reload(daemon.settings(UNLIKE, way=way))
                watch.wait_for(expected)
        time.sleep(0.3)
    print(traffic.records.summary(), f"{watch.polls} polls, longest {watch.longest:.3f} s")
    assert not traffic.records.failed
    # Nothing in between: no moment without weights, and no mixture of old and new ones.
    assert [each.weights for each in watch.sightings] == [weights(100, 100, 50, 0), weights(2, 2, 1, 0)] * 2 + [
        weights(100, 100, 50, 0)
    ]
    assert {message.name for message in lab.vpp.handled() if message.writes} == set()  # scripts, not messages
    assert traffic.records.shares().keys() == {"b1", "b2", "b3"}


@again_if_late
def test_a_backend_that_is_disabled_loses_its_flows_and_nobody_else_does(lab, daemon):
    daemon.serve(ALIKE, weights(100, 100, 100, 100))
    with WeightWatch(lab.vpp.api_socket) as watch, lab.traffic() as traffic:
        time.sleep(0.7)
        daemon.reload(daemon.settings(ALIKE, enabled="false"))
        watch.wait_for(weights(100, 100, 0, 100))
        time.sleep(1.2)
        daemon.reload(daemon.settings(ALIKE, enabled="true"))
        watch.wait_for(weights(100, 100, 100, 100))
        time.sleep(0.7)
    records = traffic.records
    gone = watch.sightings[1]
    back = watch.sightings[2]
    print(records.summary(), records.shares())
    assert [each.weights for each in watch.sightings] == [
        weights(100, 100, 100, 100),
        weights(100, 100, 0, 100),
        weights(100, 100, 100, 100),
    ]
    assert backends_of(records.failed) <= {"b3"}
    assert all(each.start < gone.seen and each.end > gone.after for each in records.failed)
    # One that ended later may have reached VPP after the change, whenever it began.
    between = [each for each in records.requests if gone.seen < each.start and each.end < back.after]
    assert between
    assert "b3" not in backends_of(between)
    # Its sessions were flushed: none of them lived on.
    assert not [
        each for each in records.sessions if each.backend == "b3" and each.start < gone.after and not each.failed
    ]
    assert records.shares(back.seen)["b3"]


@again_if_late
def test_service_is_back_within_two_seconds_of_the_start_of_a_vpp_that_died(lab, daemon):
    daemon.serve(ALIKE, weights(100, 100, 100, 100))
    with lab.traffic() as traffic:
        time.sleep(0.7)
        death = time.monotonic()
        lab.vpp.kill()
        time.sleep(2.5)
        lab.vpp.restart()
        start = lab.vpp.started
        time.sleep(max(0.0, start + 3.5 - time.monotonic()))
    records = traffic.records
    last = max(each.start for each in records.requests if each.failed)
    print(
        f"last failed request began {last - start:.3f} s after VPP's start; "
        f"VPP had its interfaces after {lab.vpp.configured - start:.3f} s; {records.summary()}"
    )
    # A machine may be so busy that VPP itself takes most of that time until it has its interfaces.
    assert last < max(start + 2.0, lab.vpp.configured + 0.5)
    assert all(each.end > death for each in records.failed)
    assert records.shares(start + 2.0).keys() == set(ADDRESSES)
    assert not [event for event in daemon.events("backend-transition") if event["to"] == "down"]


@pytest.mark.parametrize("way", WAYS)
@again_if_late
def test_a_switch_of_pools_never_leaves_requests_without_a_backend(lab, daemon, way):
    primary, fallback = programmed(way, 100, 100, 0, 0), programmed(way, 0, 0, 100, 100)
    daemon.serve(TWO_POOLS, primary, way)
    detection = detection_time(0.0)
    lab.vpp.forget()
    with WeightWatch(lab.vpp.api_socket) as watch, lab.traffic() as traffic:
        time.sleep(0.7)
        lab.backends["b1"].kill()
        lab.backends["b2"].kill()
        death = lab.backends["b2"].failed
        watch.wait_for(fallback)
        time.sleep(1.0)
        lab.repair()
        watch.wait_for(primary)
        switched = time.monotonic()
        time.sleep(0.7)
    records = traffic.records
    until = allowed(daemon, records, death, detection)
    last = max(each.start for each in records.failed)
    writes = [message for message in lab.vpp.handled() if message.writes]
    print(
        f"last failed request began {last - death:.3f} s after, detection {detection:.3f}; {records.summary()}; "
        f"{watch.polls} polls, longest {watch.longest:.3f} s"
    )
    assert all(any(each.weights.values()) for each in watch.sightings)
    # No poll is fast enough to prove it. But VPP remembers every message that it handled: replay them.
    held = dict(primary)
    assert {message.name for message in writes} == {"lb_as_set_weight"}
    for message in writes:
        held[message.fields["as_address"]] = int(message.fields["weight"])
        assert any(held.values())
    assert len(writes) == 8
    assert last < until
    assert backends_of(records.failed) <= {"b1", "b2"}
    assert records.shares(switched).keys() == {"b1", "b2"}


@pytest.mark.parametrize(("way", "unit"), [(AS_WRITTEN, 50), (LEAST_MOVING, 1)])
@again_if_late
def test_backends_get_new_flows_as_their_weights_say(lab, daemon, way, unit):
    daemon.serve(UNLIKE, weights(2 * unit, 2 * unit, unit, 0), way)
    with lab.traffic(sessions=0) as traffic:
        time.sleep(5)
    shares = traffic.records.shares()
    total = sum(shares.values())
    expected = {"b1": 0.4 * total, "b2": 0.4 * total, "b3": 0.2 * total}
    chi_square = sum((shares[name] - count) ** 2 / count for name, count in expected.items())
    print(shares, f"chi-square {chi_square:.2f}", traffic.records.summary())
    assert total > 500
    assert set(shares) == {"b1", "b2", "b3"}
    assert not traffic.records.failed
    assert chi_square < 27.6
