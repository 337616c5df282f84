"""An operator takes a whole frontend out while servers that left the file serve it: they leave with it."""

from __future__ import annotations

import pytest

from maglev.vpp.lb.state import ApplicationServer
from tests.fakes.whole_daemon import SILENCE, DaemonWorld, site

CHECK = {"timeout": "20s", "interval": "20s", "fast-interval": "1s"}
BEFORE = site(pools=("ab",), check=CHECK)
AFTER = site(pools=("cd",), check=CHECK)
"""All servers are replaced, by some that are not known yet."""


@pytest.fixture
def world(tmp_path, monkeypatch, signals):
    made = DaemonWorld(tmp_path, monkeypatch, BEFORE).boot(30.0)
    made.answers |= {"c": SILENCE, "d": SILENCE}
    yield made
    made.stop()


def held(world):
    """Return the weights in VPP, by address."""
    (vip,) = world.lb.vips.values()
    return {address: server.weight for address, server in vip.servers.items()}


def test_servers_that_left_the_file_go_with_the_frontend(world):
    world.reload(AFTER)
    assert held(world)["10.0.0.1"] == 100
    assert len(world.ask("frontend", "web")["departing"]) == 2
    world.ask("disable_frontend", "web", 0, "moved")
    world.wait(0.1)
    assert set(held(world).values()) == {0}
    assert world.ask("frontend", "web")["departing"] == []


def test_servers_that_left_the_file_between_the_order_and_a_restart_stay_out(world):
    world.ask("disable_frontend", "web", 0, "moved")
    world.wait(0.1)
    world.kill()
    world.write(AFTER)
    # Somebody gave one of them weight again while maglevd was away.
    (vip,) = world.lb.vips.values()
    vip.servers["10.0.0.1"] = ApplicationServer("10.0.0.1", 100)
    world.boot(0.5)
    assert set(held(world).values()) == {0}
    world.wait(60.0)
    assert set(held(world)) == {"10.0.0.3", "10.0.0.4"}


def test_after_the_order_is_undone_only_what_the_file_has_serves(world):
    world.reload(AFTER)
    world.ask("disable_frontend", "web", 0, "moved")
    world.wait(0.1)
    world.ask("enable_frontend", "web")
    world.wait(1.0)
    assert held(world) == {"10.0.0.3": 0, "10.0.0.4": 0}
    world.answers.clear()
    world.wait(30.0)
    assert held(world) == {"10.0.0.3": 100, "10.0.0.4": 100}
