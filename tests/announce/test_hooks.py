"""Hooks: what a reader is sent and in which order, what becomes of a slow one, and programs that end."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogPublisher

from maglev.announce.hook_stream import HookStream
from maglev.control.events import QUEUE_LENGTH, EventHub
from maglev.model.announce import Announcing, HookEvents
from maglev.model.events import AnnouncementEvent, SinkEvent
from maglev.model.health import Lifecycle
from maglev.model.result import Code, Result
from maglev.state.board import Board
from tests.fakes.announcements import announcer_of
from tests.fakes.configs import make_announce, make_check, make_config

VIP = "192.0.2.1"


class FakeTransport:
    """A transport that keeps what is written, and pauses its producer when a test says so."""

    def __init__(self):
        self.data = b""
        self.producer = None

    def registerProducer(self, producer, streaming):
        assert streaming
        self.producer = producer

    def write(self, data):
        self.data += data

    @property
    def lines(self):
        return [json.loads(line) for line in self.data.splitlines()]


class HookRig:
    """A stream over a real board and a real event hub."""

    def __init__(self, events=HookEvents.ANNOUNCEMENTS):
        self.clock = Clock()
        self.board = Board(
            lambda: 1000.0, make_config(checks=[make_check(rise=1, fall=1)], announce=make_announce(VIP))
        )
        self.announcer = announcer_of(self.board, self.clock)
        self.hub = EventHub(self.board, LogPublisher(), self.announcer.states)
        self.transport = FakeTransport()
        self.stream = HookStream(
            self.clock,
            lambda: self.hub.watch(log=None, backend=events is HookEvents.ALL, frontend=True),
            self.announcer.states,
            events,
            self.transport,
        )
        self.running = Deferred.fromCoroutine(self.stream.run())
        self.settle()

    def settle(self):
        for _ in range(50):
            self.clock.advance(0)

    def announce(self, new=Announcing.ANNOUNCED, why="it serves"):
        self.board.note("announcement_changed", AnnouncementEvent, VIP, Announcing.WITHDRAWN, new, why)

    def fail(self, name="a"):
        self.board.record(name, Result(Code.L4OK))
        self.board.record(name, Result(Code.L4CON, "refused", 0.1))


@pytest.fixture
def make():
    made = []

    def make(*args):
        made.append(HookRig(*args))
        return made[-1]

    yield make
    for rig in made:
        rig.stream.stop()
        rig.settle()
        assert rig.running.called


def test_a_reader_gets_the_addresses_the_states_and_then_what_happens(make):
    rig = make()
    rig.announce()
    rig.fail()
    rig.board.note("announcement_changed", SinkEvent, "bird", "gone")
    rig.board.happen("a", Lifecycle.PAUSE, "by ann")
    rig.settle()
    addresses, snapshot, event, sink = rig.transport.lines
    assert addresses == {"type": "addresses", "addresses": [VIP]}
    assert (snapshot["kind"], snapshot["name"], snapshot["state"]) == ("announcement", VIP, "undecided")
    assert (event["type"], event["prefix"], event["to"], event["why"]) == (
        "announcement",
        "192.0.2.1/32",
        "announced",
        "it serves",
    )
    assert (sink["type"], sink["problem"]) == ("sink", "gone")


@pytest.mark.parametrize(
    ("events", "types"),
    [
        (HookEvents.FRONTENDS, {"addresses", "snapshot", "announcement", "frontend"}),
        (HookEvents.ALL, {"addresses", "snapshot", "announcement", "frontend", "backend"}),
    ],
)
def test_a_reader_gets_more_if_it_is_configured(make, events, types):
    rig = make(events)
    rig.fail()
    rig.announce()
    rig.settle()
    assert {line["type"] for line in rig.transport.lines} == types


def test_nothing_is_written_in_the_turn_in_which_it_happens(make):
    rig = make()
    before = rig.transport.data
    rig.announce()
    assert rig.transport.data == before
    rig.settle()
    assert rig.transport.data != before


def test_a_reader_that_hangs_holds_nothing_up_and_learns_what_it_has_missed(make):
    rig = make()
    rig.stream.pauseProducing()
    rig.stream.pauseProducing()
    rig.announce(why="0")
    rig.settle()
    for number in range(1, QUEUE_LENGTH + 500):
        rig.announce(why=str(number))
    assert len(rig.transport.lines) == 3
    rig.stream.resumeProducing()
    rig.stream.resumeProducing()
    rig.settle()
    lines = rig.transport.lines
    gap = next(index for index, line in enumerate(lines) if line["type"] == "gap")
    whys = [line["why"] for line in lines[:gap] if line["type"] == "announcement"]
    assert whys == [str(number) for number in range(len(whys))]
    assert rig.stream.dropped == lines[gap]["missed"] > 0
    assert len(whys) + rig.stream.dropped == QUEUE_LENGTH + 500
    assert [line["type"] for line in lines[gap + 1 :]] == ["addresses", "snapshot"]
    rig.announce(why="after")
    rig.settle()
    assert rig.transport.lines[-1]["why"] == "after"


def test_a_reader_that_goes_takes_its_subscription_with_it(make):
    rig = make()
    assert len(rig.hub) == 1
    rig.stream.pauseProducing()
    rig.announce()
    rig.settle()
    rig.stream.stopProducing()
    rig.announce()
    rig.settle()
    assert rig.running.called
    assert len(rig.hub) == 0
