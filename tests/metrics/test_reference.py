"""The list of all metrics, and the page made of it: what is scraped is what they say."""

from __future__ import annotations

import re
import runpy
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from maglev.metrics.families import FAMILIES, GROUPS, header
from maglev.metrics.names import NameCollector
from maglev.metrics.peers import PeersCollector
from maglev.metrics.reference import page
from maglev.metrics.rpc import PbCollector
from maglev.metrics.ssh import SshCollector
from maglev.metrics.traffic import TrafficCollector
from maglev.metrics.web import WebCollector
from maglev.metrics.workers import WorkerCollector
from maglev.model.health import Lifecycle
from maglev.model.result import Code, Result
from maglev.model.server_address import ServerAddress
from maglev.peers.service import Peer
from maglev.resolver.service import NameService
from maglev.rpc.server.counters import CallCounters
from maglev.ssh.logins import Logins
from tests.fakes.configs import make_announce, make_config
from tests.fakes.lb import FakeLb
from tests.fakes.metrics import Scraped, ScrapedWorld, give_checks
from tests.fakes.names import named_config
from tests.fakes.reactor import FakeReactor
from tests.fakes.traffic import TrafficRig
from tests.fakes.workers import WorkerPoolRig
from tests.layers import ROOT, modules

PAGE = ROOT / "docs" / "metrics.rst"


@pytest.fixture
def world():
    made = ScrapedWorld(make_config(announce=make_announce("192.0.2.1")))
    made.start()
    yield made
    made.stop()


def scrape(world, traffic=None, dropped=(), workers=0, calls=None, peers=(), names=()):
    """Scrape everything that maglevd serves, but for the figures of the process."""
    rig = WorkerPoolRig(workers)
    rig.start()
    others = (
        TrafficCollector(world.board, traffic or world.vpp),
        PbCollector(calls or CallCounters(), lambda: 0, Counter(dropped)),
        SshCollector(Logins()),
        WebCollector(lambda: 0, lambda: 0),
        WorkerCollector(rig.pool),
        PeersCollector(SimpleNamespace(peers={each.name: each for each in peers})),
        NameCollector(resolved(*names)),
    )
    return Scraped((*world.collectors, *others))


def resolved(*names):
    """Return a resolver with names, each of which was resolved."""
    service = NameService(FakeReactor(), lambda: 1.0, None, lambda: 1.0, "", named_config(names))
    for name in names:
        service.book.answered(name, ["198.51.100.11"])
        service.statuses[name].good_at = 0.0
    return service


def silent_peer():
    return Peer(SimpleNamespace(where=ServerAddress("lb2", "tls:lb2:2223"), heard_at=None))


def everything(world):
    """Scrape a daemon to which all has happened that metrics tell of."""
    world.connector.start_vpp(FakeLb())
    world.clock.advance(1)
    world.messages.count("show_version", "sent", "ok")
    world.board.record("a", Result(Code.L4OK))
    world.board.happen("a", Lifecycle.PAUSE)
    world.overrides.keeper.path = "overrides.json"
    world.checker.certificate_expiries = lambda: [("a", 1.8e9)]
    world.drains.active = lambda: [("a", 3)]
    give_checks(world.board, "b")
    bench = TrafficRig()
    for _ in range(4):
        bench.tick()
    calls = CallCounters()
    calls.count("frontend", "ok", 0.1)
    found = scrape(world, bench.vpp, ["silent"], workers=1, calls=calls, peers=[silent_peer()], names=["www"])
    bench.stop()
    return found


def samples(scraped, family):
    return scraped.labels(f"{family.name}_count" if family.type == "histogram" else family.name)


def test_every_metric_is_in_the_list_with_its_type_its_help_and_its_labels(world):
    scraped = everything(world)

    assert {name.removesuffix("_total") for name in FAMILIES} == set(scraped.families)
    for family in FAMILIES.values():
        found = scraped.families[family.name.removesuffix("_total")]
        assert (found.type, found.documentation) == (family.type, family.help)
        assert samples(scraped, family) == {frozenset(family.labels)}, family.name


def test_a_metric_is_absent_at_the_start_only_if_the_list_says_so(world):
    scraped = scrape(world)

    for family in FAMILIES.values():
        assert bool(samples(scraped, family)) != bool(family.absent), family.name


def test_no_source_names_a_metric_that_is_not_in_the_list():
    names = set()
    for module, path in modules().items():
        if module != "metrics.families" and not module.startswith("vppsim"):
            names |= set(re.findall(r"\bmaglev_[a-z0-9]+(?:_[a-z0-9]+)+\b", path.read_text()))
    routes = {name for name in names if name.endswith("_route")}  # a family for each unit
    names = names - routes | {f"{name}_{unit}_total" for name in routes for unit in ("packets", "bytes")}

    assert names == set(FAMILIES), "add it to maglev/metrics/families.py"


def test_the_texts_of_the_list_are_of_one_form():
    assert sum(map(len, GROUPS.values())) == len(FAMILIES)
    for family in FAMILIES.values():
        assert family.help[0].isupper() or family.help[0].isdigit()
        assert not family.help.endswith(".")
        assert not family.notes or family.notes.endswith(".")
        assert (family.type == "counter") == family.name.endswith("_total")


def test_an_unknown_family_has_no_header():
    with pytest.raises(KeyError):
        header("maglev_nonsense")


def test_the_reference_is_current():
    assert PAGE.read_text() == page(), "run python -m maglev.metrics.reference > docs/metrics.rst"
    assert set(re.findall(r"^``(maglev_[a-z_]+)`` : [a-z]+", page(), re.MULTILINE)) == set(FAMILIES)


def test_the_reference_can_be_made_from_the_command_line(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "maglev.metrics.reference")
    runpy.run_module("maglev.metrics.reference", run_name="__main__")

    assert capsys.readouterr().out == page()
