"""Not knowing is not down: restarts, blindness and reloads, while a watch reads the weights of a real VPP all the time.

A fuller run takes some minutes: ``MAGLEV_TEST_ROUNDS=300 pytest tests/real/test_holds_real.py``.
"""

import contextlib
import itertools
import os
import resource
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.papi import PapiReader
from tests.fakes.peers import Namespace, why_no_namespaces
from tests.fakes.random_reloads import RandomReloads
from tests.fakes.slow_backends import SlowBackends
from tests.fakes.vpp_instance import private_vpp
from tests.fakes.weight_watch import VipWatch

pytestmark = [pytest.mark.real, pytest.mark.vpp]

ROUNDS = int(os.environ.get("MAGLEV_TEST_ROUNDS", "8"))
MANY = ROUNDS >= 100
"""Whether runs of half a minute are wanted."""

KEYS = [("192.0.2.1/32", 6, port) for port in (80, 443, 8080)]


class StartedDaemon(MaglevDaemon):
    """maglevd, possibly started by another program."""

    prefix = ()

    def command(self):
        return [*self.prefix, *super().command()]

    def writes(self):
        """Return how many writes it has sent to VPP since its start."""
        return sum(value for name, value in self.metrics().items() if name.startswith("maglev_vpp_lbsync_total"))

    def children(self):
        """Return the process ids of its probe workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children]


@pytest.fixture
def vpp():
    with private_vpp("real") as instance:
        yield instance


@pytest.fixture
def backends():
    with SlowBackends(0.5) as made:
        yield made


@pytest.fixture
def reader(vpp):
    with PapiReader(vpp.api_socket) as made:
        yield made


@pytest.fixture
def daemons(tmp_path, vpp):
    made = []

    def make():
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(StartedDaemon(folder, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket))
        return made[-1]

    yield make
    for daemon in made:
        if daemon.process is not None:
            daemon.kill()
            assert "Traceback" not in daemon.output()


@pytest.fixture
def daemon(daemons):
    return daemons()


def begin(daemon, reader, text, expected):
    """Start it, and return when VPP is as it should be."""
    daemon.config.write_text(text)
    daemon.start()
    daemon.wait_for_event("vpp-connect")
    reader.wait_for(expected)


@pytest.mark.parametrize("seed", range(2 if MANY else 1))
def test_no_vip_is_without_weight_through_reloads_that_rename_replace_and_move(vpp, backends, reader, daemon, seed):
    site = RandomReloads(seed, backends.port, startup_min_delay="0s", sync_interval="5s")
    begin(daemon, reader, site.text, site.expected)
    slowest = 0.0
    with VipWatch(vpp.api_socket) as watch:
        watch.wait_for(site.expected)
        for number in range(ROUNDS):
            seen = len(watch.sightings)
            edits = []
            # Every fourth reload follows the one before so fast that nothing is settled yet.
            for _ in range(2 if number % 4 == 3 else 1):
                site.edit()
                edits += site.edits
                daemon.reload(site.text)
                time.sleep(0.2)
            start = time.monotonic()
            watch.wait_for(site.expected)
            slowest = max(slowest, time.monotonic() - start)
            assert not watch.dark(KEYS, seen), f"round {number}: {edits}"
            time.sleep(0.05)
            assert reader.weights() == site.expected, f"round {number}: {edits}"
    print(f"{ROUNDS} rounds, {watch.polls} polls, longest {watch.longest:.3f} s, slowest to settle {slowest:.2f} s")
    assert not daemon.events("vpp-lbsync-refused")


def scaled(*values):
    """Return interval, startup-min-delay and startup-max-delay."""
    return pytest.param(*values, id="-".join(values))


@pytest.mark.parametrize(
    ("interval", "minimum", "maximum"),
    [
        scaled("6s", "500ms", "3s"),
        scaled("1s", "500ms", "3s"),
        scaled("3s", "0s", "1s"),
        scaled("3s", "0s", "0s"),
        scaled("300ms", "2s", "2s"),
        *([scaled("60s", "5s", "30s")] if MANY else []),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_healthy_restart_writes_nothing(vpp, backends, reader, daemon, interval, minimum, maximum, number):
    site = RandomReloads(1, backends.port, startup_min_delay="0s")
    begin(daemon, reader, site.text, site.expected)
    with VipWatch(vpp.api_socket) as watch:
        daemon.kill(number)
        text = yaml.safe_load(site.text)
        text["maglev"]["healthchecks"]["web"]["interval"] = interval
        text["maglev"]["vpp"]["lb"] |= {"startup-min-delay": minimum, "startup-max-delay": maximum}
        daemon.config.write_text(yaml.safe_dump(text))
        released = len(daemon.events("warm-up-released"))
        daemon.start()
        daemon.wait_for_event("warm-up-released", after=released, over=True)
        time.sleep(1.5)
        assert daemon.writes() == 0
    print(f"{watch.polls} polls, longest {watch.longest:.3f} s")
    assert [each.weights for each in watch.sightings] == [site.expected]


def test_a_write_that_was_deleted_again_while_vpp_stood_still_leaves_nothing(vpp, backends, reader, daemon):
    settings = {"startup_min_delay": "0s", "sync_interval": "1s", "foreign_vips": "keep"}
    site = RandomReloads(2, backends.port, **settings)
    begin(daemon, reader, site.text, site.expected)
    text = yaml.safe_load(site.text)
    more = yaml.safe_load(site.text)
    pools = next(iter(text["maglev"]["frontends"].values()))["pools"]
    for name, address, port in (("x", "192.0.2.1", 81), ("y", "192.0.2.2", 80)):
        more["maglev"]["frontends"][name] = {"address": address, "protocol": "tcp", "port": port, "pools": pools}
    reloads = itertools.cycle([more, text])
    for number in range(ROUNDS):
        # The moment within the period of the full sync differs from round to round.
        time.sleep(0.07 * (number % 14))
        os.kill(vpp.pid, signal.SIGSTOP)
        try:
            for _ in range(2):
                daemon.reload(yaml.safe_dump(next(reloads)))
                time.sleep(0.15)
        finally:
            os.kill(vpp.pid, signal.SIGCONT)
        time.sleep(0.1)
        reader.wait_for(site.expected)
    time.sleep(1.5)
    assert len(daemon.events("config-reload")) == 2 * ROUNDS
    assert reader.weights() == site.expected
    assert not daemon.events("vpp-lbsync-refused")


def test_two_daemons_with_different_files_stop_removing_each_others_vips(vpp, backends, reader, daemons):
    first, second = daemons(), daemons()
    settings = {"startup_min_delay": "0s", "sync_interval": "1s"}
    sites = [RandomReloads(seed, backends.port, **settings) for seed in (1, 2)]
    text = sites[1].text.replace("192.0.2.1", "192.0.2.7")
    others = {("192.0.2.7/32", *key[1:]): weights for key, weights in sites[1].expected.items()}
    begin(first, reader, sites[0].text, sites[0].expected)
    second.config.write_text(text)
    second.start()
    for daemon in (first, second):
        daemon.wait_for_event("vpp-contested")
    both = {**sites[0].expected, **others}
    reader.wait_for(both)
    with VipWatch(vpp.api_socket) as watch:
        time.sleep(5)
    assert [each.weights for each in watch.sightings] == [both]


def test_sigterm_while_a_large_vip_is_made_again_leaves_it_whole(vpp, backends, reader, daemon):
    count = 500
    names = [f"b{number}" for number in range(count)]

    def text(*, sticky):
        site = yaml.safe_load(RandomReloads(0, backends.port, startup_min_delay="0s", sync_interval="1h").text)
        site["maglev"]["backends"] = {
            name: {"address": f"10.9.{number >> 8}.{number & 255}"} for number, name in enumerate(names)
        }
        site["maglev"]["healthchecks"] = {}
        pools = [{"name": "p", "backends": {name: {} for name in names}}]
        frontend = {"address": "192.0.2.1", "protocol": "tcp", "port": 80, "pools": pools, "src-ip-sticky": sticky}
        site["maglev"]["frontends"] = {"f": frontend}
        return yaml.safe_dump(site)

    expected = {KEYS[0]: {f"10.9.{number >> 8}.{number & 255}": 100 for number in range(count)}}
    begin(daemon, reader, text(sticky=False), expected)
    for number in range(ROUNDS):
        sticky = number % 2 == 0
        recreated = len(daemon.events("vpp-lbsync-vip-recreate"))
        daemon.reload(text(sticky=sticky))
        deadline = time.monotonic() + 60
        while len(daemon.events("vpp-lbsync-vip-recreate")) == recreated:
            assert time.monotonic() < deadline
        time.sleep(0.003 * (number % 10))
        assert daemon.kill(signal.SIGTERM) == 0
        assert reader.weights() == expected
        heads = [line for line in reader.cli("show lb vips verbose").splitlines() if " 192.0.2.1/32" in line]
        (head,) = [line for line in heads if "removed" not in line]
        assert ("src_ip_sticky" in head) == sticky
        daemon.start()
        daemon.wait_for_event("vpp-connect", after=number + 1)


# Unable to probe


class Blindness:
    """Something that keeps maglevd from probing, put in place while it is down; a context manager."""

    icmp = False
    checker: Mapping[str, object] = {}

    def __init__(self, daemon):
        self.daemon = daemon

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        pass

    def blind(self):
        """Take its sight."""

    def blinded(self):
        """Called after its start."""


class NoCapability(Blindness):
    """ICMP without CAP_NET_RAW, in a namespace where no group may ping."""

    icmp = True

    def __enter__(self):
        self.namespace = Namespace("blind")
        self.namespace.__enter__()
        self.daemon.prefix = ("ip", "netns", "exec", self.namespace.name)
        return self

    def __exit__(self, *exc_info):
        self.namespace.__exit__(*exc_info)

    def blind(self):
        self.daemon.prefix += ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")


class NoDescriptors(Blindness):
    """A limit that leaves no descriptors for probes, as soon as it is connected to VPP."""

    def blinded(self):
        self.daemon.wait_for_event("vpp-connect", after=1)
        # Below what is open already: also what is closed meanwhile can't be opened again.
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (8, 8))


class NoWorkers(Blindness):
    """Probe workers that die as soon as they are there."""

    checker: ClassVar = {"probe-workers": 2}

    def __enter__(self):
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._kill)
        self.killed = 0
        return self

    def blinded(self):
        self.thread.start()

    def _kill(self):
        while not self.stopping.wait(0.001):
            for pid in self.daemon.children():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                    self.killed += 1

    def __exit__(self, *_exc_info):
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()


@pytest.mark.skipif(why_no_namespaces() is not None, reason="network namespaces can't be made")
@pytest.mark.parametrize("kind", [NoCapability, NoDescriptors, NoWorkers])
def test_a_restart_that_is_unable_to_probe_keeps_all_weights(vpp, backends, reader, daemon, kind):
    with kind(daemon) as blindness:
        site = RandomReloads(3, backends.port, startup_min_delay="0s", startup_max_delay="3s", sync_interval="1s")
        text = yaml.safe_load(site.text)
        # The first probes come after everything else is in place.
        text["maglev"]["healthchecks"]["web"] |= {"interval": "3s", "fast-interval": "300ms", "rise": 2}
        if blindness.icmp:
            check = {"type": "icmp", "interval": "300ms", "timeout": "200ms", "rise": 1, "fall": 2}
            text["maglev"]["healthchecks"]["web"] = check
        text["maglev"]["healthchecker"] = dict(blindness.checker)
        begin(daemon, reader, yaml.safe_dump(text), site.expected)
        daemon.wait_for_event("warm-up-released", over=True)
        with VipWatch(vpp.api_socket) as watch:
            daemon.kill()
            known = len(daemon.events("backend-transition"))
            released = len(daemon.events("warm-up-released"))
            blindness.blind()
            daemon.start()
            blindness.blinded()
            daemon.wait_for_event("warm-up-released", after=released, over=True)
            time.sleep(3)
            assert daemon.process.poll() is None
        proved = [event for event in daemon.events("backend-transition")[known:] if event["to"] != "unknown"]
        reasons = {event["reason"] for event in daemon.events("probe-discarded")}
        print(kind.__name__, len(proved), "proved", reasons, f"{watch.polls} polls, longest {watch.longest:.3f} s")
        assert [each.weights for each in watch.sightings] == [site.expected]
        assert len(proved) < len(text["maglev"]["backends"]), "it was able to probe"


def test_a_restart_without_the_namespace_to_probe_from_fails_and_keeps_all_weights(vpp, backends, reader, daemon):
    site = RandomReloads(3, backends.port, startup_min_delay="0s")
    begin(daemon, reader, site.text, site.expected)
    text = yaml.safe_load(site.text)
    text["maglev"]["healthchecker"] = {"netns": "maglevtest-gone"}
    daemon.kill(signal.SIGTERM)
    daemon.config.write_text(yaml.safe_dump(text))
    daemon.start()
    assert daemon.process.wait(60) == os.EX_UNAVAILABLE
    assert "no such network namespace" in daemon.output()
    assert reader.weights() == site.expected
