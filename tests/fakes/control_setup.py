"""The real verbs over a board and a VPP in memory, for an operator and a viewer."""

from twisted.internet.task import Clock
from twisted.logger import LogPublisher

from maglev.config.load import Loaded
from maglev.control.events import EventHub
from maglev.control.sessions import Sessions
from maglev.control.verbs import Control
from maglev.model.build import Build
from maglev.model.caller import Caller, Role
from maglev.model.problem import Problem, ProblemKind
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.sync.service import VppService
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_check, make_config
from tests.fakes.lb import FakeConnector, FakeLb
from tests.fakes.outcomes import basic_result_of
from tests.fakes.overrides import overrides_of
from tests.fakes.views import answer_type, misfits

OPERATOR = Caller("ann", Role.OPERATOR, "ssh 192.0.2.7:1")
VIEWER = Caller("bob", Role.VIEWER, "unix uid 1000")
PASS = Result(Code.L7OK, "status 200", 0.0015)


class FakeReloader:
    """Reloads what the test put there, or fails with its problems."""

    def __init__(self, board):
        self.board = board
        self.outcome = Loaded(board.config, (Problem(ProblemKind.WARNING, "maglev", "hm", 1, 2),))

    @property
    def written(self):
        return self.board.config

    async def check_written(self):
        return (await self.check()).config

    async def check(self):
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def reload(self, who="", origin=""):
        loaded = await self.check()
        self.board.apply(loaded.config)
        return loaded


class ControlSetup:
    def __init__(self, config=None, vpp=True, off=False):
        self.clock = Clock()
        self.board = Board(lambda: 1000.0, config or make_config(checks=[make_check(rise=1, fall=1)]))
        self.lb = FakeLb()
        connector = None if off else FakeConnector(self.lb if vpp else None)
        self.vpp = VppService(Cooperator(self.clock).queue("vpp"), self.board, connector, lambda: 1.0)
        self.overrides = overrides_of(self.board, self.clock)
        self.announcer = announcer_of(self.board, self.clock, self.vpp, self.overrides.kept_off)
        self.reloader = FakeReloader(self.board)
        self.sessions = Sessions(self.clock, lambda: 1000.0)
        event_hub = EventHub(self.board, LogPublisher(), self.announcer.states)
        build = Build("1.2", "abc", "today")
        work = Cooperator(self.clock).queue("control")
        self.control = Control(
            work,
            self.board,
            self.vpp,
            self.reloader,
            event_hub,
            self.sessions,
            build,
            lambda: 1000.0,
            dict,
            self.overrides,
            self.announcer,
        )
        self.operator = self.control.for_caller(OPERATOR)
        self.viewer = self.control.for_caller(VIEWER)
        for name in self.board.backends:
            self.board.record(name, PASS)
        self.vpp.startService()

    def stop(self):
        self.vpp.stopService()


def answer_of(call):
    """Return the answer of a verb that waits for nothing, or raise what it raises; it must have the declared shape."""
    answer = basic_result_of(call)
    assert misfits(answer, answer_type(call.__name__)) == []
    return answer
