"""Watching events: the snapshot, the order, and what becomes of the slow."""

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, LogPublisher
from zope.interface.verify import verifyObject

from maglev.control.events import BATCH, QUEUE_LENGTH, EventHub
from maglev.interfaces import ISubscription
from maglev.model.blindness_rule import Blindness
from maglev.model.config import WhenNoneEligible
from maglev.model.result import Code, Result
from maglev.runtime.logs.logger import EventLogger
from maglev.state.board import Board
from tests.fakes.configs import make_check, make_config, make_frontend

PASS, FAIL = Result(Code.L4OK), Result(Code.L4CON, "refused")


class EventHubSetup:
    def __init__(self, names="ab"):
        frontend = make_frontend(pools=(tuple(names),))
        self.board = Board(lambda: 0.0, make_config(frontends=[frontend], checks=[make_check(rise=1, fall=1)]))
        self.publisher = LogPublisher()
        self.log = EventLogger("test", observer=self.publisher)
        self.event_hub = EventHub(self.board, self.publisher)

    def watch(self, log=None, backend=True, frontend=True):
        return self.event_hub.watch(log=log, backend=backend, frontend=frontend)


def take(watch):
    """Return the events that are there; None when one has to wait."""
    got = []
    waiting = watch.next()
    waiting.addCallback(got.append)
    if not got:
        waiting.cancel()
        waiting.addErrback(lambda _: None)
        return None
    return got[0]


def drain(watch):
    events = []
    while batch := take(watch):
        events += batch
    return events


def test_a_watch_is_a_subscription():
    bench = EventHubSetup()
    verifyObject(ISubscription, bench.watch())


def test_first_comes_a_snapshot_of_every_state():
    bench = EventHubSetup()
    bench.board.record("a", PASS)
    assert drain(bench.watch()) == [
        {"type": "snapshot", "kind": "backend", "name": "a", "state": "up", "seq": 4},
        {"type": "snapshot", "kind": "backend", "name": "b", "state": "unknown", "seq": 4},
        {"type": "snapshot", "kind": "frontend", "name": "web", "state": "up", "seq": 4},
    ]


def test_then_what_happens_at_once_and_in_order():
    bench = EventHubSetup()
    watch = bench.watch()
    drain(watch)
    got = []
    watch.next().addCallback(got.append)
    bench.board.record("a", FAIL)
    assert got == [
        [
            {
                "type": "backend",
                "seq": 3,
                "at": "1970-01-01T00:00:00.000Z",
                "backend": "a",
                "address": "10.0.0.1",
                "from": "unknown",
                "to": "down",
                "code": "L4CON",
                "detail": "refused",
                "healthcheck": "",
            }
        ]
    ]
    assert drain(watch) == [
        {
            "type": "frontend",
            "seq": 4,
            "at": "1970-01-01T00:00:00.000Z",
            "frontend": "web",
            "from": "unknown",
            "to": "down",
        }
    ]


def test_filters():
    bench = EventHubSetup()
    backends, frontends = bench.watch(frontend=False), bench.watch(backend=False)
    bench.board.record("a", PASS)
    assert {event.get("kind", event["type"]) for event in drain(backends)} == {"backend"}
    assert {event.get("kind", event["type"]) for event in drain(frontends)} == {"frontend"}


def test_the_log_is_watched_from_a_level_on_and_observed_only_meanwhile():
    bench = EventHubSetup()
    quiet = bench.watch()
    drain(quiet)
    watch = bench.watch(log="warn", backend=False, frontend=False)
    bench.log.info("too-low", n=1)
    bench.log.warn("probe-discarded", backend="a")
    (event,) = drain(watch)
    assert (event["type"], event["level"], event["event"]) == ("log", "warn", "probe-discarded")
    assert event["fields"] == {"backend": "a"}
    assert drain(quiet) == []
    watch.close()
    assert bench.publisher._observers == []


