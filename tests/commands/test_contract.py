"""The command tree over the real control interface: the shapes and the roles that the fake one promises."""

from __future__ import annotations

import json
import re

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogPublisher

from maglev.commands.language.environment import ExitStatus
from maglev.commands.language.nodes import summaries
from maglev.commands.session import CommandSession
from maglev.commands.tree import ROOT
from maglev.config.load import Loaded
from maglev.control.events import EventHub
from maglev.control.sessions import Sessions
from maglev.control.verbs import Control
from maglev.model.build import Build
from maglev.model.caller import Caller, Role
from maglev.model.config import CheckType, HttpParams
from maglev.model.problem import Problem, ProblemKind
from maglev.model.result import Code, Result
from maglev.runtime.cooperator import Cooperator
from maglev.state.board import Board
from maglev.vpp.stats.counters import ROUTES_TO, ROUTES_VIA, VIP_COUNTERS
from maglev.vpp.sync.service import COUNT_PERIOD, VppService
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_announce, make_check, make_config
from tests.fakes.control import FakeControl, finish
from tests.fakes.environment import FakeEnvironment
from tests.fakes.lb import FakeConnector, FakeLb
from tests.fakes.overrides import overrides_of
from tests.fakes.world import CHECKER

CHECKS = [make_check(type=CheckType.HTTP, http=HttpParams("/healthz", None, ((200, 299), (401, 401))), rise=1)]
NAMES = {
    "frontend": "web",
    "pool": "pool0",
    "backend": "a",
    "healthcheck": "tcp",
    "address": "192.0.2.1",
    "0-100": "50",
    "0-512": "24",
}

SHOWN = """\
 ip4-gre4 [1] 192.0.2.1/32
  new_size:1024
  protocol:6 port:80
    10.0.0.1 weight:100 buckets:1024 flows:0 dpo:7 used
"""
COUNTERS = {**{name: {1: 0} for name in VIP_COUNTERS}, ROUTES_TO: {5: (0, 0)}, ROUTES_VIA: {7: (0, 0)}}


class FixedReloader:
    """Always has the same file."""

    def __init__(self, board):
        self.loaded = Loaded(board.config, (Problem(ProblemKind.WARNING, "maglev", "odd", 1, 2),))
        self.written = board.config

    async def check_written(self):
        return self.loaded.config

    async def check(self):
        return self.loaded

    async def reload(self, who="", origin=""):
        return self.loaded


BEFORE = {
    "clear override host 10.0.0.1": "set host 10.0.0.1 disable",
    "clear override frontend web": "set frontend web disable",
    "clear override backend a": "set backend a disable",
    "clear override frontend web pool pool0 backend a": "set frontend web pool pool0 backend a weight 7",
}
"""What has to be done before a command."""


class ControlWorld:
    """A control interface over a real board and a VPP in memory."""

    def __init__(self):
        clock = Clock()
        self.board = Board(lambda: 1000.0, make_config(checks=CHECKS, announce=make_announce("192.0.2.1")))
        self.lb = FakeLb()
        self.vpp = VppService(Cooperator(clock).queue("vpp"), self.board, FakeConnector(self.lb), lambda: 1.0)
        self.sessions = Sessions(clock, lambda: 1000.0)
        self.overrides = overrides_of(self.board)
        self.announcer = announcer_of(self.board, clock, self.vpp, self.overrides.kept_off)
        feed = EventHub(self.board, LogPublisher(), self.announcer.states)
        build = Build("1.2.3", "0123abc", "2026-10-01")
        reloader = FixedReloader(self.board)
        work = Cooperator(clock).queue("control")
        self.control = Control(
            work,
            self.board,
            self.vpp,
            reloader,
            feed,
            self.sessions,
            build,
            lambda: 1000.0,
            lambda: CHECKER,
            self.overrides,
            self.announcer,
        )
        for name in self.board.backends:
            self.board.record(name, Result(Code.L7OK, "HTTP 200", 0.00125))
        self.control.web_links.page = "http://127.0.0.1:9092"
        self.sessions.add(Caller("ada", Role.OPERATOR, "ssh 192.0.2.7:50222"), "ssh")
        self.lb.text = SHOWN
        self.lb.routes["192.0.2.1", 32] = 5
        self.vpp.startService()
        self.vpp.require_link().stats.counters = COUNTERS
        clock.advance(COUNT_PERIOD)

    def run(self, line, role=Role.OPERATOR):
        """Return the status of a line, its output and its errors."""
        environment = FakeEnvironment()
        session = CommandSession(self.control.for_caller(Caller("ada", role, "test")), environment)
        results = []
        Deferred.fromCoroutine(session.run(line)).addBoth(results.append)
        assert isinstance(results[0], ExitStatus), results[0]
        return results[0], environment.output, environment.errors


