"""The checker, for a backend with several checks: each has its own schedule, counters and prober."""

from __future__ import annotations

import attrs
import pytest

from maglev.healthcheck.turn import subject_of
from maglev.model.check_set import CheckSet
from maglev.model.config import Backend
from maglev.model.health import Lifecycle, State
from maglev.model.result import Code, LocalFault, Result
from tests.fakes.checker import PASS, CheckerRig
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.logs import recorded_events

FAIL = Result(Code.L4CON, "refused")


def config_of(names=("web", "gre"), address="10.0.0.1", **changes):
    """Return a configuration with a backend that is checked once a second by ``web`` and every 5 s by ``gre``."""
    checks = [
        make_check("web", rise=1, fall=1, interval=1.0, fast_interval=1.0, down_interval=1.0),
        make_check("gre", rise=1, fall=1, interval=5.0, fast_interval=5.0, down_interval=5.0, l4_port=47),
        make_check("dns", rise=1, fall=1, l4_port=53),
    ]
    healthcheck = CheckSet(names, len(names)) if len(names) > 1 else names[0]
    backends = [Backend("a", address, healthcheck), Backend("b", "10.0.0.2", "web")]
    return make_config([make_frontend(pools=(("a", "b"),))], backends, checks, **changes)


def started(rig, seconds):
    """Let every probe pass at once for some seconds; return how often each was started."""
    before = {name: prober.starts for name, prober in rig.probers.made.items()}
    for prober in rig.probers.made.values():
        prober.at_once = PASS
    rig.clock.pump([0.1] * round(10 * seconds))
    return {name: prober.starts - before.get(name, 0) for name, prober in rig.probers.made.items()}


def test_each_check_has_its_own_prober_and_schedule():
    rig = CheckerRig(config_of())
    started(rig, 5.0)
    counts = started(rig, 20.0)
    assert counts["a/web"] == pytest.approx(20, abs=1)
    assert counts["a/gre"] == pytest.approx(4, abs=1)
    assert counts["b"] == pytest.approx(20, abs=1)
    assert rig["a/gre"].healthcheck.name == "gre"
    assert rig["a/gre"].backend.address == "10.0.0.1"
    assert rig.checker.probed() == 3


def test_each_check_has_its_own_counters_and_result():
    rig = CheckerRig(config_of())
    rig.finish("a/web", PASS)
    rig.finish("a/gre", FAIL)
    assert dict(rig.checker.counters["a/gre"].codes())[Code.L4CON] == 1
    assert dict(rig.checker.counters["a/web"].codes())[Code.L4OK] == 1
    assert rig.state("a") is State.DOWN
    assert [each.last_result for each in rig.board.backend("a").checks] == [PASS, FAIL]


def test_a_local_fault_of_one_check_is_logged_with_its_name_and_says_nothing():
    rig = CheckerRig(config_of(), log_probes=True)
    rig.finish("a/web", PASS)
    with recorded_events() as events:
        rig.finish("a/gre", LocalFault("ports", "none left"))
        rig.finish("b", LocalFault("ports", "none left"))
        rig.finish("a/gre", PASS)
    found = [(fields.get("backend"), fields.get("healthcheck")) for _, fields in events]
    assert ("a", "gre") in found
    assert ("b", None) in found
    assert rig.state("a") is State.UP


def test_first_probes_of_all_checks_are_spread_over_the_warm_up():
    rig = CheckerRig(config_of(startup_max_delay=30.0))
    begun = {}
    for step in range(60):
        for name in ("a/web", "a/gre", "b"):
            if rig[name].starts and name not in begun:
                begun[name] = step
        rig.clock.advance(0.1)
    assert len(set(begun.values())) == 3


def test_a_pause_stops_every_check_and_a_resume_starts_every_one():
    rig = CheckerRig(config_of())
    started(rig, 1.0)
    rig.board.happen("a", Lifecycle.PAUSE)
    assert {name: count for name, count in started(rig, 10.0).items() if count} == {"b": pytest.approx(10, abs=1)}
    rig.board.happen("a", Lifecycle.RESUME)
    counts = started(rig, 1.0)
    assert counts["a/web"]
    assert counts["a/gre"]


def test_a_reload_leaves_unchanged_checks_alone_and_starts_the_new_one():
    rig = CheckerRig(config_of())
    started(rig, 1.0)
    web, counters = rig["a/web"], rig.checker.counters["a/web"]
    rig.board.apply(config_of(("web", "dns")))
    assert rig["a/web"] is web
    assert rig.checker.counters["a/web"] is counters
    assert "a/gre" not in rig.checker.counters
    assert "a/gre" in rig.probers.forgotten
    assert started(rig, 1.0)["a/dns"]


def test_another_address_starts_every_check_again():
    rig = CheckerRig(config_of())
    started(rig, 1.0)
    web = rig["a/web"]
    rig.board.apply(config_of(address="10.0.0.9"))
    assert rig["a/web"] is not web
    assert {rig[name].backend.address for name in ("a/web", "a/gre")} == {"10.0.0.9"}


def test_one_check_becomes_several_and_one_again():
    rig = CheckerRig(config_of(("web",)))
    started(rig, 1.0)
    rig.board.apply(config_of())
    assert "a" in rig.probers.forgotten
    assert started(rig, 6.0)["a/gre"]
    assert set(rig.checker.counters) == {"a/web", "a/gre", "b"}
    rig.board.apply(config_of(("gre",)))
    assert set(rig.checker.counters) == {"a", "b"}
    assert rig.state("a") is State.UP
    assert started(rig, 6.0)["a"]


def test_a_removed_backend_leaves_no_probe():
    rig = CheckerRig(config_of())
    started(rig, 1.0)
    config = config_of()
    backends = {"b": config.backends["b"]}
    rig.board.apply(attrs.evolve(config, backends=backends, frontends={"web": make_frontend(pools=(("b",),))}))
    assert set(rig.checker.counters) == {"b"}
    assert {"a/web", "a/gre"} <= set(rig.probers.forgotten)
    assert rig.checker.probed() == 1


def test_another_namespace_makes_every_prober_again():
    rig = CheckerRig(config_of())
    before = dict(rig.probers.made)
    rig.board.apply(config_of(netns="dataplane"))
    assert all(rig[name] is not before[name] for name in ("a/web", "a/gre", "b"))


def test_the_fields_of_a_log_event_name_the_check():
    assert subject_of("a/gre") == {"backend": "a", "healthcheck": "gre"}
    assert subject_of("a") == {"backend": "a"}