def test_a_slow_reader_gets_a_gap_where_events_are_missing():
    bench = EventHubSetup()
    watch = bench.watch(frontend=False)
    drain(watch)
    results = [FAIL, PASS]
    for index in range(QUEUE_LENGTH + 50):
        bench.board.record("a", results[index % 2])
    first = [event for _ in range(QUEUE_LENGTH // BATCH) for event in take(watch)]
    assert [event["seq"] for event in first] == sorted(event["seq"] for event in first)
    assert len(first) == QUEUE_LENGTH
    assert take(watch) == [{"type": "gap", "missed": 50}]
    bench.board.record("a", FAIL)
    assert [event["type"] for event in drain(watch)] == ["backend"]


def test_a_gap_stands_before_what_comes_after_it():
    bench = EventHubSetup()
    watch = bench.watch(backend=False, frontend=False, log="info")
    for index in range(QUEUE_LENGTH + 5):
        bench.log.info("tick", n=index)
    assert len(take(watch)) == BATCH
    bench.log.info("tick", n="late")
    events = drain(watch)
    assert events[-2] == {"type": "gap", "missed": 5}
    assert events[-1]["fields"] == {"n": "late"}


def test_large_snapshots_come_in_batches():
    bench = EventHubSetup([f"n{index}" for index in range(250)])
    watch = bench.watch(frontend=False)
    assert [len(take(watch)) for _ in range(3)] == [100, 100, 50]
    assert take(watch) is None


def test_closing_ends_a_waiting_reader_and_frees_everything():
    bench = EventHubSetup()
    watch = bench.watch()
    drain(watch)
    got = []
    watch.next().addCallback(got.append)
    assert len(bench.event_hub) == 1
    bench.event_hub.close()
    assert got == [[]]
    assert len(bench.event_hub) == 0
    assert take(watch) == []
    bench.board.record("a", FAIL)
    assert take(watch) == []


def test_two_readers_of_one_watch_are_a_mistake():
    bench = EventHubSetup()
    watch = bench.watch()
    drain(watch)
    assert isinstance(watch.next(), Deferred)
    with pytest.raises(RuntimeError):
        watch.next()


def test_a_cancelled_reader_loses_nothing():
    bench = EventHubSetup()
    watch = bench.watch()
    drain(watch)
    waiting = watch.next()
    waiting.addErrback(lambda _: None)
    waiting.cancel()
    bench.board.record("a", FAIL)
    assert [event["type"] for event in drain(watch)] == ["backend", "frontend"]


def test_levels_are_those_of_the_log():
    from maglev.control.events import LEVELS

    assert [level.name for level in LogLevel.iterconstants()] == list(LEVELS)


def test_the_guard_of_a_frontend_is_an_event_of_the_frontend():
    bench = EventHubSetup()
    frontend = attrs.evolve(bench.board.config.frontends["web"], when_none_eligible=WhenNoneEligible.HOLD)
    bench.board.apply(attrs.evolve(bench.board.config, frontends={"web": frontend}))
    watch, other = bench.watch(backend=False), bench.watch(frontend=False)
    drain(watch)
    for name in "ab":
        bench.board.record(name, FAIL)
    bench.board.record("b", PASS)
    events = [event for event in drain(watch) if event["type"] == "guard"]
    assert [(event["kept"], event["released"], event["held"]) for event in events] == [
        (["a"], [], 1),
        (["b"], [], 2),
        ([], ["a", "b"], 0),
    ]
    assert {event["frontend"] for event in events} == {"web"}
    assert "guard" not in {event["type"] for event in drain(other)}


def test_doubt_about_the_checks_is_an_event_of_the_backends():
    bench = EventHubSetup("abc")
    config = bench.board.config
    bench.board.apply(attrs.evolve(config, checker=attrs.evolve(config.checker, blindness=Blindness(100.0))))
    watch, other = bench.watch(frontend=False), bench.watch(backend=False)
    for result in (PASS, FAIL):
        for name in "abc":
            bench.board.record(name, result)
    events = [event for event in drain(watch) if event["type"] == "blindness"]
    assert [(event["scope"], event["name"]) for event in events] == [
        ("healthcheck", "tcp"),
        ("path", "IPv4"),
        ("all", ""),
    ]
    assert {(event["blind"], event["backends"], event["total"], event["why"]) for event in events} == {
        (True, 3, 3, "share")
    }
    assert "blindness" not in {event["type"] for event in drain(other)}
