"""A simulated VPP that counts, and what shows its counters: the verbs and the metrics."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock
from twisted.logger import LogPublisher

from maglev.control.events import EventHub
from maglev.control.sessions import Sessions
from maglev.control.verbs import Control
from maglev.metrics.traffic import TrafficCollector
from maglev.model.build import Build
from maglev.model.caller import Caller, Role
from maglev.model.config import Backend, ForeignVips
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.service import COUNT_PERIOD, VppService
from maglev.vppsim.simulator import Simulator
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_check, make_config, make_frontend
from tests.fakes.memory_client import MemoryClient
from tests.fakes.memory_link import MemoryConnector
from tests.fakes.overrides import overrides_of

VIEWER = Caller("bob", Role.VIEWER, "unix uid 1000")
STEP = 0.125

FRONTENDS = [
    make_frontend("web", pools=(("a", "b"),)),
    make_frontend("all", "2001:db8::1", (("b", "twin"),), port=0),
]
BACKENDS = [
    Backend("a", "10.0.0.1", "tcp"),
    Backend("b", "10.0.0.2", "tcp"),
    Backend("twin", "10.0.0.1", "tcp"),
    Backend("idle", "10.0.0.3", "tcp"),
]


class TrafficRig:
    """A simulator with two VIPs of ours and one of somebody else, and what shows its counters."""

    def __init__(self, frontends=FRONTENDS, backends=BACKENDS):
        self.clock = Clock()
        self.simulator = Simulator(self.clock, seed=1, fillers=10, wall=lambda: 0.0)
        self.simulator.start()
        config = make_config(frontends, backends, [make_check(rise=1, fall=1)], foreign_vips=ForeignVips.KEEP)
        self.board = Board(lambda: 0.0, config)
        self.vpp = VppService(
            Cooperator(self.clock).queue("vpp"),
            self.board,
            MemoryConnector(self.clock, self.simulator),
            lambda: 1.0,
        )
        self.control = control_of(self.clock, self.board, self.vpp)
        for name in self.board.backends:
            self.board.record(name, Result(Code.L4OK))
        client = MemoryClient(self.simulator)
        client.run("lb vip 192.0.2.99/32 protocol udp port 53 encap gre4")
        client.run("lb as 192.0.2.99/32 protocol udp port 53 10.0.0.9")
        client.transport.loseConnection()
        self.vpp.startService()
        self.clock.advance(0)

    def tick(self):
        for _ in range(round(COUNT_PERIOD / STEP)):
            self.clock.advance(STEP)

    def samples(self):
        """Return what a scrape says: {(name, labels): value}."""
        text = "".join(TrafficCollector(self.board, self.vpp).scrape())
        families = text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples]
        return {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}

    def values(self, name):
        return {
            tuple(value for _, value in labels): value
            for (each, *labels), value in self.samples().items()
            if each == name
        }

    def stop(self):
        self.vpp.stopService()
        self.simulator.kill()
        self.clock.advance(0)


def control_of(clock, board, vpp):
    """Return the verbs for a viewer."""
    sessions, event_hub = Sessions(clock, lambda: 0.0), EventHub(board, LogPublisher())
    work = Cooperator(clock).queue("control")
    return Control(
        work,
        board,
        vpp,
        None,
        event_hub,
        sessions,
        Build("1", "c", "d"),
        lambda: 0.0,
        dict,
        overrides_of(board),
        announcer_of(board),
    ).for_caller(VIEWER)
