"""The paths of healthchecks that go by way of VIPs: which a backend has, and what a reload does to them."""

from __future__ import annotations

import attrs
import pytest

from maglev.config.diff import concerned_backends, differences
from maglev.model.check_params import Via, VipPath
from maglev.model.check_set import CheckSet
from maglev.model.config import Backend
from maglev.model.health import State
from maglev.model.probing import Checks, probe_of, probing_of
from maglev.model.result import Code, Result
from maglev.model.via import first_healthcheck, path_named, paths_of
from maglev.state.blindness import Scope, View, views_of
from maglev.state.checks import CheckStatus, CombinedHealth
from tests.fakes.configs import CONF, make_check, make_config, make_frontend
from tests.fakes.random_boards import TimedBoard

ONE = {"rise": 1, "fall": 1}
VIPS = {"one": "192.0.2.1", "two": "192.0.2.2", "again": "192.0.2.1", "six": "2001:db8::1"}
WEB, GRE = make_check("web", **ONE), make_check("gre", via=Via.VIP, **ONE)
PASS, FAIL = Result(Code.L4OK), Result(Code.L4GRE)


def frontend(name, *backends):
    return make_frontend(name, VIPS[name], (backends,), port=8080 if name == "again" else 80)


def config_of(checks="gre", serves=("one", "two", "again"), needed=None, **changes):
    """Return a configuration with the backends a, which has these checks and serves these VIPs, and b, without any."""
    several = checks if isinstance(checks, str) else CheckSet(checks, needed or len(checks))
    frontends = [frontend(name, *(("a", "b") if name in serves else ("b",))) for name in VIPS]
    backends = [Backend("a", "10.0.0.1", several), Backend("b", "10.0.0.2", "web")]
    return make_config(frontends, backends, [WEB, GRE], **changes)


def names(config, backend="a"):
    return [[each.name for each in paths] for paths in paths_of(config, config.backends[backend])]


def probing(config, backend="a"):
    return probing_of(config, config.backends[backend])


def test_a_path_for_each_vip_that_the_backend_serves():
    config = config_of()
    assert names(config) == [["gre@192.0.2.1", "gre@192.0.2.2"]]
    assert names(config, "b") == [["web"]]
    assert config.vips == {"a": ("192.0.2.1", "192.0.2.2")}


def test_a_path_knows_how_vpp_would_deliver():
    config = config_of(serves=["six"])
    (path,) = paths_of(config, config.backends["a"])[0]
    expected = VipPath("2001:db8::1", CONF.ipv4_src_address, CONF.ipv6_src_address, "maglev", 19783)
    assert path == attrs.evolve(GRE, name="gre@2001:db8::1", path=expected)
    assert path_named(config, "gre@2001:db8::1") is path, "one object for all backends"
    assert path_named(config, "gre") is GRE


def test_one_path_is_probed_as_the_backend_and_several_by_their_names():
    alone = config_of(serves=["two"])
    assert probing(alone).name == "gre@192.0.2.2"
    assert probe_of(alone, "a") == (alone.backends["a"], probing(alone))
    both = config_of()
    backend, check = probe_of(both, "a/gre@192.0.2.2")
    assert (backend.name, backend.address, check.name) == ("a/gre@192.0.2.2", "10.0.0.1", "gre@192.0.2.2")


@pytest.mark.parametrize(("checks", "needed", "serves", "expected"), [
    ("gre", None, ["one", "two"], (["gre@192.0.2.1", "gre@192.0.2.2"], 1, (2,))),
    (("web", "gre"), 2, ["one"], (["web", "gre@192.0.2.1"], 2, ())),
    (("web", "gre"), 1, ["one", "two"], (["web", "gre@192.0.2.1", "gre@192.0.2.2"], 1, (1, 2))),
])  # fmt: skip
def test_the_paths_of_a_check_count_as_one(checks, needed, serves, expected):
    found = probing(config_of(checks, serves, needed))
    assert isinstance(found, Checks)
    assert ([each.name for each in found.healthchecks], found.needed, found.sizes) == expected


def test_without_a_vip_the_check_does_not_probe():
    assert probing(config_of(serves=[])) is None
    config = config_of(("web", "gre"), serves=[])
    assert probing(config) == WEB
    assert first_healthcheck(config, config.backends["a"]) == WEB
    unprobed = config_of(serves=[])
    assert first_healthcheck(unprobed, unprobed.backends["a"]) is None