@pytest.fixture
def world():
    made = ControlWorld()
    yield made
    made.vpp.stopService()


def typed(summary):
    """Return a command with names in it that the world has."""
    words = summary.syntax.partition(" [")[0].split()
    for index, word in enumerate(words):
        if word in {"<name>", "<pool>"}:
            before = words[index - 1].removesuffix("s")
            words[index] = NAMES[before if before in NAMES else "frontend"]
        elif word.startswith("<"):
            words[index] = "10.0.0.1" if words[index - 1] == "host" else NAMES[word.strip("<>")]
    return " ".join(words) + OPTIONS.get(summary.options[0].word if summary.options else "", "")


OPTIONS = {"num": " num 3", "for": ' for 2h reason "disk swap"'}
"""What is typed after a command, by the first of its options."""

COMMANDS = [pytest.param(summary, id=summary.syntax) for summary in summaries(ROOT)]


@pytest.mark.parametrize("summary", COMMANDS)
def test_the_roles_of_the_tree_are_those_of_control(world, summary):
    status, output, errors = world.run(typed(summary), Role.VIEWER)

    if summary.command.role is Role.OPERATOR:
        assert (status, output) == (ExitStatus.FAILED, "")
        assert re.fullmatch(r"% permission denied: .* needs the role operator, your role is viewer\n", errors)
    else:
        assert (status, errors) == (ExitStatus.OK, "")


@pytest.mark.parametrize("summary", COMMANDS)
def test_every_command_works_over_the_real_control(world, summary):
    line = typed(summary)
    if line.endswith((" resume", " enable")):
        world.run(line.replace("resume", "pause").replace("enable", "disable"))
    if line in BEFORE:
        world.run(BEFORE[line])
    status, _, errors = world.run(line)

    assert (status, errors) == (ExitStatus.OK, "")


def documented(value, path=""):
    """Return the keys of a view, all the way down, as paths; of a list, those of its first element."""
    if isinstance(value, dict):
        return {f"{path}.{key}" for key in value}.union(
            *(documented(each, f"{path}.{key}") for key, each in value.items())
        )
    return documented(value[0], f"{path}[]") if isinstance(value, list) and value else set()


@pytest.mark.parametrize(
    ("line", "fake_line"),
    [
        ("show version", None),
        ("show frontends", None),
        ("show frontends web", None),
        ("show backends", None),
        ("show backends a", "show backends www1"),
        ("show healthchecks tcp", "show healthchecks http-check"),
        ("show vpp info", None),
        ("show vpp lb state", None),
        ("show vpp lb counters", None),
        ("show vpp lb backends", None),
        ("show sessions", None),
        ("set backend a pause", "set backend www1 pause"),
        ("set frontend web pool pool0 backend a weight 3", None),
        ("config check", None),
    ],
)
def test_views_have_every_key_that_the_fake_control_has(world, line, fake_line):
    fake, environment = FakeControl(), FakeEnvironment()
    fake.checked = {"ok": True, "problems": [dict.fromkeys(["kind", "path", "text", "line", "column", "file"], 0)]}
    finish(CommandSession(fake, environment).run(f"{fake_line or line} | json"))
    world.run("sync vpp lb state")
    status, output, _ = world.run(f"{line} | json")

    assert status == ExitStatus.OK
    missing = documented(json.loads(environment.output)) - documented(json.loads(output))
    assert missing == set()


def test_a_sync_tells_its_writes_as_texts(world):
    world.run("sync vpp lb state")
    world.lb.vips.clear()  # somebody has been at VPP by hand
    _, output, _ = world.run("sync vpp lb state | json")
    writes = json.loads(output)["writes"]

    assert len(writes) >= 4
    assert all(isinstance(write, str) for write in writes)
