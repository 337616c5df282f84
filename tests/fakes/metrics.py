"""What a scrape says, and a small daemon to scrape."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock

from maglev.announce.announcer import SinkStatus
from maglev.control.drain_watch import DrainWatch
from maglev.control.reload import Reloader
from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.service import CheckerService
from maglev.metrics.announce import AnnounceCollector
from maglev.metrics.collectors import (
    BoardCollector,
    BuildCollector,
    CheckerCollector,
    CooperatorCollector,
    OverrideCollector,
    ReloadCollector,
    VppCollector,
)
from maglev.metrics.resource import TransitionCounter
from maglev.model.build import Build
from maglev.model.check_params import AgentParams
from maglev.model.config import CheckType
from maglev.model.probing import Checks
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.state.checks import health_of
from maglev.vpp.sync.link import MessageCounter
from maglev.vpp.sync.service import VppService
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_check
from tests.fakes.lb import FakeConnector
from tests.fakes.overrides import overrides_of
from tests.fakes.probers import FakeProbers
from tests.fakes.reactor import FakeReactor

WALL = 5000.0
BUILD = Build("1.2.3", "abc123", "unknown")


class Scraped:
    """What one scrape says, parsed by Prometheus's own library."""

    def __init__(self, collectors):
        text = "".join(piece for collector in collectors for piece in collector.scrape())
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families.values()
            for sample in family.samples
        }
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert len(lines) == len(self.samples), "the same series twice"

    def value(self, name, **labels):
        return self.samples[name, frozenset(labels.items())]

    def series(self, name):
        """Return the values of all series of a name, by their labels as a sorted tuple of values."""
        return {
            tuple(sorted(labels)): value
            for (each, labels), value in sorted(self.samples.items(), key=str)
            if each == name
        }

    def labels(self, name):
        """Return the names of the labels of a family."""
        return {frozenset(key for key, _ in labels) for (each, labels) in self.samples if each == name}


class ScrapedWorld:
    """A board, a checker and a VPP service, and what is scraped from them."""

    def __init__(self, config):
        self.clock = Clock()
        self.board = Board(lambda: WALL, config)
        self.moves = TransitionCounter(self.board)
        self.probers = FakeProbers()
        self.lag = LagMonitor(self.clock)
        self.lag.attend(self, really=True)
        self.checker = CheckerService(self.clock, self.board, self.probers, self.lag, lambda: 1.0)
        self.connector = FakeConnector()
        self.messages = MessageCounter()
        self.cooperator = Cooperator(self.clock)
        self.vpp = VppService(self.cooperator.queue("vpp"), self.board, self.connector, lambda: 1.0)
        self.overrides = overrides_of(self.board, self.clock)
        self.announcer = announcer_of(self.board, self.clock, self.vpp, self.overrides.kept_off)
        self.announcer.sinks = lambda: [SinkStatus("bird", "/run/bird/bird.ctl", 1)]
        self.drains = DrainWatch(self.cooperator.queue("drains"), self.board, self.overrides, self.vpp)
        self.reloader = Reloader(
            FakeReactor(),
            self.cooperator.queue("reload"),
            "none.yaml",
            self.board,
            self.overrides,
            lambda config: None,
            self.vpp,
        )
        self.collectors = (
            BuildCollector(BUILD),
            BoardCollector(self.board, self.vpp.departures, self.moves.counts),
            CheckerCollector(self.checker, self.lag),
            OverrideCollector(self.overrides, self.drains),
            AnnounceCollector(self.announcer),
            ReloadCollector(self.reloader),
            CooperatorCollector(self.cooperator),
            VppCollector(self.clock, lambda: WALL, self.vpp, self.messages.counts),
        )

    def start(self):
        self.checker.startService()
        self.vpp.startService()
        self.clock.advance(0)

    def stop(self):
        self.checker.stopService()
        self.vpp.stopService()

    def scrape(self):
        return Scraped(self.collectors)


def give_checks(board, backend):
    """Give a backend several checks and an agent, of which nothing is known yet: only for their metrics."""
    checks = Checks((make_check("web"), make_check("gre")), 2)
    board.backends[backend].health = health_of(backend, checks)
    board.backends[backend].take_agent(make_check("load", type=CheckType.AGENT, agent=AgentParams()), 0.0, moved=False)
