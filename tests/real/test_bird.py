"""BIRD as Debian has it: maglevd over VPP's simulator, a BIRD that it speaks to, and a BGP peer of that."""

from __future__ import annotations

import signal
import time

import pytest

from tests.fakes.bird import RouteWatch, bird_pair, wait_until, why_no_bird
from tests.fakes.daemon import MaglevDaemon
from tests.fakes.slow_backends import SlowBackends
from tests.fakes.vpp_instance import private_vpp

pytestmark = [pytest.mark.real, pytest.mark.skipif(why_no_bird() is not None, reason=str(why_no_bird()))]

ROUTE = "192.0.2.1/32"

SETTINGS = """
maglev:
  vpp:
    lb: {{ipv4-src-address: 192.0.2.254, ipv6-src-address: "2001:db8::fe", startup-min-delay: 0s,
          startup-max-delay: 3s, sticky-buckets-per-core: 1024}}
  healthchecks:
    web: {{type: http, port: {port}, interval: 200ms, timeout: 20s, rise: 1, fall: 2}}
  backends:
    a: {{address: 127.0.0.41, healthcheck: web}}
    b: {{address: 127.0.0.42, healthcheck: web}}
  frontends:
    site: {{address: 192.0.2.1, protocol: tcp, port: 80, pools: [{{name: p, backends: {{a: , b: }}}}]}}
    mail: {{address: 192.0.2.2, protocol: tcp, port: 25, pools: [{{name: p, backends: {{b: }}}}]}}
  announce:
    vpp-lost-delay: 2s
    addresses: [{{address: 192.0.2.1}}{more}]
    bird: {{include-file: {folder}/maglev-vips.conf, control-socket: {folder}/speaker.ctl, reassert-interval: 1s}}
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bird")
    with bird_pair(folder) as birds:
        yield folder, *birds


@pytest.fixture
def backends():
    with SlowBackends(0) as made:
        yield made


@pytest.fixture
def vpp():
    with private_vpp("process") as instance:
        yield instance


class BirdSite:
    """Everything together."""

    def __init__(self, tmp_path, pair, vpp, backends):
        self.folder, self.speaker, self.peer = pair
        self.vpp = vpp
        self.daemon = MaglevDaemon(tmp_path, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
        self.file = self.folder / "maglev-vips.conf"
        self._port = backends.port
        self.daemon.config.write_text(self.settings())

    def settings(self, more=""):
        return SETTINGS.format(port=self._port, folder=self.folder, more=more)


@pytest.fixture
def site(tmp_path, pair, vpp, backends):
    made = BirdSite(tmp_path, pair, vpp, backends)
    with made.daemon:
        yield made
    assert "Traceback" not in made.daemon.output()
    made.file.unlink(missing_ok=True)
    made.speaker.ask("configure")


def test_a_route_lives_with_what_serves_and_survives_everything_else(site):
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
        assert "disabled off" in site.file.read_text()

        # Somebody else configures BIRD; somebody disables our protocol by hand; BIRD is restarted.
        site.speaker.ask("configure")
        time.sleep(0.5)
        assert watch.there
        site.speaker.ask("disable maglev_192_0_2_1")
        watch.wait(False)
        watch.wait(True)
        site.file.write_text("# emptied by somebody\n")
        wait_until(lambda: "disabled off" in site.file.read_text())
        assert watch.there

        # A clean stop, and a start, change nothing; nor does kill -9.
        changes = len(watch.changes)
        for number in (signal.SIGTERM, signal.SIGKILL):
            site.daemon.kill(number)
            time.sleep(1)
            started = len(site.daemon.events("announcement"))
            site.daemon.start()
            site.daemon.wait_for_event("announcement", after=started)
        assert len(watch.changes) == changes
        assert watch.there

        # VPP dies, and is withdrawn after its time; comes back, and is announced.
        site.vpp.kill()
        died = time.monotonic()
        gone = watch.wait(False)
        assert gone - died > 1.9
        site.vpp.restart()
        watch.wait(True)


def test_a_route_outlives_its_servers_when_a_reload_or_a_restart_replaces_them_all(site):
    def text(*names):
        whole = site.settings().replace("{address: 192.0.2.1}", "{address: 192.0.2.1, after: 5s}")
        whole = whole.replace("interval: 200ms, timeout: 100ms", "interval: 2s, timeout: 2s")
        whole = whole.replace("backends: {a: , b: }", f"backends: {{{names[0]}: , {names[1]}: }}")
        for name, new, number in zip("ab", names, "12", strict=True):
            old = f"{name}: {{address: 127.0.0.4{number}"
            whole = whole.replace(old, f"{new}: {{address: 127.0.0.{ord(new)}")
        return whole.replace("backends: {b: }", f"backends: {{{names[1]}: }}")

    site.daemon.wait_for_event("announcement")
    site.daemon.reload(text("a", "b"))
    site.daemon.wait_for_event("config-applied")
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
        before, seen = len(watch.changes), len(site.daemon.events("frontend-transition"))
        site.daemon.reload(text("e", "f"))
        site.daemon.wait_for_event("frontend-transition", after=seen, to="up", frontend="site")
        site.daemon.kill(signal.SIGTERM)
        site.daemon.config.write_text(text("g", "h"))
        started = len(site.daemon.events("announcement"))
        site.daemon.start()
        decided = site.daemon.wait_for_event("announcement", after=started)
        assert (decided["old"], decided["new"]) == ("undecided", "announced")
        assert len(watch.changes) == before
        assert watch.there


def test_a_broken_configuration_of_bird_stops_no_withdrawal_and_is_told(site):
    whole = site.speaker.conf.read_text()
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
        try:
            site.speaker.conf.write_text(whole + "\nhalf edited {\n")
            site.daemon.reload(site.settings(more=", {address: 192.0.2.2}"))
            failed = site.daemon.wait_for_event("bird-failed", part="configure")
            assert "BIRD refused 'configure': 8002" in failed["problem"]
            assert site.daemon.metrics()['maglev_announce_sink_problem{sink="bird"}'] == 1
            assert watch.there
            site.vpp.kill()
            watch.wait(False)
        finally:
            site.speaker.conf.write_text(whole)
        site.vpp.restart()
        watch.wait(True)
        site.daemon.wait_for_event("bird-restored", part="configure")
        assert "maglev_192_0_2_2" in site.speaker.ask('show protocols "maglev_*"')
        assert site.daemon.metrics()['maglev_announce_sink_problem{sink="bird"}'] == 0


def test_a_renamed_file_keeps_the_route_and_an_announcement_that_left_between_two_runs_goes(site):
    whole = site.settings()
    renamed = whole.replace("maglev-vips.conf", "maglev-new.conf")
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
        before = len(watch.changes)
        site.daemon.reload(renamed)
        site.daemon.wait_for_event("config-applied")
        renamed_file = site.folder / "maglev-new.conf"
        wait_until(lambda: renamed_file.exists() and "route 192.0.2.1/32" in renamed_file.read_text())
        assert "route" not in site.file.read_text()
        assert "0003 Reconfigured" in site.speaker.ask("configure")
        assert len(watch.changes) == before
        site.daemon.kill(signal.SIGTERM)
        site.daemon.config.write_text(renamed.partition("  announce:")[0])
        site.daemon.start()
        watch.wait(False)
        site.daemon.wait_for_event("former-bird-left")
        assert "8003" in site.speaker.ask('show protocols "maglev_*"')


def test_an_address_that_bird_takes_offence_at_is_left_out_of_the_file(site):
    clash = "protocol static maglev_192_0_2_2 { ipv4; route 198.51.100.1/32 blackhole; }\n"
    whole = site.speaker.conf.read_text()
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
        try:
            site.speaker.conf.write_text(whole.replace("include", clash + "include"))
            site.daemon.reload(site.settings(more=", {address: 192.0.2.2}"))
            failed = site.daemon.wait_for_event("bird-failed", part="configure")
            wait_until(lambda: "192.0.2.2" not in site.file.read_text())
            assert "maglev-vips.conf" in failed["problem"]
            assert "Reconfigured" in site.speaker.ask("configure")
            assert watch.there
        finally:
            site.speaker.conf.write_text(whole)


def test_bird_that_is_restarted_or_leaves_the_file_has_what_it_should(site):
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
    site.speaker.stop(kill=True)
    site.daemon.wait_for_event("bird-failed", part="connection")
    site.speaker.start()
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
        whole = site.settings()
        mail = whole.replace("addresses: [{address: 192.0.2.1}]", "addresses: [{address: 192.0.2.2}]")
        site.daemon.reload(mail)
        watch.wait(False)
        site.daemon.wait_for_event("config-applied")
        names = [event["event"] for event in site.daemon.events() if event.get("new", "withdrawn") == "withdrawn"]
        assert names.index("announcement") < names.index("config-applied")
        site.daemon.reload(whole)
        watch.wait(True)
        text = site.settings()
        site.daemon.reload(text[: text.index("    bird:")] + "    hooks: {}\n")
        watch.wait(False)


def test_a_file_of_an_earlier_run_that_defines_the_same_is_told_though_all_is_announced(site):
    with RouteWatch(site.peer, ROUTE) as watch:
        watch.wait(True)
        site.daemon.kill(signal.SIGTERM)
        old = site.folder / "maglev-old.conf"
        old.write_text(site.file.read_text())
        try:
            assert "already defined" in site.speaker.ask("configure")
            before = len(site.daemon.events("bird-failed"))
            site.daemon.start()
            failed = site.daemon.wait_for_event("bird-failed", after=before, part="configure")
            assert "BIRD refuses its configuration: 8002" in failed["problem"]
            assert site.daemon.metrics()['maglev_announce_sink_problem{sink="bird"}'] == 1
        finally:
            old.unlink()
        site.daemon.wait_for_event("bird-restored", part="configure")
        assert watch.there
