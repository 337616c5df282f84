"""Orders of operators that outlive the process: maglevd killed at once after the answer, against VPP's simulator."""

import json
import subprocess
import time

import pytest
import yaml

from tests.fakes.daemon import MaglevDaemon
from tests.fakes.papi import PapiReader
from tests.fakes.papi_client import papi_client
from tests.fakes.program import MAGLEVC
from tests.fakes.slow_backends import SlowBackends
from tests.fakes.vpp_instance import private_vpp
from tests.fakes.weight_watch import VipWatch

pytestmark = pytest.mark.real

KEY = ("192.0.2.1/32", 6, 80)
A, B = "127.0.0.41", "127.0.0.42"


def configuration(backends, weight=100):
    check = {"type": "http", "port": backends.port, "interval": "300ms", "timeout": "20s", "rise": 2, "fall": 2}
    lb = {"ipv4-src-address": "192.0.2.254", "ipv6-src-address": "2001:db8::fe", "sticky-buckets-per-core": 1024}
    lb |= {"startup-min-delay": "2s", "startup-max-delay": "10s", "sync-interval": "1s"}
    frontend = {"address": "192.0.2.1", "protocol": "tcp", "port": 80}
    members = {"a": {"weight": weight}, "b": {}}
    site = {
        "vpp": {"lb": lb},
        "healthchecks": {"web": check},
        "backends": {name: {"address": address, "healthcheck": "web"} for name, address in (("a", A), ("b", B))},
        "frontends": {"site": {**frontend, "pools": [{"name": "p", "backends": members}]}},
    }
    return yaml.safe_dump({"maglev": site})


@pytest.fixture
def backends():
    with SlowBackends(0) as made:
        yield made


@pytest.fixture
def vpp():
    with private_vpp("process") as instance:
        yield instance


@pytest.fixture
def reader(vpp):
    with PapiReader(vpp.api_socket) as made:
        yield made


@pytest.fixture
def daemon(tmp_path, vpp, backends):
    made = MaglevDaemon(tmp_path, "--vpp-api-addr", vpp.api_socket, "--vpp-stats-addr", vpp.stats_socket)
    made.config.write_text(configuration(backends))
    with made:
        yield made
    assert "Traceback" not in made.output()


def maglevc(daemon, *line):
    """Run one command; return its status and its output."""
    command = [*MAGLEVC, "--server", f"unix:{daemon.pb_socket}", *line]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def wait_until(true, seconds=60.0):
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def weights_of(watch, address, since=0):
    return {seen.weights.get(KEY, {}).get(address) for seen in watch.sightings[since:]}


def test_a_disabled_backend_stays_out_over_a_kill_and_comes_back_when_its_time_has_come_and_it_is_proved(
    vpp, backends, reader, daemon
):
    reader.wait_for({KEY: {A: 100, B: 100}})
    status, output = maglevc(daemon, "set", "backend", "a", "disable", "for", "15s", "reason", '"disk swap"')
    daemon.kill()
    assert (status, output.split(" until ")[0]) == (0, "backend a up -> disabled")
    # As if it had died before the write, or as if somebody else had meddled: VPP gives it weight.
    with papi_client(vpp.api_socket) as client:
        client.api.lb_as_set_weight(pfx="192.0.2.1/32", protocol=6, port=80, as_address=A, weight=100, is_flush=False)
    assert reader.weights() == {KEY: {A: 100, B: 100}}
    connected, moves = len(daemon.events("vpp-connect")), len(daemon.events("backend-transition"))
    before = len(daemon.events())
    daemon.start()
    daemon.wait_for_event("vpp-connect", after=connected)
    reader.wait_for({KEY: {A: 0, B: 100}})
    with VipWatch(vpp.api_socket) as watch:
        status, output = maglevc(daemon, "show", "overrides", "|", "json")
        (row,) = json.loads(output)["rows"]
        assert (row["backend"], row["value"], row["file"], row["reason"]) == ("a", "disable", "enable", "disk swap")
        assert 0 < row["ends_in"] <= 15
        daemon.wait_for_event("override-ended")
        reader.wait_for({KEY: {A: 100, B: 100}})
    events = [event for event in daemon.events()[:] if event.get("backend") == "a" or event.get("address") == A]
    later = [event for event in events if event["event"] in {"backend-transition", "vpp-lbsync-as-weight"}]
    story = [(event.get("to"), event.get("weight")) for event in later][-3:]
    assert story == [("unknown", None), ("up", None), (None, 100)]
    assert weights_of(watch, A) == {0, 100}
    second_life = [(event["event"], event.get("address"), event.get("weight")) for event in daemon.events()[before:]]
    released = next(number for number, (name, _, _) in enumerate(second_life) if name == "warm-up-released")
    assert ("vpp-lbsync-as-weight", A, 0) in second_life[:released]  # while nothing else is written
    writes = [event for event in daemon.events("vpp-lbsync-as-weight") if event["address"] == A]
    assert [event["weight"] for event in writes][-2:] == [0, 100]
    proved = [event["code"] for event in daemon.events("backend-transition")[moves:] if event["backend"] == "a"]
    assert proved == ["enabled", "L7OK"]
    assert daemon.events("override-restored")[0]["reason"] == "disk swap"
    wait_until(lambda: json.loads((daemon.state / "overrides.json").read_text())["overrides"] == [])


def test_a_weight_holds_over_reloads_and_kills_until_the_file_changes_it(vpp, backends, reader, daemon):
    reader.wait_for({KEY: {A: 100, B: 100}})
    assert maglevc(daemon, *["set", "frontend", "site", "pool", "p", "backend", "a", "weight", "30"])[0] == 0
    reader.wait_for({KEY: {A: 30, B: 100}})
    daemon.reload(configuration(backends).replace("300ms", "310ms"))
    daemon.wait_for_event("config-applied")
    daemon.kill()
    with VipWatch(vpp.api_socket) as watch:
        released = len(daemon.events("warm-up-released"))
        daemon.start()
        daemon.wait_for_event("warm-up-released", after=released, over=True)
        time.sleep(1.5)
    assert [seen.weights for seen in watch.sightings] == [{KEY: {A: 30, B: 100}}]
    daemon.config.write_text(configuration(backends, weight=50))
    status, output = maglevc(daemon, "config", "reload")
    assert status == 0
    assert "the file has changed from 100 to 50 (it was made by " in output
    reader.wait_for({KEY: {A: 50, B: 100}})


def test_a_damaged_file_is_set_aside_and_a_read_only_folder_is_told(vpp, backends, reader, daemon):
    reader.wait_for({KEY: {A: 100, B: 100}})
    assert maglevc(daemon, *["set", "backend", "a", "pause"])[0] == 0
    daemon.kill()
    path = daemon.state / "overrides.json"
    path.write_bytes(path.read_bytes()[:-20])
    daemon.start()
    damaged = daemon.wait_for_event("overrides-damaged")
    assert damaged["set_aside"].startswith(str(path) + ".damaged-")
    daemon.wait_for_event("vpp-connect", after=1)
    path.unlink(missing_ok=True)
    for each in daemon.state.iterdir():
        each.unlink()
    daemon.state.rmdir()
    daemon.state.write_text("in the way")
    status, output = maglevc(daemon, *["set", "backend", "a", "disable"])
    assert status == 1
    assert "disabled" in output
    assert "In force, but not kept over a restart: " in output
    assert daemon.metrics()["maglev_overrides_kept"] == 0
    daemon.state.unlink()
    daemon.wait_for_event("state-file-kept", 90)
    assert daemon.metrics()["maglev_overrides_kept"] == 1