@pytest.mark.parametrize(("needed", "states", "value", "state"), [
    (2, "upup up", 2, State.UP),
    (2, "up up down", 1, State.DOWN),
    (1, "up up down", 1, State.UP),
    (1, "down up down", 0, State.DOWN),
    (1, "down up up", 1, State.UP),
    (2, "up up ?", 1, State.UNKNOWN),
    (1, "down up ?", 0, State.UNKNOWN),
])  # fmt: skip
def test_a_check_is_up_by_all_of_its_paths(needed, states, value, state):
    words = states.replace("upup", "up up").split()
    checks = tuple(CheckStatus("a", make_check(str(number))) for number in range(3))
    for check, word in zip(checks, words, strict=True):
        check.health.state = {"up": State.UP, "down": State.DOWN, "?": State.UNKNOWN}[word]
    health = CombinedHealth(checks, needed, (1, 2))
    health.follow()
    assert (health.value, health.state, health.top) == (value, state, 2)


def test_a_lost_vip_takes_the_backend_down_and_names_the_path():
    board = TimedBoard(config_of(("web", "gre")))
    for name in ("a/web", "a/gre@192.0.2.1", "a/gre@192.0.2.2"):
        board.record(name, PASS)
    assert board.backend("a").state is State.UP
    board.record("a/gre@192.0.2.2", FAIL)
    assert board.backend("a").state is State.DOWN
    assert board.backend("a").transitions[0].healthcheck == "gre@192.0.2.2"


# Reloads


def changed(old, new):
    return [backend.name for backend in concerned_backends(old, new)]


def reused(config, **changes):
    """Return a configuration with the same objects but for these, as a reload makes it."""
    return attrs.evolve(config, **changes)


def test_a_reload_concerns_the_backends_whose_vips_changed():
    config = config_of(serves=["one"])
    assert changed(config, reused(config)) == []
    frontends = {**config.frontends, "two": frontend("two", "a", "b")}
    assert changed(config, reused(config, frontends=frontends)) == ["a"]
    moved = {**config.frontends, "one": attrs.evolve(config.frontends["one"], address="192.0.2.9")}
    assert changed(config, reused(config, frontends=moved)) == ["a"]
    conf = attrs.evolve(CONF, ipv4_src_address="192.0.2.253")
    assert changed(config, reused(config, vpp=attrs.evolve(config.vpp, conf=conf))) == ["a"]
    assert changed(config, reused(config, checker=attrs.evolve(config.checker, tunnel_mark=5))) == ["a"]


def test_a_new_vip_is_to_be_proved_and_the_others_go_on():
    config = config_of(("web", "gre"), serves=["one"])
    board = TimedBoard(config)
    for name in ("a/web", "a/gre@192.0.2.1"):
        board.record(name, PASS)
    board.apply(reused(config, frontends={**config.frontends, "two": frontend("two", "a", "b")}))
    status = board.backend("a")
    assert [each.name for each in status.checks] == ["a/web", "a/gre@192.0.2.1", "a/gre@192.0.2.2"]
    assert [each.state for each in status.checks] == [State.UP, State.UP, State.UNKNOWN]
    assert status.state is not State.DOWN
    assert board.frontend("one").desired["a"].weight > 0, "nothing speaks against it"
    board.record("a/gre@192.0.2.2", PASS)
    assert status.state is State.UP


def test_a_reload_says_what_the_file_says():
    config = config_of()
    other = attrs.evolve(config, healthchecks={"web": WEB, "gre": attrs.evolve(GRE, via=Via.DIRECT)})
    (difference,) = differences(config, other)
    assert (difference.name, difference.details) == ("gre", ("via: vip -> direct",))


# Doubts


def test_each_path_is_a_view_of_its_own():
    config = config_of()
    assert views_of(config, "a") == (
        View(Scope.HEALTHCHECK, "gre@192.0.2.1"),
        View(Scope.HEALTHCHECK, "gre@192.0.2.2"),
        View(Scope.PATH, "IPv4"),
        View(Scope.ALL),
    )
    alone = config_of(serves=["one"])
    assert views_of(alone, "a")[0] == View(Scope.HEALTHCHECK, "gre@192.0.2.1")
    assert views_of(config_of(serves=[]), "a") == ()
