"""Every transition on the board is an event of the log."""

import attrs
import pytest
from twisted.logger import LogLevel

from maglev.control.transition_log import TransitionLog
from maglev.model.blindness_rule import Blindness
from maglev.model.config import Backend, CheckerConfig, WhenNoneEligible
from maglev.model.health import Lifecycle
from maglev.model.result import Code, Result
from maglev.runtime.logs.logger import EventLogger
from maglev.runtime.logs.render import fields_of, name_of
from maglev.state.board import Board
from tests.fakes.configs import make_check, make_config, make_frontend


class RecordedLog(TransitionLog):
    def __init__(self, board):
        super().__init__(board)
        self.seen = []
        self._log = EventLogger(observer=self.seen.append)

    def lines(self):
        return [(name_of(event), fields_of(event)) for event in self.seen]


@pytest.fixture
def board():
    return Board(lambda: 0.0, make_config([make_frontend(pools=(("a",),))]))


@pytest.fixture
def log(board):
    return RecordedLog(board)


def test_a_transition_of_a_backend_tells_everything_about_it(board, log):
    board.record("a", Result(Code.L4CON, "connection refused"))

    backend, frontend = log.lines()
    assert backend == (
        "backend-transition",
        {
            "backend": "a",
            "address": "10.0.0.1",
            "from": "unknown",
            "to": "down",
            "code": "L4CON",
            "detail": "connection refused",
            "seq": 2,
        },
    )
    assert frontend == ("frontend-transition", {"frontend": "web", "from": "unknown", "to": "down", "seq": 3})


@pytest.mark.parametrize(
    ("result", "backend", "frontend"),
    [
        (Result(Code.L4OK), LogLevel.info, LogLevel.info),
        (Result(Code.L4CON, "connection refused"), LogLevel.warn, LogLevel.error),
    ],
)
def test_what_goes_down_is_a_warning_and_nothing_left_to_serve_an_error(board, log, result, backend, frontend):
    board.record("a", result)

    assert [(name_of(event), event["log_level"]) for event in log.seen] == [
        ("backend-transition", backend),
        ("frontend-transition", frontend),
    ]


def test_an_operator_s_order_is_logged_at_info_and_nothing_left_to_serve_at_error(board, log):
    board.record("a", Result(Code.L4OK))
    del log.seen[:]
    board.happen("a", Lifecycle.DISABLE)

    assert [event["log_level"] for event in log.seen] == [LogLevel.info, LogLevel.error]


def test_lifecycle_events_are_transitions_too(board, log):
    board.happen("a", Lifecycle.DISABLE)

    assert log.lines()[0][1]["code"] == "disabled"


def test_a_reload_tells_how_much_it_changed_and_the_start_of_a_backend_is_for_debugging(board, log):
    new = [make_frontend(pools=(("a", "b"),)), make_frontend("dns", "192.0.2.2")]
    backends = [Backend("a", "10.0.0.9", "tcp"), Backend("b", "10.0.0.2", "tcp"), Backend("c", "10.0.0.3", "tcp")]
    board.apply(make_config(new, backends))

    assert log.lines()[0] == (
        "config-applied",
        {
            "frontends": 2,
            "backends": 3,
            "frontends_changed": 2,
            "backends_changed": 3,
            "frontends_removed": 0,
            "backends_removed": 0,
        },
    )
    levels = {
        (event["backend"], event["code"]): event["log_level"]
        for event in log.seen
        if name_of(event) == "backend-transition"
    }
    assert levels == {
        ("a", "changed"): LogLevel.debug,
        ("b", "start"): LogLevel.debug,
        ("c", "start"): LogLevel.debug,
    }


def test_a_reload_tells_what_it_removed(board, log):
    board.apply(make_config([], []))

    applied = log.lines()[0][1]
    assert (applied["frontends_removed"], applied["backends_removed"]) == (1, 1)
    assert log.lines()[1][1]["to"] == "removed"


def test_changes_of_weights_are_left_to_the_one_who_writes_them(board, log):
    board.set_weight("web", "pool0", "a", 50)

    assert log.lines() == []


def test_the_guard_tells_whom_it_keeps_and_releases():
    names = [f"b{number:02}" for number in range(12)]
    frontend = make_frontend(pools=(names,), when_none_eligible=WhenNoneEligible.HOLD)
    board = Board(lambda: 0.0, make_config([frontend], checks=[make_check(rise=1, fall=1)]))
    for name in names:
        board.record(name, Result(Code.L4OK))
    log = RecordedLog(board)
    for name in names:
        board.record(name, Result(Code.L4CON))
    board.record("b00", Result(Code.L4OK))
    held, released = (
        (event["log_level"], fields_of(event)) for event in log.seen if name_of(event) == "frontend-guard"
    )
    assert held[0] is LogLevel.warn
    some = "b00 b01 b02 b03 b04 b05 b06 b07 b08 b09 and 2 more"
    assert held[1] == {"frontend": "web", "held": 12, "kept": some, "released": "", "seq": held[1]["seq"]}
    assert released[0] is LogLevel.info
    assert released[1] == {"frontend": "web", "held": 0, "kept": "", "released": some, "seq": released[1]["seq"]}


def test_doubt_about_the_checks_is_an_error_and_its_end_is_told():
    config = make_config([make_frontend(pools=("abcd",))], checks=[make_check(rise=1, fall=1)])
    board = Board(lambda: 0.0, attrs.evolve(config, checker=CheckerConfig(blindness=Blindness(75.0))))
    for name in "abcd":
        board.record(name, Result(Code.L4OK))
    log = RecordedLog(board)
    for name, code in (("a", Code.L4CON), ("b", Code.L4CON), ("c", Code.L4CON), ("a", Code.L4OK), ("b", Code.L4OK)):
        board.record(name, Result(code))
    told = [(name_of(event), event["log_level"], fields_of(event)) for event in log.seen if "checks" in name_of(event)]
    begun, ended = told[0], told[-1]
    assert begun[:2] == ("checks-doubted", LogLevel.error)
    assert begun[2] | {"seq": 0} == {"scope": "healthcheck", "name": "tcp", "backends": 3, "total": 4, "seq": 0}
    assert ended[:2] == ("checks-believed", LogLevel.warn)
    assert (ended[2]["scope"], ended[2]["backends"], ended[2]["reason"]) == ("all", 1, "recovered")
