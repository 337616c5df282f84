"""A site whose address is announced: maglevd between a VPP and a router that outlive it."""

from __future__ import annotations

from twisted.internet.task import Clock

from maglev.announce.announcer import TICK
from maglev.model.announce import AnnouncePolicy, Announcing
from maglev.model.config import Backend
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.service import VppService
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_announce, make_check, make_config, make_frontend
from tests.fakes.lb import FakeConnector, FakeLb
from tests.fakes.vpp_bench import FAIL, PASS, WEB

VIP = "192.0.2.1"
LOST_DELAY, STAY, WARM_UP, DRAIN = 10.0, 60.0, 30.0, 1.0


class Site:
    """VPP, a router, and maglevd between them, which may be started again with another file.

    Attributes:
        route: Whether the router announces the address: it does what the announcer says, and nothing else.
        proved: Addresses that failed (False) or passed (True) their last probe, since they are in the file.
    """

    def __init__(self, names="ab", **policy):
        self.clock = Clock()
        self.policy = policy
        self.lb = FakeLb()
        self.connector = FakeConnector(self.lb)
        self.route = False
        self.off = ""
        self.proved = {}
        self.running = False
        self.start(names)

    def config(self, names, frontends=None):
        return make_config(
            frontends or [make_frontend(pools=(tuple(names),))],
            [Backend(name, address_of(name), "tcp") for name in sorted(set(names))],
            [make_check(rise=1, fall=1)],
            announce=make_announce(AnnouncePolicy(VIP, **self.policy), vpp_lost_delay=LOST_DELAY),
            startup_min_delay=5.0,
            startup_max_delay=WARM_UP,
            removal_max_delay=STAY,
            removal_drain=DRAIN,
        )

    def start(self, names, frontends=None):
        self.names, self.proved, self.away, self.empty = names, {}, 0.0, 0.0
        self.board = Board(self.clock.seconds, self.config(names, frontends))
        self.service = VppService(Cooperator(self.clock).queue("vpp"), self.board, self.connector, lambda: 1.0)
        self.announcer = announcer_of(self.board, self.clock, self.service, lambda _: self.off)
        self.announcer.subscribe(self.tell)
        self.running = True
        self.service.startService()
        self.announcer.startService()

    def stop(self):
        self.announcer.stopService()
        self.service.stopService()
        self.running = False

    def restart(self, names, frontends=None):
        self.stop()
        self.start(names, frontends)

    def reload(self, names, frontends=None):
        self.names, self.proved = names, {name: self.proved[name] for name in names if name in self.proved}
        self.board.apply(self.config(names, frontends))

    def probe(self, results):
        for name, passed in results.items():
            self.proved[name] = passed
            self.board.record(name, PASS if passed else FAIL)

    def tell(self):
        now = self.announcer.states()[VIP]
        self.route = self.route if now is Announcing.UNDECIDED else now is Announcing.ANNOUNCED

    def serving(self):
        """Return the backends to which VPP sends new flows, by the letter of the address."""
        weights = {} if self.connector.lb is None else self.connector.lb.weights().get(WEB, {})
        return {name_of(address) for address, weight in weights.items() if weight}

    def wait(self, seconds, look=lambda: None):
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)
            look()

    def settled(self):
        """Let everything serve, and be announced."""
        self.probe(dict.fromkeys(self.names, True))
        self.wait(6)
        assert self.route
        assert self.serving() == set(self.names)
        return self


def address_of(name):
    return f"10.0.0.{ord(name)}"


def name_of(address):
    return chr(int(address.rpartition(".")[2]))
