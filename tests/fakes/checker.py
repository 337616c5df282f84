"""A checker on a clock of the test, with probers whose outcomes the test decides."""

from __future__ import annotations

from maglev.healthcheck.lag import LagMonitor
from maglev.healthcheck.service import CheckerService
from maglev.model.result import Code, Result
from maglev.state.board import Board
from tests.fakes.clocks import LateClock
from tests.fakes.configs import make_config
from tests.fakes.probers import FakeProbers

PASS = Result(Code.L4OK, duration=0.002)


class CheckerRig:
    """A checker with everything around it faked."""

    def __init__(self, config=None, **checker):
        self.clock = LateClock()
        self.clock.advance(1000)
        self.board = Board(lambda: 0.0, config or make_config(), now=self.clock.seconds)
        self.probers = FakeProbers()
        lag = LagMonitor(self.clock)
        lag.attend(self.probers, really=True)
        self.checker = CheckerService(self.clock, self.board, self.probers, lag, lambda: 1.0, **checker)
        self.checker.startService()

    def __getitem__(self, name):
        return self.probers.made[name]

    def state(self, name):
        return self.board.backend(name).state

    def finish(self, name, *outcomes):
        """End probes of one backend with these outcomes, each as soon as it is due."""
        for outcome in outcomes:
            for _ in range(1000):
                if self[name].finished is not None:
                    break
                self.clock.advance(0.1)
            self[name].finish(outcome)
